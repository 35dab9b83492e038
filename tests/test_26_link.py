# SPDX-License-Identifier: MIT
"""Goal: the library and resctl fit every glibc from 2.17 on, the library every program: no newer symbol, nothing exported by a version of its
own, no executable stack, no lazy binding, no thread-local storage that has to be allocated; on aarch64, too, where it
obeys the same breaker."""

import fcntl
import os
import re
import shutil
import subprocess

import pytest

from helper import BUILD, LIBRARY, RESCTL, TOP, table_rows
from servers import HOST

OLDEST = (2, 17)
CROSS = {"32": ("i686-linux-gnu-gcc", "/lib/ld-linux.so.2"), "aarch64": ("aarch64-linux-gnu-gcc", "/usr/aarch64-linux-gnu/lib")}


def build(machine):
    """The library for another machine; skips the test where it cannot be made."""
    compiler, needed = CROSS[machine]
    if not shutil.which(compiler) or not os.path.exists(needed):
        pytest.skip(f"no {compiler} with its libc")
    where = os.path.join(BUILD, machine)
    target = os.path.join(os.path.relpath(where, TOP) if where.startswith(TOP + os.sep) else where, "libresil.so")
    with open(os.path.join(BUILD, "lock"), "w", encoding="utf-8") as lock:  # workers of one run share the directory
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
        subprocess.run(["make", "-s", "-j2", "-C", TOP, f"B={where}", f"CC={compiler}", target], check=True, timeout=300,
                       env=env)
    return os.path.join(where, "libresil.so")


@pytest.fixture(scope="module", params=["native", *CROSS])
def library(request):
    return LIBRARY if request.param == "native" else build(request.param)


def readelf(library, *options):
    return subprocess.run(["readelf", "-W", *options, library], check=True, capture_output=True, text=True, timeout=60).stdout


def symbols(library):
    """(section, name, version) of each dynamic symbol."""
    lines = readelf(library, "--dyn-syms")
    rows = re.findall(r"^ *\d+: [0-9a-f]+ +\S+ (?!SECTION)\S+ +\S+ +\S+ +(\S+) ([^\s@]+)(@\S+)?", lines, re.MULTILINE)
    assert len(rows) > 50
    return rows


def wanted_versions(path):
    """The version of each symbol that a file takes from libc: {name: (2, 17)}."""
    wanted = {(name, version) for section, name, version in symbols(path) if section == "UND" and version}
    return {name: tuple(map(int, re.fullmatch(r"@GLIBC_([0-9.]+)", version)[1].split("."))) for name, version in wanted}


def test_no_symbol_is_newer_than_the_oldest_libc(library):
    versions = wanted_versions(library)
    assert "dlsym" in versions and {name: seen for name, seen in versions.items() if seen > OLDEST} == {}


def test_nor_is_one_of_resctl():
    versions = wanted_versions(RESCTL)
    assert "__libc_start_main" in versions and {name: seen for name, seen in versions.items() if seen > OLDEST} == {}


def test_what_it_exports(library):
    """The hooks and nothing else, without a version: a named one would bind no program."""
    exported = [(name, version) for section, name, version in symbols(library) if section != "UND"]
    rows = table_rows("symbols.tbl.h", "SYMBOL") + (table_rows("time64.tbl.h", "WIDE") if "/32/" in library else [])
    assert sorted(exported) == sorted((name, "") for name in rows)
    assert ".gnu.version_d" not in readelf(library, "-S")


def test_how_it_is_linked(library):
    dynamic, segments = readelf(library, "-d"), readelf(library, "-l")
    assert re.search(r"FLAGS_1.*NOW.*INITFIRST", dynamic) and "TEXTREL" not in dynamic
    assert sorted(re.findall(r"Shared library: \[(.*?)\]", dynamic)) == ["libc.so.6", "libdl.so.2"]
    assert re.search(r"GNU_STACK.* RW +0x", segments) and "GNU_RELRO" in segments


def test_its_thread_local_storage_is_static(library):
    """Initial-exec, without descriptors or calls that allocate; and little: the room for it is limited."""
    assert not re.search(r"TLS_?DESC|DTPMOD|DTPOFF", readelf(library, "-r"))
    assert "__tls_get_addr" not in {name for _, name, _ in symbols(library)}
    size = int(re.search(r"^ +TLS +\S+ \S+ \S+ \S+ (\S+)", readelf(library, "-l"), re.MULTILINE)[1], 16)
    assert 0 < size <= 64


def test_aarch64_obeys_the_same_breaker(resil, dead, hold, tmp_path):
    """An emulated program, and native ones, in one segment."""
    library = build("aarch64")
    if not shutil.which("qemu-aarch64"):
        pytest.skip("no qemu-aarch64")
    source, wide, native = os.path.join(TOP, "tests/programs/connect_once.c"), str(tmp_path / "wide"), str(tmp_path / "native")
    subprocess.run([CROSS["aarch64"][0], "-o", wide, source], check=True, timeout=60)
    subprocess.run(["gcc", "-o", native, source], check=True, timeout=60)
    resil.config(f"[destination gone]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 2\nbreaker.open_time = 60s\n"
                 f"[destination there]\nmatch = {HOST}:{hold.port}\n")
    emulated = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-E", f"LD_PRELOAD={library}", wide]
    for command, preload in ((emulated, False), ([native], True), (emulated, False)):
        assert b"Connection refused" in resil.run([*command, str(dead.port)], preload=preload).out
    assert b"connected" in resil.run([*emulated, str(hold.port)], preload=False).out
    counters = resil.counters("gone")
    assert (counters["attempts"], counters["opened"], counters["rejected_breaker"]) == (2, 1, 1)
    assert resil.counters("there")["connects_ok"] == 1
