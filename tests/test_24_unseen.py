# SPDX-License-Identifier: MIT
"""Goal: a program that registers its socket before it connects, waits in a way of its own, or reads inside libc, is
served like the others."""

import json
import os
import subprocess

import pytest

import grid_servers
from helper import LIBRARY, PYTHON, UPPER
from servers import HOST

PREFIX = r"""
import ctypes, errno, json, select, socket, sys, time
port = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket()
s.setblocking(False)
def outcome():
    return errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "ok")
def answer():
    s.setblocking(True)
    s.settimeout(5)
    s.sendall(b"x")
    return s.recv(1).decode()
def tell(**seen):
    print(json.dumps(seen))
"""
ELSEWHERE = "127.0.0.5"  # nobody listens there: whoever arrives was steered


@pytest.fixture
def mute():
    server = grid_servers.Mute()
    yield server
    server.stop()


def run(resil, port, script, **options):
    result = resil.run([PYTHON, "-c", PREFIX + script, str(port)], **options)
    assert result.status == 0, result
    return json.loads(result.out)


def two_endpoints(resil, dead, hold):
    resil.config(f"[destination backend]\nmatch = {ELSEWHERE}:{hold.port}\nendpoints = {HOST}:{dead.port}, {HOST}:{hold.port}\n"
                 "retry.attempts = 2\nbreaker.failures = off\nfirst_byte = client\n")


@pytest.mark.parametrize("flags", ["select.EPOLLIN | select.EPOLLOUT | select.EPOLLET", "select.EPOLLOUT"])
def test_registered_before_the_connect_and_steered(resil, dead, hold, flags):
    """As nginx does: the failure of the first endpoint is not seen, though no registration was made since the connect."""
    two_endpoints(resil, dead, hold)
    seen = run(resil, hold.port, rf"""
ep = select.epoll()
ep.register(s, {flags})
ep.poll(0)  # of a socket that is not connected
s.connect_ex(("{ELSEWHERE}", port))
events = ep.poll(10)
tell(events=[event for _, event in events], outcome=outcome(), answer=answer())
""")
    assert seen == {"events": [4], "outcome": "ok", "answer": "x"}
    assert resil.counters("backend")["retries_ok"] == 1


def test_one_set_as_two(resil, dead, hold):
    """perl's IO::Socket::IP passes the same memory for the writable and the exceptional descriptors."""
    two_endpoints(resil, dead, hold)
    script = rf"""
bits = (ctypes.c_ulong * 16)()
bits[0] = 1 << s.fileno()
s.connect_ex((sys.argv[2], port))
class Time(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("us", ctypes.c_long)]
rest = Time(10, 0)
count = libc.select(s.fileno() + 1, None, bits, bits, ctypes.byref(rest))
tell(count=count, bits=bits[0], waited=rest.s, outcome=outcome(), answer=answer())
"""
    results = []
    for preload, host in ((False, HOST), (True, ELSEWHERE)):
        result = resil.run([PYTHON, "-c", PREFIX + script, str(hold.port), host], preload=preload)
        assert result.status == 0, result
        results.append(json.loads(result.out))
    assert results[0] == results[1] == {"count": 1, "bits": 0, "waited": 9, "outcome": "ok", "answer": "x"}
    assert resil.counters("backend")["retries_ok"] == 1


WAITS = {
    "poll": "p = select.poll(); p.register(s, select.POLLIN); p.poll(10000)",
    "select": "select.select([s], [], [], 10)",
    "epoll": "ep = select.epoll(); ep.register(s, select.EPOLLIN); ep.poll(10)",
    "edge": "ep = select.epoll(); ep.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET); ep.poll(10); ep.poll(10)",
}


@pytest.mark.parametrize("how", WAITS)
def test_waits_for_the_greeting_alone(resil, mute, how):
    """As ssh-keyscan does: whoever waits for the first byte of a connect that is under way never asks whether it is
    over."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{mute.port}\ntimeout.response = 400ms\nbreaker.failures = off\n")
    seen = run(resil, mute.port, rf"""
