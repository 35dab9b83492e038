# SPDX-License-Identifier: MIT
"""Goal: rules change while programs run, all at once, without a restart, and without losing what was learned; a bad file
or a publisher that dies changes nothing."""

import os
import re
import signal
import struct
import subprocess
import time

from helper import RESCTL, wait_until
from servers import HOST

GENERATION = 112
PUBLISHER = 120


def rules(*destinations):
    """(name, port, further lines), ..."""
    return "".join(f"[destination {name}]\nmatch = {HOST}:{port}\n{more}\n" for name, port, more in destinations)


def test_a_running_process_follows(resil, counting, dead):
    """At its next connect: the breaker opens by the new rules, counters and history stay."""
    resil.config(rules(("backend", dead.port, "breaker.failures = 5\nbreaker.open_time = 60s\n")))
    puppet = resil.puppet(dead.port)
    for _ in range(2):
        assert puppet.do("connect()") == "ECONNREFUSED"
    before = resil.row("backend")
    assert (before["consecutive_failures"], before["counters"]["attempts"]) == (2, 2)
    resil.config(rules(("backend", dead.port, "breaker.failures = 3\nbreaker.open_time = 60s\n")))
    assert resil.status()["segment"]["file_changed"]
    result = resil.resctl("reload")
    assert result.status == 0 and b"generation 2 from " in result.out and b"0 new, 0 retired" in result.out, result
    segment = resil.status()["segment"]
    assert (segment["generation"], segment["file_changed"], segment["config_error"]) == (2, False, None)
    assert resil.row("backend")["consecutive_failures"] == 2
    assert puppet.do("connect()") == "ECONNREFUSED"
    row = resil.row("backend")
    assert (row["state"], row["counters"]["attempts"], row["counters"]["opened"]) == ("open", 3, 1)
    assert puppet.do("connect()") == "ECONNREFUSED"
    assert resil.counters("backend")["rejected_breaker"] == 1
    assert [event["kind"] for event in resil.events()].count("loaded") == 2
    # An open breaker survives, and so does a segment that knows better than the file.
    assert resil.resctl("reload").status == 0
    assert resil.row("backend")["state"] == "open"


def test_a_bad_file_changes_nothing(resil, hold):
    good = resil.config(rules(("backend", hold.port, "bulkhead.limit = 1\n")))
    puppet = resil.puppet(hold.port)
    assert puppet.do("first = connect()") == "ok"
    bad = resil.file("bad.conf", "[destination backend]\nmatch = *\nbulkhead.limit = many\nmode = x\n")
    result = resil.resctl("reload", bad)
    text = result.err.decode()
    assert result.status == 2 and result.out == b"" and "generation 1 stays" in text, result
    assert "bad.conf:3:18: bulkhead.limit: got `many'" in text and "bad.conf:4:8: mode:" in text, text
    segment = resil.status()["segment"]
    assert (segment["generation"], segment["config_path"]) == (1, good)
    assert "bad.conf:3:18" in segment["config_error"]
    assert "bad.conf:3:18" in resil.resctl("status").out.decode()
    assert puppet.do("connect()") == "ECONNREFUSED"
    assert resil.resctl("reload", os.path.join(resil.dir, "none.conf")).status == 2
    assert resil.row("backend")["limit"] == 1
    assert [event["kind"] for event in resil.events()].count("config_error") == 2
    assert resil.resctl("reload").status == 0
    segment = resil.status()["segment"]
    assert (segment["generation"], segment["config_error"], segment["config_path"]) == (2, None, good)


def test_another_file(resil, hold):
    """It becomes the segment's file, by its absolute path, also for processes that come later; RESIL_RULES stays on top."""
    resil.config(rules(("backend", hold.port, "bulkhead.limit = 5\n")))
    inline = {"RESIL_RULES": "[destination backend]; breaker.failures = 77"}
    puppet = resil.puppet(hold.port, env=inline)
    assert puppet.do("connect()") == "ok"
    resil.file("other.conf", rules(("backend", hold.port, "bulkhead.limit = 3\n")))
    assert resil.resctl("reload", "other.conf").status == 0
    assert resil.status()["segment"]["config_path"] == os.path.join(resil.dir, "other.conf")
    assert resil.row("backend")["limit"] == 3
    late = resil.puppet(hold.port, env=inline)
    assert late.do("kept = [connect() for _ in range(3)]") == "ok" and late.do("connect()") == "ECONNREFUSED"
    # What stands in the inline text is judged as always: this destination lost its match line.
    resil.file("other.conf", rules(("elsewhere", hold.port, "")))
    assert b"RESIL_RULES:1:1: backend: no match line" in resil.resctl("reload").err
    assert resil.resctl("reload", "--rules", "").status == 0
    assert [row["name"] for row in resil.status()["destinations"] if row["mode"] != "retired"][0] == "elsewhere"


