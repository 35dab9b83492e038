# SPDX-License-Identifier: MIT
"""Goal: an operator can open, force, drain and reset any breaker by hand, for all processes at once, for an exact time, and
everybody can see who did it."""

import os
import time

import pytest

from helper import RESCTL, wait_until
from servers import HOST

REFUSED = "ECONNREFUSED"


def started(resil, port, more=""):
    """A puppet that has attached, with one connection made and closed."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{port}\n{more}")
    puppet = resil.puppet(port)
    assert puppet.do("connect().close()") == "ok"
    return puppet


def states(resil):
    return {row["endpoint"]: row["state"] for row in resil.status()["destinations"] if row["name"] == "backend"}


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


def timed(resil, puppet, command, seconds, line="connect().close()", error=REFUSED):
    """Whether a command holds exactly so long."""
    begin = time.monotonic()
    result = resil.resctl(command, "backend", "--for", f"{int(seconds * 1000)}ms")
    end = time.monotonic()
    assert result.status == 0, result
    last = last_begin(puppet, line, error)
    assert last < end + seconds and begin + seconds <= time.monotonic() < end + seconds + 0.25


@pytest.mark.parametrize("scope", ["endpoint", "destination"])
def test_force_open(resil, counting, scope):
    """For every process, also for endpoints that are met later, until reset."""
    puppet = started(resil, counting.port, f"breaker.scope = {scope}\n")
    endpoint = f"{HOST}:{counting.port}"
    result = resil.resctl("force-open", "backend")
    assert (result.status, result.out) == (0, b"backend: forced_open\n"), result
    assert puppet.do("connect()") == REFUSED and resil.puppet(counting.port).do("connect()") == REFUSED
    assert states(resil) == {"*": "forced_open", endpoint: "forced_open"}
    row = resil.row("backend")
    assert (row["reason"], row["forced"]["state"], row["forced"]["rest_ms"], row["forced"]["uid"],
            row["forced"]["inherited"]) == ("forced", "forced_open", None, os.getuid(), False)
    assert resil.row("backend", endpoint)["forced"]["inherited"]
    text = resil.resctl("status").out.decode()
    assert f"forced     backend/* forced_open, until it is reset, by uid {os.getuid()} pid " in text, text
    events = [event for event in resil.events() if event["reason"] == "forced"]
    assert [(event["destination"], event["endpoint"], event["from"], event["to"], event["program"], event["uid"])
            for event in events] == [("backend", "*", "closed", "forced_open", "resctl", os.getuid())]
    assert resil.resctl("reset", "backend").out == b"backend: reset\n"
    assert puppet.do("connect().close()") == "ok" and states(resil) == {"*": "closed", endpoint: "closed"}
    assert resil.counters("backend")["rejected_breaker"] == 2


def test_force_closed(resil, dead):
    """Nothing is refused, nothing is counted; the breaker begins anew when it is over."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 2\nbreaker.open_time = 60s\n")
    puppet = resil.puppet(dead.port)
    assert [puppet.do("connect()") for _ in range(2)] == [REFUSED] * 2
    assert states(resil)["*"] == "open"
    endpoint = f"backend/{HOST}:{dead.port}"
    assert resil.resctl("force-closed", endpoint).status == 0
    assert [puppet.do("connect()") for _ in range(5)] == [REFUSED] * 5
    assert resil.counters("backend")["attempts"] == 7 and states(resil)[f"{HOST}:{dead.port}"] == "forced_closed"
    assert resil.resctl("reset", endpoint).status == 0
    assert [puppet.do("connect()") for _ in range(3)] == [REFUSED] * 3
    assert resil.counters("backend")["attempts"] == 9 and states(resil)["*"] == "open"


def test_it_ends_by_itself(resil, hold):
    puppet = started(resil, hold.port)
    timed(resil, puppet, "force-open", 0.6)
    assert states(resil) == {"*": "closed", f"{HOST}:{hold.port}": "closed"} and resil.row("backend")["forced"] is None
    events = [event for event in resil.events() if event["reason"] in ("forced", "force_ended")]
    assert [(event["from"], event["to"], event["reason"], event["program"] == "resctl") for event in events] == [
        ("closed", "forced_open", "forced", True), ("forced_open", "closed", "force_ended", False)]
    timed(resil, puppet, "drain", 0.3)


def test_looking_ends_nothing(resil, hold):
    """The end is judged by the clock: it shows before anybody wrote it down, and is written down by a call alone."""
    started(resil, hold.port)
    assert resil.resctl("force-open", "backend", "--for", "200ms").status == 0
    assert 0 < resil.row("backend")["forced"]["rest_ms"] <= 200
    wait_until(lambda: states(resil)["*"] == "closed")
    assert [event["reason"] for event in resil.events()].count("force_ended") == 0


def test_a_new_time_is_the_time(resil, hold):
    """Longer, shorter, or none: the last command counts, and none of another one's end."""
    puppet = started(resil, hold.port)
    assert resil.resctl("force-open", "backend", "--for", "200ms").status == 0
    assert resil.resctl("force-open", "backend").status == 0
    assert resil.row("backend")["forced"]["rest_ms"] is None
    assert resil.resctl("drain", "backend", "--for", "1h").status == 0
    assert 3590e3 < resil.row("backend")["forced"]["rest_ms"] <= 3600e3
    assert puppet.do("connect()") == REFUSED
    timed(resil, puppet, "force-open", 0.3)


