# SPDX-License-Identifier: MIT
"""Goal: whatever limits the policies promise, they keep while processes are killed at any instruction. Eight processes
with four threads each connect, exchange and close; one after the other is ended by SIGKILL at a random moment; the
backend misbehaves; a watcher reads the segment all the while. In the end nothing of the dead is left.

STORM_SEED=N replays the moments of one storm, STORM_KILLS=N makes it longer or shorter."""

import glob
import json
import os
import random
import shlex
import subprocess
import time

import pytest

from helper import BUILD, LIBRARY, TESTS, TOP, wait_until
from servers import HOST

KILLS = int(os.environ.get("STORM_KILLS", 500))
PAUSE_US = 30_000  # at most, between two kills
LIMIT, PLACES, PROBES = 6, 4, 2
RATE, BURST = 8000, 100
ROOMS = ("real", "base", "segment", "policy", "config")

CONFIG = f"""
[destination backend]
match = {HOST}:{{port}}
timeout.connect = 2s
timeout.response = 2s
bulkhead.limit = {LIMIT}
bulkhead.queue = {PLACES}
bulkhead.queue_timeout = 30ms
breaker.failures = 3
breaker.open_time = 10ms
breaker.open_max = 40ms
breaker.probes = {PROBES}
breaker.successes = 2
rate.limit = {RATE}/s
rate.burst = {BURST}
rate.max_wait = 5ms
retry.attempts = 2
retry.base = 1ms
retry.on = refused reset
"""


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The path of each program of tests/storm. The watcher reads the segment with the library's own reader."""
    folder = tmp_path_factory.mktemp("storm")
    objects = [path for room in ROOMS for path in glob.glob(os.path.join(BUILD, "src", room, "*.o"))]
    compiler = [*shlex.split(os.environ.get("CC", "cc")), "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                "-Werror", f"-I{os.path.join(TOP, 'src')}", "-pthread"]
    paths = {}
    for name in ("worker", "killer", "server", "watcher"):
        paths[name] = str(folder / f"storm-{name}")
        source = os.path.join(TESTS, "storm", f"{name}.c")
        subprocess.run([*compiler, "-o", paths[name], source, *(objects if name == "watcher" else [])], check=True)
    return paths


class Storm:
    """The board, the backend and the watcher of one storm."""

    def __init__(self, resil, programs, seed):
        self.resil, self.programs, self.seed = resil, programs, seed
        self.begun = time.monotonic()
        self.board = resil.file("board", bytes(4096))
        self._set_limit()
        self.server = self._start([programs["server"], self.board, str(seed)])
        self.port = int(self.server.stdout.readline())
        resil.config(CONFIG.format(port=self.port))
        self.grab()
        self.watcher = self._start([programs["watcher"], resil.segment, str(LIMIT), str(PLACES), str(PROBES)])
        assert self.watcher.stdout.readline() == b"ready\n"

    def _set_limit(self):
        """struct board: seven words, eight halves of a word, then the limit."""
        with open(self.board, "r+b") as file:
            file.seek(7 * 8 + 8 * 4)
            file.write(LIMIT.to_bytes(4, "little"))

    def _start(self, command):
        return self.resil.spawn(command, preload=False, stdin=subprocess.PIPE)

    def kill(self, mode):
        """Runs the killer to its end; what it says."""
        command = [self.programs["killer"], self.board, str(self.seed), str(KILLS), str(PAUSE_US),
                   self.programs["worker"], mode, HOST, str(self.port)]
        result = self.resil.run(command, preload=False, env={"STORM_PRELOAD": LIBRARY}, timeout=150)
        assert result.status == 0, result
        return json.loads(result.out)

    def grab(self):
        """A fresh client takes all that it can: (connections, whether one more was refused)."""
        client = self.resil.spawn([self.programs["worker"], self.board, "grab", HOST, str(self.port), "0", "0", "0"],
                                  stdin=subprocess.PIPE)
        line = client.stdout.readline().split()
        assert len(line) == 2, client.communicate()
        row = self.resil.row("backend")
        client.stdin.close()
        assert client.wait(10) == 0
        return int(line[0]), line[1].decode(), row["connections"]

    def end(self, child):
        child.stdin.close()
        out = child.stdout.read()
        assert child.wait(10) == 0
        return json.loads(out)


def check_the_storm(storm, killed):
    seed = f"STORM_SEED={storm.seed}"
    seen, served = storm.end(storm.watcher), storm.end(storm.server)
    print(seed, killed, seen, served)
    assert seen["offences"] == 0, (seed, seen)
    assert (killed["excess"], killed["held"]) == (0, 0), (seed, killed)
    assert served["excess"] == 0, (seed, served)
    # The storm was one: every limit was reached, every state was seen, thousands of calls went through.
    assert killed["kills"] == KILLS and killed["most"] >= LIMIT - 1 and served["most"] >= LIMIT - 1
    assert (seen["slots"], seen["queued"]) == (LIMIT, PLACES) and seen["probes"] >= 1, (seed, seen)
    assert killed["connects"] > 2 * KILLS and served["outages"] > 5 and seen["steps"] > KILLS / 5, (seed, killed, served, seen)
    assert seen["samples"] > 1000 and seen["events"] > KILLS / 5


def check_the_rate(storm):
    """What passed the limiter became an attempt or was refused by a policy behind it; a killed caller became nothing."""
    counters = storm.resil.counters("backend")
    passed = sum(counters[name] for name in ("attempts", "rejected_breaker", "rejected_bulkhead",
                                             "rejected_queue_timeout"))
    assert KILLS < passed <= BURST + RATE * (time.monotonic() - storm.begun), (storm.seed, counters)


def check_nothing_is_left(storm):
    status = storm.resil.status()
    row = storm.resil.row("backend")
    assert (row["connections"], row["queued"], row["probes"]) == (0, 0, 0), row
    assert status["segment"]["processes"] == 0
    assert (status["segment"]["dropped"], status["segment"]["doubts"]) == (0, 0)
    for shown in status["destinations"]:
        assert shown["in_flight"] in (0, None), shown


@pytest.mark.parametrize("mode", ["threads", "fork"])
def test_limits_hold_while_processes_die(resil, programs, mode):
    seed = int(os.environ.get("STORM_SEED", random.randrange(1, 10**6)))
    storm = Storm(resil, programs, seed)
    killed = storm.kill(mode)
    if mode == "fork":
        assert killed["children"] > KILLS / 5, killed
    else:  # a new contender is enough
        assert storm.grab() == (LIMIT, "full", LIMIT), f"STORM_SEED={seed}"
    # Children that were on their way into the registry are waited for, a second at most.
    wait_until(lambda: json.loads(resil.resctl("gc", "--json").out)["living"] == 0, deadline=3)
    wait_until(lambda: resil.row("backend")["connections"] == 0)
    check_nothing_is_left(storm)
    assert storm.grab() == (LIMIT, "full", LIMIT), f"STORM_SEED={seed}"
    check_the_rate(storm)
    check_the_storm(storm, killed)
