# SPDX-License-Identifier: MIT
"""Goal: whatever becomes of a process (exec, spawn, fork, vfork, daemon, a dead leader thread) and of its descriptors, the
library follows: children keep it unless it was removed on purpose, a slot lives as long as a process holds the socket,
and no program finds an option that it did not set.

covers: execve execv execvp execvpe execl execle execlp fexecve execveat posix_spawn posix_spawnp system popen
covers: posix_spawn_file_actions_adddup2
"""

import os
import shutil
import signal
import subprocess
import time

import pytest

from helper import LIBRARY, PYTHON, ROOT, program, table_rows, wait_until
from servers import HOST, Scripted
from test_22_unnoticed import PRELUDE, Speaker

TIMED = """[destination backend]
match = {host}
timeout.response = 600ms
breaker.failures = off
"""

EXECS = [*table_rows("symbols.tbl.h", "SYMBOL")]
EXECS = [name for name in EXECS if name.startswith(("exec", "fexec", "posix_spawn")) and "file_actions" not in name]


@pytest.fixture
def lives(compiled):
    return compiled("lives.c", "-Wextra")


class Late(Scripted):
    """Answers a first request after 1.2 s, and no other."""

    def handle(self, connection):
        connection.recv(1)
        time.sleep(1.2)  # longer than timeout.response: the pause is the subject
        connection.sendall(b"xyz")
        while connection.recv(1000):
            pass


@pytest.fixture
def speaker():
    server = Speaker()
    yield server
    server.stop()


@pytest.fixture
def late():
    server = Late()
    yield server
    server.stop()


# ---- the environment of the next program ------------------------------------------------------------------------


def environment_of(result):
    assert result.status == 0 and result.err == b"", result
    return dict(line.split("=", 1) for line in result.out.decode().splitlines())


@pytest.mark.parametrize("function", [*EXECS, "syscall", "vfork"])
def test_a_cleaned_environment_keeps_the_library(resil, lives, function):
    resil.config(TIMED.format(host=HOST))
    found = environment_of(resil.run([lives, function]))
    assert found == {"LD_PRELOAD": LIBRARY, "RESIL_SEGMENT": resil.segment, "RESIL_CONFIG": resil.config_path}
    assert environment_of(resil.run([lives, function], preload=False)) == {}


def test_every_function_is_tried():
    assert len(EXECS) == 11


@pytest.mark.parametrize("function", [*EXECS, "syscall"])
def test_failures_are_the_kernels(resil, lives, function):
    native = resil.run([lives, "fails", function], preload=False)
    assert native.status == 0 and len(native.out.split()) == 3
    assert resil.run([lives, "fails", function]).out == native.out


TOO_LONG = """
import os, resource
resource.setrlimit(resource.RLIMIT_STACK, (524288, 524288))  # of which a quarter is for arguments and environment
def starts(length):
    child = os.fork()
    if child == 0:
        try:
            os.execve("/usr/bin/true", ["true"], {"X": "x" * length})
        except OSError:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
good, bad = 1000, 131072
while bad - good > 1:
    middle = (good + bad) // 2
    good, bad = (middle, bad) if starts(middle) else (good, middle)
print(good)
"""


def test_the_longest_environment_is_as_long_as_ever(resil):
    """Where our variables make it too long, the program's own goes alone."""
    native = resil.run([PYTHON, "-c", TOO_LONG], preload=False)
    assert native.status == 0 and 100000 < int(native.out) < 131071
    assert resil.run([PYTHON, "-c", TOO_LONG]).out == native.out


CLEANERS = {
    "env": ["env", "-i"],
    "setpriv": ["setpriv", "--reset-env"],
    "perl": ["perl", "-e", "%ENV = (); exec @ARGV"],
    "python": [PYTHON, "-c", "import os, sys; os.execve(sys.argv[1], sys.argv[1:], {})"],
    "subprocess": [PYTHON, "-c", "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], env={}).returncode)"],
    "twice": ["env", "-i", "env", "-i"],
}


@pytest.mark.parametrize("cleaner", CLEANERS)
def test_real_cleaners(resil, speaker, cleaner):
    resil.config(f"[destination backend]\nmatch = {HOST}\n")
    script = PRELUDE + "s = connected(); s.sendall(b'e'); print(s.recv(10))"
    result = resil.run([*CLEANERS[cleaner], PYTHON, "-c", script, str(speaker.port)])
    assert result.out == b"b'answer'\n", result
    assert resil.counters("backend")["exchanges_ok"] == 1


