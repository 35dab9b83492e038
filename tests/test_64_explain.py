# SPDX-License-Identifier: MIT
"""Goal: `resctl explain` names the rule that a connect obeys, why the others do not count, where each value stands, and
the longest time that one connect() may take: a time that a connect then takes, and does not exceed."""

import json
import os
import re
import time

import pytest

from helper import UPPER, key_names
from servers import HOST

RULES = """\
[defaults]
timeout.connect = 3s
[preset slow]
timeout.probe = 7s
breaker.failures = 9
[destination db]
match = db.example.com:5432, 192.0.2.0/24 app=psql
preset = api slow
retry.attempts = 3
[destination far]
match = 192.0.2.0/25 uid=4000000000, 192.0.2.8:5432
match = unix:/run/far*
[destination any]
match = *, *.example.com, *:5432
timeout.connect = 250ms
chaos = "latency=1s 1%"
"""


def explain(resil, *args, text=RULES, status=0):
    result = resil.resctl("explain", "-c", resil.file("explained.conf", text), "--json", *args)
    assert result.status == status, result
    return json.loads(result.out)


def others(answer):
    return {one["match"]: (one["fits"], one["why"]) for one in answer["others"]}


def test_the_winner_and_the_others(resil):
    answer = explain(resil, "db.example.com:5432", "--address", "192.0.2.8")
    path = os.path.join(resil.dir, "explained.conf")
    assert answer["rule"] == {"destination": "db", "match": "db.example.com:5432", "file": path, "line": 7, "fits": True,
                              "why": "wins"}
    assert others(answer) == {
        "192.0.2.8:5432": (True, "fits, but names its target less exactly"),
        "*.example.com": (True, "fits, but names its target less exactly"),
        "*:5432": (True, "fits, but names its target less exactly"),
        "*": (True, "fits, but names its target less exactly"),
        "192.0.2.0/24 app=psql": (False, "is of another program"),
        "192.0.2.0/25 uid=4000000000": (False, "is of another user")}
    assert [one["line"] for one in answer["others"]][:4] == [11, 14, 14, 14] and all(
        one["file"] == path for one in answer["others"])


@pytest.mark.parametrize("args, winner, lost", [
    (["DB.Example.com.:5433"], "*.example.com", {"db.example.com:5432": (False, "is of another port")}),
    (["192.0.2.9:80", "--app", "psql"], "192.0.2.0/24 app=psql", {"*": (True, "fits, but names its target less exactly")}),
    (["192.0.2.9:80", "--app", "psql", "--uid", "4000000000"], "192.0.2.0/25 uid=4000000000",
     {"192.0.2.0/24 app=psql": (True, "fits, but covers more names or addresses")}),
    (["[2001:db8::1]:5432"], "*:5432", {"*": (True, "fits, but names no port, or more of them")}),
    (["[::ffff:192.0.2.8]:5432"], "192.0.2.8:5432", {}),
    (["unix:/run/far/away"], "unix:/run/far*", {}),
])
def test_the_winner(resil, args, winner, lost):
    answer = explain(resil, *args)
    assert answer["rule"]["match"] == winner and answer["rule"]["why"] == "wins"
    assert lost.items() <= others(answer).items(), answer["others"]


def test_ties(resil):
    text = "[destination a]\nmatch = *:80\n[destination b]\nmatch = *:80, *:80 app=x\n"
    answer = explain(resil, "192.0.2.1:80", text=text)
    assert answer["destination"] == "a"
    assert [(one["destination"], one["why"]) for one in answer["others"]] == [
        ("b", "fits as well, but stands behind the winner"), ("b", "is of another program")]
    answer = explain(resil, "192.0.2.1:80", "--app", "x", text=text)
    assert answer["rule"]["match"] == "*:80 app=x" and answer["others"][0]["why"] == "fits, but has no app= or uid="


def test_no_rule(resil):
    answer = explain(resil, "192.0.2.1:81", text="[destination a]\nmatch = 192.0.2.1:80\n", status=1)
    assert answer["destination"] is answer["rule"] is answer["values"] is answer["worst_connect"] is None
    assert others(answer) == {"192.0.2.1:80": (False, "is of another port")}


