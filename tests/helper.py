# SPDX-License-Identifier: MIT
"""What every test needs: build paths, a private workspace, deadlines. Nothing here knows a policy."""

import ctypes
import glob
import itertools
import json
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass

TESTS = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(TESTS)
BUILD = os.environ.get("RESIL_BUILD", os.path.join(TOP, "build"))
LIBRARY = os.path.join(BUILD, "libresil.so")
RESCTL = os.path.join(BUILD, "resctl")
PROGRAMS = os.path.join(TESTS, "programs")
PYTHON = "/usr/bin/python3"
ROOT = os.environ.get("RESIL_ROOT")  # the programs of a test run in this root, with its libc (tests/distros)

UPPER = 0.25  # how late a timeout may fire, in seconds
SEGMENT_MAGIC = b"RESILSEG"
SEM_ID_OFFSET = 88  # int32, see src/segment/layout.h

_numbers = itertools.count(1)


def program(name):
    """The path of a small client of tests/programs."""
    return os.path.join(PROGRAMS, name)


def wait_until(predicate, deadline=5.0, what="the condition"):
    """Polls until predicate() is true and returns its value; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {deadline} s; last value {value!r}"
        time.sleep(0.005)


def table_rows(table, macro):
    """First arguments of the rows MACRO(...) of src/tables/TABLE, in order."""
    with open(os.path.join(TOP, "src", "tables", table), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    return re.findall(rf"^{macro}\(([A-Za-z0-9_]+)", text, flags=re.MULTILINE)


def key_names():
    """Every configuration key, from its table."""
    with open(os.path.join(TOP, "src", "tables", "keys.tbl.h"), encoding="utf-8") as file:
        return re.findall(r'^KEY\([a-z0-9_]+, "([^"]+)"', file.read(), flags=re.MULTILINE)


@dataclass
class Result:
    """How a program ended."""

    status: int
    out: bytes
    err: bytes
    seconds: float


class Puppet:
    """Steers a puppet.py: do() executes a line there."""

    def __init__(self, child):
        self.child = child
        self.pid = child.pid
        self._rest = b""
        self._answer(10.0)

    def _answer(self, timeout):
        end = time.monotonic() + timeout
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.child.stdout], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the puppet gave no answer within {timeout} s"
            more = os.read(self.child.stdout.fileno(), 65536)
            assert more, f"the puppet ended: {self.child.stderr.read()!r}"
            self._rest += more
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def tell(self, line):
        """Sends a line without waiting for its answer; answer() fetches that."""
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def answer(self, timeout=10.0):
        """"ok", or the name of the error."""
        return self._answer(timeout)["error"] or "ok"

    def do(self, line, timeout=10.0):
        """Executes a statement or expression: "ok", or the name of the error."""
        self.tell(line)
        return self.answer(timeout)

    def get(self, expression, timeout=10.0):
        """The value of an expression."""
        self.tell(expression)
        answer = self._answer(timeout)
        assert answer["error"] is None, answer
        return answer["value"]

    def kill(self):
        """kill -9; returns when the process is dead, though nobody has collected it yet (a zombie)."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def exit(self):
        self.child.stdin.close()
        self.child.wait(timeout=10)


