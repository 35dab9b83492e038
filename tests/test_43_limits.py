# SPDX-License-Identifier: MIT
"""Goal: limits per process, per endpoint and of exchanges; rates of exchanges and bytes; the order of the policies; what
they do to blocking programs and to event loops."""

import time

import pytest

from helper import UPPER, wait_until
from servers import HOST, Scripted


class Slow(Scripted):
    """Answers each request byte for byte when it is told to; counts the requests that wait."""

    def __init__(self):
        self.waiting = 0
        self.released = 0
        super().__init__()

    def handle(self, connection):
        while data := connection.recv(4096):
            self.waiting += 1
            turn = self.waiting
            wait_until(lambda: self.released >= turn or self.stopping.is_set(), 20)
            connection.sendall(data)


@pytest.fixture
def slow():
    server = Slow()
    yield server
    server.released = 10**6
    server.stop()


@pytest.fixture
def sink():
    """Reads everything and says nothing."""
    class Sink(Scripted):
        received = 0

        def handle(self, connection):
            while data := connection.recv(65536):
                self.received += len(data)

    server = Sink()
    yield server
    server.stop()


def config(resil, port, *lines):
    resil.config("\n".join([f"[destination backend]\nmatch = {HOST}:{port}", *lines, ""]))


# ---- bulkhead.per


def test_a_limit_per_process(resil, hold):
    config(resil, hold.port, "bulkhead.limit = 2", "bulkhead.per = process")
    one, other = resil.puppet(hold.port), resil.puppet(hold.port)
    for puppet in (one, other):
        assert [puppet.do(f"s{i} = connect()") for i in range(3)] == ["ok", "ok", "ECONNREFUSED"]
    assert resil.row("backend")["connections"] == 4
    assert one.do("s0.close()") == "ok"
    assert one.do("s2 = connect()") == "ok" and other.do("connect()") == "ECONNREFUSED"


def test_a_child_begins_with_its_own_share(resil, hold):
    config(resil, hold.port, "bulkhead.limit = 1", "bulkhead.per = process")
    puppet = resil.puppet(hold.port)
    assert puppet.do("s = connect()") == "ok"
    assert puppet.do("r, w = os.pipe()") == "ok"
    puppet.tell("p = os.fork(); p or (connect(), os.write(w, b'1'), os._exit(0))")
    assert puppet.answer() == "ok"
    assert puppet.get("os.read(r, 1).decode()") == "1"
    assert puppet.do("os.waitpid(p, 0)") == "ok"
    assert puppet.do("connect()") == "ECONNREFUSED"


def test_a_limit_per_user_is_one_limit_for_one_user(resil, hold):
    config(resil, hold.port, "bulkhead.limit = 2", "bulkhead.per = uid")
    puppets = [resil.puppet(hold.port) for _ in range(3)]
    assert [puppet.do("s = connect()") for puppet in puppets] == ["ok", "ok", "ECONNREFUSED"]
    puppets[0].kill()
    assert puppets[2].do("s = connect()") == "ok"


# ---- bulkhead.endpoint_limit


def test_an_endpoint_has_a_limit_of_its_own(resil, hold, slow):
    resil.config(f"[destination backend]\nmatch = {HOST}\nbulkhead.endpoint_limit = 1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect()") == "ok"
    assert puppet.do("connect()") == "ECONNREFUSED"
    assert puppet.do(f"b = connect({slow.port})") == "ok"
    assert puppet.do("a.close()") == "ok" and puppet.do("a = connect()") == "ok"
    row = resil.row("backend")
    assert (row["connections"], row["counters"]["rejected_bulkhead"]) == (2, 1)
    assert resil.row("backend", f"{HOST}:{hold.port}")["connections"] == 1


# ---- bulkhead.unit = exchange


def test_idle_connections_hold_no_slot(resil, slow):
    config(resil, slow.port, "bulkhead.limit = 1", "bulkhead.unit = exchange", "first_byte = client")
    puppet = resil.puppet(slow.port)
    assert [puppet.do(f"s{i} = connect()") for i in range(3)] == ["ok"] * 3
    assert puppet.do("s0.sendall(b'x')") == "ok"
    assert resil.row("backend")["in_flight"] == 1
    assert puppet.do("s1.sendall(b'y')") == "ETIMEDOUT"
    slow.released = 1
    assert puppet.get("s0.recv(1).decode()") == "x"
    assert resil.row("backend")["in_flight"] == 0
    slow.released = 2
    assert puppet.do("s1.sendall(b'y')") == "ok" and puppet.get("s1.recv(1).decode()") == "y"
    row = resil.row("backend")
    assert (row["connections"], row["counters"]["rejected_bulkhead"], row["state"]) == (3, 1, "closed")