def test_a_relative_configuration_stays_the_same_file(resil, lives):
    path = resil.config("")
    script = "import os, sys; os.chdir('/'); os.execve(sys.argv[1], sys.argv[1:], {})"
    found = environment_of(resil.run([PYTHON, "-c", script, "/usr/bin/env"], env={"RESIL_CONFIG": "resil.conf"}))
    assert found["RESIL_CONFIG"] == path


def test_others_that_are_preloaded_come_first(resil):
    other = "/lib/x86_64-linux-gnu/libm.so.6"
    found = environment_of(resil.run(["env", "-i", f"LD_PRELOAD={other}", "env"]))
    assert found["LD_PRELOAD"] == f"{other}:{LIBRARY}"
    found = environment_of(resil.run(["env", "env"], env={"LD_PRELOAD": f"{other} {LIBRARY}"}))
    assert found["LD_PRELOAD"] == f"{other} {LIBRARY}"
    found = environment_of(resil.run(["env", "-i", "env"], env={"LD_PRELOAD": f"{other} {LIBRARY}"}))
    assert found["LD_PRELOAD"] == LIBRARY


@pytest.mark.parametrize("removal", [["env", "-u", "LD_PRELOAD"], ["env", "-i", "LD_PRELOAD="],
                                     ["env", "-i", "RESIL_DISABLE=all"]])
def test_a_removal_on_purpose_is_obeyed(resil, removal):
    found = environment_of(resil.run([*removal, "env"]))
    assert found.get("LD_PRELOAD", "") == ""


@pytest.mark.parametrize("disable", ["exec", "all", "breaker,exec"])
def test_exec_can_be_left_alone(resil, disable):
    assert environment_of(resil.run(["env", "-i", "env"], env={"RESIL_DISABLE": disable})) == {}


def test_a_library_that_is_out_of_reach_is_not_named(resil, tmp_path):
    """In another root the loader would complain on standard error."""
    copy = tmp_path / "libresil.so"
    copy.write_bytes(open(LIBRARY, "rb").read())
    script = f"import os; os.unlink({str(copy)!r}); os.execve('/usr/bin/env', ['env'], {{}})"
    assert environment_of(resil.run([PYTHON, "-c", script], env={"LD_PRELOAD": str(copy)})) == {}


# ---- the application's own options ------------------------------------------------------------------------------

STARTERS = {
    "fork and exec": """
child = os.fork()
if child == 0:
    os.dup2(s.fileno(), 0); os.execv(command[0], command)
os.waitpid(child, 0)""",
    "vfork": "subprocess.run(command, stdin=s)",
    "vfork, tried in three places": "subprocess.run([os.path.basename(command[0]), *command[1:]], stdin=s, env={'PATH': '/nonexistent:/usr/bin'})",
    "posix_spawn": "os.waitpid(os.posix_spawn(command[0], command, {}, file_actions=[(os.POSIX_SPAWN_DUP2, s.fileno(), 0)]), 0)",
    "posix_spawn, inherited": """
os.set_inheritable(s.fileno(), True)
os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', f'exec {" ".join(command)} <&{s.fileno()}'], {}), 0)""",
    "system": "os.set_inheritable(s.fileno(), True); os.system(f'exec {\" \".join(command)} <&{s.fileno()}')",
    "popen": """
os.set_inheritable(s.fileno(), True)
libc.popen.restype = ctypes.c_void_p
stream = libc.popen(f'exec {" ".join(command)} <&{s.fileno()}'.encode(), b'w')
libc.pclose(ctypes.c_void_p(stream))""",
}


@pytest.mark.parametrize("starter", STARTERS, ids=lambda text: text.replace(" ", "-"))
def test_a_program_that_inherits_a_socket_waits_as_long_as_it_wants(resil, late, starter):
    """head knows no EAGAIN; its answer comes after 1.2 s. The parent's own receives stay bounded all the same."""
    resil.config(TIMED.format(host=HOST))
    start = STARTERS[starter].strip().replace("\n", "\n    ")
    script = PRELUDE + f"""
import subprocess
def start(s, command):
    {start}
s = connected(); s.settimeout(None); start(s, ['/usr/bin/true'])
s.sendall(b's'); begin = time.monotonic()
print(name(lambda: s.recv(1)), 0.6 <= time.monotonic() - begin < 0.85)
s = connected(); s.settimeout(None); s.sendall(b'p'); start(s, ['/usr/bin/head', '-c', '2'])
os.write(1, s.recv(1))
"""
    result = resil.run([PYTHON, "-u", "-c", script, str(late.port)])
    assert (result.out, result.err) == (b"ETIMEDOUT True\nxyz", b""), result


