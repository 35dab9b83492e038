# SPDX-License-Identifier: MIT
"""Goal: after many programs of many kinds, side by side, with every policy on, nothing is left behind: no slot, no place
in a queue, no record of a connection, no doubt; and the hooks saw every byte that the kernel counted."""

import itertools
import json
import threading
import time

import pytest

import grid
import grid_servers
from servers import HOST

SECONDS = 10.0
WORKERS = 4
POLICIES = """timeout.connect = 20s
timeout.response = 20s
timeout.idle = 20s
timeout.total = 30s
timeout.write = 20s
breaker.failures = 50
breaker.ratio = 90%
bulkhead.limit = 4
bulkhead.queue = 100
bulkhead.queue_timeout = 20s
retry.attempts = 2
rate.limit = 5000/s
"""
# Their reads or writes happen inside libc, where no hook sees them.
INSIDE_LIBC = ("busybox", "perl")
MIX = ("curl", "curl-https", "curl-h2", "wget", "wget2", "aria2c-epoll", "nc.openbsd", "socat", "python-urllib", "python-asyncio",
       "python-threads", "python-fork", "lua", "zsh", "redis-cli", "psql", "pgbench", "git", "rsync", "ssh", "memccat", "nghttp",
       "busybox-wget", "perl")


@pytest.fixture
def park():
    running = grid_servers.Park()
    yield running
    running.stop()


def work(resil, jobs, turns, stop, failures, done):
    """Runs one program after the other, each at least once; every one of them has to succeed."""
    for turn in turns:
        if turn >= len(jobs) and time.monotonic() > stop:
            return
        row, command = jobs[turn % len(jobs)]
        done.append(row.name)
        try:
            result = resil.run(command, stdin=row.stdin, timeout=60.0)
        except AssertionError as error:
            failures.append((row.name, str(error)))
            continue
        if result.status != 0:
            failures.append((row.name, result))


def test_soak(resil, park):
    rows = [grid.BY_ROW[name] for name in MIX if name in grid.BY_ROW]
    jobs = [(row, row.command(HOST, park.port(row.kind), park)) for row in rows]
    apart = ", ".join(f"{HOST} app={name}" for name in INSIDE_LIBC)
    resil.config(f"[destination seen]\nmatch = {HOST}\n{POLICIES}[destination inside]\nmatch = {apart}\n{POLICIES}")
    failures, done, turns = [], [], itertools.count()
    stop = time.monotonic() + SECONDS
    workers = [threading.Thread(target=work, args=(resil, jobs, turns, stop, failures, done)) for _ in range(WORKERS)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert failures == [] and set(done) == {row.name for row in rows}
    collected = resil.resctl("gc", "--json")
    assert collected.status == 0, collected
    status = resil.status()
    for row in status["destinations"]:
        assert (row["connections"], row["queued"], row["probes"], row["in_flight"]) == (0, 0, 0, 0), row
        assert row["state"] == "closed"
    assert status["segment"]["doubts"] == 0 and status["segment"]["processes"] == 0
    again = json.loads(resil.resctl("gc", "--json").out)  # nothing was left for a second one
    assert not any(value for value in again.values() if isinstance(value, int)), again
    seen = resil.row("seen")
    assert seen["counters"]["connects_ok"] >= len(done) // 2 and seen["counters"]["connects_failed"] == 0
    assert seen["coverage"]["ratio"] == 1.0, seen["coverage"]
    assert resil.row("inside")["counters"]["connects_ok"] >= 1
