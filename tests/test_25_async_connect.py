# SPDX-License-Identifier: MIT
"""Goal: however a program waits for a connect that does not block, and however it collects the result, it learns the same:
natively for success and refusal, and of our timeout what it would learn of the kernel's own."""

import json

import pytest

from helper import PYTHON, UPPER, program
from servers import HOST

WAITERS = ["poll", "select", "epoll-lt", "epoll-et"]
COLLECTORS = ["so_error", "connect", "getpeername", "send", "recv", "flags"]
TIMEOUT = 0.3


def run(resil, port, waiter, collector, preload=True):
    result = resil.run([PYTHON, program("async_connect.py"), str(port), waiter, collector], preload=preload)
    assert result.status == 0, result
    return json.loads(result.out)


def configure(resil, server):
    resil.config(f"[destination backend]\nmatch = {HOST}:{server.port}\ntimeout.connect = 300ms\ntimeout.response = 5s\n"
                 "breaker.failures = off\nbreaker.ratio = off\n")


def without_time(seen):
    return {name: value for name, value in seen.items() if name != "seconds"}


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("waiter", WAITERS)
def test_success(resil, hold, waiter, collector):
    configure(resil, hold)
    native = run(resil, hold.port, waiter, collector, preload=False)
    assert (native["connect"], native["again"], native["peer"]) == ("EINPROGRESS", "ok", "ok")
    assert without_time(run(resil, hold.port, waiter, collector)) == without_time(native)
    counters = resil.counters("backend")
    assert (counters["connects_ok"], counters["connects_failed"], counters["exchanges_ok"]) == (1, 0, 1)


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("waiter", WAITERS)
def test_refusal(resil, dead, waiter, collector):
    configure(resil, dead)
    native = run(resil, dead.port, waiter, collector, preload=False)
    assert without_time(run(resil, dead.port, waiter, collector)) == without_time(native)
    counters = resil.counters("backend")
    assert (counters["connects_ok"], counters["connects_failed"], counters["connect_timeouts"]) == (0, 1, 0)


# What each way says of a connect that failed, natively by ECONNREFUSED. getpeername and flags know no reason, and leave it
# to SO_ERROR; the others have consumed it.
FIRST = {"so_error": "ETIMEDOUT", "connect": "ETIMEDOUT", "getpeername": "ENOTCONN", "send": "ETIMEDOUT", "recv": "ETIMEDOUT",
         "flags": "unknown"}


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("waiter", WAITERS)
def test_timeout(resil, black_hole, waiter, collector):
    configure(resil, black_hole)
    seen = run(resil, black_hole.port, waiter, collector)
    assert seen["connect"] == "EINPROGRESS"
    assert TIMEOUT - 0.002 <= seen["seconds"] <= TIMEOUT + UPPER
    assert set(seen["flags"]) >= ({"in", "out"} if waiter == "select" else {"out", "err", "hup"})
    assert seen["collected"] == FIRST[collector]
    assert seen["again"] == ("ETIMEDOUT" if collector in ("getpeername", "flags") else "ok")
    assert seen["peer"] == "ENOTCONN"
    assert resil.counters("backend")["connect_timeouts"] == 1


@pytest.mark.parametrize("waiter", WAITERS)
def test_flags_of_a_timeout_are_those_of_a_refusal(resil, black_hole, dead, waiter):
    configure(resil, black_hole)
    refusal = run(resil, dead.port, waiter, "so_error", preload=False)
    assert set(run(resil, black_hole.port, waiter, "so_error")["flags"]) == set(refusal["flags"]) - {"in"} | (
        {"in"} if waiter == "select" else set())
