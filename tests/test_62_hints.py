# SPDX-License-Identifier: MIT
"""Goal: a configuration that cannot mean what it says is an error (scenario 6.28), and one that is legal but dubious
gets a hint from `resctl check`, and the same rules without that flaw get none."""

import json
import os
import re

import pytest

import tables
from helper import TOP, wait_until
from servers import HOST

NEVER = "breaker.errors = 2\nbreaker.window = 3s\nbreaker.lumping = 4s\n"


def destination(keys, match="192.0.2.1"):
    return f"[destination backend]\nmatch = {match}\n{keys}"


def check(resil, text):
    """(exit code, errors, hints)."""
    result = resil.resctl("check", "--json", resil.file("checked.conf", text))
    answer = json.loads(result.out)
    return result.status, answer["errors"], [hint["hint"] for hint in answer["hints"]]


def test_a_breaker_that_can_never_open_is_an_error(resil):
    path = resil.file("never.conf", destination(NEVER))
    result = resil.resctl("check", path)
    assert result.status == 2 and result.err.startswith(f"{path}:5:1: breaker.lumping: got 4s".encode()), result
    for keys in (NEVER.replace("4s", "3s"), NEVER.replace("2\n", "1\n"), NEVER + "breaker.window_calls = 10\n",
                 NEVER.replace("breaker.errors = 2\n", ""), "breaker.errors = 3\nbreaker.window = 10s\nbreaker.lumping = 5s\n"):
        assert check(resil, destination(keys))[:2] == (0, []), keys
    keys = "breaker.errors = 3\nbreaker.window = 10s\nbreaker.lumping = 5001ms\n"
    assert check(resil, destination(keys))[0] == 2


def test_the_error_names_where_the_value_stands(resil):
    """In [defaults] or a preset, at that line, and once for each destination that it spoils."""
    text = ("[defaults]\nbreaker.lumping = 4s\n[preset short]\nbreaker.window = 3s\n"
            + destination("preset = short\nbreaker.errors = 2\n")
            + "[destination other]\nmatch = 192.0.2.2\nbreaker.errors = 2\n")
    status, errors, _ = check(resil, text)
    assert status == 2 and len(errors) == 1 and ":2:1: breaker.lumping" in errors[0] and "backend" in errors[0]


def test_a_program_with_such_a_file_passes_through(resil, counting):
    resil.config(destination(NEVER, f"{HOST}:{counting.port}"))
    puppet = resil.puppet(counting.port)
    assert puppet.do("s = connect()") == "ok"
    wait_until(lambda: counting.accepted == 1)
    result = resil.resctl("status")
    assert b"breaker.lumping" in result.out + result.err, result


HINTS = {  # a name: (keys that get the hint, its words, the same without it)
    "open time": ("breaker.open_time = 1s\n", "breaker.open_time (1s)", "breaker.open_time = 5s\n"),
    "probe": ("timeout.probe = 6s\n", "timeout.probe (6s)", "timeout.probe = 5s\n"),
    "total": ("timeout.total = 3s\n", "timeout.total (3s) is shorter", "timeout.total = 5s\n"),
    "attempts": ("retry.attempts = 3\ntimeout.total = 15s\nretry.jitter = off\n", "may take 15.3s",
                 "retry.attempts = 3\ntimeout.total = 15300ms\nretry.jitter = off\n"),
    "delays": ("retry.attempts = 2\ntimeout.total = 10s\nretry.base = 1ms\n", "cuts the last",
               "retry.attempts = 2\ntimeout.total = 10001ms\nretry.base = 1ms\n"),
    "storm": ("retry.attempts = 4\nretry.budget = off\n", "retry storm", "retry.attempts = 4\n"),
    "one attempt": ("retry.attempts = 2\nretry.budget = off\n", "retry storm", "retry.budget = off\n"),
    "api": ("preset = api\ntimeout.response = 6s\n", "timeout.response is 6s", "preset = api\n"),
    "min calls": ("breaker.window_calls = 10\nbreaker.min_calls = 11\n", "breaker.min_calls (11)",
                  "breaker.window_calls = 10\nbreaker.min_calls = 10\n"),
    "no ratio": ("breaker.window_calls = 10\n", "breaker.min_calls (20)",
                 "breaker.window_calls = 10\nbreaker.ratio = off\n"),
    "lumping": ("breaker.errors = 3\nbreaker.lumping = 4501ms\n", "hardly fit",
                "breaker.errors = 3\nbreaker.lumping = 4500ms\n"),
}


