# SPDX-License-Identifier: MIT
"""Goal: any value of any destination can be changed while programs run, ends by itself when it should, is judged like a
line of the file, and is never forgotten: status says what was set, by whom and for how long."""

import os
import re
import time

import pytest

from helper import RESCTL, TOP, wait_until
from servers import HOST


RESCTL_SET = [RESCTL, "set"]


def config(resil, port, more="", name="backend"):
    return resil.config(f"[destination {name}]\nmatch = {HOST}:{port}\n{more}")


def started(resil, port, more=""):
    """A puppet that has attached, with one connection made and closed."""
    config(resil, port, more)
    puppet = resil.puppet(port)
    assert puppet.do("connect().close()") == "ok"
    return puppet


def last_begin(puppet, line, error):
    """Repeats a line until it does not give that error any more: when the last one that did was begun."""
    last, deadline = 0, time.monotonic() + 20
    while True:
        begin = time.monotonic()
        assert begin < deadline, f"{line} still ends with {error}"
        if puppet.do(line) != error:
            assert last
            return last
        last = begin


def keys():
    """(name, kind, default) of every row."""
    with open(os.path.join(TOP, "src", "tables", "keys.tbl.h"), encoding="utf-8") as file:
        return re.findall(r'^KEY\(\w+, "([^"]+)", (\w+), "([^"]*)"', file.read(), re.MULTILINE)


def test_a_value_reaches_a_running_process(resil, hold):
    puppet = started(resil, hold.port)
    before = time.monotonic()
    result = resil.resctl("set", "backend", "bulkhead.limit=2", "timeout.connect = 700ms")
    assert result.status == 0 and b"until it is cleared" in result.out, result
    assert puppet.do("kept = [connect(), connect()]") == "ok"
    assert puppet.do("connect()") == "ECONNREFUSED"
    assert (resil.row("backend")["limit"], resil.counters("backend")["rejected_bulkhead"]) == (2, 1)
    overrides = resil.status()["segment"]["overrides"]
    assert [(row["destination"], row["key"], row["value"], row["rest_ms"], row["uid"], row["program"])
            for row in overrides] == [("backend", "bulkhead.limit", "2", None, os.getuid(), "resctl"),
                                      ("backend", "timeout.connect", "700ms", None, os.getuid(), "resctl")]
    text = resil.resctl("status").out.decode()
    assert re.search(rf"^set +backend bulkhead.limit = 2, until it is cleared, by resctl uid {os.getuid()} pid \d+ at ",
                     text, re.MULTILINE), text
    events = [event for event in resil.events() if event["kind"] == "set"]
    assert [(event["destination"], event["endpoint"], event["uid"]) for event in events] == [
        ("backend", "bulkhead.limit = 2", os.getuid()), ("backend", "timeout.connect = 700ms", os.getuid())]
    assert resil.resctl("set", "backend", "--clear", "bulkhead.limit").status == 0
    assert resil.row("backend")["limit"] is None and puppet.do("kept.append(connect())") == "ok"
    assert [row["key"] for row in resil.status()["segment"]["overrides"]] == ["timeout.connect"]
    assert b"as in the configuration" in resil.resctl("set", "backend", "--clear").out
    assert resil.status()["segment"]["overrides"] == [] and time.monotonic() - before < 10


def test_it_ends_by_itself(resil, hold):
    """Exactly, with nobody there to end it, also for a process that is stopped from the first moment to the last."""
    puppet = started(resil, hold.port)
    begin = time.monotonic()
    assert resil.resctl("set", "backend", "bulkhead.limit=1", "--for", "900ms").status == 0
    end = time.monotonic()
    assert puppet.do("first = connect()") == "ok"
    last = last_begin(puppet, "second = connect()", "ECONNREFUSED")
    assert last < end + 0.9 and begin + 0.9 <= time.monotonic() < end + 0.9 + 0.25
    assert resil.status()["segment"]["overrides"] == [] and resil.row("backend")["limit"] is None
    assert resil.status()["segment"]["generation"] == 2  # nobody published for the end


def test_times_lie_over_each_other(resil, hold):
    """The shorter one shows first, then the longer one again, then the file."""
    started(resil, hold.port, "bulkhead.limit = 9\n")
    assert resil.resctl("set", "backend", "bulkhead.limit=5").status == 0
    assert resil.resctl("set", "backend", "bulkhead.limit=4", "breaker.failures=7", "--for", "1500ms").status == 0
    assert resil.resctl("set", "backend", "bulkhead.limit=3", "--for", "500ms").status == 0
    seen = []
    wait_until(lambda: (seen.append(resil.row("backend")["limit"]), seen[-1] == 5)[1])
    assert [value for index, value in enumerate(seen) if seen[index - 1:index] != [value]] == [3, 4, 5]
    assert resil.resctl("set", "backend", "--clear").status == 0
    assert resil.row("backend")["limit"] == 9