class Resil:
    """A private workspace: a directory, a configuration, a segment of its own, and the processes started in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="resil-test-")
        self.first_segment = self.segment = f"/dev/shm/resil-test-{os.getpid()}-{next(_numbers)}"
        self.config_path = None
        self.root = ROOT
        self.children = []
        self._sem_ids = set()

    # ---- configuration

    def config(self, text):
        """Writes the configuration that the workspace's processes will use; returns its path."""
        self.config_path = self.file("resil.conf", text)
        return self.config_path

    def file(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def env(self, preload=True, extra=None):
        env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": self.dir,
            "XDG_CONFIG_HOME": os.path.join(self.dir, "xdg"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            "RESIL_SEGMENT": self.segment,
        }
        if self.config_path:
            env["RESIL_CONFIG"] = self.config_path
        if preload:
            env["LD_PRELOAD"] = LIBRARY
        env.update(extra or {})
        return {name: value for name, value in env.items() if value is not None}

    # ---- processes

    def spawn(self, cmd, preload=True, env=None, **options):
        """Starts a program with pipes; it is ended with the workspace at the latest."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        env = self.env(preload, env)
        if self.root:  # the library is for the program, not for chroot
            cmd = ["chroot", self.root, "env", "-i", "-C", self.dir, *map("=".join, env.items()), *cmd]
            env = self.env(preload=False)
        child = subprocess.Popen(cmd, env=env, cwd=self.dir, **options)
        self.children.append(child)
        return child

    def run(self, cmd, preload=True, env=None, timeout=20.0, stdin=b""):
        """Runs a program to its end; a program that takes longer than `timeout` fails the test."""
        start = time.monotonic()
        child = self.spawn(cmd, preload, env, stdin=subprocess.PIPE)
        try:
            out, err = child.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"{cmd} still ran after {timeout} s: stdout {out!r}, stderr {err!r}") from error
        return Result(child.returncode, out, err, time.monotonic() - start)

    def finish(self, child, timeout=20.0):
        """The result of a program started by spawn()."""
        start = time.monotonic()
        out, err = child.communicate(timeout=timeout)
        return Result(child.returncode, out, err, time.monotonic() - start)

    def puppet(self, port, preload=True, env=None):
        """A running tests/programs/puppet.py whose default port is `port`."""
        return Puppet(self.spawn([PYTHON, program("puppet.py"), "127.0.0.1", str(port)], preload, env,
                                 stdin=subprocess.PIPE))

    # ---- the segment as resctl shows it

    def resctl(self, *args, env=None, timeout=20.0):
        return self.run([RESCTL, *args], preload=False, env=env, timeout=timeout)

    def status(self):
        result = self.resctl("status", "--json")
        assert result.status == 0, result
        return json.loads(result.out)

    def row(self, dest, endpoint="*"):
        rows = [row for row in self.status()["destinations"] if (row["name"], row["endpoint"]) == (dest, endpoint)]
        assert len(rows) == 1, f"{dest} {endpoint}: {len(rows)} rows"
        return rows[0]

    def published(self, dest, endpoint="*"):
        """Whether some process has made the segment and published the rules of `dest` in it."""
        result = self.resctl("status", "--json")
        rows = json.loads(result.out)["destinations"] if result.status in (0, 1) else []
        return any((row["name"], row["endpoint"]) == (dest, endpoint) for row in rows)

    def counters(self, dest, endpoint="*"):
        return self.row(dest, endpoint)["counters"]

    def events(self):
        """`resctl events --json`: one object a line, oldest first."""
        result = self.resctl("events", "--json")
        assert result.status == 0, result
        return [json.loads(line) for line in result.out.splitlines()]

    # ---- the end

    def clear(self):
        """Removes the segment, as if no process had been here; whoever uses it still keeps it."""
        self.remember_semaphores()
        if os.path.lexists(self.segment):
            os.unlink(self.segment)

    def remember_semaphores(self):
        """Notes the segment's semaphore set for removal. Call before damaging the segment file."""
        if not os.path.isfile(self.segment) or os.path.islink(self.segment):
            return
        with open(self.segment, "rb") as file:
            header = file.read(SEM_ID_OFFSET + 4)
        if header.startswith(SEGMENT_MAGIC) and len(header) == SEM_ID_OFFSET + 4:
            sem_id = struct.unpack_from("=i", header, SEM_ID_OFFSET)[0]
            if sem_id >= 0:
                self._sem_ids.add(sem_id)

    def remove(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait(timeout=10)
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream and not stream.closed:
                    stream.close()
        # A test may have moved on to further segments, whose names begin like the first one's.
        first = self.first_segment
        paths = [self.segment, first, *glob.glob(first + "-*"), *glob.glob(first + ".*"),
                 *glob.glob(self.segment + ".new-*")]
        for self.segment in paths:
            self.remember_semaphores()
        for sem_id in self._sem_ids:
            ctypes.CDLL(None).semctl(sem_id, 0, 0)  # IPC_RMID
        for path in paths:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
        shutil.rmtree(self.dir, ignore_errors=True)
