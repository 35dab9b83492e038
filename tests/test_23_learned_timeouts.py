# SPDX-License-Identifier: MIT
"""Goal: timeout = auto(...) is the destination's own latency times a factor: the upper bound until enough is known, never
below the lower one, known to every process at once, and it follows a backend that became slower."""

import pytest

from helper import UPPER
from servers import HOST, Scripted

# One exchange of a program that keeps its connection: its time, and how it ended.
ASK = """
def ask(request, connection=None):
    import time
    own = connection or connect()
    start = time.monotonic()
    try:
        own.sendall(request)
        answered = bool(own.recv(100))
    except OSError as error:
        answered = errno.errorcode[error.errno]
    return [time.monotonic() - start, answered]

def ask_poll(request):
    import select, time
    own = connect()
    own.setblocking(False)
    poll = select.poll()
    poll.register(own, select.POLLIN)
    start = time.monotonic()
    own.sendall(request)
    poll.poll(20000)
    seconds = time.monotonic() - start
    try:
        return [seconds, bool(own.recv(100))]
    except OSError as error:
        return [seconds, errno.errorcode[error.errno]]

# How long a poll that began before the request lasts after it.
def ask_while_another_polls(request, connection):
    import select, threading, time
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    ended = []
    thread = threading.Thread(target=lambda: ended.append((poll.poll(8000), time.monotonic())))
    thread.start()
    time.sleep(0.2)  # the poll has begun
    start = time.monotonic()
    connection.sendall(request)
    thread.join()
    return ended[0][1] - start

def by_stdio(request):
    import ctypes
    libc = ctypes.CDLL(None)
    libc.fdopen.restype = ctypes.c_void_p
    libc.fgetc.argtypes = [ctypes.c_void_p]
    own = connect()
    stream = libc.fdopen(own.fileno(), b"r")
    own.sendall(request)
    return [chr(byte) if byte >= 0 else byte for byte in (libc.fgetc(stream), libc.fgetc(stream))]

def connect_seconds(port):
    import time
    start = time.monotonic()
    try:
        connect(port)
        return [time.monotonic() - start, True]
    except OSError as error:
        return [time.monotonic() - start, errno.errorcode[error.errno]]
"""


class Slow(Scripted):
    """Answers each request after `latency` seconds, b"pause" at once and again later, b"hang" never."""

    latency = 0.02

    def handle(self, connection):
        while data := connection.recv(100):
            if data == b"hang":
                continue
            self.stopping.wait(self.latency if data == b"page" else 0)
            connection.sendall(b"x")
            if data == b"pause":
                self.stopping.wait(0.4)
                connection.sendall(b"y")


@pytest.fixture
def slow():
    server = Slow()
    yield server
    server.stop()


def program_of(resil, port):
    puppet = resil.puppet(port)
    resil.file("ask.py", ASK)
    assert puppet.do(f"exec(open('{resil.dir}/ask.py').read(), globals())") == "ok"
    return puppet


def configure(resil, port, *lines):
    resil.config("\n".join([f"[destination backend]\nmatch = {HOST}:{port}", "breaker.failures = off",
                            "breaker.ratio = off", *lines, ""]))


def require_timeout(result, low, high=None):
    seconds, answered = result
    assert answered == "ETIMEDOUT", result
    assert low <= seconds <= (high or low) + UPPER, result


def learn(puppet, exchanges):
    """Exchanges on one connection; the longest of them in seconds."""
    assert puppet.do("kept = connect()") == "ok"
    results = [puppet.get("ask(b'page', kept)") for _ in range(exchanges)]
    assert all(answered is True for _, answered in results), results
    return max(seconds for seconds, _ in results)


def test_before_anything_is_known(resil, slow):
    configure(resil, slow.port, "timeout.response = auto(p99 x3, 50ms..700ms)")
    puppet = program_of(resil, slow.port)
    require_timeout(puppet.get("ask(b'hang')"), 0.7)
    learn(puppet, 18)  # one fewer than needed, with the one above
    require_timeout(puppet.get("ask(b'hang')"), 0.7)


