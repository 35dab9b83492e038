# SPDX-License-Identifier: MIT
"""Goal: connects to a destination with `endpoints` reach one of them, shared out as `balance` says over all processes; a
dead one loses its share to the others at once; and the program notices nothing of it.

covers: getpeername
"""

import collections
import os
import socket
import subprocess

import pytest

import clients
import servers
from helper import PYTHON, Puppet, program, wait_until

ASKED = "192.0.2.1"  # nobody is there (RFC 5737): whoever arrives was steered
ASKED_V6 = "2001:db8::1"
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
RUN = ("exec(\"def run(n):\\n for i in range(n):\\n  s = connect(); s.sendall(b'x'); s.recv(1); s.close()\")")


def listener(host, port=0):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host, port))
    return one


def listeners(hosts):
    """One port that is free on every host."""
    for _ in range(50):
        found = [listener(hosts[0])]
        try:
            found += [listener(host, found[0].getsockname()[1]) for host in hosts[1:]]
            return found
        except OSError:
            for one in found:
                one.close()
    raise AssertionError("no port is free on all of them")


@pytest.fixture
def backends():
    """Three servers on one port: each answers a byte with a byte."""
    found = [servers.Hold(one) for one in listeners(HOSTS)]
    yield found
    for server in found:
        server.stop()


def names(backends):
    return [f"{host}:{server.port}" for host, server in zip(HOSTS, backends)]


def configure(resil, backends, *keys, weights=("", "", "")):
    points = ", ".join(f"{name} {weight}".strip() for name, weight in zip(names(backends), weights))
    lines = "\n".join(keys)
    resil.config(f"[destination vip]\nmatch = {ASKED}, [{ASKED_V6}]\nendpoints = {points}\n{lines}\n")


def puppet(resil, host=ASKED):
    """A program whose connect() asks for an address that nobody has."""
    return Puppet(resil.spawn([PYTHON, program("puppet.py"), host, "80"], stdin=subprocess.PIPE))


def shares(resil, backends):
    return [resil.counters("vip", name)["connects_ok"] for name in names(backends)]


def connections(resil, backends):
    return [resil.row("vip", name)["connections"] for name in names(backends)]


def run_in_processes(resil, connects, processes=3, at_once=True):
    puppets = [puppet(resil) for _ in range(processes)]
    for one in puppets:
        assert one.do(RUN) == "ok"
    for group in ([puppets] if at_once else [[one] for one in puppets]):
        for one in group:
            one.tell(f"run({connects})")
        for one in group:
            assert one.answer(60.0) == "ok"
    return puppets


# ---- how the strategies share


@pytest.mark.parametrize("strategy, weights, ideal", [
    ("round_robin", (1, 1, 1), (1, 1, 1)),
    ("weighted", (5, 1, 1), (5, 1, 1)),
    ("weighted", (1000, 999, 998), (1000, 999, 998)),
    ("least_conn", (1, 1, 1), (1, 1, 1)),
    ("random", (2, 1, 1), (2, 1, 1)),
    ("p2c", (1, 1, 1), (1, 1, 1)),
    ("first", (1, 1, 1), (1, 0, 0)),
])
def test_distribution(resil, backends, strategy, weights, ideal):
    """Three processes at once: each endpoint's share is within 2 % of all connections of the ideal one. Where chance
    decides, that is five standard deviations. Where open connections decide, the processes take turns: one that the
    kernel suspends keeps its endpoint busy, and the others are right to avoid it."""
    chance = strategy in ("random", "p2c")
    at_once = strategy not in ("least_conn", "p2c")
    configure(resil, backends, f"balance = {strategy}", weights=[f"weight={weight}" for weight in weights])
    connects = 5400 if chance else 700
    run_in_processes(resil, connects, at_once=at_once)
    counts = shares(resil, backends)
    assert sum(counts) == 3 * connects
    for count, part in zip(counts, ideal):
        assert abs(count / sum(counts) - part / sum(ideal)) <= 0.02, counts
    if strategy in ("round_robin", "weighted"):  # one counter for all processes: exact but for the unfinished cycle
        whole = sum(weights)
        for count, weight in zip(counts, weights):
            assert abs(count - sum(counts) * weight / whole) <= 2 + sum(counts) % 7, counts


def test_weighted_sequence(resil, backends):
    """a5 b1 c1: a a b a c a a, as nginx has it, also when two processes take turns."""
    configure(resil, backends, "balance = weighted", "peername = real", weights=("weight=5", "", ""))
    both = [puppet(resil), puppet(resil)]
    seen = [both[turn % 2].get("connect().getpeername()[0]") for turn in range(14)]
    assert "".join("abc"[HOSTS.index(host)] for host in seen) == "aabacaa" * 2


