# SPDX-License-Identifier: MIT
"""Goal: `resctl doctor` tells what the library cannot reach, with the words by which `resctl run` warns; of a process, that
the library lives in it, and how many of its bytes passed the hooks by."""

import json
import os
import shutil
import struct

import pytest

from clients import BY_NAME, NAMES
from helper import LIBRARY, TOP, wait_until
from servers import HOST

ROOT = os.geteuid() == 0
CONFIG = "[destination backend]\nmatch = {host}\n"


def doctor(resil, *args, status=0, env=None):
    result = resil.resctl("doctor", "--json", *map(str, args), env=env)
    assert result.status == status, result
    return json.loads(result.out)


def build(resil, *flags, source="int main(void) { return 0; }\n"):
    path = os.path.join(resil.dir, f"program{len(os.listdir(resil.dir))}")
    result = resil.run(["gcc", "-x", "c", *flags, "-o", path, "-"], preload=False, stdin=source.encode())
    assert result.status == 0, result
    return path


def patched(resil, offset, value):
    path = build(resil)
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(value)
    return path


def script(resil, line, name="script"):
    path = resil.file(name, f"#!{line}\n")
    os.chmod(path, 0o755)
    return path


UNREACHED = {
    "static": lambda resil: build(resil, "-static"),
    "static-pie": lambda resil: build(resil, "-static-pie"),
    "musl": lambda resil: build(resil, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"),
    "loader": lambda resil: build(resil, "-Wl,--dynamic-linker=/nowhere/ld-linux.so.2"),
    "go": lambda resil: build(resil, source='__asm__(".section .note.go.buildid,\\"a\\"\\n.long 1\\n.text");int main(void){return 0;}'),
    "machine": lambda resil: patched(resil, 18, struct.pack("<H", 243)),
    "not_executable": lambda resil: resil.file("plain", "text\n"),
    "not_found": lambda resil: os.path.join(resil.dir, "nothing"),
    "no_interpreter": lambda resil: script(resil, "/nowhere/at/all"),
}


@pytest.mark.parametrize("case", UNREACHED)
def test_what_cannot_be_reached(resil, case):
    path = UNREACHED[case](resil)
    seen = doctor(resil, path, status=1)
    assert (seen["reached"], seen["reason"]) == (False, case.split("-")[0])
    assert f"NO: {seen['text']}" in resil.resctl("doctor", path).out.decode()
    warned = resil.resctl("run", "--strict", "--", path)
    if case.startswith("not_"):
        assert warned.status == {"not_found": 127, "not_executable": 126}[case]
    else:
        assert warned.status == 1 and seen["text"] in warned.err.decode()


def test_scripts_are_followed(resil):
    """To their interpreter, through env, through five levels, as Linux does."""
    static = build(resil, "-static")
    for line in (static, f"/usr/bin/env {static}", f"/usr/bin/env -S A=b {static} -x"):
        seen = doctor(resil, script(resil, line), status=1)
        assert (seen["reason"], seen["program"]) == ("static", static)
    assert doctor(resil, "sh")["reached"]
    path = "/bin/sh"
    for level in range(1, 7):
        path = script(resil, path, f"level{level}")
        native = resil.run(["env", path], preload=False).status
        seen = doctor(resil, path, status=0 if native == 0 else 1)
        assert (seen["reason"] is None) == (native == 0), level
    assert seen["reason"] == "too_deep"
    path = resil.file("plain.sh", "exit 0\n")
    os.chmod(path, 0o755)
    assert doctor(resil, path)["notes"] == ["shell"]


@pytest.mark.skipif(not ROOT, reason="giving a file to somebody else takes root")
@pytest.mark.parametrize("kind", ["setuid", "setgid", "capabilities"])
def test_privileged(resil, kind):
    path = build(resil)
    os.chmod(resil.dir, 0o755)
    if kind == "capabilities":
        os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    else:
        os.chmod(path, 0o4755 if kind == "setuid" else 0o2755)
    result = resil.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", shutil.which("env"), "-i",
                        os.path.join(os.path.dirname(LIBRARY), "resctl"), "doctor", "--json", path], preload=False)
    if not result.out:
        pytest.skip("another user cannot look into this build directory")
    assert (result.status, json.loads(result.out)["reason"]) == (1, kind)
    assert doctor(resil, path)["reached"]  # root gains nothing by it


def test_notes(resil):
    path = build(resil, "-nostdlib", "-Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2", "-pie", "-fPIE",
                 source="void _start(void) { for (;;); }\n")
    assert doctor(resil, path)["notes"] == ["no_libraries"]
    path = build(resil, "-ldl", source="#include <dlfcn.h>\nint main(void) { return dlopen(\"x\", 1) != 0; }\n")
    assert doctor(resil, path)["notes"] == ["modules"]
    path = build(resil)
    assert doctor(resil, path, env={"LD_PRELOAD": f"{LIBRARY}"})["notes"] == []
    other = build(resil, "-shared", "-fPIC", source="int nothing;\n")
    assert doctor(resil, path, env={"LD_PRELOAD": f"{LIBRARY}:{other}"})["notes"] == ["other_preloads"]


def test_damaged_programs(resil):
    """Nothing in a file is believed."""
    with open(shutil.which("true"), "rb") as file:
        whole = file.read()
    for cut in (0, 1, 4, 19, 40, 63, 64, 100, 500, 1000, 5000, len(whole) - 1):
        path = resil.file(f"cut{cut}", whole[:cut])
        os.chmod(path, 0o755)
        assert resil.resctl("doctor", path).status in (0, 1), cut
    for offset in [*range(4, 64), *range(64, 900, 7)]:
        path = resil.file("changed", whole[:offset] + b"\xff" * 4 + whole[offset + 4:])
        os.chmod(path, 0o755)
        assert resil.resctl("doctor", path).status in (0, 1), offset