@pytest.mark.parametrize("name", HINTS)
def test_hint(resil, name):
    keys, words, without = HINTS[name]
    status, errors, hints = check(resil, destination(keys))
    assert (status, errors) == (0, []) and len(hints) == 1 and words in hints[0], hints
    assert check(resil, destination(without)) == (0, [], [])


def ids(resil, text):
    result = resil.resctl("check", "--json", resil.file("checked.conf", text))
    answer = json.loads(result.out)
    assert (result.status, answer["errors"]) == (0, []), result
    return [(hint["id"], hint["destination"], hint["line"]) for hint in answer["hints"]]


OFF = "breaker.failures = off\nbreaker.ratio = off\n"
FAILURES = ("connect_failed connect_timeout response_timeout idle_timeout reset empty_response client_timeout tls_alert "
            "protocol_error exchange_timeout")
# A hint's id: (keys that get it, in which line of the file it is shown, the same without it). Lines 1 and 2 are the header
# and the pattern.
EVERY = {
    "never_enforced": ("enforce = 0%\n", 3, "enforce = 1%\n"),
    "no_effect": ("breaker.probes = 3\nretry.base = 1s\n", 4, "retry.base = 1s\nretry.attempts = 2\n"),
    "observed_endpoints": ("endpoints = 192.0.2.9:1\nmode = observe\n", 3, "endpoints = 192.0.2.9:1\n"),
    "first_of_many": ("discover = dns:web:80\n", 3, "discover = dns:web:80\nbalance = p2c\n"),
    "cut_check": ("health.check = tcp\nhealth.check.timeout = 5001ms\n", 4, "health.check = tcp\nhealth.check.timeout = 5s\n"),
    "wrong_speaker": ("sniff = mysql\nfirst_byte = client\n", 4, "sniff = mysql\nfirst_byte = server\n"),
    "has_chaos": ("chaos = refuse 1%\n", 3, "chaos = deny\n"),
    "no_protection": (OFF + "timeout.connect = off\n", 1, OFF + "timeout.connect = 5s\n"),
    "deaf_breaker": ("breaker.failures = off\ntimeout.connect = off\n", 1, "breaker.failures = off\n"),
    "ignores_all": (f"breaker.ignore = {FAILURES} overload\n", 3, f"breaker.ignore = {FAILURES}\n"),
    "rare_calls": ("breaker.failures = off\nrate.limit = 2/s\nbreaker.window = 8s\n", 1,
                   "breaker.failures = off\nrate.limit = 2/s\nbreaker.window = 9s\n"),
    "few_calls": ("breaker.min_calls = 9\nbreaker.window_calls = 8\n", 4, "breaker.min_calls = 9\nbreaker.window_calls = 9\n"),
    "tight_lumping": ("breaker.errors = 3\nbreaker.lumping = 4501ms\n", 4, "breaker.errors = 3\nbreaker.lumping = 4500ms\n"),
    "never_slow": ("breaker.slow_time = 2s\ntimeout.response = 2s\n", 3, "breaker.slow_time = 1999ms\ntimeout.response = 2s\n"),
    "short_open_time": ("breaker.open_time = 1s\n", 3, "timeout.connect = 1s\nbreaker.open_time = 1s\n"),
    "long_probe": ("timeout.probe = 6s\n", 3, "timeout.probe = 5s\n"),
    "low_open_max": ("breaker.open_time = 50s\nbreaker.open_max = 49s\n", 4, "breaker.open_time = 50s\nbreaker.open_max = 50s\n"),
    "slow_api": ("preset = api\ntimeout.response = off\n", 4, "preset = api\n"),
    "untimed_answers": ("timeout.idle = 1s\nfirst_byte = none\n", 4, "timeout.idle = 1s\n"),
    "late_response": ("timeout.exchange = 9s\ntimeout.response = 10s\n", 4, "timeout.exchange = 9s\ntimeout.response = 9s\n"),
    "short_total": ("timeout.total = 3s\n", 3, "timeout.total = 5s\n"),
    "cut_retries": ("retry.attempts = 3\ntimeout.total = 15299ms\n", 3, "retry.attempts = 3\ntimeout.total = 15300ms\n"),
    "cut_wait": ("timeout.total = 5s\nrate.limit = 1/s\nrate.max_wait = 6s\n", 5, "timeout.total = 5s\nrate.limit = 1/s\nrate.max_wait = 5s\n"),
    "long_connect": ("retry.attempts = 12\n", 3, "retry.attempts = 11\nretry.max = 1ms\nretry.base = 1ms\n"),
    "retry_storm": ("retry.attempts = 2\nretry.budget = off\n", 4, "retry.attempts = 2\n"),
    "retries_nothing": ("retry.attempts = 2\nretry.on = none\n", 4, "retry.attempts = 2\nretry.on = reset\n"),
    "low_retry_max": ("retry.attempts = 2\nretry.max = 99ms\n", 4, "retry.attempts = 2\nretry.max = 100ms\n"),
    "crossed_bounds": ("bulkhead.adaptive = vegas\nbulkhead.min = 300\n", 4, "bulkhead.adaptive = vegas\nbulkhead.min = 200\n"),
    "outside_bounds": ("bulkhead.adaptive = vegas\nbulkhead.limit = 2\n", 4, "bulkhead.adaptive = vegas\nbulkhead.limit = 3\n"),
    "nothing_drops": ("bulkhead.adaptive = aimd\n", 3, "bulkhead.adaptive = aimd\ntimeout.response = 1s\n"),
    "wide_endpoints": ("bulkhead.limit = 2\nbulkhead.endpoint_limit = 3\n", 4, "bulkhead.limit = 2\nbulkhead.endpoint_limit = 2\n"),
    "long_queue": ("bulkhead.limit = 2\nbulkhead.queue = 101\n", 4, "bulkhead.limit = 2\nbulkhead.queue = 100\n"),
    "endless_queue": ("bulkhead.limit = 2\nbulkhead.queue = 1\nbulkhead.queue_timeout = off\n", 5,
                      "bulkhead.limit = 2\nbulkhead.queue = 1\nbulkhead.queue_timeout = off\ntimeout.total = 5s\n"),
    "small_burst": ("rate.limit = 1MB/s\nrate.unit = bytes\nrate.burst = 1447\n", 5,
                    "rate.limit = 1MB/s\nrate.unit = bytes\nrate.burst = 1448\n"),
    "late_turn": ("rate.limit = 10/m\nrate.max_wait = 5999ms\nbreaker.ratio = off\n", 4,
                  "rate.limit = 10/m\nrate.max_wait = 6s\nbreaker.ratio = off\n"),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_hint(resil, name):
    keys, line, without = EVERY[name]
    assert ids(resil, destination(keys)) == [(name, "backend", line)]
    assert ids(resil, destination(without)) == []


MATCHES = {  # patterns of the destinations a, b ...: (those that get a hint, as (id, line)); a stands in line 1
    ("*:80", "*:80"): [("shadowed", 4)],
    ("*:80 app=x", "*:80"): [],
    ("*:80", "*:80 app=x"): [],
    ("*:80 uid=5", "*:80 uid=5 app=x"): [("shadowed", 4)],
    ("*:80 uid=5 app=x", "*:80 uid=5"): [],
    ("*:80 app=*", "*:80 app=x"): [("shadowed", 4)],
    ("a.example.com:1-65535", "A.Example.com"): [("shadowed", 4)],
    ("a.example.com", "A.example.com:1-65535"): [("shadowed", 2)],
    ("*:80-90", "*:80-91"): [],
    ("10.0.0.1/32:80", "10.0.0.1"): [("shadowed", 2)],
    ("10.0.0.1:80", "10.0.0.1/32"): [],
    ("10.0.0.0/8", "10.0.0.0/9"): [],
    ("10.1.2.3/8", "10.0.0.0/8"): [("shadowed", 4)],
    ("0.0.0.0/0", "*"): [],
    ("unix:/a", "unix:/a*"): [],
    ("unix:/a*", "unix:/a*"): [("shadowed", 4)],
    ("::ffff:10.0.0.1", "10.0.0.1"): [("shadowed", 4)],
    ("224.0.0.1",): [("never_matches", 2)],
    ("239.1.0.0/16",): [("never_matches", 2)],
    ("224.0.0.0/3",): [],
    ("ff02::1",): [("never_matches", 2)],
    ("fe80::1",): [],
    ("* app=/usr/bin/x",): [("never_matches", 2)],
    ("* app=x",): [],
}


@pytest.mark.parametrize("patterns", MATCHES)
def test_hints_about_patterns(resil, patterns):
    text = "".join(f"[destination d{number}]\nmatch = {pattern}\n" for number, pattern in enumerate(patterns))
    assert [(name, line) for name, _, line in ids(resil, text)] == MATCHES[patterns]


def test_every_hint_has_a_test():
    with open(os.path.join(TOP, "tools", "hints.tbl.h"), encoding="utf-8") as file:
        rows = re.findall(r"^HINT\((\w+),", file.read(), re.MULTILINE)
    assert len(rows) > 30 and set(rows) == set(EVERY) | {name for found in MATCHES.values() for name, _ in found}


def test_every_needless_key(resil):
    """Each key that needs another one, where that is not there, and only then."""
    with open(os.path.join(TOP, "tools", "hints_use.c"), encoding="utf-8") as file:
        needed = re.findall(r"^    \{KEY_(\w+), (\w+), ", file.read(), re.MULTILINE)
    samples = {"DURATION": "7s", "TIMEOUT": "4s", "COUNT": "7", "PERCENT": "70%", "FACTOR": "3", "AMOUNT": "9000", "JITTER": "equal",
               "BUDGET": "30% 1/s 10s"}
    enabling = {"has_retries": "retry.attempts = 2", "has_limit": "bulkhead.limit = 100", "has_any_limit": "bulkhead.limit = 100",
                "has_queue": "bulkhead.limit = 100\nbulkhead.queue = 9", "is_adaptive": "bulkhead.adaptive = vegas", "has_rate": "rate.limit = 900/s",
                "has_endpoints": "endpoints = 192.0.2.9:1", "has_slow_time": "breaker.slow_time = 1s", "has_window": "breaker.min_calls = 7",
                "has_exponent": "retry.attempts = 2", "has_fallback": "fallback = 192.0.2.9:1",
                "has_discover": "discover = dns:web:80", "has_checks": "health.check = tcp"}
    disabling = {"has_window": "breaker.ratio = off\n", "has_breaker": OFF, "has_exponent": "retry.attempts = 2\nretry.backoff = constant\n"}
    kinds = {field: (name, kind, words) for field, name, kind, _, _, _, words, _ in tables.rows("keys", "KEY")}
    assert len(needed) > 30
    for field, need in needed:
        name, kind, words = kinds[field]
        value = samples.get(kind) or words.split()[1]
        line = f"{name} = {value}\n"
        assert "no_effect" in [one for one, _, _ in ids(resil, destination(disabling.get(need, "") + line))], (name, need)
        text = enabling.get(need, "")
        text = "\n".join(one for one in text.splitlines() if not one.startswith(name + " ")) + "\n"
        assert "no_effect" not in [one for one, _, _ in ids(resil, destination(text + line))], (name, need, text)


def test_a_key_of_a_preset_or_of_the_defaults_may_be_needless(resil):
    assert ids(resil, "[defaults]\nretry.base = 1s\n[preset p]\nrate.burst = 9\n" + destination("preset = p\n")) == []


def test_the_place_of_a_hint(resil):
    """Of the value, wherever it stands: also in [defaults], a preset or an included file."""
    other = resil.file("other.conf", "[preset p]\n\nbreaker.open_time = 2s\n")
    text = f"include = {other}\n[defaults]\nenforce = 0%\n" + destination("preset = p\n")
    path = resil.file("main.conf", text)
    out = resil.resctl("check", path).out.decode().splitlines()
    assert out[0] == f"{path}: ok: 1 destination"
    assert out[1].startswith(f"{path}:3: hint: [destination backend]: enforce = 0%")
    assert out[2].startswith(f"{other}:3: hint: [destination backend]: breaker.open_time (2s) is shorter than timeout.connect (5s)")


def test_durations_are_round(resil):
    """20.7s, not 20.699999997s: random delays are bounded from above."""
    _, _, hints = check(resil, destination("retry.attempts = 4\ntimeout.total = 12s\n"))
    assert len(hints) == 1 and "may take 20.7s; timeout.total (12s)" in hints[0]


EXAMPLES = os.path.join(TOP, "config", "examples")


@pytest.mark.parametrize("path", sorted(name for name in os.listdir(EXAMPLES) if os.path.isfile(os.path.join(EXAMPLES, name))))
def test_the_examples_need_no_hint(resil, path):
    result = resil.resctl("check", "--json", os.path.join(EXAMPLES, path))
    assert {hint["id"] for hint in json.loads(result.out)["hints"]} <= {"has_chaos"}, result
