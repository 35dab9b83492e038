# SPDX-License-Identifier: MIT
"""Goal: a program in a tight place lives there with the library as without: small stacks, limits of files, memory and
descriptors, another root, another user. Where the library has no room, it steps aside."""

import os

import pytest

from helper import wait_until
from servers import HOST

PLACES = {
    "a thread of 16 KiB": ("thread", "16384"),
    "a handler with 8 KiB": ("handler", "8192"),
    "no files": ("file", "0"),
    "small files": ("file", "4096"),
    "no files later": ("later file", "0"),
    "four descriptors": ("descriptors", "4"),
    "one more": ("descriptors", "5"),
    "12 MB of addresses": ("addresses", str(12 << 20)),
    "1 MB of data": ("data", str(1 << 20)),
    "locked memory": ("locked", str(8 << 20)),
    "all closed": ("closed", "0"),
    "nobody": ("nobody", "0"),
    "another root": ("root", "0"),
}
PLAIN = "timeout.response = 5s\nbulkhead.limit = 5\nretry.attempts = 2\n"
CROWDED = PLAIN + "endpoints = {0}:{1} weight=3, 127.0.0.2:{1}\nbalance = round_robin\nsniff = http\nretry.replay = idempotent\n" \
                  "bulkhead.queue = 3\nrate.limit = 1000/s\n"


@pytest.mark.parametrize("policies", [PLAIN, CROWDED], ids=["plain", "crowded"])
@pytest.mark.parametrize("place", PLACES)
def test_as_natively(resil, compiled, hold, place, policies):
    resil.config(f"[destination echo]\nmatch = {HOST}:{hold.port}\nfirst_byte = client\n{policies.format(HOST, hold.port)}")
    os.chmod(resil.dir, 0o755)
    name, *rest = PLACES[place]
    command = [compiled("cramped.c", "-Wno-unused-result"), name, str(hold.port), *rest]
    native = resil.run(command, preload=False)
    ours = resil.run(command)
    assert native.status == 0 and b"got 2" in native.out
    assert (ours.status, ours.out, ours.err) == (native.status, native.out, native.err)
    if name in ("thread", "handler", "closed", "nobody"):
        assert resil.counters("echo")["connects_ok"] >= 1


def test_the_log_stops_where_files_end(resil, compiled, hold):
    """RESIL_LOG beyond RLIMIT_FSIZE would kill the program (SIGXFSZ)."""
    resil.config(f"[destination echo]\nmatch = {HOST}:{hold.port}\n")
    log = resil.file("log", b"#" * 4096)
    result = resil.run([compiled("cramped.c", "-Wno-unused-result"), "file", str(hold.port), "4096"],
                       env={"RESIL_LOG": log, "RESIL_SEGMENT": "/nowhere/at/all"})
    assert result.status == 0 and b"got 2" in result.out
    assert os.path.getsize(log) == 4096


def test_small_stacks_obey(resil, compiled, hold):
    """The rules are there, made on a stack of their own: the place in the bulkhead is taken."""
    resil.config(f"[destination echo]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("s = connect()") == "ok"
    wait_until(lambda: resil.row("echo")["connections"] == 1)
    result = resil.run([compiled("cramped.c", "-Wno-unused-result"), "thread", str(hold.port), "16384"])
    assert result.out == b"connect: Connection refused\n"


def test_a_handler_finds_its_own_stack(resil, compiled, hold):
    """Eight hundred rules are read by a thread that gets a signal every 20 us: none arrives on the stack that is ours."""
    rules = "".join(f"[destination d{i}]\nmatch = 10.{i // 250}.{i % 250}.0/24\nbreaker.failures = 3\n" for i in range(800))
    resil.config(f"{rules}[destination echo]\nmatch = {HOST}:{hold.port}\n")
    result = resil.run([compiled("own_stack.c"), str(hold.port)])
    assert (result.out, result.status) == (b"connect 0, on another stack 0\n", 0), result
    assert resil.counters("echo")["connects_ok"] == 1
