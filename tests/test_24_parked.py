# SPDX-License-Identifier: MIT
"""Goal: a connect that waits behind the application's back looks like one that is under way, by whatever call, from
whatever set, thread or child the application looks at it; and it goes on in the end."""

import json
import subprocess

import pytest

from helper import PYTHON, wait_until
from servers import HOST

PREFIX = r"""
import ctypes, errno, fcntl, json, os, select, signal, socket, sys, threading, time
port = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
OUT, ERR, HUP = select.EPOLLOUT, select.EPOLLERR, select.EPOLLHUP

def begin(s):
    return errno.errorcode.get(s.connect_ex(("127.0.0.1", port)), "ok")

def tell(**seen):
    print(json.dumps(seen), flush=True)

def outcome(s):
    return errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "ok")

def said(call):
    try:
        call()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]

def answer(s):
    s.setblocking(True)
    s.settimeout(5)
    s.sendall(b"x")
    return s.recv(1).decode()

s = socket.socket()
s.setblocking(False)
"""
QUEUE = "bulkhead.limit = 1\nbulkhead.queue = 5\nbulkhead.queue_timeout = 10s\nfirst_byte = client\n"


class Queued:
    """A script whose connect has to wait for the slot of a puppet, until free()."""

    def __init__(self, resil, hold, script, expect_queued=True, stdin=False):
        self.resil = resil
        resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\n{QUEUE}")
        self.holder = resil.puppet(hold.port)
        assert self.holder.do("s = connect()") == "ok"
        self.child = resil.spawn([PYTHON, "-c", PREFIX + script, str(hold.port)],
                                 stdin=subprocess.PIPE if stdin else subprocess.DEVNULL)
        if expect_queued:
            wait_until(lambda: resil.row("backend")["queued"] == 1)

    def free(self):
        assert self.holder.do("s.close()") == "ok"

    def result(self):
        outcome = self.resil.finish(self.child)
        assert outcome.status == 0, outcome
        return [json.loads(line) for line in outcome.out.splitlines()]

    def line(self):
        return json.loads(self.child.stdout.readline())


RAW_WAIT = {
    "poll": r"""
class PollFd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]
def wait(ms):
    p = PollFd(s.fileno(), select.POLLOUT, 0)
    n = libc.syscall(7, ctypes.byref(p), ctypes.c_long(1), ctypes.c_long(ms))
    return [p.revents] if n else []
""",
    "epoll_wait": r"""
ep = select.epoll()
ep.register(s, OUT)
def wait(ms):
    room = (ctypes.c_uint32 * 12)()
    n = libc.syscall(232, ctypes.c_long(ep.fileno()), room, ctypes.c_long(4), ctypes.c_long(ms))
    return [room[0]] if n else []
""",
    "epoll_pwait": r"""
ep = select.epoll()
ep.register(s, OUT)
def wait(ms):
    room = (ctypes.c_uint32 * 12)()
    n = libc.syscall(281, ctypes.c_long(ep.fileno()), room, ctypes.c_long(4), ctypes.c_long(ms), None,
                     ctypes.c_long(8))
    return [room[0]] if n else []
""",
}


@pytest.mark.parametrize("how", RAW_WAIT)
def test_waits_by_number(resil, hold, how):
    """syscall(SYS_poll), syscall(SYS_epoll_wait)"""
    queued = Queued(resil, hold, "begun = begin(s)\n" + RAW_WAIT[how] + r"""
early = wait(300)
tell(early=early)
late = wait(8000)
tell(begun=begun, late=late, outcome=outcome(s), answer=answer(s))
""")
    assert queued.line() == {"early": []}
    queued.free()
    assert queued.result() == [{"begun": "EINPROGRESS", "late": [4], "outcome": "ok", "answer": "x"}]


@pytest.mark.parametrize("edge", ["0", "select.EPOLLET"])
def test_registered_before_the_connect(resil, hold, edge):
    """As Boost.Asio does: the socket is in the set since it was made; after the connect it is modified."""
    queued = Queued(resil, hold, rf"""
ep = select.epoll()
ep.register(s, select.EPOLLIN | {edge})
ep.poll(0)
begun = begin(s)
ep.modify(s, select.EPOLLIN | OUT | {edge})
early = ep.poll(0.3)
tell(early=early)
late = [e for _, e in ep.poll(8)]
tell(begun=begun, late=late, outcome=outcome(s), answer=answer(s))
""")
    assert queued.line() == {"early": []}
    queued.free()
    assert queued.result() == [{"begun": "EINPROGRESS", "late": [4], "outcome": "ok", "answer": "x"}]


def test_registered_before_and_left_alone(resil, hold):
    queued = Queued(resil, hold, r"""
ep = select.epoll()
ep.register(s, select.EPOLLIN | OUT | select.EPOLLET)
ep.poll(0)
begun = begin(s)
early = ep.poll(0.3)
tell(early=early)
late = [e for _, e in ep.poll(8)]
tell(begun=begun, late=late, outcome=outcome(s), answer=answer(s))
""")
    assert queued.line() == {"early": []}
    queued.free()
    assert queued.result() == [{"begun": "EINPROGRESS", "late": [4], "outcome": "ok", "answer": "x"}]


