# SPDX-License-Identifier: MIT
"""Fixtures. Real servers live as long as the session, scripted ones and workspaces as long as a test."""

import glob
import statistics
import subprocess

import pytest

import clients
import helper
import servers


@pytest.fixture
def resil():
    workspace = helper.Resil()
    yield workspace
    workspace.remove()


def for_another_libc():
    """Flags for the headers, the start files and the libraries of another root; what its libc lacks the library brings."""
    here = glob.glob(f"{helper.ROOT}/usr/lib/*-linux-gnu")[0]
    return [f"--sysroot={helper.ROOT}", f"-B{here}/", f"-L{here}", "-Wl,-z,dynamic-undefined-weak",
            "-include", helper.program("older_libc.h")]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled(name, *flags, cc=...): the path of a program of tests/programs, compiled once."""
    known = {}

    def build(name, *flags, cc=("gcc",)):
        key = (name, flags, tuple(cc))
        if key not in known:
            known[key] = str(tmp_path_factory.mktemp("programs") / name[:-2])
            there = for_another_libc() if helper.ROOT else []
            subprocess.run([*cc, *there, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-U_FORTIFY_SOURCE", *flags,
                            "-o", known[key], helper.program(name), "-ldl", "-lpthread"], check=True, timeout=60)
        return known[key]

    return build


def _session_server(kind):
    @pytest.fixture(scope="session")
    def fixture():
        server = kind()
        yield server
        server.stop()

    return fixture


nginx = _session_server(servers.Nginx)
redis = _session_server(servers.Redis)
postgres = _session_server(servers.Postgres)


@pytest.fixture(scope="session")
def healthy(nginx, redis, postgres):
    """The port of a healthy real server, by the kind of client."""
    return {"http": nginx.port, "redis": redis.port, "pg": postgres.port}


def _server(kind, *args):
    @pytest.fixture
    def fixture():
        server = kind(*args)
        yield server
        server.stop()

    return fixture


hang = _server(servers.Hang)
hold = _server(servers.Hold)
counting = _server(servers.Counting)
dead = _server(servers.Dead)
black_hole = _server(servers.BlackHole)
switch = _server(servers.Switch)


@pytest.fixture
def syns():
    """syns(port): a counter of the SYNs sent to a port from now on."""
    counters = []

    def start(port):
        counters.append(servers.syn_counter(port))
        return counters[-1]

    yield start
    for counter in counters:
        counter.stop()


@pytest.fixture(scope="session")
def native_seconds(healthy):
    """native_seconds(client): the wall time of a successful run without the library (median of three)."""
    known = {}

    def measure(client):
        if client.name not in known:
            workspace = helper.Resil()
            try:
                runs = [workspace.run(client.command(servers.HOST, healthy[client.kind]), preload=False)
                        for _ in range(3)]
            finally:
                workspace.remove()
            assert all(run.status == 0 for run in runs), runs
            known[client.name] = statistics.median(run.seconds for run in runs)
        return known[client.name]

    return measure