def test_retired_and_new(resil, hold, counting):
    resil.config(rules(("old", hold.port, ""), ("kept", counting.port, "")))
    puppet = resil.puppet(hold.port)
    assert hold_one(puppet) and puppet.do(f"connect({counting.port}).close()") == "ok"
    resil.config(rules(("new", hold.port, "bulkhead.limit = 1\n"), ("kept", counting.port, "")))
    result = resil.resctl("reload")
    assert b"2 destinations, 1 new, 1 retired" in result.out, result
    assert (resil.row("old")["mode"], resil.row("old")["connections"]) == ("retired", 1)
    assert resil.row("new")["mode"] == "enforce"
    # The connection of before belongs to its old destination to its end, and works.
    assert puppet.get("(kept.send(b'x'), kept.recv(1))[1].decode()") == "x"
    assert puppet.do("second = connect()") == "ok" and puppet.do("connect()") == "ECONNREFUSED"
    assert puppet.do("kept.close()") == "ok"
    assert (resil.row("old")["connections"], resil.row("new")["connections"]) == (0, 1)
    assert resil.row("kept")["counters"]["connects_ok"] == 1


def hold_one(puppet):
    return puppet.do("kept = connect()") == "ok"


def test_an_open_connection_keeps_its_rules(resil, hang):
    resil.config(rules(("backend", hang.port, "timeout.response = 24h\n")))
    puppet = resil.puppet(hang.port)
    assert puppet.do("first = connect()") == "ok" and puppet.do("first.send(b'x')") == "ok"
    resil.config(rules(("backend", hang.port, "timeout.response = 300ms\n")))
    assert resil.resctl("reload").status == 0
    assert puppet.do("second = connect()") == "ok" and puppet.do("second.send(b'x')") == "ok"
    start = time.monotonic()
    assert puppet.do("second.recv(1)") == "ETIMEDOUT"
    assert 0.29 < time.monotonic() - start < 0.3 + 0.25
    assert puppet.do("(first.setblocking(False), first.recv(1))") == "EAGAIN"


def test_bulkhead_is_resized(resil, hold):
    """Smaller: nobody is thrown out, nobody comes in. Larger: at once, for those who wait in the queue, too."""
    text = "bulkhead.limit = {}\nbulkhead.queue = 5\nbulkhead.queue_timeout = 10s\n"
    resil.config(rules(("backend", hold.port, text.format(3))))
    puppet, waiter = resil.puppet(hold.port), resil.puppet(hold.port)
    assert puppet.do("kept = [connect() for _ in range(3)]") == "ok"
    resil.config(rules(("backend", hold.port, text.format(2))))
    assert resil.resctl("reload").status == 0
    assert (resil.row("backend")["connections"], resil.row("backend")["limit"]) == (3, 2)
    waiter.tell("got = connect()")
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    assert puppet.do("kept.pop().close()") == "ok"
    assert resil.row("backend")["queued"] == 1
    resil.config(rules(("backend", hold.port, text.format(4))))
    assert resil.resctl("reload").status == 0
    assert waiter.answer(2.0) == "ok"
    assert puppet.do("kept.append(connect())") == "ok"
    assert resil.row("backend")["connections"] == 4


def test_bulkhead_of_exchanges_is_resized(resil, hang):
    """On connections that are open already."""
    text = "bulkhead.unit = exchange\nbulkhead.limit = {}\n"
    resil.config(rules(("backend", hang.port, text.format(1))))
    puppet = resil.puppet(hang.port)
    assert puppet.do("kept = [connect() for _ in range(3)]") == "ok"
    assert puppet.do("kept[0].send(b'x')") == "ok" and puppet.do("kept[1].send(b'x')") == "ETIMEDOUT"
    resil.config(rules(("backend", hang.port, text.format(2))))
    assert resil.resctl("reload").status == 0
    assert puppet.do("kept[1].send(b'x')") == "ok" and puppet.do("kept[2].send(b'x')") == "ETIMEDOUT"


def word(resil, offset, value=None):
    with open(resil.segment, "r+b") as file:
        file.seek(offset)
        if value is None:
            return struct.unpack("=Q", file.read(8))[0]
        file.write(struct.pack("=Q", value))
        return value


