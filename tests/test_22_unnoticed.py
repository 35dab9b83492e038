# SPDX-License-Identifier: MIT
"""Goal: programs that do unusual but legal things cannot tell that the library is there. Each victim prints what it saw;
natively and under the library (all timeouts on) that must be the same. Found by looking for a program that notices."""

import time

import pytest

from servers import HOST, Scripted

CONFIG = """[destination backend]
match = {host}
timeout.connect = 2s
timeout.response = 600ms
breaker.failures = 2
"""

PRELUDE = """
import ctypes, errno, os, select, socket, sys, threading, time
port = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def name(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]
def connected():
    s = socket.create_connection(("127.0.0.1", port))
    return s
"""


class Speaker(Scripted):
    """Obeys one letter: e echoes at once, s stays silent, p pauses 1.2 s before two bytes, d drains slowly and then answers."""

    def handle(self, connection):
        letter = connection.recv(1)
        if letter == b"e":
            connection.sendall(b"answer")
        elif letter == b"p":
            time.sleep(1.2)  # longer than timeout.response: the pause is the subject
            connection.sendall(b"xy")
        elif letter == b"d":
            left = 400000 - 1
            while left > 0:
                left -= len(connection.recv(min(left, 20000)))
                time.sleep(0.05)
            connection.sendall(b"all")
        while connection.recv(1000):
            pass


@pytest.fixture
def speaker():
    server = Speaker()
    yield server
    server.stop()


VICTIMS = {
    "a duplicate is closed while a connect is in flight: the error is still there": """
dead = socket.socket(); dead.bind(("127.0.0.1", 0))
s = socket.socket(); s.setblocking(False)
name(lambda: s.connect(dead.getsockname()))
os.close(os.dup(s.fileno()))
select.select([], [s], [], 5)
print(errno.errorcode[s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
""",
    "a child closes its copy of a connect in flight": """
dead = socket.socket(); dead.bind(("127.0.0.1", 0))
s = socket.socket(); s.setblocking(False)
name(lambda: s.connect(dead.getsockname()))
child = os.fork()
if child == 0:
    os.close(s.fileno()); os._exit(0)
os.waitpid(child, 0)
select.select([], [s], [], 5)
print(errno.errorcode[s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
""",
    "a peek waits as long as a receive": """
s = connected(); s.sendall(b"e"); print(s.recv(100))
threading.Timer(1.0, lambda: s.shutdown(socket.SHUT_WR)).start()
s2 = connected(); s2.settimeout(None)
s2.sendall(b"e"); print(s2.recv(2, socket.MSG_PEEK), s2.recv(100))
""",
    "connect on a connected socket": """
s = connected()
print(name(lambda: s.connect(("127.0.0.1", port))))
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen()
print(name(lambda: l.connect(("127.0.0.1", port))))
""",
    "poll with memory that is none, beside a connection": """
s = connected()
print(libc.poll(ctypes.c_void_p(8), 1, 0), errno.errorcode[ctypes.get_errno()])
""",
    "select with more descriptors than its sets hold": """
s = connected()
sets = ctypes.create_string_buffer(128)
class timeval(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("us", ctypes.c_long)]
print(libc.select(10000, sets, None, None, ctypes.byref(timeval(0, 1000))))
print(libc.select(10, ctypes.c_void_p(8), None, None, ctypes.byref(timeval(0, 1000))), errno.errorcode[ctypes.get_errno()])
""",
    "ppoll with a time that is none": """
s = connected()
class timespec(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]
print(libc.ppoll(None, 0, ctypes.byref(timespec(-1, 0)), None), errno.errorcode[ctypes.get_errno()])
""",
    "a request that takes long to send": """
s = connected(); s.sendall(b"d" + bytes(399999)); print(s.recv(100))
""",
    "an answer that a child reads": """
s = connected(); s.sendall(b"e")
child = os.fork()
if child == 0:
    os._exit(len(s.recv(100)))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(select.select([s], [], [], 1.0)); s.sendall(b"more"); print("usable")
""",
    "reads of no bytes": """
s = connected()
print(os.readv(s.fileno(), [bytearray(0)]), s.recv(0)); s.sendall(b"e"); print(s.recv(100))
""",
    "an application's own receive timeout is not stretched": """
import struct
s = connected(); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 900000))
print(struct.unpack("ll", s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)))
s.sendall(b"e"); print(s.recv(100))
start = time.monotonic(); print(name(lambda: s.recv(100))); print(0.85 < time.monotonic() - start < 1.15)
print(struct.unpack("ll", s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)))
""",
    "errno is left alone by what succeeds": """
import struct
s = socket.socket()
address = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, bytes((127, 0, 0, 1)))
buffer, wait = ctypes.create_string_buffer(100), struct.pack("ihh", s.fileno(), select.POLLIN, 0)
for call in (lambda: libc.connect(s.fileno(), address, len(address)), lambda: libc.send(s.fileno(), b"e", 1, 0),
             lambda: libc.poll(wait, 1, 5000), lambda: libc.recv(s.fileno(), buffer, 100, 0), lambda: libc.dup2(s.fileno(), 100),
             lambda: libc.shutdown(s.fileno(), 2), lambda: libc.close(s.fileno())):
    ctypes.set_errno(77)
    print(call(), ctypes.get_errno())
s.detach()
""",
    "a user namespace of its own, which no process with a second thread may have": """
s = connected(); s.sendall(b"e"); print(s.recv(100))
print(libc.unshare(0x10000000), ctypes.get_errno(), os.listdir("/proc/self/task") == [str(os.getpid())])
""",
    "a number that comes back after a close that nobody saw": """
s = connected(); s.sendall(b"s"); fd = s.detach()
print(libc.__close_nocancel(fd))
a, b = socket.socketpair()
print(fd in (a.fileno(), b.fileno()))
writer = threading.Timer(1.0, b.send, (b"later",)); writer.start()
print(select.select([a], [], [], 5)[0] == [a], a.recv(100)); writer.join()
""",
}