def test_a_second_set_ends_the_wait(resil, hold):
    queued = Queued(resil, hold, r"""
begun = begin(s)
first, second = select.epoll(), select.epoll()
first.register(s, OUT)
second.register(s, OUT)
seen = [sorted(e & OUT for _, e in ep.poll(3)) for ep in (first, second)]
tell(begun=begun, seen=seen, outcome=outcome(s))
""", expect_queued=False)
    assert queued.result() == [{"begun": "EINPROGRESS", "seen": [[4], [4]], "outcome": "ECONNREFUSED"}]


def test_a_duplicate_meanwhile(resil, hold):
    queued = Queued(resil, hold, r"""
begun = begin(s)
ep = select.epoll()
ep.register(s, OUT)
other = s.dup()
ep.poll(0.1)
tell(early=[])
late = [(fd == s.fileno(), e) for fd, e in ep.poll(8)]
other.close()
tell(begun=begun, late=late, modified=said(lambda: ep.modify(s, select.EPOLLIN)), outcome=outcome(s),
     answer=answer(s))
""")
    queued.line()
    queued.free()
    assert queued.result() == [{"begun": "EINPROGRESS", "late": [[True, 4]], "modified": "ok", "outcome": "ok",
                                "answer": "x"}]


def test_receives_and_sends_meanwhile(resil, hold):
    """A program that asks again and again, and never waits: EAGAIN, as natively in SYN_SENT, until it is connected."""
    queued = Queued(resil, hold, r"""
begun = begin(s)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
seen, end = set(), time.monotonic() + 8
said_so = False
while time.monotonic() < end:
    how = said(lambda: s.send(b"x"))
    seen.add(how)
    if how != "EAGAIN":
        break
    seen.add(said(lambda: s.recv(1)))
    if not said_so and time.monotonic() > end - 7.5:
        said_so = True
        tell(early=sorted(seen))
    time.sleep(0.01)
s.settimeout(5)
tell(begun=begun, seen=sorted(seen), answer=s.recv(1).decode())
""")
    assert queued.line() == {"early": ["EAGAIN"]}
    queued.free()
    assert queued.result() == [{"begun": "EINPROGRESS", "seen": ["EAGAIN", "ok"], "answer": "x"}]


def test_a_forked_child_leaves_the_parents_set_alone(resil, hold):
    queued = Queued(resil, hold, r"""
begun = begin(s)
ep = select.epoll()
ep.register(s, OUT)
if os.fork() == 0:
    signal.alarm(20)
    for _ in range(10):
        select.poll().poll(100)
    os._exit(0)
time.sleep(0.5)  # the child polls meanwhile, and would end what it does not own
cpu = time.process_time()
early = ep.poll(0.3)
tell(early=early, spins=time.process_time() - cpu > 0.1)
late = [e for _, e in ep.poll(8)]
os.wait()
tell(begun=begun, late=late, outcome=outcome(s), answer=answer(s))
""")
    assert queued.line() == {"early": [], "spins": False}
    queued.free()
    assert queued.result() == [{"begun": "EINPROGRESS", "late": [4], "outcome": "ok", "answer": "x"}]


def test_shut_down_meanwhile(resil, hold):
    """Natively a shutdown in SYN_SENT succeeds and ends the connect."""
    queued = Queued(resil, hold, r"""
begun = begin(s)
how = said(lambda: s.shutdown(socket.SHUT_RDWR))
p = select.poll()
p.register(s, select.POLLOUT)
tell(begun=begun, how=how, seen=[e & HUP for _, e in p.poll(3000)])
""", expect_queued=False)
    assert queued.result() == [{"begun": "EINPROGRESS", "how": "ok", "seen": [16]}]
    assert resil.row("backend")["queued"] == 0


def test_closed_behind_our_back(resil, hold):
    """The number is another socket's when the wait is over: that one must not turn up in the set."""
    queued = Queued(resil, hold, r"""
begun = begin(s)
ep = select.epoll()
ep.register(s, OUT)
number = s.fileno()
asm = None
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes([0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x0f, 0x05, 0xc3]))  # mov rax, rdi; mov rdi, rsi; syscall; ret
raw = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
raw(3, number)
a, b = socket.socketpair()
os.dup2(a.fileno(), number) if a.fileno() != number else None
tell(begun=begun, seen=ep.poll(0.5))
os._exit(0)
""", expect_queued=False)
    assert queued.result() == [{"begun": "EINPROGRESS", "seen": []}]