def test_least_conn_counts_all_processes(resil, backends):
    """Open connections decide, whoever holds them; those of a killed process do not count for longer than a second."""
    configure(resil, backends, "balance = least_conn", "peername = real")
    one, two = puppet(resil), puppet(resil)
    assert one.do("held = [connect() for _ in range(30)]") == "ok"
    assert connections(resil, backends) == [10, 10, 10] and resil.row("vip")["connections"] == 30
    assert one.do("[s.close() for s in held if s.getpeername()[0] != '127.0.0.2']") == "ok"
    assert connections(resil, backends) == [10, 0, 0] and resil.row("vip")["connections"] == 10
    assert "127.0.0.2" not in {two.get("connect().getpeername()[0]") for _ in range(6)}
    one.kill()
    assert connections(resil, backends) == [0, 0, 0]
    wait_until(lambda: two.get("connect().getpeername()[0]") == "127.0.0.2", 3.0, "the dead holder's slots")


def test_least_conn_prefers_the_idle(resil, backends):
    configure(resil, backends, "balance = least_conn", "peername = real")
    one = puppet(resil)
    assert one.do("held = [connect() for _ in range(9)]") == "ok"
    assert one.do("[s.close() for s in held if s.getpeername()[0] == '127.0.0.3']") == "ok"
    assert [one.get("[held.append(connect()), held[-1].getpeername()[0]][1]") for _ in range(3)] == ["127.0.0.3"] * 3


class Slow(servers.Hold):
    """Takes its time for each answer."""

    def handle(self, connection):
        while data := connection.recv(65536):
            self.stopping.wait(0.2)
            connection.sendall(data)


def test_least_time_avoids_the_slow(resil):
    ends = listeners(HOSTS)
    backends = [Slow(ends[0]), servers.Hold(ends[1]), servers.Hold(ends[2])]
    try:
        configure(resil, backends, "balance = least_time")
        run_in_processes(resil, 150, processes=1)
        slow, *fast = shares(resil, backends)
        assert slow <= 5 and min(fast) >= 20, (slow, fast)
    finally:
        for server in backends:
            server.stop()


@pytest.mark.parametrize("strategy", ["ip_hash", "maglev"])
def test_hash_of_the_source(resil, backends, strategy):
    """A bound source address always meets the same endpoint, in every process; many of them meet all."""
    configure(resil, backends, f"balance = {strategy}", "peername = real")
    bound = "socket.create_connection((HOST, PORT), source_address=('127.0.1.{}', 0)).getpeername()[0]"
    one, two = puppet(resil), puppet(resil)
    seen = [one.get(bound.format(last)) for last in range(1, 41)]
    assert [two.get(bound.format(last)) for last in range(1, 41)] == seen
    assert set(collections.Counter(seen)) == set(HOSTS)
    assert len({one.get("connect().getpeername()[0]") for _ in range(8)}) == 1  # not bound: the process asks


@pytest.mark.parametrize("affinity, same", [("off", False), ("process", True), ("uid", True), ("source", True)])
def test_affinity(resil, backends, affinity, same):
    configure(resil, backends, "balance = round_robin", f"balance.affinity = {affinity}", "breaker.failures = 1",
              "peername = real")
    one = puppet(resil)
    seen = {one.get("connect().getpeername()[0]") for _ in range(9)}
    assert len(seen) == (1 if same else 3)
    if affinity == "process":
        other = {puppet(resil).get("connect().getpeername()[0]") for _ in range(3)}
        assert len(other | seen) == 3  # each process has its own
    if affinity == "uid":
        assert puppet(resil).get("connect().getpeername()[0]") in seen
    if same:
        backends[HOSTS.index(seen.pop())].stop()
        assert one.do("connect()") == "ECONNREFUSED"
        assert len({one.get("connect().getpeername()[0]") for _ in range(6)}) == 1  # kept again


# ---- failures


def test_a_dead_endpoint_loses_its_share_within_one_failure(resil, backends):
    configure(resil, backends, "balance = round_robin", "breaker.failures = 1", "breaker.open_time = 60s")
    one, two = puppet(resil), puppet(resil)
    assert [one.do("connect().close()") for _ in range(6)] == ["ok"] * 6
    backends[1].stop()
    answers = [who.do("connect().close()") for _ in range(30) for who in (one, two)]
    assert collections.Counter(answers) == {"ok": 59, "ECONNREFUSED": 1}
    before = shares(resil, backends)
    assert before[1] == 2 and abs(before[0] - before[2]) <= 1
    assert resil.row("vip", names(backends)[1])["state"] == "open" and resil.row("vip")["state"] == "closed"


