# SPDX-License-Identifier: MIT
"""Goal: calls that are left by a long jump or a cancelled thread, interrupted, stopped; waits on large sets and waits that
began early; low-water marks and MPTCP: the program finds what it would find without the library, and the policies go on.

Each case is one of programs/unwound.c."""

import time

import pytest

from helper import UPPER
from servers import HOST, Scripted

TIMED = "[destination backend]\nmatch = {host}:{port}\ntimeout.connect = 3s\ntimeout.response = 600ms\nbreaker.failures = off\n" \
        "first_byte = client\n"
RETRY = "retry.attempts = 3\nretry.backoff = constant\nretry.base = {base}\nretry.jitter = off\nretry.budget = off\n" \
        "breaker.failures = off\nbreaker.ratio = off\n"


class Halves(Scripted):
    """Obeys one letter: e echoes, s is silent, p pauses 400 ms, t sends five bytes and, 1.2 s later, ten."""

    def handle(self, connection):
        letter = connection.recv(1)
        if letter == b"e":
            connection.sendall(b"e")
        elif letter == b"p":
            time.sleep(0.4)  # the signal comes meanwhile
            connection.sendall(b"p")
        elif letter == b"t":
            connection.sendall(b"12345")
            time.sleep(1.2)  # longer than timeout.response: the pause is the subject
            connection.sendall(b"6789012345")  # ten: less may not wake a reader that has taken the first half
        while letter and (letter := connection.recv(100)):
            connection.sendall(letter)


@pytest.fixture
def halves():
    server = Halves()
    yield server
    server.stop()


@pytest.fixture
def unwound(compiled):
    return compiled("unwound.c")


def both(resil, command):
    native = resil.run(command, preload=False)
    ours = resil.run(command)
    assert (ours.status, ours.out, ours.err) == (native.status, native.out, native.err)
    return ours.out


@pytest.mark.parametrize("case, number", [("cancel_recv", 0), ("jump_recv", 0), ("stop", 0), ("restart", 0),
                                          ("restart", 1), ("no_restart", 0), ("low_water", 0), ("low_water", 1), ("wait_all", 0),
                                          ("wait_all", 1), ("tight_select", 0)])
def test_as_natively(resil, unwound, halves, case, number):
    resil.config(TIMED.format(host=HOST, port=halves.port))
    out = both(resil, [unwound, case, str(halves.port), str(number)])
    expected = {"cancel_recv": b"0 ok 1 e\n", "jump_recv": b"0 ok 1 e\n", "stop": b"ok\n", "restart": b"ok\n",
                "no_restart": b"EINTR\n", "low_water": b"10\n", "wait_all": b"10\n", "tight_select": b"0 0\n"}
    assert out == expected[case]
    assert resil.counters("backend")["response_timeouts"] == 0


@pytest.mark.parametrize("case, number", [("jump_connect", 0), ("jump_connect", 1), ("cancel_connect", 0)])
def test_a_connect_that_was_left(resil, unwound, black_hole, case, number):
    """SO_SNDTIMEO is the application's again: ours would cut its writes short."""
    resil.config(TIMED.format(host=HOST, port=black_hole.port))
    out = both(resil, [unwound, case, str(black_hole.port), str(number)])
    assert out == (b"7\n" if number else b"0\n")


