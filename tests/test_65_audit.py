# SPDX-License-Identifier: MIT
"""Goal: `resctl audit` names every address and every destination that programs connect to without protection, once, and
says so by its exit code; what is protected, or never connected to, it leaves out."""

import json
import os
import re

import pytest

from helper import TOP
from servers import HOST

SAFE = "timeout.response = 5s\n"
BREAKER_OFF = "breaker.failures = off\nbreaker.ratio = off\n"


def audit(resil, *args):
    result = resil.resctl("audit", "--json", *args)
    answer = json.loads(result.out)
    assert (result.status, result.err) == (0 if answer["ok"] else 1, b"") and answer["ok"] == (answer["findings"] == [])
    return [(one["finding"], one["destination"] or one["address"], one["connects"]) for one in answer["findings"]]


@pytest.mark.parametrize("keys, found", [
    (SAFE, []),
    ("", ["no_response_timeout"]),
    ("timeout.idle = 1s\n", []),
    ("timeout.exchange = 1s\n", []),
    (SAFE + "first_byte = none\n", ["no_response_timeout"]),
    (SAFE + "timeout.connect = off\n", ["no_connect_timeout"]),
    (SAFE + "timeout.connect = off\ntimeout.total = 5s\n", []),
    (SAFE + BREAKER_OFF, ["no_breaker"]),
    (SAFE + BREAKER_OFF + "breaker.errors = 5\n", []),
    (SAFE + BREAKER_OFF + "breaker.slow_time = 1s\n", []),
    (SAFE + "mode = observe\n", ["not_enforced"]),
    (SAFE + "enforce = 0%\n", ["not_enforced"]),
    (SAFE + "enforce = 1%\n", []),
    (BREAKER_OFF + "timeout.connect = off\nmode = observe\n",
     ["not_enforced", "no_connect_timeout", "no_response_timeout", "no_breaker"]),
])
def test_findings_of_a_destination(resil, hold, keys, found):
    resil.config(f"[destination a]\nmatch = {HOST}:{hold.port}\n{keys}[destination unused]\nmatch = 192.0.2.1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect(); b = connect()") == "ok"
    assert audit(resil) == [(one, "a", 2) for one in found]
    assert audit(resil, "--unused") == [(one, "a", 2) for one in found] + [("no_response_timeout", "unused", 0)]


def test_unmatched(resil, hold, dead):
    resil.config(f"[destination a]\nmatch = 192.0.2.1\n{SAFE}")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect(); b = connect()") == "ok" and puppet.do(f"connect({dead.port})") == "ECONNREFUSED"
    assert audit(resil) == [("unmatched", f"{HOST}:{hold.port}", 2), ("unmatched", f"{HOST}:{dead.port}", 1)]
    found = json.loads(resil.resctl("audit", "--json").out)["findings"]
    assert all(0 <= one["last_ms"] < 60000 for one in found)
    result = resil.resctl("audit")
    assert result.status == 1 and re.search(rf"^unmatched +{HOST}:{hold.port} +2 +\S+ +no destination matches it",
                                            result.out.decode(), re.MULTILINE), result


def test_refused_calls_are_traffic_too(resil, dead):
    resil.config(f"[destination a]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 1\n")
    puppet = resil.puppet(dead.port)
    for _ in range(3):
        assert puppet.do("connect()") == "ECONNREFUSED"
    assert audit(resil) == [("no_response_timeout", "a", 3)]


def test_bad_rules(resil, hold):
    resil.config("[destination a]\nmatch = *\nbreaker.probes = 0\n")
    assert resil.puppet(hold.port).do("s = connect()") == "ok"
    assert ("no_rules", None, None) in audit(resil)


def test_without_a_file(resil, hold):
    """The built-in rules only observe."""
    assert resil.puppet(hold.port).do("s = connect()") == "ok"
    assert audit(resil) == [("not_enforced", "any", 1), ("no_response_timeout", "any", 1)]


def test_ok_in_words(resil, hold):
    resil.config(f"[destination a]\nmatch = *\n{SAFE}")
    assert resil.puppet(hold.port).do("s = connect()") == "ok"
    result = resil.resctl("audit")
    assert result.status == 0 and result.out.startswith(b"ok: ")


def test_no_segment(resil):
    assert resil.resctl("audit").status == 3


def test_the_kill_switch_and_more_addresses_than_are_kept(resil, hold):
    resil.config(f"[destination a]\nmatch = 192.0.2.1\n{SAFE}")
    puppet = resil.puppet(hold.port)
    for port in range(1, 258):
        puppet.do(f"connect({port})")
    found = audit(resil)
    assert [one for one, _, _ in found].count("unmatched") == 256 and ("lost", None, None) in found
    with open(resil.segment, "r+b") as file:
        file.seek(16)
        file.write(b"\1")
    assert audit(resil)[0] == ("off", None, None)


def test_readme_and_table():
    with open(os.path.join(TOP, "tools", "gaps.tbl.h"), encoding="utf-8") as file:
        ids = re.findall(r"^GAP\((\w+),", file.read(), re.MULTILINE)
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert len(ids) == 8 and [one for one in ids if f'"{one}"' not in text] == []