def test_the_breaker_gets_its_probe(resil, backends):
    """An endpoint whose open time is over is offered in its turn; when it is well, it has its share again."""
    configure(resil, backends, "balance = round_robin", "breaker.failures = 1", "breaker.open_time = 300ms",
              "breaker.jitter = off", "breaker.success_on = connect")
    one = puppet(resil)
    port = backends[1].port
    backends[1].stop()
    answers = [one.do("connect().close()") for _ in range(9)]
    assert answers.count("ECONNREFUSED") == 1
    backends[1] = servers.Hold(listener(HOSTS[1], port))
    name = names(backends)[1]

    def closed():
        assert one.do("connect().close()") == "ok"
        return resil.row("vip", name)["state"] == "closed"

    wait_until(closed, 5.0, "the breaker's probe")
    counters = resil.counters("vip", name)
    assert (counters["opened"], counters["half_opened"], counters["closed"]) == (1, 1, 1)


def test_busy_probes_are_passed_over(resil, backends):
    """While the only probe is under way its endpoint's turns go to the others: nobody is refused."""
    configure(resil, backends, "balance = round_robin", "breaker.failures = 1", "breaker.open_time = 100ms",
              "breaker.jitter = off", "breaker.probes = 1", "peername = real")
    one = puppet(resil)
    port = backends[1].port
    backends[1].stop()
    assert [one.do("connect().close()") for _ in range(3)].count("ECONNREFUSED") == 1
    backends[1] = servers.Hold(listener(HOSTS[1], port))
    name = names(backends)[1]
    assert one.do("held = []") == "ok"
    wait_until(lambda: one.get("[held.append(connect()), held[-1].getpeername()[0]][1]") == HOSTS[1], 5.0, "the probe")
    assert resil.row("vip", name)["state"] == "half_open"
    assert HOSTS[1] not in {one.get("connect().getpeername()[0]") for _ in range(12)}
    assert one.do("held[-1].sendall(b'x'); held[-1].recv(1)") == "ok"  # the probe succeeds
    assert resil.row("vip", name)["state"] == "closed"


def test_all_open(resil, backends):
    """No panic: refused at once, and said so. Panic: the connect is really made."""
    configure(resil, backends, "breaker.failures = 1", "breaker.open_time = 60s")
    one = puppet(resil)
    for server in backends:
        server.stop()
    assert [one.do("connect()") for _ in range(5)] == ["ECONNREFUSED"] * 5
    counters = resil.counters("vip")
    assert (counters["attempts"], counters["rejected_breaker"]) == (3, 2)
    assert resil.row("vip")["state"] == "open"
    assert [event["reason"] for event in resil.events() if event["kind"] == "rejected"][:1] == ["breaker_open"]


@pytest.mark.parametrize("key, attempts", [("breaker.panic = 50%", 5), ("breaker.max_eject = 0%", 5),
                                           ("breaker.max_eject = 10%", 5), ("breaker.max_eject = 100%", 3)])
def test_panic_and_max_eject(resil, backends, key, attempts):
    configure(resil, backends, "breaker.failures = 1", "breaker.open_time = 60s", "balance = round_robin", key)
    one = puppet(resil)
    for server in backends:
        server.stop()
    assert [one.do("connect()") for _ in range(5)] == ["ECONNREFUSED"] * 5
    assert resil.counters("vip")["attempts"] == attempts


def test_backup(resil, backends):
    configure(resil, backends, "breaker.failures = 1", "breaker.open_time = 60s", "balance = round_robin",
              weights=("", "", "backup"))
    one = puppet(resil)
    assert [one.do("connect().close()") for _ in range(4)] == ["ok"] * 4
    assert shares(resil, backends) == [2, 2, 0]
    backends[0].stop()
    backends[1].stop()
    answers = [one.do("connect().close()") for _ in range(6)]
    assert answers == ["ECONNREFUSED"] * 2 + ["ok"] * 4
    assert shares(resil, backends)[2] == 4


