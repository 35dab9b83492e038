# SPDX-License-Identifier: MIT
"""Goal: no hot path grows unnoticed: what a call costs in instructions, counted by callgrind, which no load disturbs."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

import bench
from helper import TESTS

# Instructions of one call of tests/bench/pairs.c, the kernel's part not counted: the case, its arguments, and what it
# takes natively and with the library as gcc 12 makes them of -O2. Who makes a path cheaper lowers its number.
RECORDED = "(Debian 12.2.0-"
COSTS = [
    ("read", (), 27),
    ("write", (), 32),
    ("poll", (), 31),
    ("poll", ("1", "1"), 306),
    ("epoll_wait", (), 105),
    ("epoll_wait", ("1", "1"), 314),
    ("exchange", (), 1501),
    ("connect", (), 5417),
    ("refuse", (), 2094),
]
FEW, MANY, RUNS = 100, 600, 3
UNTRACKED_MORE = 15  # instructions that a descriptor which is not tracked may cost
pytestmark = pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")


def compiler():
    return subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "--version"], capture_output=True, check=True).stdout.decode()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    program = str(tmp_path_factory.mktemp("cost") / "pairs")
    source = os.path.join(TESTS, "bench", "pairs.c")
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), *bench.FLAGS, "-o", program, source, "-ldl"], check=True)
    return program


def counted(resil, pairs, case, calls, more, preload):
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.path.join(resil.dir, 'callgrind')}"]
    result = resil.run([*tool, pairs, case, "0", str(calls), *more], preload=preload, timeout=60)
    assert result.status == 0, result
    return int(re.search(rb"Collected : (\d+)", result.err)[1])


def cost(resil, pairs, case, more, preload=True):
    """The least of several runs: what is done now and then, by the clock, belongs to no call."""
    few, many = (min(counted(resil, pairs, case, calls, more, preload) for _ in range(RUNS)) for calls in (FEW, MANY))
    return (many - few) / (MANY - FEW)


@pytest.mark.parametrize("case, more, recorded", COSTS, ids=["-".join((case, *more)) for case, more, _ in COSTS])
def test_no_path_grows(resil, pairs, case, more, recorded):
    """By 5 % at most with the compiler of the record; another one may need half as much again."""
    resil.config(bench.ALL_POLICIES)
    assert cost(resil, pairs, case, more) <= recorded * (1.05 if RECORDED in compiler() else 1.5) + 1


@pytest.mark.parametrize("case", ["read", "write", "poll"])
def test_an_untracked_descriptor(resil, pairs, case):
    resil.config(bench.ALL_POLICIES)
    assert cost(resil, pairs, case, ()) - cost(resil, pairs, case, (), preload=False) <= UNTRACKED_MORE
