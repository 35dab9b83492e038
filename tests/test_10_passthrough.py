# SPDX-License-Identifier: MIT
"""Goal: with a healthy backend nobody can tell that the library is there. Every client gives the same output, the same
messages and the same exit status as without it, and so it does when the backend is down."""

import os

import pytest

from clients import BY_NAME, HTTP_NAMES, NAMES, stable
from servers import HOST

EVERYTHING_ON = """
[destination backend]
match = 127.0.0.1
timeout.connect = 5s
timeout.response = 5s
timeout.idle = 5s
timeout.total = 10s
breaker.failures = 5
breaker.ratio = 50%
breaker.slow_time = 2s
bulkhead.limit = 100
"""


def same(resil, command, env=None):
    """Runs natively and under the library and requires the same of both; the result under the library."""
    native = resil.run(command, preload=False)
    ours = resil.run(command, env=env)
    assert (ours.status, stable(ours.out), stable(ours.err)) == (native.status, stable(native.out), stable(native.err))
    return ours


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_on(resil, healthy, name):
    client = BY_NAME[name]
    resil.config(EVERYTHING_ON)
    result = same(resil, client.command(HOST, healthy[client.kind]))
    assert result.status == 0 and result.out
    counters = resil.counters("backend")
    assert counters["attempts"] >= 1 and counters["connects_ok"] == counters["attempts"]
    assert counters["exchanges_ok"] >= 1 and counters["exchanges_failed"] == 0
    assert counters["bytes_in"] >= len(result.out.strip())


@pytest.mark.parametrize("name", HTTP_NAMES)
def test_long_answer(resil, healthy, name):
    resil.config(EVERYTHING_ON)
    result = same(resil, BY_NAME[name].command(HOST, healthy["http"], "/bulk"))
    assert result.status == 0 and len(result.out) > 200000
    assert resil.counters("backend")["bytes_in"] >= len(result.out)


@pytest.mark.parametrize("name", NAMES)
def test_no_configuration(resil, healthy, name):
    client = BY_NAME[name]
    result = same(resil, client.command(HOST, healthy[client.kind]))
    assert result.status == 0 and result.out
    assert resil.row("any")["mode"] == "observe"
    assert resil.counters("any")["attempts"] >= 1


@pytest.mark.parametrize("name", NAMES)
def test_disabled(resil, healthy, name):
    client = BY_NAME[name]
    resil.config(EVERYTHING_ON)
    result = same(resil, client.command(HOST, healthy[client.kind]), env={"RESIL_DISABLE": "all"})
    assert result.status == 0 and result.out
    assert not os.path.exists(resil.segment)


@pytest.mark.parametrize("name", NAMES)
def test_dead_backend(resil, dead, name):
    client = BY_NAME[name]
    resil.config(EVERYTHING_ON)
    result = same(resil, client.command(HOST, dead.port))
    assert result.status != 0
    assert resil.counters("backend")["connects_failed"] == client.repeats[0]