def test_a_command_of_a_shell_waits_as_long_as_it_wants(resil, late):
    resil.config(TIMED.format(host=HOST))
    script = f"exec 5<>/dev/tcp/{HOST}/{late.port}; printf p >&5; head -c 2 <&5; read -r -n 1 -u 5 x; echo $x"
    result = resil.run(["bash", "-c", script])
    assert (result.out, result.err) == (b"xyz\n", b""), result


KERNELS_OWN = PRELUDE + """
import array, mmap, struct
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("4889f84889f74889d64889ca4d89c24d89c84c8b4c24080f05c3"))  # x86-64: a system call as such
entry = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 6)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
def kernels_own(fd):  # not by the hooks, which show what the application set
    value, length = ctypes.create_string_buffer(16), ctypes.c_uint(16)
    assert entry(55, fd, 1, 20, ctypes.addressof(value), ctypes.addressof(length)) == 0
    seconds, micros = struct.unpack('ll', value.raw)
    return seconds + micros / 1e6
s = connected(); s.settimeout(None); s.sendall(b'e'); s.recv(10);
"""


@pytest.mark.parametrize("inheritable", [True, False])
def test_a_failed_exec_puts_the_option_back(resil, speaker, inheritable):
    resil.config(TIMED.format(host=HOST))
    script = KERNELS_OWN + f"""
os.set_inheritable(s.fileno(), {inheritable})
print(kernels_own(s.fileno()), name(lambda: os.execv('/nonexistent', ['x'])), kernels_own(s.fileno()))
"""
    result = resil.run([PYTHON, "-c", script, str(speaker.port)])
    assert result.out == b"0.6 ENOENT 0.6\n", result


def test_a_passed_descriptor_carries_the_applications_option(resil, speaker):
    resil.config(TIMED.format(host=HOST))
    script = KERNELS_OWN + """
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 7, 0))
here, there = socket.socketpair()
before = kernels_own(s.fileno())
socket.send_fds(here, [b'x'], [s.fileno()])
_, fds, _, _ = socket.recv_fds(there, 10, 4)
print(before, kernels_own(fds[0]))
s.sendall(b's'); start = time.monotonic()
print(name(lambda: s.recv(1)), 0.6 <= time.monotonic() - start < 0.85, kernels_own(fds[0]))
message = (ctypes.c_char * 56)()
print(libc.sendmsg(here.fileno(), ctypes.c_void_p(8), 0), errno.errorcode[ctypes.get_errno()])
"""
    result = resil.run([PYTHON, "-c", script, str(speaker.port)])
    assert result.out == b"0.6 7.0\nETIMEDOUT True 7.0\n-1 EFAULT\n", result


def test_stdio_is_bounded_without_close_on_exec(resil, lives, speaker):
    resil.config(TIMED.format(host=HOST))
    result = resil.run([lives, "stdio", str(speaker.port)], timeout=10)
    got, _, milliseconds = map(int, result.out.split())
    assert got == 0 and 600 <= milliseconds < 850


# ---- slots ------------------------------------------------------------------------------------------------------


class Holder:
    """A process and its descendants with one connection, under a limit of one; free() and taken() ask by another."""

    def __init__(self, resil, hold):
        resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n")
        self.resil, self.port = resil, hold.port
        self.asker = resil.puppet(hold.port)
        self.puppet = resil.puppet(hold.port)
        assert self.puppet.do("s = connect()") == "ok"
        self.taken()

    def taken(self):
        assert self.asker.do("connect()") == "ECONNREFUSED"
        assert self.resil.row("backend")["connections"] == 1

    def free(self):
        assert self.asker.do("x = connect(); x.close()") == "ok"
        assert self.resil.row("backend")["connections"] == 0

    def child(self, before="pass"):
        """Forks a child that does `before`, then what it is told line by line; returns its pid."""
        assert self.puppet.do(f"import os, sys; r, w = os.pipe(); a, b = os.pipe()") == "ok"
        code = ("\\n".join(["def go():", "  pid = os.fork()", "  if pid: return pid", f"  {before}",
                            "  os.write(b, str(os.getpid()).encode().ljust(8))",
                            "  for line in os.fdopen(r):",
                            "    exec(line, globals()); os.write(b, b'done    ')", "  os._exit(0)"]))
        assert self.puppet.do(f'exec("{code}")') == "ok"
        self.puppet.get("go()")
        return int(self.puppet.get("os.read(a, 8).decode()"))

    def tell(self, line):
        assert self.puppet.do(f"os.write(w, {line + chr(10)!r}.encode())") == "ok"
        assert self.puppet.get("os.read(a, 8).decode()").strip() == "done"


