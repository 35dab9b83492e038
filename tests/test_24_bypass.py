# SPDX-License-Identifier: MIT
"""Goal: the ways around libc's socket calls. syscall() is what it is natively, for numbers that we do not know too; fast
open connects through the policies; a ring is counted or refused; what went past the hooks is known as such."""

import errno

import pytest

from helper import PYTHON
from servers import HOST

RING = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(425, 2, ctypes.create_string_buffer(120))
print(errno.errorcode[ctypes.get_errno()] if fd < 0 else "ring")
"""


def test_syscall_is_transparent(resil, compiled):
    """Among others a clone whose child returns from syscall() on another stack."""
    program = compiled("raw_syscalls.c")
    native = resil.run([program], preload=False)
    assert native.status == 0 and native.out.count(b"\n") >= 11
    ours = resil.run([program])
    assert (ours.status, ours.out, ours.err) == (native.status, native.out, native.err)


@pytest.mark.parametrize("mode, word, answer", [("enforce", "allow", None), ("enforce", "deny", b"ENOSYS\n"),
                                                ("observe", "deny", None)])
def test_ring(resil, mode, word, answer):
    """One destination that denies denies the process, and every ring that was asked for is counted."""
    resil.config(f"[destination a]\nmatch = 10.1.1.1\n[destination b]\nmatch = 10.1.1.2\nmode = {mode}\nio_uring = {word}\n")
    native = resil.run([PYTHON, "-c", RING], preload=False)
    ours = resil.run([PYTHON, "-c", RING])
    assert ours.out == (answer or native.out)
    segment = resil.status()["segment"]
    assert (segment["rings"], segment["rings_denied"]) == ((0, 1) if answer else (1, 0))


def test_ring_off(resil):
    resil.config("[defaults]\nio_uring = deny\n[destination a]\nmatch = 10.1.1.1\n")
    native = resil.run([PYTHON, "-c", RING], preload=False)
    assert resil.run([PYTHON, "-c", RING], env={"RESIL_DISABLE": "all"}).out == native.out


FAST_OPEN = {
    "sendto": "s.sendto(b'hello', socket.MSG_FASTOPEN, to)",
    "sendmsg": "s.sendmsg([b'hel', b'lo'], [], socket.MSG_FASTOPEN, to)",
    "TCP_FASTOPEN_CONNECT": "s.setsockopt(socket.IPPROTO_TCP, 30, 1); s.connect(to); s.sendall(b'hello')",
}
FAST_CLIENT = """
import errno, select, socket, sys
to = ("127.0.0.1", int(sys.argv[1]))
def once(blocking):
    s = socket.socket()
    s.setblocking(blocking)
    try:
        {how}
    except BlockingIOError:
        if select.select([], [s], [], 5)[1] and not s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            s.send(b"hello")
    if select.select([s], [], [], 5)[0]:
        return s.recv(5)
for i in range(int(sys.argv[2])):
    try:
        print(once(sys.argv[3] == "blocking"))
    except OSError as error:
        print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("mode", ["enforce", "observe"])
@pytest.mark.parametrize("blocking", ["blocking", "not"])
@pytest.mark.parametrize("how", FAST_OPEN)
def test_fast_open(resil, hold, how, blocking, mode):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nmode = {mode}\ntimeout.response = 2s\n")
    command = [PYTHON, "-c", FAST_CLIENT.format(how=FAST_OPEN[how]), str(hold.port), "2", blocking]
    assert resil.run(command, preload=False).out == b"b'hello'\n" * 2
    assert resil.run(command).out == b"b'hello'\n" * 2
    counters = resil.counters("backend")
    assert (counters["attempts"], counters["connects_ok"], counters["exchanges_ok"]) == (2, 2, 2)
    assert (counters["bytes_out"], counters["bytes_in"]) == (10, 10)
    assert resil.row("backend")["connections"] == 0


@pytest.mark.parametrize("how", ["sendto", "sendmsg"])
def test_fast_open_obeys_the_breaker(resil, dead, syns, how):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 2\nbreaker.open_time = 60s\n")
    sent = syns(dead.port)
    command = [PYTHON, "-c", FAST_CLIENT.format(how=FAST_OPEN[how]), str(dead.port), "5", "blocking"]
    assert resil.run(command).out == b"ECONNREFUSED\n" * 5
    counters = resil.counters("backend")
    assert (counters["attempts"], counters["rejected_breaker"]) == (2, 3)
    assert sent.count() in (0, 2)


def test_fast_open_is_timed(resil, black_hole):
    resil.config(f"[destination backend]\nmatch = {HOST}:{black_hole.port}\ntimeout.connect = 300ms\n")
    command = [PYTHON, "-c", FAST_CLIENT.format(how=FAST_OPEN["sendto"]), str(black_hole.port), "1", "blocking"]
    result = resil.run(command)
    assert result.out == errno.errorcode[errno.ETIMEDOUT].encode() + b"\n"
    assert 0.3 <= result.seconds < 3 and resil.counters("backend")["connect_timeouts"] == 1
