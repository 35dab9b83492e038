# SPDX-License-Identifier: MIT
"""Goal: real programs, whatever they are written in and however they wait, behave under the library as they do without it,
until a policy acts; and then each of them ends as the policy says, in time, in its own words. grid.py has a row for each."""

import re

import pytest

import grid
import grid_servers
import servers
from helper import UPPER, wait_until
from servers import HOST

LIMIT = 0.4
ELSEWHERE = "127.0.0.5"  # nobody listens there: whoever arrives was steered
TRIES = 5  # a busy machine makes a run longer, never shorter: the upper bound is that of the best of these


@pytest.fixture(scope="session")
def park():
    running = grid_servers.Park()
    yield running
    running.stop()


@pytest.fixture
def mute():
    server = grid_servers.Mute()
    yield server
    server.stop()


def cells(state):
    """One test for each row that is shown in this state."""
    names = [row.name for row in grid.HERE if state not in row.without]
    return pytest.mark.parametrize("row", [grid.BY_ROW[name] for name in names], ids=names)


def run(resil, row, park, port, host=HOST, **options):
    return resil.run(row.command(host, port, park), stdin=row.stdin, timeout=30.0, **options)


def text_of(row, result, port, host=HOST):
    """Everything that tells how a run ended, without the addresses."""
    def clean(text):
        for word in (f"{host}:{port}", str(port), host):
            text = text.replace(word.encode(), b"-")
        return grid.comparable(row, text)

    return result.status, clean(result.out), clean(result.err)


def destination(resil, port, *keys, host=HOST):
    resil.config("\n".join([f"[destination backend]\nmatch = {host}:{port}", *keys]) + "\n")


def require_same_refusal(resil, row, park, dead, port):
    """The program is refused at once, in the words and with the status of the kernel's refusal."""
    for _ in range(TRIES):
        native = run(resil, row, park, dead.port, preload=False)
        ours = run(resil, row, park, port)
        assert bool(ours.status) != bool(row.deaf), (row.deaf, ours)
        want, got = text_of(row, native, dead.port), text_of(row, ours, port)
        if row.at_once_words:
            assert got[0] == want[0] and all(re.search(row.at_once_words, out + err) for _, out, err in (got, want))
        else:
            assert got == want
        if ours.seconds <= native.seconds + UPPER:
            return
    raise AssertionError(f"{ours.seconds} s; natively {native.seconds} s: {ours}")


# ---- the states


@cells("none")
def test_no_policy(resil, row, park):
    """The same output, messages and status; and every byte went through the hooks."""
    port = park.port(row.kind)
    native = run(resil, row, park, port, preload=False)
    ours = run(resil, row, park, port)
    assert native.status == 0 and (native.out or native.err), native
    assert text_of(row, ours, port) == text_of(row, native, port)
    seen = resil.row("any")
    assert seen["mode"] == "observe" and seen["counters"]["connects_ok"] >= row.at_once
    assert resil.status()["segment"]["doubts"] == 0


def require_in_time(resil, row, park, port, repeats):
    """Never early, and not late; returns the last result and how often the program was run."""
    for runs in range(1, TRIES + 1):
        native = run(resil, row, park, park.port(row.kind), preload=False).seconds
        result = run(resil, row, park, port)
        seconds = row.seconds(result, native)
        assert (seconds if row.clock else result.seconds) >= repeats * LIMIT, f"{seconds} s: too early: {result}"
        if seconds <= repeats * LIMIT + UPPER:
            return result, runs
    raise AssertionError(f"{seconds} s: too late: {result}")


@cells("connect")
def test_connect_timeout(resil, row, park, black_hole):
    destination(resil, black_hole.port, f"timeout.connect = {LIMIT}s", "breaker.failures = off")
    result, runs = require_in_time(resil, row, park, black_hole.port, row.connects)
    assert bool(result.status) != bool(row.deaf), (row.deaf, result)
    counters = resil.counters("backend")
    assert counters["connect_timeouts"] == counters["connects_failed"] == runs * row.connects * row.at_once


@cells("response")
def test_response_timeout(resil, row, park, mute):
    destination(resil, mute.port, f"timeout.response = {LIMIT}s", "breaker.failures = off")
    result, runs = require_in_time(resil, row, park, mute.port, row.asks)
    assert bool(result.status) != bool(row.deaf_answer), (row.deaf_answer, result)
    counters = resil.counters("backend")
    expected = runs * row.asks * row.at_once
    assert counters["response_timeouts"] == counters["exchanges_failed"] == expected


@cells("breaker")
def test_breaker_open(resil, row, park, dead, switch, syns):
    """One empty answer to another process opens it; then nothing is sent, and the words are those of the kernel's
    refusal."""
    destination(resil, switch.port, "breaker.failures = 1", "breaker.open_time = 60s")
    opener = resil.puppet(switch.port)
    assert opener.do("s = connect(); s.sendall(b'\\r\\n\\r\\n'); s.recv(1)") == "ok"
    wait_until(lambda: switch.accepted, 5, "the opener's connection")
    before, counter = resil.counters("backend"), syns(switch.port)
    assert before["opened"] == 1
    require_same_refusal(resil, row, park, dead, switch.port)
    after = resil.counters("backend")
    assert after["rejected_breaker"] - before["rejected_breaker"] >= row.at_once
    assert after["attempts"] == before["attempts"] and counter.count() == 0 and switch.accepted == 1


@cells("bulkhead")
def test_bulkhead_full(resil, row, park, dead, hold):
    """Another process holds the only slot."""
    destination(resil, hold.port, "bulkhead.limit = 1")
    holder = resil.puppet(hold.port)
    assert holder.do("held = connect()") == "ok"
    require_same_refusal(resil, row, park, dead, hold.port)
    counters = resil.counters("backend")
    assert counters["rejected_bulkhead"] >= row.at_once and counters["attempts"] == 1
    wait_until(lambda: hold.accepted, 5, "the holder's connection")
    assert hold.accepted == 1


@cells("failover")
def test_failover(resil, row, park, dead):
    """The first endpoint is dead: the program is connected to the second one and notices nothing."""
    port = park.port(row.kind)
    native = run(resil, row, park, port, preload=False)
    destination(resil, port, f"endpoints = {HOST}:{dead.port}, {HOST}:{port}", "retry.attempts = 2",
                "breaker.failures = off", host=ELSEWHERE)
    ours = run(resil, row, park, port, host=ELSEWHERE)
    assert text_of(row, ours, port, ELSEWHERE) == text_of(row, native, port)
    counters = resil.counters("backend")
    assert counters["retries_ok"] >= row.at_once and resil.counters("backend", f"{HOST}:{dead.port}")["connects_failed"] >= 1