@pytest.mark.parametrize("case", ["jump_first", "jump_thread"])
def test_a_jump_out_of_the_first_connect(resil, unwound, hold, case):
    """Whatever the library was at, the next connect finds its rules: here one that refuses."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nchaos = refuse\n")
    for round_number, micros in enumerate(range(20, 2000, 45)):
        resil.remember_semaphores()
        resil.segment = f"{resil.segment.split('.')[0]}.{round_number % 2}"
        result = resil.run([unwound, case, str(hold.port), str(micros)])
        assert result.out == b"ECONNREFUSED\n", micros


@pytest.mark.parametrize("case", ["cancel_epoll", "jump_epoll"])
def test_waits_that_were_left_do_not_count(resil, unwound, dead, hold, case):
    """Nobody else waits on the set: the failed connect is tried again."""
    resil.config(f"[destination backend]\nmatch = {HOST}\n{RETRY.format(base='100ms')}first_byte = client\n")
    result = resil.run([unwound, case, str(dead.port), str(hold.port)])
    words = result.out.split()
    assert words[:3] == [b"EINPROGRESS", b"1", b"ECONNREFUSED"] and 200 <= int(words[3]) <= 450, result
    assert resil.counters("backend")["retries"] == 2


@pytest.mark.parametrize("before", [False, True])
def test_a_wait_that_began_before_the_connection(resil, unwound, black_hole, hold, before):
    """A thread sleeps in epoll_wait when another one connects; before: there was a connection once, and none then."""
    resil.config(f"[destination backend]\nmatch = {HOST}\ntimeout.connect = 500ms\nfirst_byte = client\n")
    result = resil.run([unwound, "early_waiter", str(black_hole.port), str(hold.port if before else 0)])
    first, error = result.out.decode().splitlines()
    events, flags, milliseconds = first.split()
    assert (events, error) == ("1", "ETIMEDOUT"), result
    assert 500 <= int(milliseconds) <= 750, result


@pytest.mark.parametrize("number", [0, 1])
def test_select_of_a_large_descriptor(resil, unwound, halves, number):
    resil.config(TIMED.format(host=HOST, port=halves.port))
    command = [unwound, "large_select", str(halves.port), str(number)]
    ready, bit, word, milliseconds = resil.run(command).out.split()
    if number:
        assert (ready, bit, word) == (b"1", b"1", b"ok") and int(milliseconds) < 500
    else:
        assert (ready, bit, word) == (b"1", b"1", b"ETIMEDOUT") and 600 <= int(milliseconds) <= 850


def test_select_never_shows_a_parked_descriptor(resil, unwound, dead):
    """Between two attempts a large descriptor is not ready, and costs nothing."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{RETRY.format(base='300ms')}")
    result = resil.run([unwound, "large_select_connect", str(dead.port)])
    ready, error, milliseconds, micros = result.out.split()
    assert (ready, error) == (b"1", b"ECONNREFUSED") and 600 <= int(milliseconds) <= 850, result
    assert int(micros) < 10000


def test_mptcp(resil, unwound, halves):
    resil.config(TIMED.format(host=HOST, port=halves.port))
    native = resil.run([unwound, "mptcp", str(halves.port), "1"], preload=False).out
    if native == b"none\n":
        pytest.skip("this kernel has no MPTCP")
    result = resil.run([unwound, "mptcp", str(halves.port), "1"])
    assert result.out.split()[:3] == native.split()[:3] == [b"ok"] * 3
    assert resil.counters("backend")["exchanges_ok"] == 1
    words = resil.run([unwound, "mptcp", str(halves.port), "0"]).out.split()
    assert words[:3] == [b"ok", b"ok", b"ETIMEDOUT"] and 600 <= int(words[3]) <= 600 + 1000 * UPPER


def test_no_first_call_slips_through(resil, unwound, hold):
    """Sixteen threads connect at once, in a process that has no copy of the rules yet: each obeys them."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nchaos = refuse\n")
    outs = {resil.run([unwound, "first_calls", str(hold.port)]).out for _ in range(200)}
    assert outs == {b"0\n"}


# ---- what parking costs ---------------------------------------------------------------------------------------------

HOWS = ["poll", "select", "epoll"]


@pytest.mark.parametrize("how", HOWS)
def test_a_back_off_costs_less_than_10_ms(resil, unwound, dead, how):
    """One second within one wait; the program reports its own CPU time."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{RETRY.format(base='1s').replace('3', '2', 1)}")
    ready, error, milliseconds, micros = resil.run([unwound, how, str(dead.port)]).out.split()
    assert (ready, error) == (b"1", b"ECONNREFUSED") and 1000 <= int(milliseconds) <= 1250
    assert int(micros) < 10000


@pytest.mark.parametrize("how", HOWS)
def test_a_queue_costs_less_than_10_ms(resil, unwound, hold, how):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\nbulkhead.queue = 5\n"
                 "bulkhead.queue_timeout = 1s\n")
    holder = resil.puppet(hold.port)
    assert holder.do("s = connect()") == "ok"
    ready, error, milliseconds, micros = resil.run([unwound, how, str(hold.port)]).out.split()
    assert (ready, error) == (b"1", b"ECONNREFUSED") and 1000 <= int(milliseconds) <= 1250
    assert int(micros) < 10000
