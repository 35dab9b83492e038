# SPDX-License-Identifier: MIT
"""Goal: whatever system call of ours fails, once, the program says what it says without us, and keeps what others
share; resctl says what is wrong and changes nothing by halves."""

import os

import pytest

import ourselves
from helper import RESCTL
from servers import HOST

POLICIES = f"""
[destination service]
match = {HOST}
timeout.connect = 5s
timeout.response = 5s
timeout.total = 10s
timeout.write = 5s
bulkhead.limit = 10
bulkhead.queue = 2
retry.attempts = 2
retry.base = 1ms
retry.replay = idempotent
rate.limit = 100/s
sniff = http
"""
# Calls that cannot fail (connect: to AF_UNSPEC), and close(), which has done its work even when it says otherwise.
EXCUSED = {"getpid", "gettid", "connect", "close"}


@pytest.fixture
def asker(compiled):
    return compiled("asker.c")


@pytest.fixture(params=["answers", "refuses"])
def port(request):
    return (request.getfixturevalue("counting") if request.param == "answers" else request.getfixturevalue("dead")).port


def each_failure(resil, tracer, command, prepare):
    """Runs the command once for each call of the library's that can fail, and yields what failed."""
    prepare()
    native = tracer.run(command, preload=False)
    traced = tracer.run(command)
    assert traced == ourselves.same_but_time(native, traced)
    assert not ourselves.unknown(tracer.log, EXCUSED), "say in ourselves.ERRORS how it may fail"
    failures = list(ourselves.failures_of_library(tracer.log))
    assert failures
    for failure in failures:
        prepare()
        result = tracer.run(command, failure)
        assert result == ourselves.same_but_time(native, result), failure
        assert tracer.injected(), failure
        yield failure


def test_first_program(resil, asker, port):
    """The one that makes the segment and compiles the rules; it leaves nothing lying about but the segment."""
    tracer = ourselves.Tracer(resil)
    resil.config(POLICIES)
    for failure in each_failure(resil, tracer, [asker, str(port)], resil.clear):
        assert not tracer.left_behind(), failure
        rest = [name for name in os.listdir("/dev/shm") if name.startswith(os.path.basename(resil.segment) + ".new-")]
        assert not rest, failure


def test_next_program(resil, asker, counting):
    """One that finds the segment of others leaves it where it is, with what it holds."""
    tracer = ourselves.Tracer(resil)
    resil.config(POLICIES)
    resil.run([asker, str(counting.port)])
    before, generation = os.stat(resil.segment).st_ino, resil.status()["segment"]["generation"]
    for failure in each_failure(resil, tracer, [asker, str(counting.port)], lambda: None):
        assert os.stat(resil.segment).st_ino == before, failure
    assert resil.status()["segment"]["generation"] == generation
    assert resil.row("service")["connections"] == 0


@pytest.mark.parametrize("first", ["with", "without"])
def test_no_boot_id(resil, asker, counting, first):
    """A program that cannot read of which boot it is (no /proc) takes no segment for an old one, nor do others its."""
    tracer = ourselves.Tracer(resil)
    resil.config(POLICIES)
    command, places = [asker, str(counting.port)], []
    for blind in (first == "without", first == "with", first == "without"):
        failure = ourselves.Failure("openat", "1+", "ENOENT") if blind else None
        result = tracer.run(command, failure, path="/proc/sys/kernel/random/boot_id" if blind else None)
        assert result.status == 0 and tracer.injected() == blind, result
        places.append(os.stat(resil.segment).st_ino)
    assert places == [places[0]] * 3
    assert resil.counters("service")["connects_ok"] == 6


@pytest.mark.parametrize("command", ["status", "status --json", "check", "reload", "events", "set"])
def test_resctl(resil, asker, counting, command):
    tracer = ourselves.Tracer(resil)
    path = resil.config(POLICIES)
    arguments = {"check": ["check", path], "set": ["set", "service", "breaker.failures=7"]}.get(command, command.split())
    resil.run([asker, str(counting.port)])
    segment = os.stat(resil.segment).st_ino
    right = tracer.run([RESCTL, *arguments], preload=False)
    assert right.status == 0, right
    for failure in list(ourselves.failures_of_program(tracer.log)):
        result = tracer.run([RESCTL, *arguments], failure, preload=False)
        told = result.err.split(b"segments that exist")[0]
        if result.status == 0: # an event for each reload comes on top
            assert len(result.out.splitlines()) >= len(right.out.splitlines()) and not told, (failure, result)
        else:
            assert result.status in (2, 4) and told, (failure, result)
            assert result.status == 4 or os.path.basename(path).encode() in told, (failure, result)
        assert os.stat(resil.segment).st_ino == segment, failure
    again = resil.resctl(*arguments)
    assert again.status == 0 and len(again.out.splitlines()) >= len(right.out.splitlines()), again
    assert resil.row("service")["connections"] == 0
