# SPDX-License-Identifier: MIT
"""Goal: one command takes every policy away from every running program at once, also from versions that this one does not
know, and what is held meanwhile is still given back."""

import os
import struct
import time

import pytest

from helper import LIBRARY, RESCTL, wait_until
from servers import HOST

REFUSED = "ECONNREFUSED"


def config(resil, port, more=""):
    resil.config(f"[destination backend]\nmatch = {HOST}:{port}\n{more}")
    return resil.puppet(port)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_no_policy_acts(resil, hold, dead):
    """Breaker, bulkhead, counters: nothing is asked, nothing is counted; what was held is given back."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n"
                 f"[destination dead]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 1\nbreaker.open_time = 60s\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("first = connect()") == "ok" and puppet.do("connect()") == REFUSED
    assert [puppet.do(f"connect({dead.port})") for _ in range(2)] == [REFUSED] * 2
    before = [resil.counters("backend"), resil.counters("dead")]
    result = resil.resctl("off")
    assert (result.status, result.out.decode()) == (0, f"{resil.segment}: off: every call passes through\n"), result
    assert resil.status()["segment"]["off"] and b"OFF" in resil.resctl("status").out
    assert puppet.do("more = [connect() for _ in range(3)]") == "ok"
    server = dead.revive()
    assert puppet.do(f"connect({dead.port}).close()") == "ok"
    wait_until(lambda: server.accepted == 1)
    assert [resil.counters("backend"), resil.counters("dead")] == before
    assert puppet.do("first.close()") == "ok"
    assert resil.row("backend")["connections"] == 0
    assert resil.resctl("on").status == 0 and not resil.status()["segment"]["off"]
    assert puppet.do(f"connect({dead.port})") == REFUSED
    assert puppet.do("first = connect()") == "ok" and puppet.do("connect()") == REFUSED
    events = [(event["kind"], event["uid"], event["program"]) for event in resil.events()
              if event["kind"] in ("off", "on")]
    assert events == [("off", os.getuid(), "resctl"), ("on", os.getuid(), "resctl")]


def test_it_ends_by_itself(resil, hold):
    puppet = config(resil, hold.port, "bulkhead.limit = 1\n")
    assert puppet.do("kept = [connect()]") == "ok"
    begin = time.monotonic()
    assert resil.resctl("off", "--for", "500ms").status == 0
    end = time.monotonic()
    assert resil.status()["segment"]["off"]
    last = 0
    while True:
        tried = time.monotonic()
        assert tried < end + 20, "it is still off"
        # With an answer: connects alone would be faster than the server accepts them.
        if puppet.do("(one := connect()).send(b'x') and one.recv(1) and one.close()") == REFUSED:
            break
        last = tried
    assert begin < last < end + 0.5 and begin + 0.5 <= time.monotonic() < end + 0.5 + 0.25
    assert not resil.status()["segment"]["off"]
    # Off for a time, then for good: the end of the first is not that of the second.
    assert resil.resctl("off", "--for", "100ms").status == 0 and resil.resctl("off").status == 0
    time.sleep(0.15)
    assert puppet.do("connect().close()") == "ok"


@pytest.mark.parametrize("more,line", [
    ("bulkhead.limit = 1\nbulkhead.queue = 5\nbulkhead.queue_timeout = 1h\n", "connect()"),
    ("rate.limit = 1/h\nrate.max_wait = 1h\n", "connect()"),
    ("bulkhead.unit = exchange\nbulkhead.limit = 1\nbulkhead.queue = 5\nbulkhead.queue_timeout = 1h\n",
     "(second := connect()).send(b'x')"),
], ids=["queue", "rate", "exchange"])
def test_who_waits_goes_on(resil, hang, more, line):
    puppet, waiter = config(resil, hang.port, more), resil.puppet(hang.port)
    assert puppet.do("first = connect()") == "ok" and puppet.do("first.send(b'x')") == "ok"
    waiter.tell(line)
    with pytest.raises(AssertionError):
        waiter.answer(0.3)
    assert resil.resctl("off").status == 0
    assert waiter.answer(1.0) == "ok"
    wait_until(lambda: resil.row("backend")["queued"] == 0)
    assert puppet.do("first.close()") == "ok"
    assert resil.resctl("on").status == 0


def test_no_time_ends_anything(resil, hang):
    """An exchange that was being timed is not ended, nor afterwards; and nobody spins."""
    puppet, poller = config(resil, hang.port, "timeout.response = 300ms\n"), resil.puppet(hang.port)
    assert puppet.do("first = connect()") == "ok" and puppet.do("first.send(b'x')") == "ok"
    assert poller.do("(first := connect()).send(b'x')") == "ok" and poller.do("import select") == "ok"
    assert resil.resctl("off").status == 0
    puppet.tell("first.recv(1)")
    begin = time.monotonic()
    assert poller.get("len(select.select([first], [], [], 0.9)[0])") == 0
    assert time.monotonic() - begin >= 0.9
    with pytest.raises(AssertionError):
        puppet.answer(0.1)
    assert cpu_seconds(puppet.pid) + cpu_seconds(poller.pid) < 1.0
    before = cpu_seconds(puppet.pid) + cpu_seconds(poller.pid)
    assert poller.get("len(select.select([first], [], [], 0.7)[0])") == 0
    assert cpu_seconds(puppet.pid) + cpu_seconds(poller.pid) - before < 0.1
    assert resil.resctl("on").status == 0
    with pytest.raises(AssertionError):
        puppet.answer(0.5)
    assert resil.counters("backend")["response_timeouts"] == 0


def test_a_connect_under_way(resil, black_hole):
    """Its time is not up any more."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{black_hole.port}\ntimeout.connect = 800ms\n")
    puppet = resil.puppet(black_hole.port)
    line = f"socket.create_connection(('{HOST}', {black_hole.port}))"
    assert puppet.do(line) == "ETIMEDOUT"
    puppet.tell(line)
    wait_until(lambda: resil.counters("backend")["attempts"] == 2)
    assert resil.resctl("off").status == 0
    with pytest.raises(AssertionError):
        puppet.answer(1.2)
    assert resil.resctl("on").status == 0
    assert puppet.answer(2.0) == "ETIMEDOUT"


