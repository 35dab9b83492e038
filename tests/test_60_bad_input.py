# SPDX-License-Identifier: MIT
"""Goal: whatever lies in the place of the configuration or of the segment, resctl says clearly what is wrong, and the
program under the library does exactly what it does without it."""

import os
import struct

import pytest

from clients import BY_NAME
from servers import HOST, PAGE

GOOD = "[destination backend]\nmatch = 127.0.0.1\n"
ERRORS = {
    "unknown key": (b"[destination a]\nmatch = *\nbreaker.failure = 3\n", ["resil.conf:3:1:", "`breaker.failure'",
                                                                           "breaker.failures"]),
    "missing unit": (b"[defaults]\ntimeout.connect = 5\n", ["resil.conf:2:19: timeout.connect:", "`5'", "unit"]),
    "bad value": (b"[defaults]\nbreaker.failures = many\n", ["resil.conf:2:20: breaker.failures:", "`many'"]),
    "bad word": (b"[defaults]\nmode = enforced\n", ["resil.conf:2:8: mode:", "`enforced'", "observe"]),
    "bad pattern": (b"[destination a]\nmatch = 1.2.3.4:99999\n", ["resil.conf:2:", "match:", "port"]),
    "bad section": (b"[destinations a]\nmatch = *\n", ["resil.conf:1:", "destinations", "destination"]),
    "bad chaos": (b"[defaults]\nchaos = refuze 30%\n", ["resil.conf:2:", "chaos:", "refuze", "refuse"]),
    "two at once": (b"[defaults]\nmode = x\ntimeout.idle = 3\n", ["resil.conf:2:8: mode:",
                                                                  "resil.conf:3:16: timeout.idle:"]),
    "binary garbage": (bytes(range(256)) * 64, ["resil.conf:1:"]),
}


def passes_through(resil, port):
    """curl does what it does natively, and the library says nothing."""
    command = ["curl", "-q", "-sS", "--noproxy", "*", f"http://{HOST}:{port}/page"]
    native = resil.run(command, preload=False)
    ours = resil.run(command)
    assert (ours.status, ours.out, ours.err) == (native.status, native.out, native.err) == (0, PAGE, b"")


@pytest.mark.parametrize("case", ERRORS)
def test_bad_file(resil, nginx, case):
    content, words = ERRORS[case]
    path = resil.file("resil.conf", content)
    resil.config_path = path
    check = resil.resctl("check", path)
    text = check.err.decode()
    assert check.status == 2 and check.out == b"", check
    assert all(word in text for word in words), text
    assert all(ord(letter) >= 32 or letter == "\n" for letter in text)
    passes_through(resil, nginx.port)
    segment = resil.status()["segment"]
    assert words[0].split()[0] in segment["config_error"]
    assert resil.status()["destinations"] == []


def unreadable(resil):
    """Root may read a file of mode 000; nobody can read a directory as one."""
    os.mkdir(os.path.join(resil.dir, "resil.conf"))


@pytest.mark.parametrize("prepare", [unreadable, lambda resil: None], ids=["directory", "missing"])
def test_unreadable_file(resil, nginx, prepare):
    prepare(resil)
    resil.config_path = os.path.join(resil.dir, "resil.conf")
    check = resil.resctl("check", resil.config_path)
    assert check.status == 2 and b"resil.conf" in check.err
    passes_through(resil, nginx.port)
    assert "resil.conf" in resil.status()["segment"]["config_error"]


def test_next_good_start_repairs(resil, nginx):
    resil.config("[destination backend]\nmatch = *\nmode = x\n")
    passes_through(resil, nginx.port)
    assert resil.status()["destinations"] == []
    resil.config(GOOD)
    passes_through(resil, nginx.port)
    assert resil.counters("backend")["attempts"] == 1
    assert resil.status()["segment"]["config_error"] is None


# ---- the segment


def edit(resil, offset, content):
    with open(resil.segment, "r+b") as file:
        file.seek(offset)
        file.write(content)


def replace_by(make):
    def damage(resil):
        os.unlink(resil.segment)
        make(resil)

    return damage


def garbage(resil):
    with open(resil.segment, "wb") as file:
        file.write(bytes(range(256)) * 40000)
    os.chmod(resil.segment, 0o600)


def symlink(resil):
    os.symlink(resil.file("elsewhere", b""), resil.segment)


DAMAGES = {
    "empty": lambda resil: os.truncate(resil.segment, 0),
    "a part of the header": lambda resil: os.truncate(resil.segment, 100),
    "the header only": lambda resil: os.truncate(resil.segment, 4096),
    "half": lambda resil: os.truncate(resil.segment, os.path.getsize(resil.segment) // 2),
    "one byte short": lambda resil: os.truncate(resil.segment, os.path.getsize(resil.segment) - 1),
    "other magic": lambda resil: edit(resil, 0, b"LISERGES"),
    "other major version": lambda resil: edit(resil, 8, struct.pack("=I", 99)),
    "other size": lambda resil: edit(resil, 32, struct.pack("=Q", 1 << 40)),
    "region table": lambda resil: edit(resil, 192, b"\xff" * 128),
    "garbage": garbage,
    "writable by all": lambda resil: os.chmod(resil.segment, 0o666),
    "symbolic link": replace_by(symlink),
    "directory": replace_by(lambda resil: os.mkdir(resil.segment)),
    "pipe": replace_by(lambda resil: os.mkfifo(resil.segment, 0o600)),
    "second link": lambda resil: os.link(resil.segment, resil.segment + ".new-link"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_segment(resil, nginx, case):
    resil.config(GOOD)
    passes_through(resil, nginx.port)
    assert resil.counters("backend")["attempts"] == 1
    resil.remember_semaphores()
    DAMAGES[case](resil)
    before = os.lstat(resil.segment)
    passes_through(resil, nginx.port)
    status = resil.resctl("status")
    assert status.status == 3 and status.out == b"" and resil.segment.encode() in status.err, status
    for command in (["status", "--json"], ["events"], ["reset", "backend"]):
        assert resil.resctl(*command).status == 3, command
    after = os.lstat(resil.segment)
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)


@pytest.mark.parametrize("offset,length", [(128, 16), (140, 12), (112, 8), (2228224, 4096), (4325376, 4096),
                                           (4849664, 4096), (131072, 65536), (9109504, 4096)])
def test_hostile_bytes(resil, nginx, offset, length):
    """Rows, processes, ledger, rules and events full of ones: nobody crashes, nobody hangs."""
    resil.config(GOOD)
    passes_through(resil, nginx.port)
    resil.remember_semaphores()
    edit(resil, offset, b"\xff" * length)
    for command in (["status"], ["status", "--json"], ["events"]):
        assert resil.resctl(*command).status in (0, 3), command
    passes_through(resil, nginx.port)


def test_policy_is_kept_without_sharing(resil, nginx):
    """An unusable name costs the sharing only: the process obeys its rules in private memory."""
    resil.config(GOOD + "chaos = refuse\n")
    os.mkdir(resil.segment)
    assert resil.run(BY_NAME["curl"].command(HOST, nginx.port)).status == 7
