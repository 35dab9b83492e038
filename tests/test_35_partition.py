# SPDX-License-Identifier: MIT
"""Goal: a network that is cut and comes back. Two network namespaces and a link between them: while it is cut nothing
hangs, the state follows, and afterwards nothing sticks."""

import os
import shutil
import subprocess
import time

import pytest

from helper import PYTHON, Puppet, program, wait_until

NEAR, FAR, PORT = "10.77.0.1", "10.77.0.2", 6379
CUT = 10.0
CONFIG = f"""[destination far]
match = {FAR}
timeout.connect = 300ms
timeout.response = 300ms
breaker.failures = 3
breaker.open_time = 500ms
breaker.open_max = 1s
bulkhead.limit = 8
"""
ASK = ("exec(\"def ask(s):\\n begin = time.monotonic()\\n try:\\n  s.sendall(b'PING\\\\r\\\\n'); got = s.recv(16).decode()\\n"
       " except OSError as error: got = errno.errorcode[error.errno]\\n return [got, time.monotonic() - begin]\")")
CALL = ("exec(\"def call():\\n begin = time.monotonic()\\n try: s = connect()\\n except OSError as error:"
        " return [errno.errorcode[error.errno], time.monotonic() - begin]\\n got = ask(s)[0]; s.close()\\n"
        " return [got, time.monotonic() - begin]\")")
TOOLS = ("unshare", "nsenter", "ip", "redis-server", "redis-cli")


class Space:
    """A network namespace, as long as its first process lives."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && read end"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.ok = self.keeper.stdout.readline() == b"up\n"

    def inside(self, *command):
        return ["nsenter", "-t", str(self.keeper.pid), "-n", *command]

    def ip(self, *words):
        subprocess.run(self.inside("ip", *words), check=True, timeout=10)

    def stop(self):
        self.keeper.communicate(timeout=10)


@pytest.fixture
def link():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {TOOLS}")
    near, far = Space(), Space()
    try:
        if not near.ok or not far.ok:
            pytest.skip("no network namespaces here")
        near.ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(far.keeper.pid))
        for space, device, address in ((near, "near", NEAR), (far, "far", FAR)):
            space.ip("address", "add", f"{address}/30", "dev", device)
            space.ip("link", "set", device, "up")
        yield near, far
    finally:
        near.stop()
        far.stop()


@pytest.fixture
def server(link, tmp_path):
    _, far = link
    command = ["redis-server", "--bind", FAR, "--port", str(PORT), "--protected-mode", "no", "--save", "", "--dir", str(tmp_path)]
    child = subprocess.Popen(far.inside(*command), stdout=subprocess.DEVNULL)
    ping = far.inside("redis-cli", "-h", FAR, "-p", str(PORT), "ping")
    wait_until(lambda: subprocess.run(ping, capture_output=True, timeout=10).stdout == b"PONG\n", what="redis")
    yield child
    child.terminate()
    child.wait(timeout=10)


def puppet(resil, near):
    one = Puppet(resil.spawn(near.inside(PYTHON, program("puppet.py"), FAR, str(PORT)), stdin=subprocess.PIPE))
    for line in ("import time", ASK, CALL):
        assert one.do(line) == "ok"
    return one


def test_a_link_is_cut_and_comes_back(resil, link, server):
    near, far = link
    resil.config(CONFIG)
    caller, keeper = puppet(resil, near), puppet(resil, near)
    assert keeper.do("kept = connect()") == "ok" and keeper.get("ask(kept)")[0] == "+PONG\r\n"
    assert caller.get("call()")[0] == "+PONG\r\n" and resil.row("far")["state"] == "closed"

    far.ip("link", "set", "far", "down")
    begin, seen = time.monotonic(), []
    answer, lasted = keeper.get("ask(kept)")
    assert answer in ("ETIMEDOUT", "EHOSTUNREACH") and lasted <= 0.55
    while time.monotonic() < begin + CUT:
        seen.append(caller.get("call()"))
    assert {name for name, _ in seen} <= {"ETIMEDOUT", "EHOSTUNREACH", "ECONNREFUSED"}
    assert max(seconds for _, seconds in seen) <= 0.55, "a call hung"
    counters = resil.counters("far")
    assert counters["rejected_breaker"] > len(seen) / 2 and resil.row("far")["state"] in ("open", "half_open")
    # After the breaker opened, only probes went out: at most one each half of a second.
    assert 5 <= len(seen) - counters["rejected_breaker"] <= 3 + 2 * CUT + 2

    far.ip("link", "set", "far", "up")
    back = time.monotonic()
    wait_until(lambda: caller.get("call()")[0] == "+PONG\r\n", deadline=5.0, what="the way back")
    assert time.monotonic() - back <= 3.5, "open_max, its jitter, and what the kernel's neighbour table takes"
    wait_until(lambda: caller.get("call()")[0] == "+PONG\r\n" and resil.row("far")["state"] == "closed", what="closed")
    assert [caller.get("call()")[0] for _ in range(20)] == ["+PONG\r\n"] * 20
    assert keeper.do("kept.close()") == "ok"
    row = resil.row("far")
    assert (row["connections"], row["queued"], row["probes"], row["in_flight"]) == (0, 0, 0, 0)
    told = [(event["from"], event["to"]) for event in resil.events() if event["kind"] == "state" and event["destination"] == "far"]
    assert told[0] == ("closed", "open") and told[-1] == ("half_open", "closed")