def test_a_publisher_that_dies(resil, hold):
    """Killed at any moment: the old rules or the new ones, never none, and the next one goes on at once."""
    path = resil.config(rules(*((f"d{i}", 20000 + i, "") for i in range(300)), ("backend", hold.port, "")))
    puppet = resil.puppet(hold.port)
    assert puppet.do("connect().close()") == "ok"
    generation = 1
    for step in range(40):
        child = resil.spawn([RESCTL, "reload"], preload=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 0.0004 * step
        while time.monotonic() < end:
            pass
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        seen = word(resil, GENERATION)
        assert seen in (generation, generation + 1)
        generation = seen
        assert puppet.do("connect().close()") == "ok"
    status = resil.status()
    assert status["segment"]["doubts"] == 0 and status["segment"]["config_path"] == path
    assert len([row for row in status["destinations"] if row["endpoint"] == "*"]) == 301
    start = time.monotonic()
    assert resil.resctl("reload").status == 0 and time.monotonic() - start < 2
    assert word(resil, GENERATION) == generation + 1 and word(resil, PUBLISHER) == 0


def test_a_publisher_that_stands_still(resil, hold):
    """Whoever wants to publish waits for a living one, and says so in the end."""
    resil.config(rules(("backend", hold.port, "")))
    puppet = resil.puppet(hold.port)
    assert puppet.do("connect().close()") == "ok"
    with open(resil.segment, "rb") as file:  # the puppet's entry in the table of processes: index 0
        file.seek(4915200)
        owner = (struct.unpack("=Q", file.read(8))[0] >> 32) << 12
    word(resil, PUBLISHER, owner)
    result = resil.resctl("reload")
    assert result.status == 4 and b"publishing" in result.err and 2 <= result.seconds < 4, result
    puppet.kill()
    assert resil.resctl("reload").status == 0
    assert word(resil, GENERATION) == 2


def test_many_at_once(resil, hold):
    """Each publishes once; processes that connect meanwhile see whole rules."""
    resil.config(rules(("backend", hold.port, "bulkhead.limit = 7\n")))
    puppet = resil.puppet(hold.port)
    assert puppet.do("connect().close()") == "ok"
    children = [resil.spawn([RESCTL, "reload"], preload=False) for _ in range(8)]
    assert puppet.do("[connect().close() for _ in range(200)]") == "ok"
    results = [resil.finish(child) for child in children]
    assert [result.status for result in results] == [0] * 8, results
    numbers = sorted(int(re.search(rb"generation (\d+)", result.out)[1]) for result in results)
    assert numbers == list(range(2, 10))
    segment = resil.status()["segment"]
    assert (segment["generation"], segment["doubts"], segment["processes"]) == (9, 0, 1)
    assert resil.counters("backend")["connects_ok"] == 201


def resident_kb(pid, what="VmData"):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(rf"^{what}:\s+(\d+) kB", file.read(), re.MULTILINE)[1])


def test_old_rules_go(resil, hold, hang):
    """Rules that are published again and again for months take no more memory than the last few; who still needs old ones,
    a connection or a call that waits, has them."""
    many = [(f"d{i}", 20000 + i, "") for i in range(300)]
    text = "bulkhead.limit = 2\nbulkhead.queue = 5\nbulkhead.queue_timeout = 1h\nretry.attempts = 3\n"
    resil.config(rules(*many, ("backend", hold.port, text), ("silent", hang.port, "timeout.response = 25s\n")))
    puppet = resil.puppet(hold.port)
    waiter = resil.puppet(hold.port)
    assert waiter.do("connect().close()") == "ok"
    assert puppet.do("kept = [connect(), connect()]") == "ok"
    assert puppet.do(f"silent = connect({hang.port})") == "ok" and puppet.do("silent.send(b'x')") == "ok"
    waiter.tell("got = connect()")
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    before = resident_kb(puppet.pid)
    copies = 20
    start = time.monotonic()
    for _ in range(copies):
        assert resil.resctl("reload").status == 0
        assert puppet.do(f"connect({hang.port}).close()") == "ok"
    grown = resident_kb(puppet.pid) - before
    assert grown > 100 * copies, "the copies are too small to be seen"
    assert resil.status()["segment"]["generation"] == copies + 1
    wait_until(lambda: time.monotonic() > start + 5.3, 15)
    assert resil.resctl("reload").status == 0 and puppet.do(f"connect({hang.port}).close()") == "ok"
    wait_until(lambda: time.monotonic() > start + 7, 15)
    assert resil.resctl("reload").status == 0 and puppet.do(f"connect({hang.port}).close()") == "ok"
    assert resident_kb(puppet.pid) - before < grown / 2
    assert puppet.do("(kept[0].send(b'x'), kept[0].recv(1), kept.pop().close())") == "ok"
    assert waiter.answer(3.0) == "ok" and waiter.get("(got.send(b'y'), got.recv(1))[1].decode()") == "y"
    assert puppet.do("(silent.setblocking(False), silent.recv(1))") == "EAGAIN"
    assert resil.status()["segment"]["doubts"] == 0


def test_counted_faults_go_on(resil, counting):
    """count= and for= are of the faults as they were set, however often the rules are published meanwhile."""
    resil.config(rules(("backend", counting.port, "chaos = error=EHOSTUNREACH count=3\n"), ("other", 1, "")))
    puppet = resil.puppet(counting.port)
    assert [puppet.do("connect()") for _ in range(2)] == ["EHOSTUNREACH"] * 2
    assert resil.resctl("set", "other", "mode=off").status == 0 and resil.resctl("reload").status == 0
    assert puppet.do("connect()") == "EHOSTUNREACH" and puppet.do("connect().close()") == "ok"
    begin = time.monotonic()
    assert resil.resctl("chaos", "set", "backend", "refuse for=700ms", "--for", "1h").status == 0
    while puppet.do("connect().close()") == "ECONNREFUSED":
        assert time.monotonic() < begin + 20
        assert resil.resctl("set", "other", "--clear").status == 0
    assert begin + 0.69 <= time.monotonic() < begin + 0.7 + 0.5