def test_a_wide_select(resil, hold):
    """More descriptors than an fd_set has: what waits is left out of them as well."""
    queued = Queued(resil, hold, r"""
begun = begin(s)
bits = (ctypes.c_uint8 * 1024)()
bits[s.fileno() // 8] |= 1 << s.fileno() % 8
class Time(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("us", ctypes.c_long)]
n = libc.select(4096, None, bits, None, ctypes.byref(Time(0, 300000)))
tell(begun=begun, n=n, outcome=outcome(s))
""", expect_queued=False)
    assert queued.result() == [{"begun": "EINPROGRESS", "n": 0, "outcome": "ok"}]  # no error either, so far


def test_a_crowded_poll(resil, hold):
    """More entries than fit on the stack."""
    queued = Queued(resil, hold, r"""
begun = begin(s)
pipes = [os.pipe() for _ in range(300)]
p = select.poll()
p.register(s, select.POLLOUT)
for r, w in pipes:
    p.register(r, select.POLLIN)
early = p.poll(300)
tell(early=early)
late = [e for _, e in p.poll(8000)]
tell(begun=begun, late=late, outcome=outcome(s), answer=answer(s))
""")
    assert queued.line() == {"early": []}
    queued.free()
    assert queued.result() == [{"begun": "EINPROGRESS", "late": [4], "outcome": "ok", "answer": "x"}]


def test_a_one_shot_registration_hears_of_it(resil, hold):
    queued = Queued(resil, hold, r"""
begun = begin(s)
ep = select.epoll()
ep.register(s, OUT | select.EPOLLONESHOT)
tell(begun=begun, seen=[e & OUT for _, e in ep.poll(3)], outcome=outcome(s))
""", expect_queued=False)
    assert queued.result() == [{"begun": "EINPROGRESS", "seen": [4], "outcome": "ECONNREFUSED"}]


def test_a_set_that_another_thread_sleeps_on(resil, hold):
    """The thread waits since before there was any connection: it has to hear of this one."""
    queued = Queued(resil, hold, r"""
ep = select.epoll()
got = []
thread = threading.Thread(target=lambda: got.extend(e for _, e in ep.poll()), daemon=True)
thread.start()
time.sleep(0.2)
begun = begin(s)
ep.register(s, OUT)
tell(begun=begun)
thread.join(8)
tell(got=[e & OUT for e in got], outcome=outcome(s) if got else None)
os._exit(0)
""", expect_queued=False)
    assert queued.line() == {"begun": "EINPROGRESS"}
    queued.free()
    assert queued.line()["got"] == [4]


@pytest.mark.parametrize("operation", ["modify", "unregister"])
def test_changes_of_the_registration(resil, hold, operation):
    change = {"modify": "ep.modify(s, select.EPOLLIN)", "unregister": "ep.unregister(s)"}[operation]
    queued = Queued(resil, hold, rf"""
begun = begin(s)
ep = select.epoll()
ep.register(s, OUT)
{change}
early = ep.poll(0.2)
tell(early=early)
ep.poll(1.5)
tell(now=said(lambda: {"ep.register(s, OUT)" if operation == "unregister" else "ep.modify(s, OUT)"}),
     late=[e for _, e in ep.poll(5)], outcome=outcome(s), answer=answer(s))
""")
    assert queued.line() == {"early": []}
    queued.free()
    assert queued.result() == [{"now": "ok", "late": [4], "outcome": "ok", "answer": "x"}]


def test_another_member_with_the_same_data(resil, hold):
    """A set whose members all carry the same data: the end of a pipe is heard of at once."""
    queued = Queued(resil, hold, r"""
class Event(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]
begun = begin(s)
ep = libc.epoll_create1(0)
libc.epoll_ctl(ep, 1, s.fileno(), ctypes.byref(Event(OUT, 0)))
r, w = os.pipe()
libc.epoll_ctl(ep, 1, r, ctypes.byref(Event(select.EPOLLIN | select.EPOLLET, 0)))
os.close(w)
got = Event()
start = time.monotonic()
n = libc.epoll_wait(ep, ctypes.byref(got), 1, 1000)
tell(n=n, events=got.events, early=time.monotonic() - start < 0.5)
os._exit(0)
""", expect_queued=False)
    assert queued.line() == {"n": 1, "events": 16, "early": True}


@pytest.mark.parametrize("successor", ["exec sleep 20", "exec env -u LD_PRELOAD sleep 20"])
def test_another_program_takes_the_process(resil, hold, successor):
    queued = Queued(resil, hold, rf"""
begun = begin(s)
sys.stdin.readline()
os.execvp("sh", ["sh", "-c", "{successor}"])
""", stdin=True)
    queued.child.stdin.write(b"\n")
    queued.child.stdin.flush()
    wait_until(lambda: resil.row("backend")["queued"] == 0)


def test_made_to_block_meanwhile(resil, hold):
    """A send waits for the connection then, as natively in SYN_SENT."""
    queued = Queued(resil, hold, r"""
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
begun = begin(s)
ep = select.epoll()
ep.register(s, OUT)
s.settimeout(None)
tell(how=said(lambda: s.sendall(b"x")), answer=s.recv(1).decode())
""")
    queued.free()
    assert queued.result() == [{"how": "ok", "answer": "x"}]