def test_names_are_resolved_where_rules_ask_for_addresses(resil):
    text = f"[destination near]\nmatch = {HOST}/8\n[destination any]\nmatch = *\n"
    answer = explain(resil, "localhost:80", text=text)
    assert {"address": HOST, "destination": "near", "differs": answer["destination"] != "near"} in answer["addresses"]
    answer = explain(resil, "localhost:80", text="[destination any]\nmatch = *\n")
    assert (answer["addresses"], answer["unresolved"], answer["destination"]) == ([], False, "any")
    answer = explain(resil, "nobody.invalid:80", text=text)
    assert (answer["addresses"], answer["unresolved"], answer["destination"]) == ([], True, "any")


def test_where_each_value_stands(resil):
    values = explain(resil, "db.example.com:5432", "--address", "192.0.2.8")["values"]
    path = os.path.join(resil.dir, "explained.conf")
    assert list(values) == key_names()

    def value(text, source, preset=None, of=None, line=None):
        return {"value": text, "from": source, "preset": preset, "of": of, "file": line and path, "line": line}

    assert values["retry.attempts"] == value("3", "destination", line=9)
    assert values["breaker.failures"] == value("9", "preset", "slow", line=5)
    assert values["timeout.probe"] == value("7s", "preset", "slow", line=4)
    assert values["timeout.connect"] == value("2s", "preset", "api")
    assert values["bulkhead.queue_timeout"] == value("2s", "preset", "api", of="timeout.connect")
    assert values["breaker.probes"] == value("3", "default")
    assert values["endpoints"] == value(None, "default")
    values = explain(resil, "unix:/run/far")["values"]
    assert values["timeout.connect"] == value("3s", "defaults", line=2)
    assert values["timeout.probe"] == value("3s", "defaults", of="timeout.connect", line=2)


def test_a_value_in_an_included_file_and_in_the_environment(resil):
    other = resil.file("other.conf", "\n\n[destination a]\nmatch = *:80\nbreaker.failures = 2\n")
    text = f"include = {other}\n"
    values = explain(resil, "192.0.2.1:80", "--rules", "[destination a]; breaker.open_time = 9s", text=text)["values"]
    assert (values["breaker.failures"]["file"], values["breaker.failures"]["line"]) == (other, 5)
    assert (values["breaker.open_time"]["file"], values["breaker.open_time"]["line"]) == ("RESIL_RULES", 2)


def worst(resil, keys):
    answer = explain(resil, "192.0.2.1:80", text=f"[destination a]\nmatch = *\n{keys}")
    return answer["worst_connect"]


WORST = {  # keys: (worst_ms, some parts)
    "": (5000, {"attempts": 1, "attempts_ms": 5000, "backoff_ms": 0, "queue_ms": 0, "rate_ms": 0, "total_ms": None}),
    "timeout.probe = 8s": (8000, {"attempt_ms": 8000}),
    "timeout.connect = auto(p99 x3, 50ms..4s)": (4000, {}),
    "timeout.connect = off": (None, {"attempts_ms": None}),
    "timeout.connect = off\ntimeout.total = 9s": (9000, {"sum_ms": None}),
    "mode = observe": (None, {"enforced": False}),
    "retry.attempts = 4": (5000 * 4 + 700, {"backoff_ms": 700}),
    "retry.attempts = 4\nretry.jitter = x0.5..1.5": (5000 * 4 + 1050, {}),
    "retry.attempts = 4\nretry.backoff = decorrelated": (5000 * 4 + 3900, {}),
    "retry.attempts = 4\nretry.on = none": (5000, {"attempts": 1}),
    "retry.attempts = 4\ntimeout.total = 12s": (12000, {"sum_ms": 20700, "total_ms": 12000}),
    "bulkhead.limit = 1": (5000, {"queue_ms": 0}),
    "bulkhead.queue = 1": (5000, {"queue_ms": 0}),
    "bulkhead.limit = 1\nbulkhead.queue = 1\nbulkhead.queue_timeout = 2s": (7000, {"queue_ms": 2000}),
    "bulkhead.endpoint_limit = 1\nbulkhead.queue = 1\nbulkhead.unit = exchange": (10000, {"queue_ms": 5000}),
    "bulkhead.limit = 1\nbulkhead.queue = 1\nbulkhead.unit = exchange": (5000, {"queue_ms": 0}),
    "bulkhead.limit = 1\nbulkhead.queue = 1\nretry.attempts = 2\nretry.base = 1s": (21000, {"queue_ms": 10000}),
    "bulkhead.limit = 1\nbulkhead.queue = 1\nretry.attempts = 2\norder = bulkhead-outside": (15100, {"queue_ms": 5000}),
    "bulkhead.limit = 1\nbulkhead.queue = 1\nbulkhead.queue_timeout = off": (None, {"queue_ms": None}),
    "rate.limit = 1/s\nrate.max_wait = 3s": (8000, {"rate_ms": 3000}),
    "rate.limit = 1/s\nrate.max_wait = 3s\nrate.unit = exchanges": (5000, {"rate_ms": 0}),
    "fallback = 192.0.2.8:1, 192.0.2.9:1\nreject.delay = 1ms": (15003, {"fallback_ms": 10000, "reject_delay_ms": 3}),
    "fallback = 192.0.2.8:1, 192.0.2.9:1\ntimeout.total = 4s": (12000, {"fallback_ms": 8000, "total_ms": 4000}),
    "reject.delay = 500ms\ntimeout.total = 2s": (2500, {"reject_delay_ms": 500}),
}


