# SPDX-License-Identifier: MIT
"""Goal: retries, queue and turns of connects that must not block, on the same descriptor, under poll, select and epoll,
level- and edge-triggered: the program sees one clean result, and costs no CPU while it waits."""

import json
import subprocess

import pytest

from clients import BY_NAME
from helper import wait_until
from servers import HOST, Hold

LOOP = r"""
import errno, json, queue, select, socket, sys, threading, time
port, how = int(sys.argv[1]), sys.argv[2]
s = socket.socket()
s.setblocking(False)
events = 0
ep = None
if how in ("level", "edge", "early", "shared"):
    ep = select.epoll()
    flags = select.EPOLLOUT | select.EPOLLIN | (select.EPOLLET if how == "edge" else 0)
    if how == "early":
        ep.register(s, flags)
start = time.monotonic()
code = s.connect_ex(("127.0.0.1", port))
if how == "shared":
    first = queue.Queue()
    for _ in range(2):
        threading.Thread(target=lambda: first.put(ep.poll(60)), daemon=True).start()
    time.sleep(0.2)  # both wait by then
if ep and how != "early":
    ep.register(s, flags)
seen = []
while code == errno.EINPROGRESS:
    if how == "poll":
        p = select.poll()
        p.register(s, select.POLLOUT)
        got = [e for _, e in p.poll(20000)]
    elif how == "select":
        r, w, x = select.select([], [s], [s], 20)
        got = [int(bool(w)), int(bool(x))] if w or x else []
    elif how == "shared":
        got = [e for _, e in first.get(timeout=20)]
    else:
        got = [e for _, e in ep.poll(20)]
        if how == "early" and got and got[0] == select.EPOLLOUT | select.EPOLLHUP and not seen:
            continue  # of the time before the connect
    seen.append(got)
    code = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    break
seconds = time.monotonic() - start
answer = None
if code == 0:
    s.setblocking(True)
    s.sendall(b"x")
    answer = s.recv(1).decode()
print(json.dumps({"result": errno.errorcode.get(code, code), "seconds": seconds, "seen": seen, "answer": answer,
                  "peer": s.getpeername()[1] if code == 0 else None, "cpu": time.process_time(), "fd": s.fileno()}))
"""
HOWS = ["poll", "select", "level", "edge"]
RETRY = "retry.attempts = 40\nretry.backoff = constant\nretry.base = 100ms\nretry.jitter = off\nbreaker.failures = off\n" \
        "breaker.ratio = off\nretry.budget = off\nfirst_byte = client\n"


def loop(resil, port, how):
    return resil.spawn(["/usr/bin/python3", "-c", LOOP, str(port), how], stdout=subprocess.PIPE)


def result(resil, child):
    outcome = resil.finish(child)
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)


def counter(resil, name):
    status = resil.resctl("status", "--json")
    rows = json.loads(status.out)["destinations"] if status.status == 0 else []
    return rows[0]["counters"][name] if rows else 0


@pytest.mark.parametrize("how", HOWS)
def test_the_loop_sees_one_clean_success(resil, dead, how):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{RETRY}")
    child = loop(resil, dead.port, how)
    wait_until(lambda: counter(resil, "retries") >= 3)
    dead.revive(Hold)
    got = result(resil, child)
    assert (got["result"], got["peer"]) == (0, dead.port), got
    assert got["seconds"] >= 0.3 and got["seen"] in ([[4]], [[1, 0]]), got
    counters = resil.counters("backend")
    assert (counters["retries_ok"], counters["connects_ok"]) == (1, 1)
    assert counters["attempts"] == counters["retries"] + 1


@pytest.mark.parametrize("how", HOWS)
def test_the_last_failure_is_the_programs(resil, dead, how):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{RETRY.replace('40', '3')}")
    got = result(resil, loop(resil, dead.port, how))
    assert got["result"] == "ECONNREFUSED" and 0.2 <= got["seconds"] <= 0.45, got
    counters = resil.counters("backend")
    assert (counters["attempts"], counters["retries"], counters["retries_exhausted"]) == (3, 2, 1)
    assert resil.row("backend")["connections"] == 0


@pytest.mark.parametrize("how", HOWS)
def test_a_long_back_off_costs_no_cpu(resil, dead, how):
    """A second between two attempts: the same program without a back-off is the measure."""
    slow = RETRY.replace("40", "2").replace("100ms", "1s")
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{slow}")
    long = result(resil, loop(resil, dead.port, how))
    assert long["result"] == "ECONNREFUSED" and 1.0 <= long["seconds"] <= 1.25
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{RETRY.replace('40', '1')}")
    resil.segment += "-b"
    short = min(result(resil, loop(resil, dead.port, how))["cpu"] for _ in range(3))
    assert long["cpu"] - short < 0.03


