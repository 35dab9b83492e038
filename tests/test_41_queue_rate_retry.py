# SPDX-License-Identifier: MIT
"""Goal: the bulkhead's queue, the rate limit and retries hold over processes, and a killed waiter frees its place."""

import json
import subprocess
import time

from helper import wait_until
from servers import HOST

CONNECT = ["/usr/bin/python3", "-c", """
import errno, socket, sys, time
start = time.monotonic()
try:
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    print("ok", round(time.monotonic() - start, 3), flush=True)
    sys.stdin.readline()
except OSError as error:
    print(errno.errorcode[error.errno], round(time.monotonic() - start, 3))
"""]


def connect(resil, port):
    return resil.spawn([*CONNECT, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def release(child):
    child.stdin.close()
    child.wait(10)


def counter(resil, name):
    """0 as long as nobody has made the segment, or published its rules."""
    result = resil.resctl("status", "--json")
    rows = [] if result.status == 3 else json.loads(result.out)["destinations"]
    return rows[0]["counters"][name] if rows else 0


def end(resil, child):
    child.stdin.close()
    line = child.stdout.readline().split()
    child.wait(10)
    return line[0].decode(), float(line[1])


def test_queue_is_first_come_first_served(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\nbulkhead.queue = 2\n"
                 "bulkhead.queue_timeout = 10s\n")
    holder = connect(resil, hold.port)
    assert holder.stdout.readline().startswith(b"ok")
    first = connect(resil, hold.port)
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    second = connect(resil, hold.port)
    wait_until(lambda: resil.row("backend")["queued"] == 2)
    refused = connect(resil, hold.port)
    assert end(resil, refused)[0] == "ECONNREFUSED"
    release(holder)
    assert first.stdout.readline().startswith(b"ok")
    assert resil.row("backend")["queued"] == 1
    release(first)
    assert end(resil, second)[0] == "ok"
    assert resil.row("backend")["connections"] == 0 == resil.row("backend")["queued"]


def test_a_killed_waiter_frees_its_place(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\nbulkhead.queue = 1\n"
                 "bulkhead.queue_timeout = 10s\n")
    holder = connect(resil, hold.port)
    assert holder.stdout.readline().startswith(b"ok")
    killed = connect(resil, hold.port)
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    killed.kill()
    killed.wait(10)
    waiter = connect(resil, hold.port)
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    release(holder)
    assert end(resil, waiter)[0] == "ok"


def test_a_wait_ends(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\nbulkhead.queue = 1\n"
                 "bulkhead.queue_timeout = 400ms\n")
    holder = connect(resil, hold.port)
    assert holder.stdout.readline().startswith(b"ok")
    result, seconds = end(resil, connect(resil, hold.port))
    assert result == "ECONNREFUSED" and 0.4 <= seconds <= 0.65
    assert resil.counters("backend")["rejected_queue_timeout"] == 1
    release(holder)


def test_rate_limit_is_shared(resil, counting):
    resil.config(f"[destination backend]\nmatch = {HOST}:{counting.port}\nrate.limit = 5/m\nrate.burst = 3\n")
    results = [end(resil, connect(resil, counting.port))[0] for _ in range(5)]
    assert results == ["ok", "ok", "ok", "ECONNREFUSED", "ECONNREFUSED"]
    assert resil.counters("backend")["rejected_rate"] == 2


def test_a_blocking_connect_waits_for_its_turn(resil, counting):
    resil.config(f"[destination backend]\nmatch = {HOST}:{counting.port}\nrate.limit = 2/s\nrate.burst = 1\n"
                 "rate.max_wait = 2s\n")
    both = CONNECT[2].replace("    sys.stdin.readline()\n", "    s.close()\n")
    result = resil.run(["/usr/bin/python3", "-c", both + both, str(counting.port)])
    words = result.out.split()
    assert words[0] == b"ok" and words[2] == b"ok" and 0.4 <= float(words[3]) <= 0.75


def test_retries_reach_a_backend_that_comes_back(resil, dead):
    """Three refused attempts with a constant delay, then the listener is there."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nretry.attempts = 20\nretry.backoff = constant\n"
                 "retry.base = 100ms\nretry.jitter = off\nbreaker.failures = off\nbreaker.ratio = off\n")
    child = connect(resil, dead.port)
    wait_until(lambda: counter(resil, "retries") >= 3)
    dead.revive()
    result, seconds = end(resil, child)
    assert result == "ok" and seconds >= 0.3
    counters = resil.counters("backend")
    assert (counters["retries_ok"], counters["connects_ok"]) == (1, 1)
    assert counters["attempts"] == counters["retries"] + 1


def test_retries_end_with_attempts_and_with_time(resil, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nretry.attempts = 3\nretry.base = 100ms\n"
                 "retry.jitter = off\nbreaker.failures = off\n")
    result, seconds = end(resil, connect(resil, dead.port))
    assert result == "ECONNREFUSED" and 0.3 <= seconds <= 0.55
    assert resil.counters("backend")["retries"] == 2 and resil.counters("backend")["retries_exhausted"] == 1


def test_the_budget_caps_the_storm(resil, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nretry.attempts = 10\nretry.base = 1ms\n"
                 "retry.jitter = off\nretry.budget = 0% 1/s 5s\nbreaker.failures = off\nbreaker.ratio = off\n")
    start = time.monotonic()
    for _ in range(3):
        end(resil, connect(resil, dead.port))
    spent = time.monotonic() - start
    assert 5 <= resil.counters("backend")["retries"] <= 5 + spent


def test_no_retry_of_a_refusal_of_our_own(resil, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nretry.attempts = 5\nretry.base = 1ms\n"
                 "retry.jitter = off\nbreaker.failures = 2\nbreaker.jitter = off\n")
    assert end(resil, connect(resil, dead.port))[0] == "ECONNREFUSED"
    counters = resil.counters("backend")
    assert (counters["attempts"], counters["rejected_breaker"]) == (2, 1)