def test_three_times_what_is_usual(resil, slow):
    configure(resil, slow.port, "timeout.response = auto(p99 x3, 5ms..10s)")
    puppet = program_of(resil, slow.port)
    longest = learn(puppet, 64)
    high = 3 * 1.25 * longest  # a bucket of the histogram is a quarter of an octave
    require_timeout(puppet.get("ask(b'hang')"), 0.06, high)
    require_timeout(puppet.get("ask_poll(b'hang')"), 0.06, high)
    require_timeout(puppet.get("ask(b'hang', kept)"), 0.06, high)  # a connection from before it was known
    other = program_of(resil, slow.port)  # a process that has learned nothing itself
    require_timeout(other.get("ask(b'hang')"), 0.06, high)
    assert resil.counters("backend")["response_timeouts"] == 4


def test_a_wait_that_began_before(resil, slow):
    configure(resil, slow.port, "timeout.response = auto(p99 x3, 50ms..10s)")
    puppet = program_of(resil, slow.port)
    high = 3 * 1.25 * learn(puppet, 20)
    assert 0.06 <= puppet.get("ask_while_another_polls(b'hang', kept)") <= high + UPPER


def test_never_below_the_lower_bound(resil, slow):
    slow.latency = 0
    configure(resil, slow.port, "timeout.response = auto(p50 x1, 300ms..10s)")
    puppet = program_of(resil, slow.port)
    learn(puppet, 20)
    require_timeout(puppet.get("ask(b'hang')"), 0.3)


def test_a_backend_that_became_slower_is_not_cut_off_for_ever(resil, slow):
    slow.latency = 0.002
    configure(resil, slow.port, "timeout.response = auto(p90 x2, 1ms..10s)")
    puppet = program_of(resil, slow.port)
    learn(puppet, 64)
    slow.latency = 0.2
    assert puppet.get("ask(b'page')")[1] == "ETIMEDOUT"
    for _ in range(640):
        if puppet.get("ask(b'page')")[1] is True:
            break
    else:
        raise AssertionError("not one answer more")


def test_connect(resil, hold, black_hole):
    configure(resil, f"{hold.port}, {HOST}:{black_hole.port}", "timeout.connect = auto(p99 x3, 200ms..900ms)")
    puppet = program_of(resil, hold.port)
    require_timeout(puppet.get(f"connect_seconds({black_hole.port})"), 0.9)
    for _ in range(21):
        assert puppet.get(f"connect_seconds({hold.port})")[1] is True
    # Of 22 samples the 99th percentile is the greatest, the timeout: the upper bound; then it drowns.
    for _ in range(106):
        assert puppet.get(f"connect_seconds({hold.port})")[1] is True
    require_timeout(puppet.get(f"connect_seconds({black_hole.port})"), 0.2)
    assert resil.counters("backend")["connect_timeouts"] == 2


def test_a_pause_within_an_answer_is_not_late(resil, slow):
    """Not even for stdio, whose reads only the kernel bounds: by the upper bound."""
    configure(resil, slow.port, "timeout.response = auto(p99 x1, 1ms..5s)")
    puppet = program_of(resil, slow.port)
    learn(puppet, 20)
    assert puppet.get("[ask(b'pause'), 0]")[0][1] is True
    assert puppet.get("by_stdio(b'pause')") == ["x", "y"]


def test_what_is_shown_is_not_the_sample(resil, slow):
    """Latencies of status are those of the endpoints: what timed out is in the sample alone."""
    slow.latency = 0
    configure(resil, slow.port, "timeout.response = auto(p50 x1, 50ms..60ms)")
    puppet = program_of(resil, slow.port)
    learn(puppet, 20)
    for _ in range(25):
        require_timeout(puppet.get("ask(b'hang')"), 0.05, 0.06)
    whole, one = resil.row("backend"), resil.row("backend", f"{HOST}:{slow.port}")
    assert whole["latency_ms"]["response"] == one["latency_ms"]["response"]
    assert whole["counters"]["exchanges_ok"] == 20


def test_shown_as_written(resil):
    path = resil.config("[destination a]\nmatch = 192.0.2.1\nbreaker.open_time = 50ms\n"
                        "timeout.connect = auto(p99.0x3,50ms..5000ms)\n")
    result = resil.resctl("check", path)
    assert result.status == 0 and b"timeout.connect (auto(p99 x3, 50ms..5s))" in result.out, result
    path = resil.config("[destination a]\nmatch = 192.0.2.1\ntimeout.response = auto(p99 x3)\n")
    result = resil.resctl("check", path)
    assert result.status == 2 and b":3:20: timeout.response: got `auto(p99 x3)', want auto(pN xF, MIN..MAX)" in result.err