def test_a_timed_out_attempt_is_retried(resil, black_hole):
    resil.config(f"[destination backend]\nmatch = {HOST}:{black_hole.port}\ntimeout.connect = 200ms\n"
                 f"{RETRY.replace('40', '3')}")
    for how in HOWS:
        got = result(resil, loop(resil, black_hole.port, how))
        assert got["result"] == "ETIMEDOUT" and 0.8 <= got["seconds"] <= 1.05, got
    assert resil.counters("backend")["connect_timeouts"] == 3 * len(HOWS)


def test_the_total_time_bounds_the_retries(resil, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\ntimeout.total = 450ms\n{RETRY}")
    for how in HOWS:
        got = result(resil, loop(resil, dead.port, how))
        assert got["result"] == "ECONNREFUSED" and got["seconds"] <= 0.7, got


def test_a_set_that_others_wait_on_hears_of_the_failure(resil, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{RETRY}")
    got = result(resil, loop(resil, dead.port, "shared"))
    assert got["result"] == "ECONNREFUSED" and got["seconds"] < 1, got
    assert resil.counters("backend")["retries"] == 0


@pytest.mark.parametrize("name", ["curl", "asyncio", "node", "psql"])
def test_real_event_loops(resil, dead, name, healthy):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{RETRY}")
    client = BY_NAME[name]
    child = resil.spawn(client.command(HOST, dead.port))
    wait_until(lambda: counter(resil, "retries") >= 2, what=f"{name} retrying")
    assert child.poll() is None
    dead.revive()
    wait_until(lambda: counter(resil, "connects_ok") >= 1)
    child.kill()


@pytest.mark.parametrize("how", HOWS)
def test_a_loop_waits_in_the_queue(resil, hold, how):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\nbulkhead.queue = 5\n"
                 "bulkhead.queue_timeout = 10s\nfirst_byte = client\n")
    holder = resil.puppet(hold.port)
    assert holder.do("s = connect()") == "ok"
    child = loop(resil, hold.port, how)
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    assert hold.accepted == 1
    assert holder.do("s.close()") == "ok"
    got = result(resil, child)
    assert (got["result"], got["answer"]) == (0, "x"), got


def test_the_wait_in_the_queue_ends(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\nbulkhead.queue = 5\n"
                 "bulkhead.queue_timeout = 400ms\n")
    holder = resil.puppet(hold.port)
    assert holder.do("s = connect()") == "ok"
    for how in HOWS:
        got = result(resil, loop(resil, hold.port, how))
        assert got["result"] == "ECONNREFUSED" and 0.4 <= got["seconds"] <= 0.65, got
    row = resil.row("backend")
    assert (row["queued"], row["counters"]["rejected_queue_timeout"]) == (0, len(HOWS))


def test_a_killed_loop_frees_its_place(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\nbulkhead.queue = 1\n"
                 "bulkhead.queue_timeout = 20s\n")
    holder = resil.puppet(hold.port)
    assert holder.do("s = connect()") == "ok"
    child = loop(resil, hold.port, "level")
    wait_until(lambda: resil.row("backend")["queued"] == 1)
    child.kill()
    child.wait(10)
    wait_until(lambda: resil.row("backend")["queued"] == 0)


def test_a_loop_waits_for_its_turn(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nrate.limit = 1/s\nrate.burst = 1\n"
                 "rate.max_wait = 5s\nfirst_byte = client\n")
    first = result(resil, loop(resil, hold.port, "level"))
    assert first["result"] == 0 and first["seconds"] < 0.3
    turns = [loop(resil, hold.port, how) for how in ("poll", "edge")]
    seconds = sorted(result(resil, child)["seconds"] for child in turns)
    assert seconds[0] >= 0.5 and seconds[1] >= 1.5, seconds


@pytest.mark.parametrize("how", HOWS)
def test_the_next_attempt_goes_to_another_endpoint_at_once(resil, dead, hold, how):
    """Within one connect call, on the same descriptor, without a back-off; the program sees the address that it asked
    for."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nendpoints = {HOST}:{dead.port}, {HOST}:{hold.port}\n"
                 f"{RETRY.replace('40', '2').replace('100ms', '10s').replace('retry.max', '')}retry.max = 10s\n")
    got = result(resil, loop(resil, dead.port, how))
    assert (got["result"], got["answer"], got["peer"]) == (0, "x", dead.port), got
    assert got["seconds"] < 0.5 and got["seen"] in ([[4]], [[1, 0]]), got
    counters = resil.counters("backend")
    assert (counters["attempts"], counters["retries"], counters["retries_ok"]) == (2, 1, 1)


@pytest.mark.parametrize("how", HOWS)
def test_a_breaker_outside_is_told_once(resil, dead, how):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\norder = breaker-outside-retry\n"
                 + RETRY.replace("40", "3").replace("breaker.failures = off", "breaker.failures = 2"))
    for state in ("closed", "open"):
        assert result(resil, loop(resil, dead.port, how))["result"] == "ECONNREFUSED"
        assert resil.row("backend")["state"] == state
    assert resil.counters("backend")["attempts"] == 6