start = time.monotonic()
s.connect_ex(("{HOST}", port))
{WAITS[how]}
seconds = time.monotonic() - start
try:
    s.recv(1)
    said = "ok"
except OSError as error:
    said = errno.errorcode[error.errno]
tell(seconds=seconds, said=said)
""")
    assert seen["said"] == "ETIMEDOUT" and 0.4 <= seen["seconds"] <= 0.4 + UPPER, seen
    assert resil.counters("backend")["response_timeouts"] == 1


STDIO = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    char line[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_aton("127.0.0.1", &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        return 3;
    FILE *stream = fdopen(fd, "r+");
    fputs("hello\r\n\r\n", stream);
    fflush(stream);
    char *got = fgets(line, sizeof line, stream);
    if (argc > 2)
        fclose(stream);
    return got ? 0 : 1;
}
"""


@pytest.fixture(scope="module")
def stdio(tmp_path_factory):
    where = tmp_path_factory.mktemp("stdio")
    (where / "stdio.c").write_text(STDIO)
    subprocess.run(["gcc", "-O1", "-o", where / "stdio", where / "stdio.c"], check=True, timeout=60)
    return str(where / "stdio")


@pytest.mark.parametrize("close", [[], ["close"]])
def test_silence_inside_libc_reaches_the_breaker(resil, mute, stdio, close):
    """Written and read by stdio, ended by the kernel's option, and the socket is closed, or left to exit()."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{mute.port}\ntimeout.response = 300ms\nbreaker.failures = 2\n")
    codes = [resil.run([stdio, str(mute.port), *close]).status for _ in range(3)]
    assert codes == [1, 1, 3]
    counters = resil.counters("backend")
    assert (counters["response_timeouts"], counters["opened"], counters["rejected_breaker"]) == (2, 1, 1)


def test_an_answer_inside_libc_is_a_success(resil, hold, stdio):
    """... and a request that was answered there is none without an answer."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\ntimeout.response = 5s\nbreaker.failures = 1\n")
    assert resil.run([stdio, str(hold.port), "close"]).status == 0
    counters = resil.counters("backend")
    assert (counters["exchanges_ok"], counters["exchanges_failed"], counters["abandoned"]) == (1, 0, 0)


RAW = r"""
import struct
s.setblocking(True)
s.connect(("127.0.0.1", port))
libc.syscall.restype = ctypes.c_long
fds = ctypes.create_string_buffer(struct.pack("ihh", s.fileno(), 1, 0))
bits = (ctypes.c_ulong * 16)(1 << s.fileno())
def left(number, *args):
    rest = (ctypes.c_long * 2)(0, 300000000 if number != 23 else 300000)
    start = time.monotonic()
    got = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args(rest)])
    return [got, list(rest), 0.3 <= time.monotonic() - start]
seen = [left(271, lambda t: (fds, 1, t, 0, 8)), left(270, lambda t: (s.fileno() + 1, bits, 0, 0, t, 0)),
        left(23, lambda t: (s.fileno() + 1, bits, 0, 0, t))]
libc.syscall(ctypes.c_long(271), fds, ctypes.c_long(1), ctypes.c_long(16), ctypes.c_long(0), ctypes.c_long(8))
tell(seen=seen, error=ctypes.get_errno())
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls")
def test_raw_waits_write_back_what_is_left(resil, mute):
    """ppoll, pselect6 and select by their numbers: nothing is left of the time, and it is written; bad memory is refused."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{mute.port}\ntimeout.response = 5s\n")
    script = RAW.replace("def left(number, *args)", "def left(number, args)")
    native = resil.run([PYTHON, "-c", PREFIX + script, str(mute.port)], preload=False)
    assert run(resil, mute.port, script) == json.loads(native.out) == {
        "seen": [[0, [0, 0], True]] * 3, "error": 14}