def comm(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def holder(resil, hold):
    return Holder(resil, hold)


def has_ended(pid):
    """Nobody may have collected it yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def end(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(pid))


def test_a_child_closes_its_copy(holder):
    holder.child()
    holder.tell("s.close()")
    holder.taken()
    assert holder.puppet.do("s.close()") == "ok"
    holder.free()


@pytest.mark.parametrize("last", ["closes", "is killed"])
def test_the_parent_closes_first(holder, last):
    pid = holder.child()
    assert holder.puppet.do("s.close()") == "ok"
    holder.taken()
    if last == "closes":
        holder.tell("s.close()")
    else:
        end(pid)
    holder.free()


def test_the_parent_closes_at_once(holder):
    """The child finds the slot given back already, and takes one."""
    for _ in range(20):
        pid = holder.puppet.get("[pid for pid in [os.fork()] if pid or (s.recv(1), os._exit(0))][0]")
        holder.puppet.do("s.close()")
        wait_until(lambda: holder.resil.row("backend")["connections"] == 1)
        holder.taken()
        end(pid)
        holder.puppet.do("os.wait()")
        holder.free()
        assert holder.puppet.do("s = connect()") == "ok"


@pytest.mark.parametrize("death", ["exit", "kill"])
@pytest.mark.parametrize("daemon", ["pass", "os.fork() and os._exit(0)", "os.setsid(); os.fork() and os._exit(0)"])
def test_a_daemon_keeps_the_slot_of_its_dead_parent(resil, hold, daemon, death):
    """It does nothing meanwhile: nobody but those who ask can find out."""
    holder = Holder(resil, hold)
    script = f"""
import os, signal, socket, sys
s = socket.create_connection(("127.0.0.1", {hold.port}))
if os.fork() == 0:
    {daemon}
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    s.close()
    sys.stdin.readline()
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL) if {death == "kill"} else os._exit(0)
"""
    assert holder.puppet.do("s.close()") == "ok"
    daemon = resil.spawn([PYTHON, "-c", script], stdin=subprocess.PIPE)
    pid = int(daemon.stdout.readline())
    daemon.wait(timeout=10)
    for _ in range(3):
        holder.taken()
    daemon.stdin.write(b"\n")
    daemon.stdin.flush()
    wait_until(lambda: resil.row("backend")["connections"] == 0)
    assert not has_ended(pid)
    holder.free()


def test_daemons_are_never_without_their_slot(resil, hold):
    """Twenty processes connect, fork and end at once: whoever looks in between is refused."""
    holder = Holder(resil, hold)
    assert holder.puppet.do("s.close()") == "ok"
    script = f"""
import os, socket, sys
s = socket.create_connection(("127.0.0.1", {hold.port}))
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
sys.stdin.readline()
"""
    for _ in range(20):
        child = resil.spawn([PYTHON, "-c", script], stdin=subprocess.PIPE)
        child.wait(timeout=10)
        holder.taken()
        pid = int(child.stdout.readline())
        holder.taken()
        child.stdin.close()
        wait_until(lambda: has_ended(pid))
        holder.free()


@pytest.mark.skipif(ROOT or not shutil.which("strace"), reason="needs strace")
def test_a_child_on_its_way_is_a_holder(resil, hold):
    """It is held up before it has run a handler of pthread_atfork; its parent ends."""
    holder = Holder(resil, hold)
    assert holder.puppet.do("s.close()") == "ok"
    script = f"""
import os, socket, sys
s = socket.create_connection(("127.0.0.1", {hold.port}))
print(os.getpid(), flush=True)
if os.fork():
    os._exit(0)
