# SPDX-License-Identifier: MIT
"""Goal: programs of 32 and of 64 bits obey the same breaker. One LD_PRELOAD value, as `make install` and `resctl run` make
it, serves both; every symbol is followed in 32-bit programs as well, with a time_t of either width."""

import fcntl
import json
import os
import shutil
import subprocess

import pytest

from helper import BUILD, PYTHON, TOP, table_rows
from servers import HOST
from test_23_symbols import Setting, case_names

CC32 = ("i686-linux-gnu-gcc",)
WIDE = ("-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64")

if not shutil.which(CC32[0]) or not os.path.exists("/lib/ld-linux.so.2"):
    pytest.skip("no 32-bit compiler and loader: Debian's gcc-i686-linux-gnu and libc6-i386", allow_module_level=True)


def make(*args):
    with open(os.path.join(BUILD, "lock"), "w", encoding="utf-8") as lock:  # workers of one run share the directory
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
        subprocess.run(["make", "-s", "-C", TOP, f"B={BUILD}", f"CC32={CC32[0]}", *args], check=True, timeout=300, env=env)


@pytest.fixture(scope="session")
def library32():
    make("build32")
    return os.path.join(BUILD, "32", "libresil.so")


@pytest.fixture(scope="session")
def installed(library32, tmp_path_factory):
    """The prefix of an installation for both classes."""
    prefix = str(tmp_path_factory.mktemp("prefix"))
    make("install", f"PREFIX={prefix}")
    return prefix


def test_exports(resil, library32):
    result = resil.run(["nm", "-D", "--defined-only", library32], preload=False)
    exported = sorted(line.split()[-1] for line in result.out.decode().splitlines())
    assert exported == sorted(table_rows("symbols.tbl.h", "SYMBOL") + table_rows("time64.tbl.h", "WIDE"))


def test_every_wide_symbol_has_a_case(resil, compiled):
    """The program of the cases, compiled for a wide time_t, is linked against the wide names."""
    result = resil.run(["nm", "-D", "--undefined-only", compiled("symbols.c", *WIDE, cc=CC32)], preload=False)
    used = {line.split()[-1].split("@")[0] for line in result.out.decode().splitlines()}
    assert [row for row in table_rows("time64.tbl.h", "WIDE") if row not in used] == []


TIMED = ("wait", "mode", "other")  # where the width of time_t makes a difference


@pytest.mark.parametrize("kind, name, flags", [
    *(pytest.param(kind, name, WIDE, id=f"{kind}-{name}-wide") for kind, name in case_names()),
    *(pytest.param(kind, name, (), id=f"{kind}-{name}-narrow") for kind, name in case_names() if kind in TIMED)])
def test_symbol(resil, compiled, library32, hold, hang, dead, kind, name, flags):
    setting = Setting(resil, compiled("symbols.c", *flags, cc=CC32), hold, hang, dead, library32)
    getattr(setting, f"check_{kind}")(name)


def test_syscall_is_transparent(resil, compiled, library32):
    program = compiled("raw_syscalls.c", cc=CC32)
    native = resil.run([program], preload=False)
    ours = resil.run([program], env={"LD_PRELOAD": library32})
    assert native.status == 0 and (ours.status, ours.out, ours.err) == (native.status, native.out, native.err)


def test_one_value_serves_both(resil, compiled, installed, dead):
    """A failure of a 64-bit program and one of a 32-bit program that it becomes open one breaker, in one segment."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 2\nbreaker.open_time = 60s\n")
    narrow, wide = compiled("connect_once.c", cc=CC32), compiled("connect_once.c")
    port = str(dead.port)
    command = [wide, port, narrow, port, wide, port, narrow, port]
    result = resil.run([f"{installed}/bin/resctl", "run", "--", *command], preload=False)
    assert (result.status, result.err) == (0, b"")
    assert [line.split(b":")[0] for line in result.out.splitlines()] == [b"64 bits", b"32 bits"] * 2
    assert result.out.count(b"Connection refused") == 4
    row = resil.row("backend")
    assert (row["state"], row["counters"]["attempts"], row["counters"]["rejected_breaker"]) == ("open", 2, 2)
    assert (row["connections"], resil.status()["segment"]["processes"]) == (0, 0)


def test_both_hold_one_bulkhead(resil, compiled, installed, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n")
    script = ("import socket, subprocess, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
              "for i in range(2): print(subprocess.run(sys.argv[2:] + [sys.argv[1]], capture_output=True).stdout); s.close()\n")
    result = resil.run([f"{installed}/bin/resctl", "run", "--", PYTHON, "-c", script, str(hold.port),
                        compiled("connect_once.c", cc=CC32)], preload=False)
    assert result.out == b"b'32 bits: Connection refused\\n'\nb'32 bits: connected\\n'\n"


def test_the_value(resil, installed):
    result = resil.run([f"{installed}/bin/resctl", "run", "--", "sh", "-c", "echo $LD_PRELOAD"], preload=False)
    assert result.out.decode().strip() == f"{os.path.realpath(installed)}/$LIB/libresil.so"


def test_doctor_knows_the_classes(resil, compiled, installed, library32):
    narrow = compiled("connect_once.c", cc=CC32)
    seen = json.loads(resil.resctl("doctor", "--json", narrow).out)
    assert (seen["reached"], seen["reason"]) == (False, "class")  # beside resctl stands the library of one class
    result = resil.run([f"{installed}/bin/resctl", "doctor", "--json", narrow], preload=False)
    seen = json.loads(result.out)
    assert result.status == 0 and seen["reached"]
    with open(seen["library"], "rb") as one, open(library32, "rb") as other:
        assert one.read() == other.read()
    os.unlink(seen["library"])
    try:
        result = resil.run([f"{installed}/bin/resctl", "doctor", "--json", narrow], preload=False)
        assert (result.status, json.loads(result.out)["reason"]) == (1, "class")
    finally:
        shutil.copy(library32, seen["library"])