IDLE = r"""
import os, threading
r, w = os.pipe()
sets = [select.epoll() for _ in range(3)]
for one in sets:
    one.register(r, select.EPOLLIN)
seen = []
threads = [threading.Thread(target=lambda one=one: seen.append(one.poll(None, 1))) for one in sets for _ in range(2)]
for one in threads:
    one.start()
time.sleep(0.2 if sys.argv[2:] else 1.4)
%s
os.write(w, b"x")
for one in threads:
    one.join(5)
tell(seen=[[event for _, event in each] for each in seen], fds=sorted(map(int, os.listdir("/proc/self/fd"))))
"""


def idle(resil, port, connects, preload):
    """What the threads saw, the descriptors at the end, and how often epoll_wait was called."""
    log = resil.file("strace", "")
    tracer = ["strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=epoll_wait", "-o", log]
    if preload:
        tracer += ["-E", f"LD_PRELOAD={LIBRARY}"]
    result = resil.run([*tracer, PYTHON, "-c", PREFIX + IDLE % connects, str(port), *connects[:1]], preload=False)
    assert result.status == 0, result
    with open(log, encoding="utf-8") as file:
        return json.loads(result.out), sum("epoll_wait" in line and "resumed" not in line for line in file)


def test_an_idle_process_is_not_woken(resil, mute):
    """Six threads sleep in three sets, and nobody connects: as natively, each calls once."""
    resil.config(f"[destination backend]\nmatch = {HOST}\ntimeout.response = 5s\n")
    assert idle(resil, mute.port, "", True) == idle(resil, mute.port, "", False)


def test_a_first_connection_wakes_them_once(resil, mute):
    """... and go to sleep again, until the deadline that they know now; the program sees nothing of it."""
    resil.config(f"[destination backend]\nmatch = {HOST}\ntimeout.response = 30s\n")
    # The pause is the subject: they go to sleep again in it.
    connects = f's.setblocking(True); s.connect(("{HOST}", port)); time.sleep(0.3)'
    native, ours = idle(resil, mute.port, connects, False), idle(resil, mute.port, connects, True)
    # Of two threads of one set one may take what is meant for the other; one that is late finds the deadline there.
    assert ours[0] == native[0] and native[1] == 6 < ours[1] <= 18


def test_a_set_that_two_processes_wait_on(resil, mute):
    """The child waits last on the set that it inherited, so the kernel gives it what wakes a thread of its parent."""
    resil.config(f"[destination backend]\nmatch = {HOST}\ntimeout.response = 30s\n")
    script = rf"""
import os, threading
r, w = os.pipe()
told, tell_child = os.pipe()
answer, tell_parent = os.pipe()
shared = select.epoll()
shared.register(r, select.EPOLLIN)
def waits(pid, thread):
    with open(f"/proc/{{pid}}/task/{{thread}}/syscall") as file:
        return file.read().split()[0] in ("232", "281")  # epoll_wait, epoll_pwait of x86-64
def until(what):
    end = time.monotonic() + 5
    while not what() and time.monotonic() < end:
        time.sleep(0.005)
child = os.fork()
if child == 0:
    os.read(told, 1)
    begin = time.monotonic()
    os.write(tell_parent, repr([shared.poll(0.8), time.monotonic() - begin >= 0.8]).encode())
    os._exit(0)
seen = []
sleeper = threading.Thread(target=lambda: seen.append(shared.poll()))
sleeper.start()
until(lambda: waits(os.getpid(), sleeper.native_id))
os.write(tell_child, b"x")
until(lambda: waits(child, child))
s.setblocking(True)
s.connect(("{HOST}", port))
of_child = os.read(answer, 999).decode()
os.write(w, b"x")
sleeper.join(5)
os.waitpid(child, 0)
tell(child=of_child, parent=[event for _, event in seen[0]])
"""
    assert run(resil, mute.port, script) == {"child": "[[], True]", "parent": [1]}
