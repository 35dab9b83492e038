# SPDX-License-Identifier: MIT
"""Goal: faults on demand, by RESIL_CHAOS or by the configuration, indistinguishable from real ones for the client,
repeatable by a seed, and never counted against the backend."""

import re

import pytest

from clients import BY_NAME, REFUSED
from helper import PYTHON, UPPER, program, wait_until
from servers import HOST, PAGE

CLOCKED = ["curl", "python3", "asyncio", "node", "perl"]
WORDS = {
    "ECONNRESET": rb"reset by peer|ECONNRESET",
    "ENETUNREACH": rb"unreachable|ENETUNREACH|curl: \(7\)",
}


def run(resil, name, port, chaos, **env):
    return resil.run(BY_NAME[name].command(HOST, port), env={"RESIL_CHAOS": chaos, **env})


@pytest.mark.parametrize("name", CLOCKED)
def test_refuse(resil, counting, syns, name):
    packets = syns(counting.port)
    result = run(resil, name, counting.port, "refuse")
    assert result.status != 0 and re.search(REFUSED, result.err), result
    assert (packets.count(), counting.accepted) == (0, 0)


@pytest.mark.parametrize("name", CLOCKED)
@pytest.mark.parametrize("error,call,accepted", [("ECONNRESET", "read", 1), ("ENETUNREACH", "connect", 0)])
def test_error(resil, counting, syns, name, error, call, accepted):
    packets = syns(counting.port)
    result = run(resil, name, counting.port, f"error={error}@{call}")
    assert result.status != 0 and re.search(WORDS[error], result.err), result
    wait_until(lambda: counting.accepted == accepted)
    assert packets.count() <= accepted


@pytest.mark.parametrize("name", CLOCKED)
@pytest.mark.parametrize("where", ["", "@read"])
def test_latency(resil, counting, name, where):
    client = BY_NAME[name]
    native = client.seconds(resil.run(client.command(HOST, counting.port), preload=False))
    result = run(resil, name, counting.port, "latency=300ms" + where)
    assert (result.status, result.out) == (0, PAGE), result
    assert 0.3 <= client.seconds(result) <= 0.3 + native + UPPER


@pytest.mark.parametrize("name", CLOCKED)
def test_reset(resil, counting, name):
    result = run(resil, name, counting.port, "reset")
    assert result.status != 0 and re.search(WORDS["ECONNRESET"], result.err), result
    wait_until(lambda: counting.accepted == 1)


def sequence(resil, port, chaos, seed, count=60):
    command = [PYTHON, program("connect_many.py"), HOST, str(port), str(count)]
    result = resil.run(command, env={"RESIL_CHAOS": chaos, "RESIL_CHAOS_SEED": seed})
    assert result.status == 0, result
    letters = result.out.decode().strip()
    assert len(letters) == count
    return letters


def test_probability_and_seed(resil, counting):
    first = sequence(resil, counting.port, "refuse 30%", "1")
    assert sequence(resil, counting.port, "refuse 30%", "1") == first
    others = [sequence(resil, counting.port, "refuse 30%", str(seed)) for seed in range(2, 11)]
    assert first not in others and len(set(others)) == len(others)
    struck = sum(letters.count("x") for letters in [first, *others])
    assert 135 <= struck <= 225, f"{struck} of 600 at 30%"
    assert sequence(resil, counting.port, "refuse 0%", "1") == "." * 60
    assert sequence(resil, counting.port, "refuse 100%", "1") == "x" * 60


def test_count_and_after(resil, counting):
    assert sequence(resil, counting.port, "refuse count=3", "1", 10) == "xxx......."
    assert sequence(resil, counting.port, "refuse after=4", "1", 10) == "....xxxxxx"
    assert sequence(resil, counting.port, "refuse after=4 count=2", "1", 10) == "....xx...."


TWO = """
[destination one]
match = 127.0.0.1:{one}
[destination two]
match = 127.0.0.1:{two}
{key}
"""


def test_one_destination_only(resil, counting, healthy):
    resil.config(TWO.format(one=counting.port, two=healthy["http"], key=""))
    assert run(resil, "curl", counting.port, "two: refuse").out == PAGE
    assert run(resil, "curl", healthy["http"], "two: refuse").status == 7
    assert resil.counters("one")["chaos_injected"] == 0
    assert resil.counters("two")["chaos_injected"] == 1


def test_by_configuration(resil, counting, healthy):
    resil.config(TWO.format(one=counting.port, two=healthy["http"], key="chaos = refuse"))
    curl = BY_NAME["curl"]
    assert resil.run(curl.command(HOST, counting.port)).out == PAGE
    assert resil.run(curl.command(HOST, healthy["http"])).status == 7
    disabled = resil.run(curl.command(HOST, healthy["http"]), env={"RESIL_DISABLE": "chaos"})
    assert (disabled.status, disabled.out) == (0, PAGE)


def test_deny(resil, counting, healthy):
    resil.config(TWO.format(one=counting.port, two=healthy["http"], key="chaos = deny"))
    assert run(resil, "curl", counting.port, "refuse").status == 7
    assert run(resil, "curl", healthy["http"], "refuse").out == PAGE


def test_injected_failures_do_not_open_the_breaker(resil, counting):
    resil.config(f"[destination backend]\nmatch = {HOST}:{counting.port}\nbreaker.failures = 3\n")
    assert sequence(resil, counting.port, "refuse", "1", 10) == "x" * 10
    row = resil.row("backend")
    assert (row["state"], row["counters"]["chaos_injected"], row["counters"]["opened"]) == ("closed", 10, 0)


def test_injected_failures_open_it_when_they_count(resil, counting):
    resil.config(f"[destination backend]\nmatch = {HOST}:{counting.port}\nbreaker.failures = 3\nchaos.counts = on\n"
                 "breaker.open_time = 60s\n")
    assert sequence(resil, counting.port, "refuse", "1", 10) == "x" * 10
    row = resil.row("backend")
    assert (row["state"], row["counters"]["chaos_injected"], row["counters"]["rejected_breaker"]) == ("open", 3, 7)


def test_illegal_spec_injects_nothing(resil, counting):
    log = resil.file("log", "")
    result = run(resil, "curl", counting.port, "refuze 30%", RESIL_LOG=log)
    assert (result.status, result.out) == (0, PAGE)
    with open(log, encoding="utf-8") as file:
        assert re.search(r"RESIL_CHAOS.*refuze.*refuse", file.read())