def test_an_exchange_waits_for_its_turn(resil, slow):
    config(resil, slow.port, "bulkhead.limit = 1", "bulkhead.unit = exchange", "bulkhead.queue = 5",
           "bulkhead.queue_timeout = 10s", "first_byte = client")
    one, other = resil.puppet(slow.port), resil.puppet(slow.port)
    for puppet in (one, other):
        assert puppet.do("s = connect()") == "ok"
    assert one.do("s.sendall(b'x')") == "ok"
    other.tell("s.sendall(b'y')")
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    wait_until(lambda: slow.waiting == 1)
    slow.released = 2
    assert one.get("s.recv(1).decode()") == "x"
    assert other.answer() == "ok" and other.get("s.recv(1).decode()") == "y"
    assert resil.row("backend")["queued"] == 0


def test_a_dead_holder_gives_the_exchange_back(resil, slow):
    config(resil, slow.port, "bulkhead.limit = 1", "bulkhead.unit = exchange", "first_byte = client")
    one, other = resil.puppet(slow.port), resil.puppet(slow.port)
    assert one.do("s = connect(); s.sendall(b'x')") == "ok"
    assert other.do("s = connect()") == "ok" and other.do("s.sendall(b'y')") == "ETIMEDOUT"
    one.kill()
    assert other.do("s.sendall(b'y')") == "ok"


LOOP = """
import asyncio, sys, time, resource
async def exchange(number):
    start = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"%d" % number)
    try:
        answer = (await reader.read(1)).decode()
    except OSError as error:
        answer = type(error).__name__
    writer.close()
    return answer, time.monotonic() - start
async def main():
    answers = await asyncio.gather(*(exchange(i) for i in range(4)))
    print(" ".join(answer for answer, _ in answers), round(max(seconds for _, seconds in answers), 3),
          resource.getrusage(resource.RUSAGE_SELF).ru_utime + resource.getrusage(resource.RUSAGE_SELF).ru_stime)
before = resource.getrusage(resource.RUSAGE_SELF)
asyncio.run(main())
"""


class Delayed(Scripted):
    def __init__(self):
        self.now = self.most = 0
        super().__init__()

    def handle(self, connection):
        while data := connection.recv(4096):
            self.now += 1
            self.most = max(self.most, self.now)
            time.sleep(0.2)  # the service time
            self.now -= 1
            connection.sendall(data)


def test_an_event_loop_is_parked_until_its_turn(resil):
    server = Delayed()
    try:
        config(resil, server.port, "bulkhead.limit = 1", "bulkhead.unit = exchange", "bulkhead.queue = 10",
               "bulkhead.queue_timeout = 10s", "first_byte = client")
        result = resil.run(["/usr/bin/python3", "-c", LOOP, str(server.port)])
        words = result.out.decode().split()
        assert words[:4] == ["0", "1", "2", "3"], result
        assert float(words[4]) >= 0.8 and server.most == 1
    finally:
        server.stop()


# ---- rates of exchanges and bytes


def test_a_rate_of_exchanges(resil, hold):
    config(resil, hold.port, "rate.limit = 5/m", "rate.burst = 2", "rate.unit = exchanges", "first_byte = client")
    puppet = resil.puppet(hold.port)
    assert [puppet.do(f"s{i} = connect()") for i in range(3)] == ["ok"] * 3
    for turn in (0, 1):
        assert puppet.do(f"s{turn}.sendall(b'x')") == "ok" and puppet.get(f"s{turn}.recv(1).decode()") == "x"
    assert puppet.do("s0.sendall(b'x')") == "ETIMEDOUT"
    assert resil.counters("backend")["rejected_rate"] == 1


def test_exchanges_wait_for_their_turn(resil, hold):
    config(resil, hold.port, "rate.limit = 5/s", "rate.burst = 1", "rate.unit = exchanges", "rate.max_wait = 3s",
           "first_byte = client")
    puppet = resil.puppet(hold.port)
    assert puppet.do("import time; s = connect()") == "ok"
    once = "s.sendall(b'x') or s.recv(1).decode()"
    assert puppet.do("t = time.monotonic()") == "ok"
    for _ in range(4):
        assert puppet.get(once) == "x"
    assert 0.6 <= puppet.get("time.monotonic() - t") <= 0.6 + UPPER + 0.25


BYTES = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
start = time.monotonic()
for _ in range(16):
    s.sendall(bytes(16384))
print(time.monotonic() - start)
"""


def test_a_rate_of_bytes_is_kept_and_nothing_is_lost(resil, sink):
    """256 KiB at 128 KB/s with a burst of 64 KB: 64 to 80 at once, the rest takes 1.375 to 1.5 s."""
    config(resil, sink.port, "rate.limit = 128KB/s", "rate.burst = 64KB", "rate.unit = bytes", "rate.max_wait = 10s",
           "first_byte = none")
    result = resil.run(["/usr/bin/python3", "-c", BYTES, str(sink.port)])
    assert 1.2 <= float(result.out) <= 1.5 + UPPER, result
    wait_until(lambda: sink.received == 16 * 16384)


def test_a_large_write_is_never_split(resil, sink):
    config(resil, sink.port, "rate.limit = 1MB/s", "rate.burst = 64KB", "rate.unit = bytes", "first_byte = none")
    puppet = resil.puppet(sink.port)
    assert puppet.do("s = connect()") == "ok"
    assert puppet.get("s.send(bytes(4 << 20))") == 4 << 20
    wait_until(lambda: sink.received == 4 << 20)
    assert puppet.do("s.send(b'x')") == "ETIMEDOUT"


LOOP_BYTES = """
import asyncio, sys, time
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    start = time.monotonic()
    for _ in range(16):
        writer.write(bytes(16384))
        await writer.drain()
    while writer.transport.get_write_buffer_size():
        await asyncio.sleep(0.01)
    print(time.monotonic() - start, time.process_time())