def test_retry_goes_elsewhere_without_back_off(resil, backends):
    """One connect call: two dead endpoints, then a good one, and no back-off between them; all dead: it is waited
    before an endpoint is asked again."""
    configure(resil, backends, "retry.attempts = 3", "retry.base = 20s", "retry.max = 20s", "retry.jitter = off",
              "breaker.failures = off", "breaker.ratio = off", "timeout.total = 2s")
    one = puppet(resil)
    backends[0].stop()
    backends[1].stop()
    assert one.do("import time; t = time.monotonic(); connect()") == "ok"
    assert one.get("time.monotonic() - t") < 1.0
    counters = resil.counters("vip")
    assert (counters["attempts"], counters["retries"], counters["retries_ok"]) == (3, 2, 1)
    assert shares(resil, backends) == [0, 0, 1]


def test_slow_start(resil, backends):
    """An endpoint that came back has a tenth of its share at first."""
    configure(resil, backends, "balance = round_robin", "breaker.failures = 1", "breaker.open_time = 100ms",
              "breaker.jitter = off", "breaker.success_on = connect", "balance.slow_start = 1h")
    one = puppet(resil)
    port = backends[1].port
    backends[1].stop()
    assert [one.do("connect().close()") for _ in range(3)].count("ECONNREFUSED") == 1
    backends[1] = servers.Hold(listener(HOSTS[1], port))

    def closed():
        assert one.do("connect().close()") == "ok"
        return resil.row("vip", names(backends)[1])["state"] == "closed"

    wait_until(closed, 5.0, "the breaker's probe")
    before = shares(resil, backends)
    assert one.do("[connect().close() for _ in range(420)]") == "ok"
    more = [after - early for after, early in zip(shares(resil, backends), before)]
    assert 15 <= more[1] <= 25 and min(more[0], more[2]) > 180, more


# ---- what the program sees


@pytest.mark.parametrize("client", ["curl", "python3", "asyncio", "node", "perl", "wget"])
def test_programs(resil, client):
    """Unmodified programs that ask for an address which nobody has are served."""
    backends = [servers.Counting(one) for one in listeners(HOSTS)]
    try:
        configure(resil, backends, "balance = round_robin", "breaker.failures = 1")
        for _ in range(3):
            result = resil.run(clients.BY_NAME[client].command(ASKED, 80))
            assert result.status == 0 and servers.PAGE.strip() in result.out, result
        assert [server.accepted for server in backends] == [1, 1, 1]
    finally:
        for server in backends:
            server.stop()


@pytest.mark.parametrize("client, kind", [("curl", "nginx"), ("redis-cli", "redis"), ("psql", "postgres")])
def test_real_servers(resil, request, client, kind):
    server = request.getfixturevalue(kind)
    resil.config(f"[destination vip]\nmatch = {ASKED}\nendpoints = 127.0.0.1:{server.port}\n")
    native = resil.run(clients.BY_NAME[client].command(servers.HOST, server.port), preload=False)
    result = resil.run(clients.BY_NAME[client].command(ASKED, 80))
    assert (result.status, result.out) == (0, native.out), result
    assert resil.counters("vip", f"127.0.0.1:{server.port}")["connects_ok"] >= 1


def test_getpeername(resil, backends):
    """The address that was asked for, cut off as the kernel cuts it off; before the connection, and on any other
    descriptor, what the kernel says."""
    configure(resil, backends, "breaker.failures = 1")
    one = puppet(resil)
    assert one.do("s = socket.socket()") == "ok"
    assert one.do("s.getpeername()") == "ENOTCONN"
    assert one.do("s.connect((HOST, 81))") == "ok"
    assert one.get("list(s.getpeername())") == [ASKED, 81]
    assert one.do("s.connect((HOST, 81))") == "EISCONN"
    assert one.get("list(s.dup().getpeername())") == [ASKED, 81]
    assert one.do("import ctypes; libc = ctypes.CDLL(None, use_errno=True); b = ctypes.create_string_buffer(b'z' * 9);"
                  " n = ctypes.c_uint(6)") == "ok"
    assert one.get("libc.getpeername(s.fileno(), b, ctypes.byref(n))") == 0
    assert (one.get("n.value"), one.get("b.raw.hex()")) == (16, "02000051c0007a7a7a00")
    assert one.get("libc.getpeername(s.fileno(), b, None)") == -1 and one.get("ctypes.get_errno()") == 14
    assert one.get("libc.getpeername(s.fileno(), None, ctypes.byref(n))") == -1
    assert one.do("s.shutdown(socket.SHUT_RDWR)") == "ok"
    port = backends[0].port
    assert one.get(f"list(socket.create_connection(('127.0.0.2', {port})).getpeername())") == ["127.0.0.2", port]


