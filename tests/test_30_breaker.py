# SPDX-License-Identifier: MIT
"""Goal: a backend that fails is left alone. After breaker.failures failures calls are refused without a packet until
breaker.open_time is over, then one call finds out whether the backend is back; all of it within unmodified clients."""

import re
import time

import pytest

from clients import BY_NAME, REFUSED
from helper import UPPER
from servers import HOST, PAGE, Hold

THREE = """
[destination backend]
match = 127.0.0.1:{port}
breaker.failures = 3
breaker.open_time = {open_time}
breaker.jitter = off
"""


def refused(result):
    return result.status != 0 and re.search(REFUSED, result.err) is not None


@pytest.mark.parametrize("name", ["curl", "python3", "asyncio", "node", "perl"])
def test_opens_and_recovers(resil, dead, syns, name):
    client = BY_NAME[name]
    command = client.command(HOST, dead.port)
    packets = syns(dead.port)
    resil.config(THREE.format(port=dead.port, open_time="2s"))
    for number in range(3):
        assert number == 0 or resil.row("backend")["state"] == "closed"
        before_trip = time.monotonic()
        assert refused(resil.run(command))
    after_trip = time.monotonic()
    row = resil.row("backend")
    assert (row["state"], row["counters"]["opened"]) == ("open", 1)
    server = dead.revive()
    sent = packets.count()

    refusals = 0
    while True:
        start = time.monotonic()
        result = resil.run(command)
        if result.status == 0:
            break
        assert refused(result) and client.seconds(result) < UPPER
        assert (packets.count(), server.accepted) == (sent, 0), "a packet was sent while open"
        assert start < after_trip + 2.0, "refused after the open time"
        refusals += 1
    assert time.monotonic() - before_trip >= 2.0 and refusals >= 1
    assert result.out == PAGE and server.accepted == 1
    row = resil.row("backend")
    assert (row["state"], row["reason"], row["consecutive_failures"]) == ("closed", "probes_ok", 0)
    counted = row["counters"]
    assert (counted["half_opened"], counted["closed"], counted["rejected_breaker"]) == (1, 1, refusals)


def test_failed_probe_reopens_for_twice_as_long(resil, dead, syns):
    command = BY_NAME["curl"].command(HOST, dead.port)
    packets = syns(dead.port)
    resil.config(THREE.format(port=dead.port, open_time="400ms"))
    for _ in range(3):
        starts = time.monotonic()
        assert refused(resil.run(command))
    ends = time.monotonic()
    for expected in (0.4, 0.8, 1.6):
        probes = resil.counters("backend")["probes"]
        while resil.counters("backend")["probes"] == probes:
            start = time.monotonic()
            assert refused(resil.run(command))
            end = time.monotonic()
            assert start < ends + expected + UPPER, f"no probe after {expected} s"
        assert end - starts >= expected, f"a probe before {expected} s"
        starts, ends = start, end
        row = resil.row("backend")
        assert (row["state"], row["reason"]) == ("open", "probe_failed")
    if packets.count():
        assert packets.count() == 6


def test_ratio(resil, switch):
    command = BY_NAME["curl"].command(HOST, switch.port)
    resil.config(f"[destination backend]\nmatch = {HOST}:{switch.port}\nbreaker.failures = off\n"
                 "breaker.ratio = 50%\nbreaker.min_calls = 10\nbreaker.window = 30s\n")
    for number in range(10):
        assert number == 0 or resil.row("backend")["state"] == "closed"
        switch.healthy = number % 2 == 0
        assert (resil.run(command).status == 0) == switch.healthy
    row = resil.row("backend")
    assert (row["state"], row["reason"]) == ("open", "ratio")
    assert (row["counters"]["exchanges_ok"], row["counters"]["empty_responses"]) == (5, 5)
    switch.healthy = True
    accepted = switch.accepted
    assert refused(resil.run(command)) and switch.accepted == accepted


def test_only_so_many_probes(resil, dead):
    resil.config(THREE.format(port=dead.port, open_time="100ms") + "breaker.probes = 1\n")
    first, second = resil.puppet(dead.port), resil.puppet(dead.port)
    for _ in range(3):
        assert first.do("connect()") == "ECONNREFUSED"
    dead.revive(Hold)
    end = time.monotonic() + 5
    while first.do("s = connect()") != "ok":
        assert time.monotonic() < end
    assert resil.row("backend")["state"] == "half_open"
    assert second.do("connect()") == "ECONNREFUSED"
    assert resil.row("backend")["probes"] == 1
    assert first.do("s.sendall(b'x')") == "ok" and first.get("s.recv(1).decode()") == "x"
    assert resil.row("backend")["state"] == "closed"
    assert second.do("s = connect()") == "ok"
    assert resil.counters("backend")["rejected_breaker"] >= 1
