# SPDX-License-Identifier: MIT
"""Goal: an answer that comes after its timeout is never read as the answer to the next request. The connection is dead
after the timeout: ETIMEDOUT once, ECONNRESET from then on, and no signal."""

import threading

import pytest

from helper import wait_until
from servers import HOST, Scripted


class Late(Scripted):
    """Answers when it is allowed to, and records whether the answer could be sent."""

    def __init__(self):
        self.allowed = threading.Event()
        self.answered = threading.Event()
        super().__init__()

    def handle(self, connection):
        connection.recv(100)
        self.allowed.wait(10)
        try:
            connection.sendall(b"late")
        finally:
            self.answered.set()
        while connection.recv(100):
            pass


@pytest.fixture
def late():
    server = Late()
    yield server
    server.allowed.set()
    server.stop()


@pytest.mark.parametrize("nonblocking", [False, True])
def test_late_answer_is_unreadable(resil, late, nonblocking):
    resil.config(f"[destination backend]\nmatch = {HOST}:{late.port}\ntimeout.response = 300ms\n")
    puppet = resil.puppet(late.port)
    assert puppet.do("s = connect()") == "ok"
    if nonblocking:
        assert puppet.do("import select; s.setblocking(False)") == "ok"
    assert puppet.do("s.sendall(b'first')") == "ok"
    if nonblocking:
        assert puppet.get("len(select.select([s], [], [], 5)[0])") == 1
    assert puppet.do("s.recv(100)") == "ETIMEDOUT"
    late.allowed.set()
    wait_until(late.answered.is_set)
    assert puppet.do("s.sendall(b'second')") in ("ECONNRESET", "EPIPE")
    assert puppet.do("s.recv(100)") == "ECONNRESET"
    assert puppet.do("s.close()") == "ok"
    assert resil.counters("backend")["response_timeouts"] == 1


def test_natively_the_late_answer_arrives(resil, late):
    puppet = resil.puppet(late.port, preload=False)
    assert puppet.do("s = connect(); s.sendall(b'first')") == "ok"
    late.allowed.set()
    assert puppet.get("s.recv(100).decode()") == "late"