asyncio.run(main())
"""


def test_an_event_loop_keeps_the_rate_of_bytes(resil, sink):
    config(resil, sink.port, "rate.limit = 128KB/s", "rate.burst = 64KB", "rate.unit = bytes", "rate.max_wait = 10s",
           "first_byte = none")
    result = resil.run(["/usr/bin/python3", "-c", LOOP_BYTES, str(sink.port)])
    wait_until(lambda: sink.received == 16 * 16384)
    assert 0.9 <= float(result.out.split()[0]) <= 1.5 + UPPER, result


# ---- order


ORDER = """
import errno, socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
RETRIES = ("retry.attempts = 3", "retry.base = 1ms", "retry.jitter = off", "retry.budget = off", "breaker.failures = 3",
           "breaker.ratio = off", "breaker.jitter = off")


@pytest.mark.parametrize("order, calls", [("standard", 1), ("bulkhead-outside", 1), ("breaker-outside-retry", 3)])
def test_what_the_breaker_counts(resil, dead, order, calls):
    """Three attempts a call: as three failures, or as one."""
    config(resil, dead.port, *RETRIES, f"order = {order}")
    for call in range(calls):
        assert resil.row("backend")["state"] == "closed" if call else True
        assert resil.run(["/usr/bin/python3", "-c", ORDER, str(dead.port)]).out.strip() == b"ECONNREFUSED"
    row = resil.row("backend")
    assert (row["state"], row["counters"]["attempts"]) == ("open", 3 * calls)


def test_the_outer_slot_stays_over_the_retries(resil, dead):
    """While one call retries, its slot is taken: with the standard order it is free between the attempts."""
    config(resil, dead.port, "retry.attempts = 2", "retry.base = 20s", "retry.max = 20s", "retry.jitter = off",
           "breaker.failures = off", "bulkhead.limit = 1", "order = bulkhead-outside")
    first = resil.puppet(dead.port)
    first.tell("s = connect()")
    wait_until(lambda: resil.published("backend") and resil.row("backend")["connections"] == 1)
    other = resil.puppet(dead.port)
    assert other.do("connect()") == "ECONNREFUSED"
    assert resil.counters("backend")["rejected_bulkhead"] == 1
    first.kill()
    wait_until(lambda: resil.row("backend")["connections"] == 0)


def test_a_refusal_may_be_slow(resil, hold):
    config(resil, hold.port, "bulkhead.limit = 1", "reject.delay = 400ms")
    puppet = resil.puppet(hold.port)
    assert puppet.do("import time; s = connect(); t = time.monotonic()") == "ok"
    assert puppet.do("connect()") == "ECONNREFUSED"
    assert 0.4 <= puppet.get("time.monotonic() - t") <= 0.4 + UPPER
    assert puppet.do("n = socket.socket(); n.setblocking(False); t = time.monotonic()") == "ok"
    assert puppet.do("n.connect((HOST, PORT))") == "ECONNREFUSED"
    assert puppet.get("time.monotonic() - t") < 0.3


# ---- RESIL_DISABLE


def test_one_pattern_can_be_switched_off(resil, dead, hold):
    config(resil, hold.port, "rate.limit = 1/h", "rate.burst = 1")
    limited, free = resil.puppet(hold.port), resil.puppet(hold.port, env={"RESIL_DISABLE": "retry,rate"})
    assert [limited.do("connect()") for _ in range(2)] == ["ok", "ECONNREFUSED"]
    assert [free.do("connect()") for _ in range(3)] == ["ok"] * 3
    config(resil, dead.port, *RETRIES)
    resil.segment += "-b"
    off = resil.run(["/usr/bin/python3", "-c", ORDER, str(dead.port)], env={"RESIL_DISABLE": "retry"})
    assert off.out.strip() == b"ECONNREFUSED" and resil.counters("backend")["attempts"] == 1


def test_an_unknown_pattern_is_told(resil, hold):
    config(resil, hold.port)
    result = resil.run(["/usr/bin/python3", "-c", ORDER, str(hold.port)],
                       env={"RESIL_DISABLE": "breakers", "RESIL_LOG": "stderr"})
    assert b"got `breakers'" in result.err and b"bulkhead" in result.err