def test_defaults_follow(resil, hold):
    """timeout.probe is timeout.connect where nobody says otherwise: also when that is set."""
    started(resil, hold.port, "timeout.connect = 3s\n[destination other]\nmatch = 192.0.2.1\ntimeout.probe = 2s\n")
    assert resil.resctl("set", "backend", "timeout.connect=1s").status == 0
    assert resil.resctl("set", "other", "timeout.connect=1s").status == 0
    with open(resil.segment, "rb") as file:
        assert file.read(8) == b"RESILSEG"
    assert resil.status()["segment"]["generation"] == 3


@pytest.mark.parametrize("args,status,words", [
    (["backand", "mode=off"], 1, ["no destination `backand'", "nearest is backend"]),
    (["backend", "breaker.failure=3"], 2, ["got `breaker.failure'", "nearest is breaker.failures"]),
    (["backend", "bulkhead.limit"], 2, ["want KEY=VALUE"]),
    (["backend", "timeout.connect=5"], 2, ["backend: timeout.connect: got `5', want a duration with its unit"]),
    (["backend", "bulkhead.limit=0"], 2, ["bulkhead.limit: got `0', want a whole number from 1 to 60000, or off"]),
    (["backend", "bulkhead.limit=2", "mode=on"], 2, ["mode: got `on', want one of enforce observe off"]),
    (["backend", "chaos=refuze", "--for", "1s"], 2, ["chaos: got `refuze'", "refuse"]),
    (["backend", "chaos=refuse"], 2, ["chaos needs an end"]),
    (["backend", "endpoints=1.2.3.4"], 2, ["endpoints: got `1.2.3.4'"]),
    (["backend", "breaker.errors=5", "breaker.lumping=4s"], 2, ["breaker.lumping", "could never open"]),
    (["backend", "timeout.dns=2s"], 2, ["timeout.dns cannot be changed for programs that run"]),
    (["backend", "mode=off", "--for", "5"], 2, ["--for: got `5', want a duration"]),
    (["backend", "mode=off", "--for", "0s"], 2, ["--for: got `0s'"]),
    (["backend", "mode=off", "--for", "9000h"], 2, ["--for: got `9000h'"]),
], ids=lambda value: "_".join(value) if isinstance(value, list) else None)
def test_bad_values_change_nothing(resil, hold, args, status, words):
    started(resil, hold.port)
    result = resil.resctl("set", *args)
    assert result.status == status and result.out == b"", result
    assert all(word in result.err.decode() for word in words), result.err
    segment = resil.status()["segment"]
    assert (segment["generation"], segment["overrides"]) == (1, [])


def test_every_key(resil, hold):
    """Each takes its default, and says what the file would say of nonsense."""
    started(resil, hold.port)
    for name, kind, default in keys():
        if name == "timeout.dns":
            continue
        if kind != "TEXT":
            result = resil.resctl("set", "backend", f"{name}={default}")
            assert result.status == 0, (name, result)
            bad = resil.file("bad.conf", f"[destination backend]\nmatch = *\n{name} = (nonsense)\n")
            told = re.search(rb"got `.*", resil.resctl("check", bad).err)[0]
            result = resil.resctl("set", "backend", f"{name}=(nonsense)")
            assert result.status == 2 and told in result.err, (name, told, result)
    assert len(resil.status()["segment"]["overrides"]) == len([row for row in keys() if row[1] != "TEXT"]) - 1
    assert resil.resctl("set", "backend", "--clear").status == 0
    assert resil.status()["segment"]["doubts"] == 0


def test_endpoints(resil, hold, counting):
    """Others for running programs, at the next connect."""
    puppet = started(resil, hold.port)
    assert resil.resctl("set", "backend", f"endpoints={HOST}:{counting.port}", "balance=weighted").status == 0
    assert puppet.do("connect().close()") == "ok"
    wait_until(lambda: counting.accepted == 1)
    assert resil.counters("backend", f"{HOST}:{counting.port}")["connects_ok"] == 1
    assert resil.resctl("set", "backend", f"endpoints={HOST}:{hold.port} weight=3, {HOST}:{counting.port}").status == 0
    assert puppet.do("[connect().close() for _ in range(4)]") == "ok"
    wait_until(lambda: counting.accepted == 2)


