# SPDX-License-Identifier: MIT
"""Goal: all programs of a user share one breaker, whatever they are written in. Failures of a C, a Python, a Perl, a
JavaScript program and of redis-cli add up to one trip; a program that never failed is refused; resctl closes it."""

import json
import re

from clients import BY_NAME, REFUSED
from helper import wait_until
from servers import HOST, PAGE

CULPRITS = ("curl", "python3", "perl", "redis-cli", "node")


def test_one_breaker_for_all(resil, dead, syns):
    failures = sum(BY_NAME[name].repeats[0] for name in CULPRITS)
    packets = syns(dead.port)
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = {failures}\n"
                 "breaker.open_time = 60s\n")
    counted = 0
    for name in CULPRITS:
        if counted:
            row = resil.row("backend")
            assert (row["state"], row["consecutive_failures"]) == ("closed", counted)
        result = resil.run(BY_NAME[name].command(HOST, dead.port))
        assert result.status != 0 and re.search(REFUSED, result.err), result
        counted += BY_NAME[name].repeats[0]

    row = json.loads(resil.resctl("status", "--json").out)["destinations"][0]
    assert (row["name"], row["endpoint"]) == ("backend", "*")
    assert (row["state"], row["reason"]) == ("open", "consecutive")
    assert row["counters"]["connects_failed"] == row["counters"]["attempts"] == failures

    server = dead.revive()
    sent = packets.count()
    wget = BY_NAME["wget"].command(HOST, dead.port)
    result = resil.run(wget)
    assert result.status != 0 and re.search(REFUSED, result.err), result
    assert (packets.count(), server.accepted) == (sent, 0)
    assert resil.counters("backend")["rejected_breaker"] == 1

    assert resil.resctl("reset", "backend").status == 0
    row = resil.row("backend")
    assert (row["state"], row["reason"], row["consecutive_failures"]) == ("closed", "reset", 0)
    result = resil.run(wget)
    assert (result.status, result.out) == (0, PAGE)
    wait_until(lambda: server.accepted == 1)