sys.stdin.readline()
"""
    first_of_child = ["-e", "trace=set_robust_list", "-e", "inject=set_robust_list:delay_enter=700000"]
    child = resil.spawn(["strace", "-f", "-o", "/dev/null", *first_of_child, PYTHON, "-c", script], stdin=subprocess.PIPE)
    pid = int(child.stdout.readline())
    wait_until(lambda: has_ended(pid))
    holder.taken()
    child.stdin.close()
    child.wait(timeout=10)
    wait_until(lambda: resil.row("backend")["connections"] == 0)


@pytest.mark.parametrize("survives", [False, True])
@pytest.mark.parametrize("preloaded", [True, False])
def test_exec(holder, survives, preloaded):
    """sleep never connects, so that it never looks at the segment."""
    environment = "os.environ" if preloaded else "dict(os.environ, LD_PRELOAD='')"
    assert holder.puppet.do(f"os.set_inheritable(s.fileno(), {survives})") == "ok"
    holder.puppet.tell(f"os.execve('/bin/sleep', ['sleep', '60'], {environment})")
    wait_until(lambda: comm(holder.puppet.pid) == "sleep\n")
    if survives:
        holder.taken()
        holder.puppet.kill()
    holder.free()


@pytest.mark.parametrize("survives", [False, True])
def test_a_failed_exec_keeps_the_slot(holder, survives):
    assert holder.puppet.do(f"os.set_inheritable(s.fileno(), {survives})") == "ok"
    for _ in range(3):
        assert holder.puppet.do("os.execv('/nonexistent', ['x'])") == "ENOENT"
        holder.taken()
    assert holder.puppet.do("s.close()") == "ok"
    holder.free()


def test_the_next_program_adopts_what_survives(resil, hold):
    """It takes the slot up at its first connect; closing the descriptor then gives it back."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 2\ntimeout.response = 600ms\n")
    puppet, asker = resil.puppet(hold.port), resil.puppet(hold.port)
    assert puppet.do("kept, gone = connect(), connect(); os.set_inheritable(kept.fileno(), True)") == "ok"
    assert asker.do("connect()") == "ECONNREFUSED"
    number = puppet.get("kept.fileno()")
    assert puppet.do("become_another()") == "ok"
    assert resil.row("backend")["connections"] == 1
    assert puppet.do("s = connect()") == "ok"
    assert asker.do("connect()") == "ECONNREFUSED"
    assert puppet.do(f"kept = socket.socket(fileno={number}); kept.settimeout(None)") == "ok"
    assert puppet.do("kept.sendall(b'hello'); kept.recv(100)") == "ok"  # tracked again: a new exchange
    assert resil.counters("backend")["exchanges_ok"] >= 1
    assert puppet.do("kept.close()") == "ok"
    assert asker.do("x = connect()") == "ok"


def test_programs_started_by_vfork_take_nothing_away(holder):
    """Python's children close everything and move descriptors, in the parent's memory."""
    assert holder.puppet.do("import subprocess; [subprocess.run(['true']) for _ in range(5)]") == "ok"
    assert holder.puppet.do("subprocess.run(['true'], stdin=s, stdout=s, close_fds=False)") == "ok"
    holder.taken()
    assert holder.puppet.do("s.sendall(b'x'); assert_ = s.recv(1)") == "ok"
    assert holder.puppet.do("s.close()") == "ok"
    holder.free()


def test_a_vfork_child_writes_elsewhere_under_the_same_number(resil, lives, speaker):
    resil.config(TIMED.format(host=HOST))
    child = resil.spawn([lives, "vfork", str(speaker.port)], stdin=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    assert resil.counters("backend")["bytes_out"] == 0
    out, err = child.communicate(b"\n", timeout=10)
    assert (child.returncode, out, err) == (0, b"1\n", b"")
    counters = resil.counters("backend")
    assert (counters["bytes_out"], counters["exchanges_ok"], counters["exchanges_failed"]) == (1, 1, 0)


def test_a_fork_behind_libc(holder):
    """The system call itself: no handler runs, and yet the child is known by what it does."""
    assert holder.puppet.do("import ctypes; libc = ctypes.CDLL(None); r, w = os.pipe(); a, b = os.pipe()") == "ok"
    code = ("\\n".join(["def go():", "  pid = libc.syscall(57)", "  if pid: return pid",
                        "  for line in os.fdopen(r):", "    exec(line, globals()); os.write(b, b'done    ')",
                        "  os._exit(0)"]))
    assert holder.puppet.do(f'exec("{code}"); pid = go()') == "ok"
    holder.tell("d = s.dup(); d.close()")
    assert holder.puppet.do("s.close()") == "ok"
    holder.taken()
    holder.tell("s.close()")
    holder.free()


def test_the_leader_thread_ends_first(resil, hold, lives):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n")
    child = resil.spawn([lives, "leader", str(hold.port)], stdin=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    wait_until(lambda: has_ended(child.pid))
    asker = resil.puppet(hold.port)
    assert asker.do("connect()") == "ECONNREFUSED"
    child.communicate(b"", timeout=10)
    assert asker.do("s = connect()") == "ok"


def test_the_sender_of_a_descriptor_keeps_the_slot_until_it_closes(holder):
    assert holder.puppet.do("a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [s.fileno()])") == "ok"
    assert holder.puppet.do("fds = socket.recv_fds(b, 10, 4)[1]; os.close(fds[0])") == "ok"
    holder.taken()
    assert holder.puppet.do("s.close()") == "ok"
    holder.free()
