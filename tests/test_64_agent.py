# SPDX-License-Identifier: MIT
"""Goal: `resctl agent` can be left alone: it makes the segment, one of several is active, the next one takes over
however the first ended, a bad file replaces nothing, and it ends as it is told."""

import os
import signal
import struct

import pytest

from agents import active, agent, agent_of, log_of  # noqa: F401
from helper import wait_until
from clients import BY_NAME
from servers import HOST

RULES = "[destination {name}]\nmatch = {host}:{port}\nbreaker.failures = 2\n"
AGENT_OFFSET = 3896  # src/segment/layout.h


def test_it_makes_the_segment_and_publishes(resil, agent, counting):
    resil.config(RULES.format(name="backend", host=HOST, port=counting.port))
    first = agent()
    active(resil, first)
    status = resil.status()
    assert status["segment"]["loaded_by"] == first.pid and status["segment"]["generation"] == 1
    assert [row["name"] for row in status["destinations"]] == ["backend"]
    assert resil.run(BY_NAME["curl"].command(HOST, counting.port)).status == 0
    assert resil.counters("backend")["connects_ok"] == 1 and resil.status()["segment"]["generation"] == 1
    assert {"agent", "loaded"} <= {event["kind"] for event in resil.events()}
    assert f"agent      pid {first.pid}" in resil.resctl("status").out.decode()


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_the_next_one_takes_over(resil, agent, number, code):
    resil.config(RULES.format(name="backend", host=HOST, port=1))
    first = agent()
    active(resil, first)
    second = agent()
    wait_until(lambda: "another agent is active" in log_of(resil), what="the second one to wait")
    assert agent_of(resil) == first.pid
    first.send_signal(number)
    assert first.wait(timeout=5) == code
    active(resil, second, deadline=3.0)
    second.terminate()
    assert second.wait(timeout=5) == 0
    assert agent_of(resil) is None and resil.status()["segment"]["agent"] is None


def test_one_that_hangs_loses_its_lease(resil, agent):
    resil.config(RULES.format(name="backend", host=HOST, port=1))
    first = agent()
    active(resil, first)
    second = agent()
    wait_until(lambda: "another agent is active" in log_of(resil), what="the second one to wait")
    first.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, first.pid, os.WSTOPPED)
    with open(resil.segment, "r+b") as file:  # as if it hung for 11 s
        file.seek(AGENT_OFFSET)
        word = struct.unpack("=Q", file.read(8))[0]
        file.seek(AGENT_OFFSET)
        file.write(struct.pack("=Q", (word >> 32 << 32) | ((word & 0xffffffff) - 111) % 2**32))
    active(resil, second, deadline=3.0)
    first.send_signal(signal.SIGCONT)
    first.terminate()  # what it does afterwards must not take the lease away again
    assert first.wait(timeout=5) == 0
    assert agent_of(resil) == second.pid


def test_the_file_again_at_sighup(resil, agent):
    resil.config(RULES.format(name="one", host=HOST, port=1))
    first = agent()
    active(resil, first)
    resil.config(RULES.format(name="two", host=HOST, port=1))
    first.send_signal(signal.SIGHUP)
    wait_until(lambda: resil.published("two"), what="the new rules")
    assert not resil.published("one") and resil.status()["segment"]["generation"] == 2
    resil.config("[destination three]\nmatch = 127.0.0.1:1\nbreaker.failures = many\n")
    first.send_signal(signal.SIGHUP)
    wait_until(lambda: resil.status()["segment"]["config_error"], what="the error")
    assert "resil.conf:3:" in resil.status()["segment"]["config_error"] and "resil.conf:3:" in log_of(resil)
    assert resil.published("two") and resil.status()["segment"]["generation"] == 2
    assert agent_of(resil) == first.pid
    resil.config(RULES.format(name="four", host=HOST, port=1))
    first.send_signal(signal.SIGHUP)
    wait_until(lambda: resil.published("four"), what="the mended rules")
    assert resil.status()["segment"]["config_error"] is None


def test_a_bad_file_from_the_start_waits_for_a_good_one(resil, agent):
    resil.config("[destination a]\nmatch = 127.0.0.1:1\nnonsense = 1\n")
    first = agent()
    active(resil, first)
    assert "resil.conf:3:" in resil.status()["segment"]["config_error"]
    resil.config(RULES.format(name="good", host=HOST, port=1))
    first.send_signal(signal.SIGHUP)
    wait_until(lambda: resil.published("good"), what="the rules")


def test_a_segment_that_vanished_is_made_again(resil, agent):
    resil.config(RULES.format(name="backend", host=HOST, port=1))
    first = agent()
    active(resil, first)
    resil.remember_semaphores()
    inode = os.stat(resil.segment).st_ino
    os.unlink(resil.segment)
    wait_until(lambda: os.path.exists(resil.segment) and os.stat(resil.segment).st_ino != inode and agent_of(resil) == first.pid,
               what="a new segment")
    assert resil.published("backend")


def test_usage(resil):
    for args, code in ((["agent", "x"], 2), (["agent", "--pid", "1", "--uid", "1"], 2), (["agent", "--segment", "private"], 3)):
        result = resil.resctl(*args)
        assert result.status == code and result.err, (args, result)
    with open(resil.segment, "wb") as file:
        file.write(b"not a segment")
    assert resil.resctl("agent").status == 3
    with open(resil.segment, "rb") as file:
        assert file.read() == b"not a segment"
