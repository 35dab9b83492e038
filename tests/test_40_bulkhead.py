# SPDX-License-Identifier: MIT
"""Goal: at most bulkhead.limit connections are open at once over all processes, and a slot comes back whatever way its
holder ends: close, the last of its duplicates, exit, exec, kill -9."""

import re

import pytest

from clients import BY_NAME, REFUSED
from helper import PYTHON, program, wait_until
from servers import HOST

TURNS = 5


@pytest.fixture
def holders(resil, hold):
    """Three processes that hold the three slots."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 3\n")
    puppets = [resil.puppet(hold.port) for _ in range(3)]
    for puppet in puppets:
        assert puppet.do("s = connect()") == "ok"
    return puppets


@pytest.fixture
def fourth(resil, hold, holders):
    """A fourth process, which has been refused once."""
    puppet = resil.puppet(hold.port)
    assert puppet.do("connect()") == "ECONNREFUSED"
    return puppet


def test_the_fourth_is_refused(resil, hold, holders, fourth, syns):
    packets = syns(hold.port)
    assert fourth.do("connect()") == "ECONNREFUSED"
    assert fourth.do("import asyncio; asyncio.run(asyncio.open_connection(HOST, PORT))") == "ECONNREFUSED"
    result = resil.run(BY_NAME["curl"].command(HOST, hold.port))
    assert result.status != 0 and re.search(REFUSED, result.err)
    wait_until(lambda: hold.accepted == 3)
    assert packets.count() == 0
    row = resil.row("backend")
    assert (row["connections"], row["limit"], row["state"]) == (3, 3, "closed")
    assert row["counters"]["rejected_bulkhead"] == 4
    assert holders[0].do("s.sendall(b'x')") == "ok" and holders[0].get("s.recv(1).decode()") == "x"


def test_close_frees(resil, holders, fourth):
    assert holders[0].do("s.close()") == "ok"
    assert fourth.do("s = connect()") == "ok"
    assert holders[0].do("connect()") == "ECONNREFUSED"
    assert resil.row("backend")["connections"] == 3


def test_the_last_duplicate_frees(resil, holders, fourth):
    assert holders[0].do("d = s.dup(); s.close()") == "ok"
    assert fourth.do("connect()") == "ECONNREFUSED"
    assert holders[0].do("d.sendall(b'x'); d.recv(1)") == "ok"
    assert holders[0].do("d.close()") == "ok"
    assert fourth.do("s = connect()") == "ok"


def test_dup2_over_it_frees(resil, holders, fourth):
    assert holders[0].do("os.dup2(0, s.fileno())") == "ok"
    assert fourth.do("s = connect()") == "ok"


def test_exit_frees(resil, holders, fourth):
    holders[0].exit()
    assert fourth.do("s = connect()") == "ok"


def test_kill_frees_at_once(resil, holders, fourth):
    holders[0].kill()  # still a zombie when the next one asks
    assert fourth.do("s = connect()") == "ok"
    counters = resil.counters("backend")
    assert (counters["reclaimed"], counters["rejected_bulkhead"]) == (1, 1)
    assert resil.row("backend")["connections"] == 3


def test_exec_frees(resil, holders):
    assert holders[0].do("become_another()") == "ok"  # the answer is that of the new program
    assert holders[0].do("s = connect()") == "ok"
    assert holders[1].do("connect()") == "ECONNREFUSED"
    assert resil.row("backend")["connections"] == 3


def test_failed_connects_hold_nothing(resil, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbulkhead.limit = 1\nbreaker.failures = off\n")
    puppet = resil.puppet(dead.port)
    for _ in range(3):
        assert puppet.do("connect()") == "ECONNREFUSED"
    row = resil.row("backend")
    assert (row["counters"]["connects_failed"], row["counters"]["rejected_bulkhead"], row["connections"]) == (3, 0, 0)


def most_at_once(intervals):
    changes = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def test_thirty_contenders(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 3\n")
    command = [PYTHON, program("contender.py"), HOST, str(hold.port), str(TURNS)]
    results = [resil.finish(child, 60) for child in [resil.spawn(command) for _ in range(30)]]
    assert [result.status for result in results] == [0] * 30, results
    lines = [line.split() for result in results for line in result.out.decode().splitlines()]
    turns = [(float(start), float(end)) for start, end in lines if start != "refused"]
    assert len(turns) == 30 * TURNS and most_at_once(turns) <= 3
    refusals = sum(int(number) for word, number in lines if word == "refused")
    wait_until(lambda: resil.row("backend")["connections"] == 0)
    assert resil.counters("backend")["rejected_bulkhead"] == refusals > 0
