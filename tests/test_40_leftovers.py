# SPDX-License-Identifier: MIT
"""Goal: whoever is killed while it makes a segment leaves nothing for long, and nobody who is still at it is disturbed."""

import glob
import json
import os
import time

import pytest

from helper import LIBRARY, SEM_ID_OFFSET, wait_until
from servers import HOST

KILL = "inject=renameat2:error=EINTR:signal=KILL"
NOTHING = "inject=linkat:error=EPERM"
DELAY = "inject=semget:delay_enter=1500ms"


def unfinished(resil):
    return glob.glob(resil.segment + ".new-*")


def semaphores(path):
    with open(path, "rb") as file:
        file.seek(SEM_ID_OFFSET)
        return int.from_bytes(file.read(4), "little", signed=True)


def exists(sem_id):
    with open("/proc/sysvipc/sem", encoding="ascii") as file:
        return any(int(line.split()[1]) == sem_id for line in file.readlines()[1:])


def old(path):
    """Files younger than ten seconds are left alone."""
    then = time.time() - 60
    os.utime(path, (then, then))


@pytest.fixture
def start(resil, compiled, counting):
    """start(how): begins a program that makes the segment, with a fault of strace's."""
    client = compiled("asker.c")
    resil.config(f"[destination service]\nmatch = {HOST}\n")

    def begin(how):
        return resil.spawn(["strace", "-qq", "-o", "/dev/null", "-e", how, "-E", f"LD_PRELOAD={LIBRARY}", client,
                            str(counting.port)], preload=False)

    return begin


@pytest.fixture
def left(resil, start):
    """The file of a creator that was killed, and its semaphore set."""
    resil.finish(start(KILL))
    (path,) = unfinished(resil)
    sem_id = semaphores(path)
    resil._sem_ids.add(sem_id)
    assert exists(sem_id) and not os.path.exists(resil.segment)
    return path, sem_id


def test_gc(resil, left):
    path, sem_id = left
    assert resil.resctl("gc").status == 3 and os.path.exists(path), "it may be about to lock its file"
    old(path)
    result = resil.resctl("gc", "--json")
    assert result.status == 0 and json.loads(result.out)["unfinished"] == 1, result
    assert not os.path.exists(path) and not exists(sem_id)
    assert resil.resctl("gc").status == 3


def test_next_creator(resil, left, start):
    path, sem_id = left
    old(path)
    assert resil.finish(start(NOTHING)).status == 0
    assert not unfinished(resil) and not exists(sem_id)
    assert exists(semaphores(resil.segment))
    assert resil.counters("service")["connects_ok"] == 2


def test_one_that_lives(resil, start):
    """However long it takes: neither its file nor its semaphores are taken from it."""
    child = start(DELAY)
    path = wait_until(lambda: unfinished(resil), what="the unfinished file")[0]
    wait_until(lambda: semaphores(path) > 0 or os.path.getsize(path) > 0, what="its content")
    old(path)
    result = resil.resctl("gc", "--json")
    assert result.status == 3 or json.loads(result.out)["unfinished"] == 0, result
    assert resil.finish(child).status == 0
    assert exists(semaphores(resil.segment)) and resil.counters("service")["connects_ok"] == 2
    assert json.loads(resil.resctl("gc", "--json").out)["unfinished"] == 0


def test_not_ours(resil, left, start):
    """The set that such a file names stays when somebody uses it; a file with two names is left alone."""
    path, unused = left
    assert resil.finish(start(NOTHING)).status == 0
    used = semaphores(resil.segment)
    with open(path, "r+b") as file:
        file.seek(SEM_ID_OFFSET)
        file.write(used.to_bytes(4, "little"))
    os.link(path, path + "-second")
    old(path)
    assert json.loads(resil.resctl("gc", "--json").out)["unfinished"] == 0 and os.path.exists(path)
    os.unlink(path + "-second")
    assert json.loads(resil.resctl("gc", "--json").out)["unfinished"] == 1
    assert exists(used) and exists(unused)
