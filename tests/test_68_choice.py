# SPDX-License-Identifier: MIT
"""Goal: whoever looks finds the segment that is meant, whichever way it is named, and root sees everybody's."""

import json
import os

import pytest

from helper import LIBRARY, RESCTL
from servers import HOST

NONE = {"RESIL_SEGMENT": None, "RESIL_CONFIG": None}


def test_by_file(resil, hold):
    """The file that programs were started with names their segment, from anywhere, for every subcommand."""
    path = resil.file("chosen.conf", f"[destination chosen]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 3\n")
    puppet = resil.puppet(hold.port, env={"RESIL_SEGMENT": None, "RESIL_CONFIG": path})
    try:
        assert puppet.do("connect().close()") == "ok"
        for choice in (["-c", path], ["--config", "chosen.conf"], ["-c", path, "--uid", str(os.getuid())],
                       ["--pid", str(puppet.pid)]):
            status = json.loads(resil.resctl("status", "--json", *choice, env=NONE).out)
            assert [row["name"] for row in status["destinations"]][0] == "chosen", choice
            resil.segment = status["segment"]["path"]
        assert b"loaded" in resil.resctl("events", "-c", path, env=NONE).out
        assert resil.resctl("set", "chosen", "bulkhead.limit=1", "-c", path, env=NONE).status == 0
        assert puppet.do("kept = connect()") == "ok" and puppet.do("connect()") == "ECONNREFUSED"
        assert resil.resctl("set", "chosen", "--clear", "-c", path, env=NONE).status == 0
        assert resil.resctl("reset", "chosen", "-c", path, env=NONE).status == 0
        assert resil.resctl("reload", "-c", path, env=NONE).status == 0
        assert puppet.do("connect().close()") == "ok"
        other = resil.resctl("status", "-c", path + ".other", env=NONE)
        assert other.status == 3 and resil.segment.encode() in other.err
        both = resil.resctl("status", "-c", path, "--pid", "1", env=NONE)
        assert both.status == 2 and b"--config" in both.err
        puppet.exit()
        assert resil.resctl("gc", "--remove", "-c", path, env=NONE).status == 0 and not os.path.exists(resil.segment)
    finally:
        if resil.segment != resil.first_segment and os.path.exists(resil.segment):
            resil.remember_semaphores()
            os.unlink(resil.segment)
        resil.segment = resil.first_segment


def test_all(resil, hold):
    """Every segment of /dev/shm with its user: in one of our own."""
    for name in ("red", "blue"):
        resil.file(f"{name}.conf", f"[destination {name}]\nmatch = {HOST}:{hold.port}\n")
    script = (
        "mount -t tmpfs none /dev/shm || exit 77\n"
        "for n in red blue; do RESIL_CONFIG=$PWD/$n.conf RESIL_SEGMENT=/dev/shm/resil-$n "
        f"LD_PRELOAD={LIBRARY} bash -c 'exec 3<>/dev/tcp/{HOST}/{hold.port}'; done\n"
        "echo x >/dev/shm/resil-stranger\n"
        f"{RESCTL} status --all --json >all.json; echo $? >codes\n"
        f"{RESCTL} status --all >all.txt; echo $? >>codes\n"
        f"{RESCTL} status >root.txt; echo $? >>codes\n"
        f"{RESCTL} status --all red >red.txt; echo $? >>codes\n"
        f"{RESCTL} status --all green; echo $? >>codes\n"
        f"{RESCTL} gc --all; echo $? >>codes\n"
        "rm /dev/shm/resil-stranger\n"
        f"{RESCTL} gc --all --remove; echo $? >>codes\n"
        f"{RESCTL} status --all; echo $? >>codes\n")
    privileged = os.getuid() == 0
    result = resil.run(["unshare", "-m", *([] if privileged else ["-r"]), "bash", "-c", script], preload=False, env=NONE)
    if result.status == 77:
        pytest.skip("no mount namespace")

    def read(name):
        with open(os.path.join(resil.dir, name), encoding="utf-8") as file:
            return file.read()

    assert read("codes").split() == ["0", "0", "0", "0", "1", "3", "0", "3"], result
    segments = json.loads(read("all.json"))["segments"]
    assert [(one["user"], one["segment"]["path"], one["destinations"][0]["name"]) for one in segments] == [
        ("root", "/dev/shm/resil-blue", "blue"), ("root", "/dev/shm/resil-red", "red")]
    lines = [line.split() for line in read("all.txt").splitlines()]
    assert ["USER", "SEGMENT", "DESTINATION"] in [line[:3] for line in lines]
    assert ["root", "resil-blue", "blue", "*", "closed"] in [line[:5] for line in lines]
    assert ["root", "resil-red", "red", "*", "closed"] in [line[:5] for line in lines]
    assert read("root.txt").count("resil-") == read("all.txt").count("resil-")
    assert "blue" not in read("red.txt") and "red" in read("red.txt")
    assert b"resil-stranger: too short" in result.err and b"resil-stranger" not in result.out
