# SPDX-License-Identifier: MIT
"""Goal: a configuration that cannot mean what it says is an error (scenario 6.28), and one that is legal but dubious
gets a hint from `resctl check`, and the same rules without that flaw get none."""

import json

import pytest

from helper import wait_until
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
