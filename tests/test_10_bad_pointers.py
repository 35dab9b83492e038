# SPDX-License-Identifier: MIT
"""Goal: a program whose addresses, lengths or descriptors are not what they should be gets the kernel's answer, or libc's
death, for every symbol and as natively, and its connection is what it would be: programs/bad_pointers.c has the calls."""

import re

import pytest

from helper import program, table_rows
from servers import HOST
from test_26_link import CROSS, build

# The compiler is right about all of them.
FLAGS = ("-Wno-stringop-overflow", "-Wno-stringop-overread", "-Wno-restrict", "-Wno-nonnull")
EVERY_POLICY = """timeout.response = 5s
timeout.idle = 5s
timeout.write = 5s
timeout.exchange = 8s
retry.attempts = 2
retry.replay = idempotent
sniff = http
bulkhead.limit = 50
bulkhead.unit = exchange
rate.limit = 100000/s
rate.unit = exchanges
breaker.failures = off
breaker.ratio = off
"""
# They take no address and no length, or are another name of one that is here.
WITHOUT = {"fclose", "closefrom", "posix_spawn_file_actions_adddup2"}


def test_every_symbol_has_a_call():
    with open(program("bad_pointers.c"), encoding="utf-8") as file:
        tried = set(re.findall(r'TRY\("[^"]+", (?:syscall\(SYS_)?(\w+)\(', file.read()))
    missing = [name for name in table_rows("symbols.tbl.h", "SYMBOL") if name not in tried | WITHOUT]
    assert missing == []


@pytest.mark.parametrize("machine", ["native", "32"])
def test_as_natively(resil, compiled, hold, machine):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\n{EVERY_POLICY}")
    library = {} if machine == "native" else {"LD_PRELOAD": build(machine)}
    cc = ("gcc",) if machine == "native" else (CROSS[machine][0], "-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64")
    command = [compiled("bad_pointers.c", *FLAGS, cc=cc), str(hold.port)]
    native = resil.run(command, preload=False, timeout=60)
    ours = resil.run(command, env=library, timeout=60)
    assert native.status == 0 and len(native.out.splitlines()) > 1000
    said = [line for line in ours.err.splitlines() if b"wrong ELF class" not in line]  # of a 64-bit program that it becomes
    assert (ours.status, said) == (native.status, native.err.splitlines())
    pairs = list(zip(ours.out.decode().splitlines(), native.out.decode().splitlines(), strict=True))
    # The names of 32-bit programs with a wide time_t read their arguments in libc, and die there where we let the kernel refuse.
    assert [pair for pair in pairs if pair[0] != pair[1] and not (machine == "32" and "status b" in pair[1])] == []
    assert resil.counters("backend")["connects_ok"] > 1000
