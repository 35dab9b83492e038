# SPDX-License-Identifier: MIT
"""Goal: a call that its destination refused, failed, had no room or no time for goes on at the fallback, on the same
descriptor, within the time that the configuration promises; the program notices nothing.

covers: getpeername
"""

import json
import os
import socket
import subprocess

import pytest

import servers
from clients import BY_NAME, NAMES
from helper import PYTHON, UPPER, Puppet, program, wait_until
from servers import HOST, PAGE, Counting, Hold

LOOP = r"""
import errno, json, select, socket, sys, time
port, how = int(sys.argv[1]), sys.argv[2]
s = socket.socket()
s.setblocking(False)
flags = select.EPOLLOUT | select.EPOLLIN | (select.EPOLLET if how == "edge" else 0)
ep = select.epoll()
start = time.monotonic()
code = s.connect_ex(("127.0.0.1", port))
at_once = time.monotonic() - start
if how in ("level", "edge"):
    ep.register(s, flags)
seen = []
if code == errno.EINPROGRESS:
    if how == "poll":
        p = select.poll()
        p.register(s, select.POLLOUT)
        seen = [e for _, e in p.poll(20000)]
    elif how == "select":
        r, w, x = select.select([], [s], [s], 20)
        seen = [4 * bool(w) + bool(x)]
    else:
        seen = [e for _, e in ep.poll(20)]
    code = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
seconds = time.monotonic() - start
answer = None
if code == 0:
    s.setblocking(True)
    s.sendall(b"x")
    answer = s.recv(1).decode()
print(json.dumps({"result": errno.errorcode.get(code, code), "seconds": seconds, "at_once": at_once, "seen": seen,
                  "answer": answer, "peer": s.getpeername()[1] if code == 0 else None, "cpu": time.process_time()}))
"""
HOWS = ("poll", "select", "level", "edge")


def configure(resil, port, targets, *keys):
    lines = "\n".join(keys)
    resil.config(f"[destination db]\nmatch = {HOST}:{port}\nfallback = {targets}\n{lines}\n")


def loop(resil, port, how):
    outcome = resil.run([PYTHON, "-c", LOOP, str(port), how])
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)


def counters(resil, endpoint="*"):
    return resil.counters("db", endpoint)


def target(server):
    return f"{HOST}:{server.port}"


