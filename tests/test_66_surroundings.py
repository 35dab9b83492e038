# SPDX-License-Identifier: MIT
"""Goal: whatever the place looks like where a program runs, it does what it does natively, and its rules are kept: a
segment that another user put there, a full, read-only or missing /dev/shm, few or many descriptors, another clock,
many processes at once."""

import hashlib
import os
import shutil
import stat

import pytest

from helper import LIBRARY, wait_until
from servers import HOST

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and give files away")
NOBODY = 65534
GOOD = "[destination backend]\nmatch = *\nmode = enforce\n"
REFUSED = 7  # curl: cannot connect
SHM = {
    "full": "mount -t tmpfs -o size=1m,mode=1777 tmpfs /dev/shm",
    "read-only": "mount -t tmpfs -o ro tmpfs /dev/shm",
    "missing": "umount -R -l /dev/shm; mount -t tmpfs tmpfs /dev/shm -o size=0,mode=000,nr_inodes=1",
}


def curl(port):
    return ["curl", "-q", "-sS", "--noproxy", "*", f"http://{HOST}:{port}/page"]


def inside(prepare, command):
    """The command in mount namespace of its own, preloaded after what prepares the place."""
    quoted = " ".join(f"'{word}'" for word in command)
    return ["unshare", "-m", "sh", "-c", f"({prepare}) >/dev/null 2>&1; LD_PRELOAD={LIBRARY} exec {quoted}"]


def same(result, native):
    assert (result.status, result.out, result.err) == (native.status, native.out, native.err), (result, native)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


@needs_root
def test_a_segment_of_another_user_is_not_obeyed(resil, nginx):
    """Whoever may write to /dev/shm can be the first at root's name: neither rules nor counters of that file count."""
    resil.config("[destination evil]\nmatch = *\nchaos = refuse\n")
    assert resil.run(curl(nginx.port)).status == REFUSED
    resil.remember_semaphores()
    os.chown(resil.segment, NOBODY, NOBODY)
    before = digest(resil.segment)
    resil.config(GOOD)
    same(resil.run(curl(nginx.port)), resil.run(curl(nginx.port), preload=False))
    assert digest(resil.segment) == before
    assert resil.resctl("status").status == 0  # root reads it all the same


def test_the_segment_is_for_its_user_alone(resil, nginx):
    resil.config(GOOD)
    old = os.umask(0)
    try:
        assert resil.run(curl(nginx.port)).status == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.lstat(resil.segment).st_mode) == 0o600


@needs_root
@pytest.mark.parametrize("place", SHM)
def test_no_room_for_a_segment(resil, nginx, place):
    """The policies are kept in private memory, and nobody dies of SIGBUS."""
    resil.config(GOOD)
    native = resil.run(curl(nginx.port), preload=False)
    same(resil.run(inside(SHM[place], curl(nginx.port)), preload=False), native)
    assert not os.path.exists(resil.segment)
    resil.config(GOOD + "chaos = refuse\n")
    assert resil.run(inside(SHM[place], curl(nginx.port)), preload=False).status == REFUSED


@pytest.mark.parametrize("limit", [6, 10, 1_000_000])
def test_descriptors(resil, nginx, limit):
    resil.config(GOOD)
    command = ["prlimit", f"--nofile={limit}", *curl(nginx.port)]
    same(resil.run(command), resil.run(command, preload=False))


@needs_root
@pytest.mark.parametrize("secure", [False, True])
def test_a_privileged_program_is_left_alone(resil, compiled, nginx, secure):
    """Set-uid, and the library comes by its own list of libraries, which no variable can change: it reads none."""
    program = os.path.join(resil.dir, "program")
    library = shutil.copy(LIBRARY, resil.dir)
    shutil.copy(compiled("connect_once.c", "-Wl,--no-as-needed", library, f"-Wl,-rpath,{resil.dir}"), program)
    os.chmod(resil.dir, 0o755)
    os.chmod(program, 0o4755 if secure else 0o755)
    result = resil.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program,
                        str(nginx.port)], preload=False, env={"RESIL_CHAOS": "refuse"})
    assert result.out == (b"64 bits: connected\n" if secure else b"64 bits: Connection refused\n"), result
    assert os.path.exists(resil.segment) != secure


@needs_root
def test_another_clock(resil, nginx):
    """A time namespace: CLOCK_MONOTONIC is a day ahead of what the others in the segment see."""
    resil.config(GOOD + "timeout.response = 2s\nbreaker.failures = 3\n")
    assert resil.run(curl(nginx.port)).status == 0
    command = ["unshare", "-T", "--monotonic", "86400", "--boottime", "86400", *curl(nginx.port)]
    native = resil.run(command, preload=False)
    if native.status != 0:
        pytest.skip("no time namespaces here")
    same(resil.run(command), native)
    same(resil.run(curl(nginx.port)), resil.run(curl(nginx.port), preload=False))


def test_many_processes_at_once(resil, nginx):
    """Each of them would create the segment; one does, and none is left in it."""
    resil.config(GOOD + "bulkhead.limit = 1000\n")
    command = " ".join(curl(nginx.port)) + " >/dev/null && echo ok &\n"
    result = resil.run(["sh", "-c", "set -f\n" + command * 60 + "wait\n"], timeout=60)
    assert result.out == b"ok\n" * 60 and result.err == b"", result
    assert resil.counters("backend")["connects_ok"] == 60
    wait_until(lambda: resil.row("backend")["connections"] == 0)
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(os.path.basename(resil.segment) + ".new")]