@pytest.mark.parametrize("victim", VICTIMS, ids=lambda text: text.replace(" ", "-"))
def test_unnoticed(resil, speaker, victim):
    resil.config(CONFIG.format(host=HOST))
    command = ["/usr/bin/python3", "-c", PRELUDE + VICTIMS[victim].replace("\n\n", "\n"), str(speaker.port)]
    native = resil.run(command, preload=False)
    assert native.status == 0 and native.out, native
    found = resil.run(command)
    assert (found.status, found.out, found.err) == (native.status, native.out, native.err)


def test_the_last_duplicate_is_still_timed(resil, speaker):
    """bash's /dev/tcp duplicates the socket and closes the first descriptor."""
    resil.config(CONFIG.format(host=HOST))
    script = f"exec 5<>/dev/tcp/{HOST}/{speaker.port}; printf s >&5; read -r -u 5 x; echo status=$?"
    result = resil.run(["bash", "-c", script])
    assert b"status=1" in result.out and b"timed out" in result.err
    assert resil.counters("backend")["response_timeouts"] == 1


def test_an_exec_inherits_no_option(resil, speaker):
    """What we set on a socket must not surprise the next program: cat knows no EAGAIN."""
    resil.config(CONFIG.format(host=HOST))
    script = f"exec 5<>/dev/tcp/{HOST}/{speaker.port}; printf p >&5; exec /usr/bin/head -c 2 <&5"
    for preload in (False, True):
        result = resil.run(["bash", "-c", script], preload=preload)
        assert (result.status, result.out, result.err) == (0, b"xy", b"")


def test_own_shutdown_is_no_failure(resil, speaker):
    resil.config(CONFIG.format(host=HOST))
    script = PRELUDE + """
for _ in range(4):
    s = connected(); s.sendall(b"s")
    t = threading.Timer(0.1, lambda: s.shutdown(socket.SHUT_RDWR)); t.start()
    print(s.recv(10)); t.join(); s.close()
"""
    result = resil.run(["/usr/bin/python3", "-c", script, str(speaker.port)])
    assert result.out == b"b''\n" * 4
    row = resil.row("backend")
    assert (row["state"], row["counters"]["empty_responses"], row["counters"]["abandoned"]) == ("closed", 0, 4)


def test_threads_of_forked_children_share_one_entry(resil, speaker):
    """All threads of a child make their first connect at once: the child enters the registry once, and the bulkhead's
    account stays exact."""
    resil.config(f"[destination backend]\nmatch = {HOST}\nbulkhead.limit = 4\n")
    script = PRELUDE + """
s = connected(); s.close()
def attempt(results, barrier):
    barrier.wait()
    try:
        results.append(connected())
    except OSError:
        pass
for _ in range(10):
    child = os.fork()
    if child == 0:
        results, barrier = [], threading.Barrier(8)
        threads = [threading.Thread(target=attempt, args=(results, barrier)) for _ in range(8)]
        for t in threads: t.start()
        for t in threads: t.join()
        os._exit(len(results))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    result = resil.run(["/usr/bin/python3", "-c", script, str(speaker.port)])
    assert result.out.split() == [b"4"] * 10
    assert resil.row("backend")["connections"] == 0
