# SPDX-License-Identifier: MIT
"""Goal: nobody waits behind one who does not come: a program that began a connect and is busy elsewhere, or was stopped,
keeps its place in the queue and holds up nobody."""

import os
import signal
import time

import pytest

from helper import wait_until
from servers import HOST

LATE = 2.0  # for the others; the sleeper's own time is five times as long


@pytest.fixture
def full(resil, hold):
    """Two slots, both taken by one process; the queue is empty."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 2\nbulkhead.queue = 5\n"
                 "bulkhead.queue_timeout = 10s\n")
    holder = resil.puppet(hold.port)
    assert holder.do("all = [connect(), connect()]") == "ok"
    return holder


def queued(resil, number):
    wait_until(lambda: resil.row("backend")["queued"] == number)


def served_in_time(resil, holder, others):
    """Both slots come back: each of the others gets one."""
    start = time.monotonic()
    assert holder.do("[one.close() for one in all]") == "ok"
    assert [other.answer() for other in others] == ["ok"] * len(others)
    assert time.monotonic() - start < LATE
    assert resil.row("backend")["queued"] == 1


def test_an_unwatched_connect_holds_up_nobody(resil, hold, full):
    sleeper = resil.puppet(hold.port)
    assert sleeper.do("n = socket.socket(); n.setblocking(False); n.connect_ex((HOST, PORT))") == "ok"
    queued(resil, 1)
    others = [resil.puppet(hold.port) for _ in range(2)]
    for number, other in enumerate(others):
        other.tell("s = connect()")
        queued(resil, number + 2)
    served_in_time(resil, full, others)
    assert others[0].do("s.close()") == "ok"  # the sleeper wakes up and has its turn
    assert sleeper.do("import select; select.select([], [n], [], 5); n.sendall(b'x')") == "ok"
    assert (resil.row("backend")["queued"], resil.row("backend")["connections"]) == (0, 2)


def test_a_stopped_waiter_holds_up_nobody(resil, hold, full):
    stopped = resil.puppet(hold.port)
    stopped.tell("s = connect()")
    queued(resil, 1)
    os.kill(stopped.pid, signal.SIGSTOP)
    other = resil.puppet(hold.port)
    other.tell("s = connect()")
    queued(resil, 2)
    served_in_time(resil, full, [other])
    os.kill(stopped.pid, signal.SIGCONT)
    assert stopped.answer() == "ok"
    assert (resil.row("backend")["queued"], resil.row("backend")["connections"]) == (0, 2)