@pytest.mark.parametrize("keys", WORST)
def test_worst_case(resil, keys):
    answer, (worst_ms, parts) = worst(resil, keys + "\n"), WORST[keys]
    assert answer["worst_ms"] == worst_ms and parts.items() <= answer.items(), answer


@pytest.mark.parametrize("keys", [
    "timeout.connect = 150ms\nretry.attempts = 3\nretry.backoff = constant\nretry.base = 100ms\nretry.jitter = off\n",
    "timeout.connect = 150ms\nretry.attempts = 9\nretry.jitter = off\ntimeout.total = 500ms\n",
    "timeout.connect = 300ms\nrate.limit = 1/s\nrate.burst = 1\nrate.max_wait = 2s\ntimeout.total = 400ms\n",
    "timeout.connect = 200ms\nretry.attempts = 2\nretry.jitter = off\nfallback = PEER, unix:/nowhere\n",
])
def test_a_connect_takes_no_longer(resil, black_hole, keys):
    """The prediction against a peer that never answers."""
    text = f"[destination a]\nmatch = {HOST}:{black_hole.port}\nbreaker.failures = off\nbreaker.ratio = off\n{keys}"
    text = text.replace("PEER", f"{HOST}:{black_hole.port}")
    answer = explain(resil, f"{HOST}:{black_hole.port}", text=text)["worst_connect"]
    resil.config(text)
    puppet = resil.puppet(black_hole.port)
    for _ in range(3):
        start = time.monotonic()
        assert puppet.do("connect()") in ("ETIMEDOUT", "ECONNREFUSED")
        seconds = time.monotonic() - start
        assert seconds <= answer["worst_ms"] / 1e3 + UPPER
    if "rate" not in keys and "fallback" not in keys:
        assert seconds >= min(answer["sum_ms"], answer["worst_ms"]) / 1e3 - 0.1


def test_text(resil):
    result = resil.resctl("explain", "-c", resil.file("explained.conf", RULES), "192.0.2.1:5432", "--app", "x\x1b[31m")
    text = result.out.decode()
    assert result.status == 0 and "\x1b" not in text
    assert re.search(r"^rule +\[destination any\]  match = \*:5432  \S+/explained.conf:14$", text, re.MULTILINE)
    assert re.search(r"^not +\[destination any\]  match = \*  \S+:14: fits, but names no port, or more of them$", text,
                     re.MULTILINE)
    assert re.search(r"^worst case of one connect\(\) +250ms$", text, re.MULTILINE)
    assert re.search(r"^  injected latency +comes on top$", text, re.MULTILINE)
    assert re.search(r"^timeout.connect +250ms +\S+/explained.conf:15$", text, re.MULTILINE)
    assert re.search(r"^timeout.probe +250ms +as timeout.connect: \S+/explained.conf:15$", text, re.MULTILINE)
    assert re.search(r"^breaker.probes +3 +default$", text, re.MULTILINE)


@pytest.mark.parametrize("args", [[], ["a"], ["a:0"], ["a:1-2"], ["*:80"], ["10.0.0.0/8:80"], ["a:80", "b:80"], ["a:80 uid=1"],
                                  ["192.0.2.1:80", "--address", "192.0.2.2"], ["a:80", "--address", "b"], ["unix:x"], ["unix:/x*"],
                                  ["a:80", "--uid", "root"], ["a:80", "-c", "/nowhere"], ["a" * 300 + ":80"]])
def test_bad_arguments(resil, args):
    result = resil.resctl("explain", *args)
    assert result.status == 2 and result.err, result


def test_errors_of_the_file(resil):
    result = resil.resctl("explain", "a:80", "-c", resil.file("bad.conf", "[destination a]\nmatch = a\nbreaker.probes = 0\n"))
    assert result.status == 2 and b"bad.conf:3:" in result.err and not result.out