def words(resil):
    """major, off, off_until_ns."""
    with open(resil.segment, "rb") as file:
        header = file.read(32)
    return struct.unpack_from("=I", header, 8)[0], struct.unpack_from("=I", header, 16)[0], \
        struct.unpack_from("=Q", header, 24)[0]


def patch(resil, offset, data):
    with open(resil.segment, "r+b") as file:
        file.seek(offset)
        file.write(data)


def test_another_version(resil, hold):
    """Only the magic number is judged."""
    puppet = config(resil, hold.port, "bulkhead.limit = 1\n")
    assert puppet.do("kept = connect()") == "ok"
    resil.remember_semaphores()
    patch(resil, 8, struct.pack("=I", 77))
    assert resil.resctl("status").status == 3
    assert resil.resctl("off").status == 0 and words(resil)[:2] == (77, 1)
    assert puppet.do("connect().close()") == "ok"
    assert resil.resctl("on").status == 0 and words(resil) == (77, 0, 0)
    assert puppet.do("connect()") == REFUSED


def test_what_is_no_segment(resil, hold):
    assert resil.resctl("off").status == 3
    for content in (b"", b"RESILSE", b"NOT A SEGMENT" * 1000):
        with open(resil.segment, "wb") as file:
            file.write(content)
        result = resil.resctl("off")
        assert result.status == 3 and resil.segment in result.err.decode(), result
        with open(resil.segment, "rb") as file:
            assert file.read() == content
    os.unlink(resil.segment)
    os.symlink(__file__, resil.segment)
    assert resil.resctl("off").status == 3
    os.unlink(resil.segment)
    assert resil.resctl("off", "--for", "5").status == 2


def test_all(resil, hold):
    """Every segment of /dev/shm: in one of our own, so that no other test is switched off."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\n")
    connect = f"exec 3<>/dev/tcp/{HOST}/{hold.port}"
    script = (f"mount -t tmpfs none /dev/shm || exit 77\n"
              f"for n in 1 2 3; do RESIL_SEGMENT=/dev/shm/resil-x$n LD_PRELOAD={LIBRARY} bash -c '{connect}'; done\n"
              f"echo x >/dev/shm/resil-stranger; echo x >/dev/shm/other\n"
              f"{RESCTL} off --all; echo $?\n"
              "for n in 1 2 3; do od -An -tu4 -j16 -N4 /dev/shm/resil-x$n; done\n"
              f"rm /dev/shm/resil-stranger; {RESCTL} on --all >/dev/null; echo $?\n"
              "for n in 1 2 3; do od -An -tu4 -j16 -N4 /dev/shm/resil-x$n; done\n"
              f"rm /dev/shm/resil-*; {RESCTL} off --all; echo $?\n")
    result = resil.run(["unshare", "-m", *([] if os.getuid() == 0 else ["-r"]), "bash", "-c", script], preload=False)
    if result.status == 77:
        pytest.skip("no mount namespace")
    lines = [line.strip() for line in result.out.decode().splitlines()]
    assert lines == [f"/dev/shm/resil-x{n}: off: every call passes through" for n in (1, 2, 3)] + [
        "3", "1", "1", "1", "0", "0", "0", "0", "3"], result
    assert b"resil-stranger: not a segment of libresil" in result.err and b"there is no segment" in result.err


def test_affinity(resil, hold, counting):
    """Each process that kept an endpoint chooses anew, once."""
    endpoints = f"{HOST}:{hold.port}, {HOST}:{counting.port}"
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nendpoints = {endpoints}\nbalance = round_robin\n"
                 "balance.affinity = process\n[destination plain]\nmatch = 192.0.2.1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("[connect().close() for _ in range(5)]") == "ok"

    def used():
        return {row["endpoint"]: row["counters"]["connects_ok"] for row in resil.status()["destinations"]
                if row["name"] == "backend" and row["endpoint"] != "*"}

    assert sorted(used().values())[-1] == 5 and sum(used().values()) == 5
    for _ in range(4):
        result = resil.resctl("affinity", "clear", "backend")
        assert (result.status, result.out) == (0, b"backend: every process chooses anew\n"), result
        assert puppet.do("[connect().close() for _ in range(2)]") == "ok"
    assert len(used()) == 2 and min(used().values()) >= 2
    assert resil.resctl("affinity", "clear", "plain").out == b"plain: no process keeps an endpoint\n"
    assert resil.resctl("affinity", "clear").status == 0
    assert resil.resctl("affinity", "clear", "backand").status == 1
    assert resil.resctl("affinity", "show").status == 2