@pytest.fixture
def unix_hold(resil):
    path = os.path.join(resil.dir, "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)

    class Named:  # Scripted wants a port of its listener
        def __init__(self, real):
            self.real = real

        def getsockname(self):
            return (path, 0)

        def __getattr__(self, name):
            return getattr(self.real, name)

    server = Hold(Named(listener))
    server.path = path
    yield server
    server.stop()


# ---- real programs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_programs_do_not_notice(resil, dead, healthy, name):
    client = BY_NAME[name]
    native = resil.run(client.command(HOST, healthy[client.kind]), preload=False)
    configure(resil, dead.port, f"{HOST}:{healthy[client.kind]}")
    result = resil.run(client.command(HOST, dead.port))
    assert (result.status, result.out) == (0, native.out), result
    whole, backup = resil.row("db"), resil.row("db", f"{HOST}:{healthy[client.kind]}")
    assert whole["counters"]["fallbacks"] == whole["counters"]["connects_failed"] >= 1
    assert whole["counters"]["connects_ok"] == 0, "the target's sums stand apart"
    assert backup["counters"]["connects_ok"] == whole["counters"]["fallbacks"]
    assert backup["fallback"] is True and whole["fallback"] is False


@pytest.mark.parametrize("name", ("curl", "redis-cli", "psql", "asyncio", "node"))
def test_a_primary_that_hangs(resil, black_hole, healthy, native_seconds, name):
    client = BY_NAME[name]
    configure(resil, black_hole.port, f"{HOST}:{healthy[client.kind]}", "timeout.connect = 300ms")
    result = resil.run(client.command(HOST, black_hole.port))
    assert result.status == 0, result
    assert result.seconds >= 0.3 and client.seconds(result, native_seconds(client)) <= 0.3 + 2 * UPPER
    assert counters(resil)["connect_timeouts"] == counters(resil)["fallbacks"] >= 1


@pytest.mark.parametrize("name", ("python3", "curl", "asyncio"))
def test_an_open_breaker_answers_at_once(resil, dead, counting, syns, name):
    """The primary is not asked any more, and neither is it counted as refused work that was lost."""
    client = BY_NAME[name]
    configure(resil, dead.port, target(counting), "breaker.failures = 2", "breaker.open_time = 60s")
    for _ in range(2):
        assert resil.run(client.command(HOST, dead.port)).out == PAGE
    assert resil.row("db", f"{HOST}:{dead.port}")["state"] == "open"
    sent = syns(dead.port)
    result = resil.run(client.command(HOST, dead.port))
    assert (result.status, result.out) == (0, PAGE)
    assert sent.count() == 0 and counting.accepted == 3
    assert (counters(resil)["fallbacks"], counters(resil)["rejected_breaker"]) == (3, 1)
    assert resil.row("db")["state"] == "open", "the target's closed breaker does not close the destination"


@pytest.mark.parametrize("proxy", ("nginx", "haproxy"))
@pytest.mark.parametrize("primary", ("dead", "black_hole"))
def test_proxies_as_clients(request, resil, counting, proxy, primary):
    """They add their socket to the epoll set before it connects."""
    port = request.getfixturevalue(primary).port
    configure(resil, port, target(counting), "timeout.connect = 200ms", "first_byte = client")
    result = resil.run([PYTHON, program("through.py"), proxy, HOST, str(port), "/page"])
    assert (result.status, result.out) == (0, PAGE), result
    assert counters(resil)["fallbacks"] == 1


# ---- event loops, on the same descriptor -------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOWS)
def test_a_loop_sees_one_clean_success(resil, dead, hold, how):
    configure(resil, dead.port, target(hold), "first_byte = client")
    got = loop(resil, dead.port, how)
    assert (got["result"], got["answer"], got["peer"], got["seen"]) == (0, "x", dead.port, [4]), got


@pytest.mark.parametrize("how", HOWS)
def test_a_loop_whose_primary_hangs(resil, black_hole, hold, how):
    configure(resil, black_hole.port, target(hold), "first_byte = client", "timeout.connect = 200ms")
    got = loop(resil, black_hole.port, how)
    assert (got["result"], got["answer"], got["peer"], got["seen"]) == (0, "x", black_hole.port, [4]), got
    assert 0.2 <= got["seconds"] <= 0.2 + UPPER and got["at_once"] < 0.1


@pytest.mark.parametrize("how", HOWS)
def test_a_loop_that_is_refused_by_the_breaker(resil, dead, hold, how):
    configure(resil, dead.port, target(hold), "first_byte = client", "breaker.failures = 1",
              "breaker.open_time = 60s")
    loop(resil, dead.port, "poll")
    got = loop(resil, dead.port, how)
    assert (got["result"], got["answer"]) == (0, "x"), got
    assert counters(resil)["rejected_breaker"] == 1 and counters(resil, target(hold))["connects_ok"] == 2


def test_total_time_that_ends_in_a_back_off(resil, dead, hold):
    """The retries have no time left: the call goes on within timeout.total."""
    configure(resil, dead.port, target(hold), "timeout.total = 300ms", "retry.attempts = 10", "retry.base = 50ms",
              "retry.backoff = constant", "retry.jitter = off", "breaker.failures = off", "first_byte = client")
    for how in ("poll", "edge"):
        got = loop(resil, dead.port, how)
        assert got["result"] == 0 and 0.2 <= got["seconds"] <= 0.3 + UPPER, got


@pytest.mark.parametrize("name", ("asyncio", "python3"))
def test_total_time_that_ends_in_the_queue(resil, hold, counting, name):
    configure(resil, hold.port, target(counting), "fallback.on = timeout", "timeout.total = 300ms", "bulkhead.limit = 1", "bulkhead.queue = 5",
              "bulkhead.queue_timeout = 10s", "first_byte = client")
    holder = resil.puppet(hold.port)
    assert holder.do("s = connect(); s.sendall(b'x'); s.recv(1)") == "ok"
    result = resil.run(BY_NAME[name].command(HOST, hold.port))
    assert (result.status, result.out) == (0, PAGE), result
    assert 0.3 <= BY_NAME[name].seconds(result) <= 0.3 + UPPER
    assert resil.row("db")["queued"] == 0 and resil.row("db")["connections"] == 1


# ---- which failures --------------------------------------------------------------------------------------------


def test_overflow(resil, hold, counting):
    configure(resil, hold.port, target(counting), "bulkhead.limit = 1", "first_byte = client")
    holder = resil.puppet(hold.port)
    assert holder.do("s = connect(); s.sendall(b'x'); s.recv(1)") == "ok"
    for name in ("python3", "asyncio"):
        assert resil.run(BY_NAME[name].command(HOST, hold.port)).out == PAGE
    assert (counters(resil)["rejected_bulkhead"], counters(resil)["fallbacks"]) == (2, 2)
    assert resil.row("db")["connections"] == 1


def test_rate(resil, counting, hold):
    configure(resil, counting.port, target(hold), "rate.limit = 1/h", "rate.burst = 1")
    puppet = resil.puppet(counting.port)
    assert puppet.do("a = connect(); a.sendall(b'x\\r\\n\\r\\n')") == "ok"
    assert puppet.do("b = connect(); b.sendall(b'y')") == "ok" and puppet.get("b.recv(1).decode()") == "y"
    assert counters(resil)["rejected_rate"] == 1


@pytest.mark.parametrize("on, taken", [("open", (0, 1, 0, 0)), ("failure", (1, 1, 0, 0)), ("overflow", (0, 0, 1, 0)),
                                       ("timeout", (0, 0, 0, 1)), ("none", (0, 0, 0, 0))])
def test_what_sends_it_there(resil, dead, hold, counting, black_hole, on, taken):
    """A refused connect, the breaker that it opened, a full bulkhead, a black hole: each with its own word."""
    resil.config(f"[defaults]\nfallback = {target(counting)}\nfallback.on = {on}\ntimeout.connect = 100ms\n"
                 f"breaker.failures = 1\nbreaker.open_time = 60s\nfirst_byte = client\n"
                 f"[destination dead]\nmatch = {HOST}:{dead.port}\n"
                 f"[destination full]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n"
                 f"[destination hole]\nmatch = {HOST}:{black_hole.port}\n")
    puppet = resil.puppet(dead.port)
    assert puppet.do(f"held = connect({hold.port})") == "ok"
    reached = tuple(int(puppet.do(f"connect({port}).close()") == "ok")
                    for port in (dead.port, dead.port, hold.port, black_hole.port))
    # With `failure` the second call was not sent: its breaker is open by then, and that is no failure.
    expected = taken if on != "failure" else (1, 0, 0, 0)
    assert reached == expected
    wait_until(lambda: counting.accepted == sum(expected), what="its connections")


def test_what_only_this_host_lacks_is_not_sent_on(resil, dead, counting):
    """No local address: it would fail at the target as well, and nothing is wrong with the destination."""
    configure(resil, dead.port, target(counting))
    puppet = resil.puppet(dead.port)
    assert puppet.do("s = socket.socket(); s.bind(('127.0.0.1', 0)); t = socket.socket()") == "ok"
    assert puppet.do("t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)") == "ok"
    assert puppet.do(f"socket.socket(socket.AF_INET6).connect(('{HOST}', {dead.port}))") != "ok"
    assert counting.accepted == 0


def test_observed_calls_are_not_moved(resil, dead, counting):
    configure(resil, dead.port, target(counting), "mode = observe")
    assert resil.puppet(dead.port).do("connect()") == "ECONNREFUSED"
    assert counting.accepted == 0 and counters(resil)["fallbacks"] == 0


# ---- targets -----------------------------------------------------------------------------------------------------


def test_targets_in_order_each_once(resil, dead, counting):
    second = servers.Dead()
    try:
        configure(resil, dead.port, f"{target(second)}, {target(counting)}", "breaker.failures = 2",
                  "breaker.open_time = 60s", "retry.attempts = 3", "retry.base = 1ms")
        puppet = resil.puppet(dead.port)
        for _ in range(3):
            assert puppet.do("connect().close()") == "ok"
        first = counters(resil, target(second))
        # Its own breaker: two failures, then it is passed over. No retries at a target.
        assert (first["attempts"], first["connects_failed"], first["rejected_breaker"]) == (2, 2, 1)
        assert resil.row("db", target(second))["state"] == "open"
        assert counters(resil, target(counting))["connects_ok"] == 3
        assert counters(resil)["fallbacks"] == 3
    finally:
        second.stop()


def test_all_of_them_fail(resil, dead):
    """The program hears of it, and nothing stays held."""
    second = servers.Dead()
    try:
        configure(resil, dead.port, target(second), "breaker.failures = off", "breaker.ratio = off")
        puppet = resil.puppet(dead.port)
        assert [puppet.do("connect()") for _ in range(3)] == ["ECONNREFUSED"] * 3
        for how in HOWS:
            assert loop(resil, dead.port, how)["result"] == "ECONNREFUSED"
        assert resil.row("db")["connections"] == resil.row("db", target(second))["connections"] == 0
        assert counters(resil)["fallbacks"] == counters(resil, target(second))["connects_failed"] == 7
    finally:
        second.stop()


def test_endpoints_come_first(resil, dead, counting):
    """All endpoints of the list are gone: then the fallback."""
    resil.config(f"[destination db]\nmatch = 192.0.2.1\nendpoints = {HOST}:{dead.port}\nretry.attempts = 2\n"
                 f"retry.base = 1ms\nfallback = {target(counting)}\n")
    puppet = Puppet(resil.spawn([PYTHON, program("puppet.py"), "192.0.2.1", "80"], stdin=subprocess.PIPE))
    assert puppet.do("s = connect()") == "ok"
    assert puppet.get("list(s.getpeername())") == ["192.0.2.1", 80]
    got = counters(resil)
    assert (got["attempts"], got["retries_exhausted"], got["fallbacks"]) == (2, 1, 1)


def test_the_order_of_the_wrappers(resil, dead, counting):
    """breaker-outside-retry: one verdict a call, told when the call leaves its destination."""
    configure(resil, dead.port, target(counting), "order = breaker-outside-retry", "retry.attempts = 3",
              "retry.base = 1ms", "breaker.failures = 2", "breaker.open_time = 60s")
    puppet = resil.puppet(dead.port)
    assert puppet.do("connect().close()") == "ok"
    assert resil.row("db", f"{HOST}:{dead.port}")["state"] == "closed"
    assert puppet.do("connect().close()") == "ok"
    assert resil.row("db", f"{HOST}:{dead.port}")["state"] == "open"
    assert counters(resil)["attempts"] == 6


def test_unix_sockets(resil, unix_hold):
    resil.config(f"[destination db]\nmatch = unix:{resil.dir}/nobody\nfallback = unix:{unix_hold.path}\n")
    puppet = resil.puppet(1)
    assert puppet.do(f"s = socket.socket(socket.AF_UNIX); s.connect('{resil.dir}/nobody')") == "ok"
    assert puppet.do("s.sendall(b'u')") == "ok" and puppet.get("s.recv(1).decode()") == "u"
    assert puppet.get("s.getpeername()") == f"{resil.dir}/nobody"
    assert puppet.do(f"t = socket.socket(socket.AF_UNIX); t.setblocking(False); t.connect('{resil.dir}/nobody')") in (
        "ok", "EINPROGRESS")
    assert puppet.do("t.setblocking(True); t.sendall(b'v')") == "ok" and puppet.get("t.recv(1).decode()") == "v"


@pytest.mark.parametrize("v6only", (0, 1))
def test_families(resil, hold, v6only):
    """An IPv4 target of an IPv6 socket is mapped, unless the socket is IPv6 only: then the call fails as it did, with an
    event that says why, and goes to the next target."""
    resil.config(f"[destination db]\nmatch = [::1]:1\nfallback = {target(hold)}\n")
    puppet = resil.puppet(1)
    assert puppet.do("s = socket.socket(socket.AF_INET6)") == "ok"
    assert puppet.do(f"s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, {v6only})") == "ok"
    outcome = puppet.do("s.connect(('::1', 1))")
    events = [(event["kind"], event["endpoint"]) for event in resil.events()]
    if v6only:
        assert outcome == "ECONNREFUSED" and ("unreachable", target(hold)) in events
        assert counters(resil)["fallbacks"] == 0
    else:
        assert outcome == "ok" and ("fallback", target(hold)) in events
        assert puppet.get("s.getpeername()[0]") == "::1"
        assert puppet.do("s.sendall(b'6')") == "ok" and puppet.get("s.recv(1).decode()") == "6"


def test_a_socket_that_only_reaches_paths(resil, counting):
    resil.config(f"[destination db]\nmatch = unix:{resil.dir}/nobody\nfallback = {target(counting)}\n")
    puppet = resil.puppet(1)
    assert puppet.do(f"socket.socket(socket.AF_UNIX).connect('{resil.dir}/nobody')") == "ENOENT"
    assert ("unreachable", target(counting)) in [(event["kind"], event["endpoint"]) for event in resil.events()]


def test_the_targets_slots_come_back(resil, dead, hold):
    """Connections to a target are counted there, over a killed process too."""
    configure(resil, dead.port, target(hold), "bulkhead.limit = 1")
    puppet = resil.puppet(dead.port)
    assert puppet.do("held = [connect() for _ in range(3)]") == "ok"
    assert (resil.row("db")["connections"], resil.row("db", target(hold))["connections"]) == (0, 3)
    puppet.kill()
    assert resil.row("db", target(hold))["connections"] == 0


@pytest.mark.parametrize("text, got", [("127.0.0.1", "127.0.0.1"), (f"{HOST}:1 weight=2", f"{HOST}:1 weight=2"),
                                       (f"{HOST}:1, {HOST}:1", f"{HOST}:1"), ("db.example.com:1", "db.example.com:1")])
def test_bad_lists(resil, text, got):
    path = resil.file("bad.conf", f"[destination db]\nmatch = *\nfallback = {text}\n")
    result = resil.resctl("check", path)
    assert result.status == 2 and f"bad.conf:3".encode() in result.err + result.out, result
    assert got.encode() in result.err + result.out


def test_a_primary_that_accepts_and_then_hangs(resil, hang, counting):
    """What fails after the connect is the program's, whose bytes are gone; the breaker learns, and the next call moves."""
    configure(resil, hang.port, target(counting), "timeout.response = 150ms", "breaker.failures = 1",
              "breaker.open_time = 60s")
    first, second = (resil.run(BY_NAME["curl"].command(HOST, hang.port)) for _ in range(2))
    assert first.status != 0 and (second.status, second.out) == (0, PAGE), (first, second)
    assert second.seconds < 0.15 + UPPER


STORM = r"""
import asyncio, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
async def one(number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        await asyncio.sleep(0)
    writer.close()
    await writer.wait_closed()
async def main():
    results = await asyncio.gather(*(one(number) for number in range(count)), return_exceptions=True)
    bad = [repr(result) for result in results if result is not None]
    print(len(results) - len(bad), bad[:3])
asyncio.run(main())
"""


def test_many_at_once(resil, hold):
    """Refused, failed and queued calls of several processes at once: each gets somewhere, and every slot comes back."""
    backup = Hold()
    try:
        configure(resil, hold.port, target(backup), "bulkhead.limit = 5", "bulkhead.queue = 10",
                  "bulkhead.queue_timeout = 100ms", "chaos = refuse 30%", "breaker.failures = off", "breaker.ratio = off",
                  "retry.attempts = 2", "retry.base = 10ms", "retry.budget = off", "first_byte = client")
        children = [resil.spawn([PYTHON, "-c", STORM, str(hold.port), "60"]) for _ in range(3)]
        for child in children:
            outcome = resil.finish(child, 30.0)
            assert outcome.out == b"60 []\n", outcome
        got, there = counters(resil), counters(resil, target(backup))
        assert got["fallbacks"] == there["connects_ok"] > 0 and got["connects_ok"] + there["connects_ok"] == 180
        assert hold.most_open <= 5
        row = resil.row("db")
        assert (row["connections"], row["queued"], resil.row("db", target(backup))["connections"]) == (0, 0, 0)
    finally:
        backup.stop()


def test_the_targets_slots_over_fork_and_exec(resil, dead, hold):
    """As those of any destination: a child keeps it, a program that is executed finds it again and gives it back."""
    configure(resil, dead.port, target(hold))

    def held():
        return resil.row("db", target(hold))["connections"], resil.row("db")["connections"]

    puppet = resil.puppet(dead.port)
    assert puppet.do("s = connect(); s.set_inheritable(True)") == "ok"
    assert puppet.do("import signal, time; child = os.fork() or (time.sleep(60) or os._exit(0))") == "ok"
    child = puppet.get("child")
    try:
        assert puppet.do("s.close()") == "ok" and held() == (1, 0)
    finally:
        os.kill(child, 9)
    wait_until(lambda: held() == (0, 0), what="the child's end")
    assert puppet.do("s = connect(); s.set_inheritable(True)") == "ok"
    fd = puppet.get("s.fileno()")
    assert puppet.do("become_another()") == "ok"  # the new program's greeting
    assert held() == (1, 0)
    assert puppet.do("t = connect()") == "ok" and held() == (2, 0)
    assert puppet.do(f"os.close({fd})") == "ok" and held() == (1, 0)
