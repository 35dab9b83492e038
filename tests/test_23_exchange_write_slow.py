# SPDX-License-Identifier: MIT
"""Goal: timeout.exchange, timeout.write, and slow calls that count while they are still in flight."""

import select
import socket
import time

import pytest

from helper import UPPER, wait_until
from servers import HOST, Scripted

AIO = """
import asyncio, errno, sys, time
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"x")
    start = time.monotonic()
    try:
        while await reader.read(10):
            pass
        print("end", time.monotonic() - start)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error), time.monotonic() - start)
asyncio.run(main())
"""
BLOCKING = """
import errno, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"x")
start = time.monotonic()
try:
    while s.recv(10):
        pass
    print("end", time.monotonic() - start)
except OSError as error:
    print(errno.errorcode[error.errno], time.monotonic() - start)
"""


class Drip(Scripted):
    """A byte each 50 ms, for ever."""

    def handle(self, connection):
        connection.recv(100)
        while not select.select([connection], [], [], 0.05)[0]:
            connection.sendall(b".")


class Deaf(Scripted):
    """Takes bytes only after `hear` is set."""

    def __init__(self):
        self.hear = False
        self.received = 0
        listener = socket.create_server((HOST, 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        super().__init__(listener)

    def handle(self, connection):
        wait_until(lambda: self.hear or self.stopping.is_set(), 30)
        while data := connection.recv(1 << 16):
            self.received += len(data)


@pytest.fixture
def drip():
    server = Drip()
    yield server
    server.stop()


@pytest.fixture
def deaf():
    server = Deaf()
    yield server
    server.hear = True
    server.stop()


@pytest.mark.parametrize("client", [BLOCKING, AIO], ids=["blocking", "asyncio"])
def test_an_exchange_ends_though_bytes_still_come(resil, drip, client):
    resil.config(f"[destination backend]\nmatch = {HOST}:{drip.port}\ntimeout.exchange = 700ms\ntimeout.idle = 300ms\n")
    result = resil.run(["/usr/bin/python3", "-c", client, str(drip.port)])
    name, seconds = result.out.decode().split()
    assert name == "ETIMEDOUT" and 0.69 <= float(seconds) <= 0.7 + UPPER, result
    assert resil.counters("backend")["exchange_timeouts"] == 1


def test_the_next_request_has_its_own_time(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\ntimeout.exchange = 600ms\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("import time; s = connect()") == "ok"
    for _ in range(4):
        assert puppet.do("s.sendall(b'x')") == "ok" and puppet.get("s.recv(1).decode()") == "x"
        assert puppet.do("time.sleep(0.25)") == "ok"
    assert resil.counters("backend")["exchange_timeouts"] == 0


WRITER = """
import errno, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), flush=True)
start = time.monotonic()
try:
    s.sendall(bytes(32 << 20))
    print("ok", time.monotonic() - start)
except OSError as error:
    print(errno.errorcode[error.errno], time.monotonic() - start)
"""


def test_a_stalled_write_ends(resil, deaf):
    """The kernel looks at its probes of the full window, not at a clock: half a second to a few of them later."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{deaf.port}\ntimeout.write = 500ms\n")
    result = resil.run(["/usr/bin/python3", "-c", WRITER, str(deaf.port)])
    option, name, seconds = result.out.decode().split()
    assert (option, name) == ("0", "ETIMEDOUT") and 0.5 <= float(seconds) <= 3.0, result


def test_a_write_that_goes_on_arrives_whole(resil, deaf):
    resil.config(f"[destination backend]\nmatch = {HOST}:{deaf.port}\ntimeout.write = 2s\n")
    deaf.hear = True
    result = resil.run(["/usr/bin/python3", "-c", WRITER, str(deaf.port)])
    assert result.out.split()[1] == b"ok", result
    wait_until(lambda: deaf.received == 32 << 20)


def test_the_applications_own_write_timeout_stands(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\ntimeout.write = 2s\n")
    puppet = resil.puppet(hold.port)
    option = "socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT"
    assert puppet.do(f"s = socket.socket(); s.setsockopt({option}, 9000); s.connect((HOST, PORT))") == "ok"
    assert puppet.get(f"s.getsockopt({option})") == 9000
    assert puppet.do(f"t = connect(); t.setsockopt({option}, 8000)") == "ok"
    assert puppet.get(f"t.getsockopt({option})") == 8000


@pytest.mark.parametrize("client", [BLOCKING, AIO], ids=["blocking", "asyncio"])
def test_calls_that_hang_open_the_breaker_before_they_end(resil, hang, client):
    """No timeout ends them: three that are still waiting are enough."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hang.port}\nbreaker.slow_time = 300ms\n"
                 "breaker.slow_ratio = 100%\nbreaker.min_calls = 3\nbreaker.failures = off\nbreaker.ratio = off\n"
                 "first_byte = client\n")
    children = [resil.spawn(["/usr/bin/python3", "-c", client, str(hang.port)]) for _ in range(3)]
    wait_until(lambda: resil.published("backend"))
    wait_until(lambda: resil.row("backend")["state"] == "open", what="the breaker to open")
    assert [child.poll() for child in children] == [None] * 3
    row = resil.row("backend", f"{HOST}:{hang.port}")
    assert (row["reason"], row["connections"]) == ("slow", 3)
    result = resil.run(["/usr/bin/python3", "-c", client, str(hang.port)])
    assert b"Refused" in result.err or b"ECONNREFUSED" in result.err


class Late(Scripted):
    """Answers after 300 ms."""

    def handle(self, connection):
        while data := connection.recv(100):
            time.sleep(0.3)  # the service time
            connection.sendall(data)


def test_a_slow_call_counts_once(resil):
    """In flight as slow, and not again at its end."""
    server = Late()
    try:
        resil.config(f"[destination backend]\nmatch = {HOST}:{server.port}\nbreaker.slow_time = 100ms\n"
                     "breaker.min_calls = 2\nbreaker.failures = off\nbreaker.ratio = off\nfirst_byte = client\n")
        puppet = resil.puppet(server.port)
        once = "s.sendall(b'x') or s.recv(1).decode()"
        assert puppet.do("s = connect()") == "ok"
        assert puppet.get(once) == "x" and resil.row("backend")["state"] == "closed"
        assert puppet.get(once) == "x" and resil.row("backend")["state"] == "open"
    finally:
        server.stop()


def test_priority_goes_first_while_half_open(resil, hold, dead):
    """One probe place, taken: then a higher priority that was refused goes before a lower one."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 1\nbreaker.open_time = 50ms\n"
                 "breaker.jitter = off\nbreaker.probes = 1\nbreaker.open_max = 50ms\nfirst_byte = client\n"
                 "breaker.ratio = off\n")
    low, high = resil.puppet(dead.port), resil.puppet(dead.port, env={"RESIL_PRIORITY": "9"})
    assert low.do("connect()") == "ECONNREFUSED"
    dead.revive()
    wait_until(lambda: low.do("s = connect()") == "ok")  # the probe: connected, and not yet a success
    assert high.do("connect()") == "ECONNREFUSED" and low.do("connect()") == "ECONNREFUSED"
    assert resil.row("backend")["state"] == "half_open"
    low.kill()
    other = resil.puppet(dead.port)
    assert other.do("connect()") == "ECONNREFUSED", "the place is kept for the higher one"
    assert high.do("s = connect()") == "ok"
