# SPDX-License-Identifier: MIT
"""Goal: a backend that hangs costs every client exactly the configured time, in its own words: before the connection
(SYNs dropped), before the first byte of an answer, and between two bytes. An answer that has begun is not late."""

import re
import time

import pytest

from clients import BY_NAME, CLIENTS, HTTP_NAMES, NAMES, TIMED_OUT
from helper import UPPER, wait_until
from servers import HOST, PAGE, Stall

LIMIT = 0.7


def require_timeout(client, result, repeats, native, words=TIMED_OUT):
    seconds = client.seconds(result, native)
    assert result.status != 0 and re.search(words, result.err), result
    least = repeats * LIMIT
    assert (seconds if client.clock else result.seconds) >= least, f"{seconds} s: too early"
    assert seconds <= least + UPPER, f"{seconds} s: too late"


def test_natively_they_hang(resil, hang, black_hole):
    commands = [client.command(HOST, port) for client in CLIENTS for port in (hang.port, black_hole.port)]
    children = [resil.spawn(command, preload=False) for command in commands]
    end = time.monotonic() + 2 * LIMIT + 0.5
    wait_until(lambda: time.monotonic() > end, 10)
    ended = [command for command, child in zip(commands, children) if child.poll() is not None]
    assert ended == []


@pytest.mark.parametrize("name", NAMES)
def test_response(resil, hang, native_seconds, name):
    client = BY_NAME[name]
    native = native_seconds(client)
    resil.config(f"[destination backend]\nmatch = {HOST}:{hang.port}\ntimeout.response = 700ms\n")
    result = resil.run(client.command(HOST, hang.port))
    require_timeout(client, result, client.repeats[1], native)
    counters = resil.counters("backend")
    assert counters["response_timeouts"] == counters["exchanges_failed"] == client.repeats[1]


@pytest.mark.parametrize("name", NAMES)
def test_connect(resil, black_hole, native_seconds, name):
    client = BY_NAME[name]
    native = native_seconds(client)
    resil.config(f"[destination backend]\nmatch = {HOST}:{black_hole.port}\ntimeout.connect = 700ms\n")
    result = resil.run(client.command(HOST, black_hole.port))
    require_timeout(client, result, client.repeats[0], native)
    counters = resil.counters("backend")
    assert counters["connect_timeouts"] == counters["connects_failed"] == client.repeats[0]


@pytest.mark.parametrize("name", ["curl", "python3"])
def test_total(resil, black_hole, name):
    client = BY_NAME[name]
    resil.config(f"[destination backend]\nmatch = {HOST}:{black_hole.port}\ntimeout.total = 700ms\n")
    require_timeout(client, resil.run(client.command(HOST, black_hole.port)), 1, 0)


@pytest.fixture
def stall():
    server = Stall(None)
    yield server
    server.stop()


@pytest.mark.parametrize("name", HTTP_NAMES)
def test_idle(resil, stall, native_seconds, name):
    client = BY_NAME[name]
    native = native_seconds(client)
    resil.config(f"[destination backend]\nmatch = {HOST}:{stall.port}\ntimeout.idle = 700ms\n")
    words = b"" if name == "wget" else TIMED_OUT  # wget -nv says nothing of a body that stalls
    require_timeout(client, resil.run(client.command(HOST, stall.port)), 1, native, words)
    assert resil.counters("backend")["idle_timeouts"] == 1


@pytest.fixture
def pause():
    server = Stall(2 * LIMIT)
    yield server
    server.stop()


@pytest.mark.parametrize("name", HTTP_NAMES)
def test_pause_within_an_answer_is_not_late(resil, pause, name):
    client = BY_NAME[name]
    resil.config(f"[destination backend]\nmatch = {HOST}:{pause.port}\ntimeout.response = 700ms\n")
    result = resil.run(client.command(HOST, pause.port))
    assert (result.status, result.out) == (0, PAGE), result
    assert client.seconds(result) >= 2 * LIMIT
    assert resil.counters("backend")["response_timeouts"] == 0
