# SPDX-License-Identifier: MIT
"""Goal: a slot is its owner's as long as that lives, and no longer, across pid namespaces: where numbers are not what they
seem, and come back soon."""

import os
import shutil
import signal
import subprocess

import pytest

from helper import PYTHON, Puppet, program, wait_until
from servers import HOST

UNSHARE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid", "--fork"]

if not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0:
    pytest.skip("no pid namespace can be made here", allow_module_level=True)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Inside:
    """A puppet in a pid namespace of its own: the first process there."""

    def __init__(self, resil, port, *options):
        child = resil.spawn([*UNSHARE, "--kill-child", *options, PYTHON, program("puppet.py"), HOST, str(port)],
                            stdin=subprocess.PIPE)
        self.puppet = Puppet(child)
        self.pid = wait_until(lambda: children(child.pid))[0]  # as it is seen out here
        self.do = self.puppet.do
        assert self.puppet.get("os.getpid()") == 1

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: has_ended(self.pid))


@pytest.fixture
def one(resil, hold):
    """A limit of one."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n")


@pytest.mark.parametrize("options", [(), ("--mount-proc",)], ids=["foreign-proc", "own-proc"])
def test_two_namespaces_share_a_bulkhead(resil, hold, one, options):
    """Both are number 1 where they live, as is the host's init, which goes on living."""
    first, second, outside = Inside(resil, hold.port, *options), Inside(resil, hold.port, *options), resil.puppet(hold.port)
    assert first.do("s = connect()") == "ok"
    assert second.do("connect()") == outside.do("connect()") == "ECONNREFUSED"
    first.kill()
    assert second.do("s = connect()") == "ok"
    assert outside.do("connect()") == "ECONNREFUSED"
    assert resil.counters("backend")["reclaimed"] == 1
    second.kill()
    assert outside.do("s = connect()") == "ok"
    assert resil.row("backend")["connections"] == 1


def test_from_inside_a_process_outside_is_judged(resil, hold, one):
    outside, inside = resil.puppet(hold.port), Inside(resil, hold.port, "--mount-proc")
    assert outside.do("s = connect()") == "ok"
    assert inside.do("connect()") == "ECONNREFUSED"
    outside.kill()
    assert inside.do("s = connect()") == "ok"
    assert resil.row("backend")["connections"] == 1


AGAIN = r"""
import os, signal, socket, subprocess, sys
port = int(sys.argv[1])
def run(code):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write("70")
    child = subprocess.Popen([sys.executable, "-c", "import os, socket, sys\n" + code, str(port)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    said = child.stdout.readline().split()
    return child, said
connect = 's = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); print(os.getpid(), "ok", flush=True); sys.stdin.read()'
first, said = run(connect)
assert said == ["71", "ok"], said
first.kill()
first.wait()
second, said = run(connect)  # the same number
assert said == ["71", "ok"], said
with socket.socket() as third:
    print(third.connect_ex(("127.0.0.1", port)))
second.kill()
second.wait()
with socket.socket() as third:
    print(third.connect_ex(("127.0.0.1", port)))
"""


def test_a_number_that_comes_back(resil, hold, one):
    """/proc tells of the host's process 71, for both of the processes 71 of the namespace: the second is not the first,
    and lives by itself."""
    result = resil.run([*UNSHARE, PYTHON, "-c", AGAIN, str(hold.port)])
    if b"PermissionError" in result.err or b"Read-only" in result.err:
        pytest.skip("numbers cannot be chosen here")
    assert (result.status, result.out.split()) == (0, [b"111", b"0"]), result


HANDLER = r"""
import ctypes, signal, socket, sys, time
libc = ctypes.CDLL(None)
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own interrupts
note = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: None)
class Action(ctypes.Structure):
    _fields_ = [("handler", ctypes.CFUNCTYPE(None, ctypes.c_int)), ("mask", ctypes.c_ulong * 16), ("flags", ctypes.c_int),
                ("restorer", ctypes.c_void_p)]
once, restart = ctypes.c_int(-2147483648).value, 0x10000000
action = Action(note, (ctypes.c_ulong * 16)(), once | (restart if sys.argv[2] == "restart" else 0), None)
assert libc.sigaction(signal.SIGALRM, ctypes.byref(action), None) == 0
libc.recv.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
signal.setitimer(signal.ITIMER_REAL, 0.2)
start = time.monotonic()
got = ctypes.CDLL(None, use_errno=True).recv(s.fileno(), ctypes.create_string_buffer(8), 8, 0)
print(got, round(time.monotonic() - start, 1))
"""


@pytest.mark.parametrize("how, seconds", [("plain", (0.1, 0.5)), ("restart", (0.9, 1.4))])
def test_a_handler_for_one_delivery(resil, hang, how, seconds):
    """SA_RESETHAND: it interrupts the receive as natively, though it is gone when we ask for it; with SA_RESTART it does
    not, and the timeout ends the call."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hang.port}\ntimeout.response = 1s\nfirst_byte = server\n")
    result = resil.run([PYTHON, "-c", HANDLER, str(hang.port), how])
    assert result.status == 0, result
    got, after = result.out.split()
    assert got == b"-1" and seconds[0] <= float(after) <= seconds[1]