def test_drain(resil, hold):
    """Open connections go on; ready ends it."""
    puppet = started(resil, hold.port)
    assert puppet.do("kept = connect()") == "ok"
    assert resil.resctl("drain", "backend").status == 0
    assert puppet.do("connect()") == REFUSED
    assert puppet.get("(kept.send(b'x'), kept.recv(1))[1].decode()") == "x"
    row = resil.row("backend")
    assert (row["state"], row["connections"]) == ("draining", 1)
    assert resil.resctl("ready", "backend").out == b"backend: ready\n"
    assert puppet.do("connect().close()") == "ok"
    assert resil.resctl("ready", "backend").out == b"backend: was not draining\n"
    assert resil.resctl("force-open", "backend").status == 0
    assert resil.resctl("ready", "backend").out == b"backend: was not draining\n"
    assert puppet.do("connect()") == REFUSED


def test_drain_of_an_endpoint(resil, hold, counting):
    """Before the first call even: others take over, and it comes back."""
    first, second = f"{HOST}:{hold.port}", f"{HOST}:{counting.port}"
    resil.config(f"[destination backend]\nmatch = 192.0.2.1\nendpoints = {first}, {second}\n"
                 "[destination other]\nmatch = 192.0.2.2\n")
    attacher = resil.puppet(hold.port)
    assert attacher.do("connect().close()") == "ok"
    assert resil.resctl("drain", f"backend/{first}").status == 0
    assert resil.row("backend", first)["state"] == "draining" and resil.row("backend")["state"] == "closed"
    client = resil.puppet(80)
    call = "socket.create_connection(('192.0.2.1', 80)).close()"
    assert client.do(call) == "ok"
    wait_until(lambda: counting.accepted == 1)
    assert resil.resctl("ready", "backend").status == 0
    assert client.do(call) == "ok"
    assert resil.counters("backend", first)["connects_ok"] == 1 and counting.accepted == 1
    assert resil.resctl("drain", "backend").status == 0 and client.do(call) == REFUSED
    # A destination without a single call can be shut as well.
    assert resil.resctl("force-open", "other").status == 0
    assert client.do(call.replace("2.1'", "2.2'")) == REFUSED


def test_trip(resil, counting):
    """Open at once; half-open when the time is over; a good probe closes it."""
    puppet = started(resil, counting.port, "breaker.open_time = 400ms\nbreaker.jitter = off\n")
    begin = time.monotonic()
    assert resil.resctl("trip", "backend").out == b"backend: open\n"
    end = time.monotonic()
    row = resil.row("backend")
    assert (row["state"], row["reason"], row["counters"]["opened"]) == ("open", "forced", 1)
    assert 0 < row["next_attempt_ms"] <= 400
    last = last_begin(puppet, "connect().close()", REFUSED)
    assert last < end + 0.4 and begin + 0.4 <= time.monotonic() < end + 0.4 + 0.25
    assert resil.counters("backend")["half_opened"] == 1 and states(resil)["*"] == "closed"
    timed(resil, puppet, "trip", 0.7)
    assert resil.counters("backend")["half_opened"] == 2


def test_trip_of_an_open_breaker_begins_its_time_anew(resil, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 1\nbreaker.open_time = 60s\n"
                 "breaker.scope = destination\n")
    puppet = resil.puppet(dead.port)
    assert [puppet.do("connect()") for _ in range(2)] == [REFUSED] * 2
    assert resil.resctl("trip", "backend", "--for", "90s").status == 0
    assert resil.row("backend")["next_attempt_ms"] > 60000
    assert resil.counters("backend")["opened"] == 2


@pytest.mark.parametrize("args,status,words", [
    (["trip", "backand"], 1, ["no destination `backand'", "nearest is backend"]),
    (["drain", "backend/127.0.0.1:1"], 1, ["no endpoint `backend/127.0.0.1:1'", "nearest is 127.0.0.1:"]),
    (["trip", "backend", "--for", "1h"], 2, ["at most twice breaker.open_max (2m)"]),
    (["trip", "unused"], 1, ["unused has had no call yet"]),
    (["force-open", "backend", "--for", "5"], 2, ["--for: got `5'"]),
    (["force-closed", "single/{endpoint}"], 1, ["breaker.scope = destination", "name the destination"]),
    (["ready", "backend", "--for", "5s"], 2, ["unknown option `--for'"]),
    (["drain"], 2, ["DEST"]),
], ids=lambda value: "_".join(value) if isinstance(value, list) else None)
def test_refusals(resil, counting, dead, args, status, words):
    resil.config(f"[destination backend]\nmatch = {HOST}:{counting.port}\n[destination unused]\nmatch = 192.0.2.1\n"
                 f"[destination single]\nmatch = {HOST}:{dead.port}\nbreaker.scope = destination\n")
    puppet = resil.puppet(counting.port)
    assert puppet.do("connect().close()") == "ok" and puppet.do(f"connect({dead.port})") == REFUSED
    result = resil.resctl(*[word.format(endpoint=f"{HOST}:{dead.port}") for word in args])
    assert result.status == status and all(word in result.err.decode() for word in words), result
    assert puppet.do("connect().close()") == "ok"


def test_retired(resil, counting):
    started(resil, counting.port)
    resil.config("[destination other]\nmatch = 192.0.2.1\n")
    assert resil.resctl("reload").status == 0
    result = resil.resctl("force-open", "backend")
    assert result.status == 1 and b"any more" in result.err
    assert resil.resctl("reset", "backend").status == 0


def test_killed_in_between(resil, hold):
    """A command that is killed has been given or not: a forced state is never left half changed."""
    puppet = started(resil, hold.port)
    for step in range(20):
        child = resil.spawn([RESCTL, "force-open" if step % 2 else "force-closed", "backend"], preload=False)
        end = time.monotonic() + 0.0003 * step
        while time.monotonic() < end:
            pass
        child.kill()
        child.wait(10)
        state = states(resil)["*"]
        assert state in ("closed", "forced_open", "forced_closed")
        assert (puppet.do("connect().close()") == REFUSED) == (state == "forced_open")