# ---- a process


def test_process(resil, hold):
    resil.config(CONFIG.format(host=HOST))
    puppet = resil.puppet(hold.port)
    seen = doctor(resil, puppet.pid)
    assert (seen["reached"], seen["attached"], seen["coverage"]) == (True, False, None)
    assert "not_attached" in seen["notes"]
    assert puppet.do("s = connect()") == "ok"
    assert puppet.do("s.sendall(b'hello'); s.recv(5, socket.MSG_WAITALL)") == "ok"
    assert puppet.do("s.close()") == "ok"
    with open(os.path.join(TOP, "src", "version"), encoding="utf-8") as file:
        version = file.read().strip()
    seen = doctor(resil, puppet.pid)
    assert (seen["reached"], seen["attached"], seen["version"]) == (True, True, version)
    assert (seen["library"], seen["segment"], seen["off"]) == (os.path.realpath(LIBRARY), resil.segment, False)
    assert seen["coverage"] == {"kernel_out": 5, "kernel_in": 5, "seen_out": 5, "seen_in": 5, "ratio": 1}
    assert b"100.0% of the bytes" in resil.resctl("doctor", str(puppet.pid)).out


def test_what_stdio_reads_is_missed_and_said(resil, hold):
    resil.config(CONFIG.format(host=HOST))
    puppet = resil.puppet(hold.port)
    for line in ("import ctypes", "c = ctypes.CDLL(None)", "c.fdopen.restype = ctypes.c_void_p", "s = connect()",
                 "s.sendall(b'nine byte\\n')", "f = ctypes.c_void_p(c.fdopen(s.detach(), b'r'))",
                 "c.fgets(ctypes.create_string_buffer(64), 64, f)", "c.fclose(f)"):
        assert puppet.do(line) == "ok", line
    wanted = {"kernel_out": 10, "kernel_in": 10, "seen_out": 10, "seen_in": 0, "ratio": 0.5}
    assert doctor(resil, puppet.pid)["coverage"] == wanted
    assert resil.row("backend")["coverage"] == wanted


def test_unread_bytes_and_half_closes_are_no_gap(resil, hold):
    """What nobody read, and the ends of both directions, are not bytes that went past."""
    resil.config(CONFIG.format(host=HOST))
    puppet = resil.puppet(hold.port)
    for line in ("s = connect()", "s.sendall(b'0123456789')", "s.recv(4, socket.MSG_WAITALL)", "s.shutdown(socket.SHUT_WR)",
                 "import select; p = select.poll(); p.register(s, select.POLLRDHUP); p.poll(5000)", "s.close()",
                 "s = connect()", "s.shutdown(socket.SHUT_WR)", "s.recv(1)", "s.close()"):
        assert puppet.do(line) == "ok", line
    coverage = doctor(resil, puppet.pid)["coverage"]
    assert coverage == {"kernel_out": 10, "kernel_in": 4, "seen_out": 10, "seen_in": 4, "ratio": 1}


@pytest.mark.parametrize("name", NAMES)
def test_coverage_of_real_clients(resil, healthy, name):
    client = BY_NAME[name]
    resil.config(CONFIG.format(host=HOST))
    assert resil.run(client.command(HOST, healthy[client.kind])).status == 0
    row = resil.row("backend")
    assert row["coverage"] is None or row["coverage"]["ratio"] == 1  # null: it ended without closing


def test_process_that_is_not_reached(resil, hold):
    puppet = resil.puppet(hold.port, preload=False)
    seen = doctor(resil, puppet.pid, status=1)
    assert (seen["reason"], seen["library"]) == ("not_mapped", None)
    puppet = resil.puppet(hold.port, env={"RESIL_DISABLE": "all"})
    assert doctor(resil, puppet.pid, status=1)["reason"] == "disabled"
    static = build(resil, "-static", source="#include <unistd.h>\nint main(void) { pause(); return 0; }\n")
    child = resil.spawn([static])
    wait_until(lambda: os.readlink(f"/proc/{child.pid}/exe") == static, what="exec")
    assert doctor(resil, child.pid, status=1)["reason"] == "static"
    assert resil.resctl("doctor", "4194999").status == 1


def test_process_notes(resil, hold):
    resil.config(CONFIG.format(host=HOST))
    own = os.path.join(resil.dir, "libresil.so")
    shutil.copy(LIBRARY, own)
    puppet = resil.puppet(hold.port, env={"LD_PRELOAD": own})
    for line in ("s = connect()", "import ctypes", "c = ctypes.CDLL(None, use_errno=True)", "c.prctl(38, 1, 0, 0, 0)",
                 "allow = ctypes.create_string_buffer(b'\\x06\\0\\0\\0\\0\\0\\xff\\x7f', 8)",
                 "f = (ctypes.c_uint64 * 2)(1, ctypes.addressof(allow))", "c.prctl(22, 2, ctypes.byref(f), 0, 0)",
                 "ring = c.syscall(425, 2, ctypes.create_string_buffer(120))"):
        assert puppet.do(line) == "ok", line
    os.unlink(own)
    with open(resil.segment, "r+b") as file:
        file.seek(16)  # the kill switch: fixed for all versions
        file.write(b"\x01\0\0\0")
    seen = doctor(resil, puppet.pid)
    rings = int(puppet.get("ring") >= 0)
    assert (seen["off"], seen["rings"], seen["version"]) == (True, rings, None)
    assert seen["notes"] == ["seccomp", *["io_uring"] * rings, "replaced", "off"]
