# SPDX-License-Identifier: MIT
"""Goal: data is never harmed. A large write arrives whole, whatever call makes it, however slowly it is read, and with
signals in between, under every timeout; and one blocking call returns all of it, as natively."""

import hashlib
import json

import pytest

import servers
from helper import PYTHON
from servers import HOST

BYTES = 32 << 20
PAUSES = 2


class Drain(servers.Scripted):
    """Reads, with pauses longer than timeout.response at the beginning, and answers with the digest of what came."""

    def handle(self, connection):
        digest, pauses = hashlib.sha256(), 0
        while data := connection.recv(1 << 16):
            digest.update(data)
            if pauses < PAUSES:
                pauses += 1
                self.stopping.wait(0.25)
        connection.sendall(digest.hexdigest().encode())


@pytest.fixture(scope="module")
def drain():
    server = Drain()
    yield server
    server.stop()


CLIENT = r"""
import hashlib, json, os, select, signal, socket, sys, threading
how, signals, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
data = ((b"0123456789abcdef" * 4096 + b"!") * 512)[:size]
came = []
if signals != "none":
    signal.signal(signal.SIGALRM, lambda *_: came.append(1))
    signal.siginterrupt(signal.SIGALRM, signals == "interrupt")
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
s = socket.create_connection(("127.0.0.1", port))
fd = s.fileno()
view, calls = memoryview(data), 0
with open("data", "wb") as file:
    file.write(data)
source = os.open("data", os.O_RDONLY)
piped, inside = None, 0
if how == "splice":
    piped, filler = os.pipe()
    def fill():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        with open(filler, "wb", 0) as file:
            rest = view
            while rest:
                rest = rest[file.write(rest):]
    threading.Thread(target=fill, daemon=True).start()
if how == "nonblocking":
    s.setblocking(False)
sent = 0
while sent < len(data):
    rest, half = view[sent:], (len(data) - sent) // 2
    calls += 1
    if how == "write":
        sent += os.write(fd, rest)
    elif how == "send":
        sent += s.send(rest)
    elif how == "writev":
        sent += os.writev(fd, [rest[:half], rest[half:]])
    elif how == "sendmsg":
        sent += s.sendmsg([rest[:half], rest[half:]])
    elif how == "pwritev2":
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        libc.pwritev2.restype = ctypes.c_ssize_t
        start = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value + sent
        class Raw(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
        got = libc.pwritev2(fd, ctypes.byref(Raw(start, len(rest))), 1, ctypes.c_long(-1), 0)
        sent += got if got > 0 else 0
    elif how == "sendfile":
        sent += os.sendfile(fd, source, sent, len(rest))
    elif how == "splice":
        sent += os.splice(piped, fd, len(rest))
    elif how == "nonblocking":
        try:
            sent += s.send(rest)
        except BlockingIOError:
            select.select([], [s], [])
signal.setitimer(signal.ITIMER_REAL, 0)
s.setblocking(True)
s.shutdown(socket.SHUT_WR)
print(json.dumps({"digest": s.recv(64, socket.MSG_WAITALL).decode(), "own": hashlib.sha256(data).hexdigest(), "calls": calls,
                  "signals": len(came) > 0}))
"""

POLICIES = """timeout.connect = 300ms
timeout.response = 200ms
timeout.idle = 200ms
timeout.write = 2s
retry.attempts = 2
retry.replay = idempotent
sniff = http
breaker.failures = 5
bulkhead.limit = 2
bulkhead.unit = exchange
"""
HOW = ("write", "send", "writev", "sendmsg", "pwritev2", "sendfile", "splice", "nonblocking")


SIGNALS = [(how, "none") for how in HOW] + [("write", "interrupt"), ("sendmsg", "restart"), ("sendfile", "interrupt")]


@pytest.mark.parametrize("how, signals", SIGNALS)
def test_arrives_whole(resil, drain, how, signals):
    size = BYTES if signals == "none" else BYTES // 4
    # Who does not block in its write finds out after timeout.response that nothing at all moves.
    policies = POLICIES.replace("response = 200ms", "response = 600ms") if how == "nonblocking" else POLICIES
    resil.config(f"[destination backend]\nmatch = {HOST}:{drain.port}\n{policies}")
    result = resil.run([PYTHON, "-c", CLIENT, how, signals, str(drain.port), str(size)])
    assert result.status == 0, result
    seen = json.loads(result.out)
    assert seen["digest"] == seen["own"] and seen["signals"] == (signals != "none"), seen
    if signals == "none" and how not in ("splice", "nonblocking"):
        assert seen["calls"] == 1
    counters = resil.counters("backend")
    assert (counters["response_timeouts"], counters["exchanges_failed"], counters["exchanges_ok"]) == (0, 0, 1)
    assert counters["bytes_out"] == size