def test_reload_keeps_what_was_set(resil, hold):
    """As long as the destination is there; what has no place any more goes, and reload says so."""
    started(resil, hold.port, "bulkhead.limit = 9\n[destination other]\nmatch = 192.0.2.1\n")
    assert resil.resctl("set", "backend", "bulkhead.limit=2", "breaker.errors=5", "--for", "1h").status == 0
    assert resil.resctl("set", "other", "mode=observe").status == 0
    config(resil, hold.port, "bulkhead.limit = 8\nbreaker.lumping = 4s\n")
    result = resil.resctl("reload")
    assert result.status == 0, result
    assert b"other mode = observe is dropped: there is no such destination any more" in result.err, result
    assert b"backend breaker.errors = 5 is dropped: " in result.err, result
    assert [(row["key"], row["value"]) for row in resil.status()["segment"]["overrides"]] == [("bulkhead.limit", "2")]
    assert resil.row("backend")["limit"] == 2
    assert resil.resctl("set", "backend", "--clear").status == 0
    assert resil.row("backend")["limit"] == 8
    assert resil.resctl("status").out.count(b"FILE CHANGED") == 0


def test_many_at_once(resil, hold):
    """Each `set' is a change of what the others left, none is lost."""
    started(resil, hold.port, "".join(f"[destination d{i}]\nmatch = 192.0.2.{i}\n" for i in range(1, 13)))
    children = [resil.spawn([*RESCTL_SET, f"d{i}", f"bulkhead.limit={i}"], preload=False) for i in range(1, 13)]
    results = [resil.finish(child) for child in children]
    assert [result.status for result in results] == [0] * 12, results
    assert [resil.row(f"d{i}")["limit"] for i in range(1, 13)] == list(range(1, 13))
    assert resil.status()["segment"]["generation"] == 13


def test_chaos(resil, counting):
    puppet = started(resil, counting.port)
    assert resil.resctl("chaos", "list").out == b"no fault is injected into any destination\n"
    for args in (["set", "backend", "refuse"], ["set", "backend", "refuse", "--for", "1s", "--forever"],
                 ["sett", "backend", "refuse", "--for", "1s"], ["set", "backend", "", "--for", "1s"],
                 ["set", "backend", "refuze", "--for", "1s"]):
        result = resil.resctl("chaos", *args)
        assert result.status == 2 and result.out == b"" and result.err, (args, result)
    assert resil.resctl("chaos", "set", "backand", "refuse", "--forever").status == 1
    begin = time.monotonic()
    assert resil.resctl("chaos", "set", "backend", "error=EHOSTUNREACH", "--for", "700ms").status == 0
    end = time.monotonic()
    assert puppet.do("connect()") == "EHOSTUNREACH"
    assert resil.status()["segment"]["chaos"] == ["backend"]
    text = resil.resctl("status").out.decode()
    assert re.search(r"^CHAOS +faults are injected into backend: error=EHOSTUNREACH", text, re.MULTILINE), text
    assert re.search(rb"backend chaos = error=EHOSTUNREACH, for another \d+ms, by resctl", resil.resctl("chaos", "list").out)
    last = last_begin(puppet, "connect().close()", "EHOSTUNREACH")
    assert last < end + 0.7 and begin + 0.7 <= time.monotonic() < end + 0.7 + 0.25
    assert resil.status()["segment"]["chaos"] == []
    assert resil.resctl("chaos", "set", "backend", "refuse", "--forever").status == 0
    assert puppet.do("connect()") == "ECONNREFUSED"
    assert resil.resctl("chaos", "clear").status == 0 and puppet.do("connect().close()") == "ok"
    assert resil.row("backend")["state"] == "closed"


def test_chaos_is_denied(resil, counting):
    started(resil, counting.port, "chaos = deny\n")
    for args in (["chaos", "set", "backend", "refuse", "--for", "1s"], ["set", "backend", "chaos=refuse", "--for", "1s"]):
        result = resil.resctl(*args)
        assert result.status == 1 and b"deny" in result.err, result
    assert resil.status()["segment"]["overrides"] == []


def test_chaos_of_the_file(resil, counting):
    puppet = started(resil, counting.port, "chaos = latency=1ms\n")
    assert b"backend chaos = latency=1ms, as in the configuration" in resil.resctl("chaos", "list").out
    assert b"stay" in resil.resctl("chaos", "clear", "backend").out
    assert resil.resctl("set", "backend", "chaos=").status == 0
    injected = resil.counters("backend")["chaos_injected"]
    assert puppet.do("connect().close()") == "ok"
    assert resil.counters("backend")["chaos_injected"] == injected


def test_without_rules(resil, hold):
    resil.config("[destination a]\nmatch = nothing at all\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("connect().close()") == "ok"
    result = resil.resctl("set", "a", "mode=off")
    assert result.status == 1 and b"no destination" in result.err