def test_ipv6_socket_reaches_ipv4(resil, backends):
    """By a v4-mapped address, unless the socket is IPv6 only: then it has no endpoint, and the refusal says so."""
    configure(resil, backends, "breaker.failures = 1")
    one = puppet(resil)
    assert one.do(f"s = socket.socket(socket.AF_INET6); s.connect(('{ASKED_V6}', 80))") == "ok"
    assert one.get("list(s.getpeername())") == [ASKED_V6, 80, 0, 0]
    assert one.do("s.sendall(b'x'); s.recv(1)") == "ok"
    assert one.do("o = socket.socket(socket.AF_INET6); o.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)") == "ok"
    assert one.do(f"o.connect(('{ASKED_V6}', 80))") == "ECONNREFUSED"
    assert resil.counters("vip")["rejected_no_endpoint"] == 1
    assert resil.events()[-1]["reason"] == "no_endpoint"
    assert one.do(f"socket.socket().connect(('{ASKED}', 80))") == "ok"


def test_families(resil):
    """One list for all: each socket goes to what it can reach."""
    v4, v6 = servers.Hold(listener("127.0.0.2")), servers.Hold(listener("::1"))
    path = os.path.join(resil.dir, "socket")
    local = socket.socket(socket.AF_UNIX)
    local.bind(path)
    local.listen()
    try:
        resil.config(f"[destination vip]\nmatch = {ASKED}, [{ASKED_V6}], unix:/nowhere/*\nbalance = round_robin\n"
                     f"endpoints = unix:{path}, [::1]:{v6.port}, 127.0.0.2:{v4.port}\n")
        one = puppet(resil)

        def counts():
            return tuple(resil.counters("vip", name)["connects_ok"] for name in (f"127.0.0.2:{v4.port}", f"[::1]:{v6.port}"))

        assert [one.do("connect()") for _ in range(4)] == ["ok"] * 4
        assert counts() == (4, 0)
        ask = f"socket.create_connection(('{ASKED_V6}', 80))"
        assert [one.do(ask) for _ in range(4)] == ["ok"] * 4
        assert counts() == (6, 2)
        assert one.do("u = socket.socket(socket.AF_UNIX); u.connect('/nowhere/x')") == "ok"
        assert one.get("u.getpeername()") == "/nowhere/x"
        assert resil.counters("vip", path)["connects_ok"] == 1
        assert one.do(f"c = socket.socket(socket.AF_INET6); c.bind(('::1', 0)); c.connect(('{ASKED_V6}', 80))") == "ok"
        assert counts() == (6, 3)
    finally:
        local.close()
        v4.stop()
        v6.stop()


def test_nonblocking(resil, backends):
    configure(resil, backends, "balance = round_robin")
    one = puppet(resil)
    assert one.do("import select") == "ok"
    for _ in range(6):
        assert one.do("s = socket.socket(); s.setblocking(False); e = s.connect_ex((HOST, PORT))") == "ok"
        assert one.get("e in (0, errno.EINPROGRESS)")
        assert one.get("select.select([], [s], [], 5)[1] == [s] and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)") == 0
        assert one.get("list(s.getpeername())") == [ASKED, 80]
        assert one.get("s.connect_ex((HOST, PORT))") in (0, 106)
    assert shares(resil, backends) == [2, 2, 2]


def test_observed_is_never_moved(resil, backends):
    port = backends[0].port
    resil.config(f"[destination vip]\nmatch = 127.0.0.2\nmode = observe\nendpoints = {HOSTS[1]}:{port}\n")
    one = resil.puppet(port)
    assert one.do(f"s = socket.create_connection(('127.0.0.2', {port}))") == "ok"
    wait_until(lambda: backends[0].accepted == 1, 5.0, "the connection")
    assert backends[1].accepted == 0


def test_slots_go_with_their_connections(resil, backends):
    """Whatever ends a connection, and whoever: no slot of an endpoint stays behind."""
    configure(resil, backends, "balance = round_robin", "bulkhead.limit = 9")
    one = puppet(resil)
    assert one.do("held = [connect() for _ in range(9)]") == "ok"
    assert one.do("connect()") == "ECONNREFUSED"
    assert one.do("[s.close() for s in held]; held = [connect() for _ in range(9)]") == "ok"
    one.kill()
    two = puppet(resil)
    assert two.do("held = [connect() for _ in range(9)]") == "ok"
    assert resil.counters("vip")["reclaimed"] == 9
    two.exit()
    assert resil.resctl("gc").status == 0
    assert resil.row("vip")["connections"] == 0
