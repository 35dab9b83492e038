# SPDX-License-Identifier: MIT
"""Goal: every fault of the chaos grammar has its effect on an unmodified client, blocking or with an event loop, at the time
and to the amount that was asked for; and what it does not name stays as it is."""

import hashlib
import json
import time

import pytest

from helper import PYTHON, UPPER, program, wait_until
from servers import HOST, Scripted
from test_10_bad_pointers import FLAGS

MODES = ["block", "epoll", "edge", "poll"]
UP, DOWN = 1000, 65536
LATE = 2 * UPPER  # four clients at once
ANSWER = bytes(i * 7 % 256 for i in range(DOWN))
REQUEST = bytes(i % 251 for i in range(UP))


class Peer(Scripted):
    """Reads UP bytes, answers with DOWN, closes; remembers what it saw of each connection."""

    def __init__(self, pause=0.0):
        self.pause = pause
        self.seen = []
        super().__init__()

    def handle(self, connection):
        seen = {"got": b"", "reads": 0, "start": time.monotonic(), "ended": None}
        with self.lock:
            self.seen.append(seen)
        try:
            while len(seen["got"]) < UP:
                data = connection.recv(65536)
                if not data:
                    seen["ended"] = "end"
                    break
                seen["got"] += data
                seen["reads"] += 1
            seen["seconds"] = time.monotonic() - seen["start"]
            self.stopping.wait(self.pause)
            connection.sendall(ANSWER)
            if not seen["ended"]:
                connection.shutdown(1)
                while connection.recv(65536):
                    pass
                seen["ended"] = "end"
        except ConnectionResetError:
            seen["ended"] = "reset"
        except OSError:
            seen["ended"] = "pipe"


@pytest.fixture
def peers():
    """A server for each kind of client, so that what it saw is known to be of that one."""
    servers = {mode: Peer() for mode in MODES}
    yield servers
    for server in servers.values():
        server.stop()


def start(resil, port, mode, chaos, *args, **env):
    return resil.spawn([PYTHON, program("fault_client.py"), mode, HOST, str(port), str(UP), *args],
                       env={"RESIL_CHAOS": chaos, "RESIL_CHAOS_SEED": "1", **env})


def result_of(resil, child):
    result = resil.finish(child)
    assert result.status == 0, result
    return json.loads(result.out)


def run(resil, port, mode, chaos, *args, **env):
    return result_of(resil, start(resil, port, mode, chaos, *args, **env))


def each(resil, peers, chaos, modes=MODES, **env):
    """Every kind of client at the same time: (mode, what it saw, its server)."""
    children = [(mode, start(resil, peers[mode].port, mode, chaos, **env)) for mode in modes]
    return [(mode, result_of(resil, child), peers[mode]) for mode, child in children]


def met(peer):
    """What the server saw of its first connection, once it is over there."""
    wait_until(lambda: peer.seen and peer.seen[0]["ended"])
    return peer.seen[0]


def whole(seen):
    return "error" not in seen and seen["sha256"] == hashlib.sha256(ANSWER).hexdigest()


def between(value, low, upper=LATE):
    return low <= value <= low + upper


@pytest.mark.parametrize("chaos,stage,before", [
    ("latency=200ms", "connected", None), ("slow_accept=200ms", "connected", None), ("latency=200ms@read", "first", "sent"),
    ("latency=200ms@write", "sent", "connected"), ("slow_close=200ms", "end", "last")])
def test_later(resil, peers, chaos, stage, before):
    for mode, seen, _ in each(resil, peers, chaos):
        assert whole(seen) and between(seen[stage] - (seen[before] if before else 0), 0.2), (mode, seen)
        assert seen["wakes"] < 20, (mode, seen)


def rates_are_kept(resil, peers, chaos):
    """Whether every client took a second, within 5 %."""
    for peer in peers.values():
        peer.seen.clear()
    seconds = {}
    for mode, seen, peer in each(resil, peers, chaos):
        assert whole(seen), (mode, seen)
        seconds[mode] = seen["sent"] - seen["connected"] if "up" in chaos else seen["last"] - seen["first"]
        assert met(peer)["got"] == REQUEST
    assert min(seconds.values()) >= 0.95, seconds
    return max(seconds.values()) <= 1.05


@pytest.mark.parametrize("chaos", ["bandwidth=64KB/s", "bandwidth=1000B/s dir=up"])
def test_bandwidth(resil, peers, chaos):
    """Never faster; slower only when the machine is busy elsewhere at the last wake."""
    assert any(rates_are_kept(resil, peers, chaos) for _ in range(4))


def test_slices(resil, peers):
    for mode, seen, peer in each(resil, peers, "slice=500..2000; slice=7..30 dir=up"):
        assert whole(seen) and seen["most"] <= 2000 and DOWN / 2000 <= seen["reads"] <= DOWN / 500 + 2, (mode, seen)
        assert met(peer)["got"] == REQUEST


def test_slices_with_pauses(resil, peers):
    """20 pieces of the request, and a pause behind each but the last."""
    for mode, seen, peer in each(resil, peers, "slice=50:10ms@write"):
        assert whole(seen) and between(met(peer)["seconds"], 0.18, 4 * UPPER), (mode, seen, peer.seen)
        assert peer.seen[0]["reads"] >= 15 and peer.seen[0]["got"] == REQUEST


def test_limit(resil, peers):
    for mode, seen, _ in each(resil, peers, "limit=5000B"):
        assert "error" not in seen and seen["got"] == 5000, (mode, seen)
        assert seen["sha256"] == hashlib.sha256(ANSWER[:5000]).hexdigest()


def test_limit_of_the_request(resil, peers):
    for mode, seen, peer in each(resil, peers, "limit=100B dir=up"):
        assert seen["error"] == "EPIPE" and seen["got"] == 0, (mode, seen)
        assert met(peer)["got"] == REQUEST[:100]


def test_half_close(resil, peers):
    for mode, seen, peer in each(resil, peers, "half_close"):
        assert "error" not in seen and seen["got"] == 0 and "sent" in seen, (mode, seen)
        assert met(peer)["got"] == REQUEST


def test_half_close_of_the_request(resil, peers):
    """The server meets the end of the request behind its first bytes; the client still hears the answer."""
    for mode, seen, peer in each(resil, peers, "slice=300 dir=up; half_close dir=up"):
        got = met(peer)["got"]
        if mode == "block":
            assert got == REQUEST and whole(seen), (mode, seen)
        else:
            assert got == REQUEST[:300] and seen["error"] == "EPIPE", (mode, seen)


def test_timeout(resil, peers):
    for mode, seen, _ in each(resil, peers, "timeout=200ms"):
        assert "error" not in seen and seen["got"] == 0 and between(seen["end"] - seen["connected"], 0.2), (mode, seen)


@pytest.mark.parametrize("spec", ["blackhole", "blackhole dir=down", "blackhole dir=up", "timeout=0s", "latency=5s",
                                  "latency=5s@read", "slow_accept=5s"])
def test_the_timeouts_hold(resil, peers, spec):
    """Silence and delays are cut short by timeout.connect and timeout.response, and the breaker does not hear of it."""
    resil.config(f"[destination d]\nmatch = {HOST}\ntimeout.connect = 400ms\ntimeout.response = 400ms\n"
                 "breaker.failures = 1\n")
    for mode, seen, peer in each(resil, peers, spec):
        assert seen["error"] == "ETIMEDOUT" and between(seen["over"] - seen.get("sent", 0), 0.4), (mode, seen)
        if spec in ("blackhole", "latency=5s"):
            assert peer.accepted == (0 if mode == "block" or spec == "blackhole" else 1)
        if spec == "blackhole dir=up":
            assert met(peer)["got"] == b""
    row = resil.row("d")
    assert (row["state"], row["counters"]["opened"], row["counters"]["chaos_injected"]) == ("closed", 0, 4), row


@pytest.mark.parametrize("spec", ["reset", "reset=100ms"])
def test_reset(resil, peers, spec):
    for peer in peers.values():
        peer.pause = 0.3
    for mode, seen, peer in each(resil, peers, spec):
        assert seen["error"] == "ECONNRESET" and seen["got"] == 0, (mode, seen)
        if spec != "reset":
            assert between(seen["over"] - seen["sent"], 0.1), (mode, seen)
        assert met(peer)["ended"] in ("reset", "pipe") and peer.seen[0]["got"] == REQUEST


def test_corrupt(resil, peers):
    """The same bytes are harmed however the stream is cut, one bit each, and no more than were asked for."""
    digests = {seen["sha256"] for mode, seen, _ in each(resil, peers, "corrupt=1/100; slice=1..5000", MODES[:2])}
    digests |= {seen["sha256"] for mode, seen, _ in each(resil, peers, "corrupt=1/100", MODES[2:])}
    assert len(digests) == 1 and hashlib.sha256(ANSWER).hexdigest() not in digests
    other = {seen["sha256"] for mode, seen, _ in each(resil, peers, "corrupt=1/100", MODES[:1], RESIL_CHAOS_SEED="2")}
    assert digests != other


def test_corrupt_request(resil, peers):
    for mode, seen, peer in each(resil, peers, "corrupt=1/10 dir=up"):
        assert whole(seen)
        harmed = [a ^ b for a, b in zip(REQUEST, met(peer)["got"]) if a != b]
        assert 60 <= len(harmed) <= 140 and all(bits.bit_count() == 1 for bits in harmed), (mode, harmed)


def test_several_at_once(resil, peers):
    for mode, seen, _ in each(resil, peers, "latency=100ms; latency=100ms@read; slow_close=100ms; slice=4096"):
        assert whole(seen) and between(seen["connected"], 0.1) and between(seen["end"], 0.3, 4 * UPPER), (mode, seen)


@pytest.mark.parametrize("spec,error", [("refuse", "ECONNREFUSED"), ("unreachable", "EHOSTUNREACH"),
                                        ("error=ENETDOWN", "ENETDOWN"), ("error=EPIPE@write", "EPIPE"),
                                        ("error=ECONNRESET dir=down", "ECONNRESET")])
def test_errors(resil, peers, spec, error):
    for mode, seen, _ in each(resil, peers, spec):
        assert seen["error"] == error, (mode, seen)


def test_own_receive_timeout_stands(resil, peers):
    """A receive that the program itself bounds ends at its own time while the answer is delayed."""
    seen = run(resil, peers["block"].port, "block", "latency=2s@read", "0.2")
    assert seen["error"] == "EAGAIN" and between(seen["over"] - seen["sent"], 0.2), seen


LOOKUP = """import socket, sys, time
start = time.monotonic()
try:
    socket.getaddrinfo(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
    print("ok", time.monotonic() - start)
except socket.gaierror as error:
    print(error.errno, time.monotonic() - start)
"""


def look_up(resil, chaos, *args):
    result = resil.run([PYTHON, "-c", LOOKUP, *args], env={"RESIL_CHAOS": chaos})
    assert result.status == 0, result
    what, seconds = result.out.decode().split()
    return what, float(seconds)


def test_lookups(resil):
    assert look_up(resil, "dns=fail", "localhost")[0] == "-3"  # EAI_AGAIN
    assert look_up(resil, "dns=empty", "localhost")[0] == "-5"  # EAI_NODATA
    what, seconds = look_up(resil, "dns=delay:200ms", "localhost")
    assert what == "ok" and between(seconds, 0.2)
    what, seconds = look_up(resil, "dns=delay:200ms; dns=fail", "localhost")
    assert what == "-3" and between(seconds, 0.2)
    assert look_up(resil, "dns=fail", "127.0.0.1")[0] == "ok", "an address is no lookup"


def test_lookups_of_a_destination(resil):
    resil.config("[destination here]\nmatch = localhost:81\nchaos = dns=fail\n[destination elsewhere]\nmatch = *\n")
    assert look_up(resil, "", "localhost", "81")[0] == "-3"
    assert look_up(resil, "", "localhost")[0] == "-3", "a lookup without a port"
    assert look_up(resil, "", "localhost", "80")[0] == "ok"
    assert look_up(resil, "elsewhere: dns=empty", "localhost", "80")[0] == "-5"
    assert resil.counters("here")["chaos_injected"] == 2
    assert resil.counters("elsewhere")["chaos_injected"] == 1


def test_a_fault_ends(resil, peers):
    """for= is an absolute end, also for what is under way, and for what a program starts."""
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    for mode, seen, _ in each(resil, peers, "blackhole dir=down for=600ms", RESIL_CHAOS_BEGAN=str(began)):
        assert whole(seen) and time.clock_gettime_ns(time.CLOCK_MONOTONIC) - began >= 6 * 10**8, (mode, seen)
        assert seen["first"] < 0.6 + LATE, (mode, seen)
    for mode, seen, _ in each(resil, peers, "refuse for=600ms", RESIL_CHAOS_BEGAN=str(began)):
        assert whole(seen), (mode, seen)
    for mode, seen, _ in each(resil, peers, "refuse for=1h", RESIL_CHAOS_BEGAN=str(began)):
        assert seen["error"] == "ECONNREFUSED", (mode, seen)


def test_for_one_program(resil, peers):
    assert run(resil, peers["block"].port, "block", "refuse app=python*")["error"] == "ECONNREFUSED"
    assert whole(run(resil, peers["block"].port, "block", "refuse app=curl"))


def test_counts_are_of_each_destination(resil):
    """Two destinations with the same fault are struck as often each."""
    one, two = Peer(), Peer()
    try:
        resil.config("".join(f"[destination {name}]\nmatch = {HOST}:{server.port}\nchaos = refuse count=2\n"
                             for name, server in (("one", one), ("two", two))))
        ports = [one.port] * 3 + [two.port] * 3
        result = resil.run([PYTHON, "-c", "import socket, sys\nfor port in sys.argv[1:]:\n"
                            "    print(socket.socket().connect_ex(('127.0.0.1', int(port))))", *map(str, ports)])
        assert result.out.split() == [b"111", b"111", b"0"] * 2, result
        assert (resil.counters("one")["chaos_injected"], resil.counters("two")["chaos_injected"]) == (2, 2)
    finally:
        one.stop()
        two.stop()


def test_bad_pointers_are_the_kernels_to_refuse(resil, compiled, hold):
    """Every call with every kind of bad memory, as natively, though struck connections are read and written by us."""
    command = [compiled("bad_pointers.c", *FLAGS), str(hold.port)]
    rare = "1/1000000000"
    native = resil.run(command, preload=False, timeout=60)
    ours = resil.run(command, env={"RESIL_CHAOS": "slice=100..200; slice=100..200 dir=up; "
                                                  f"corrupt={rare}; corrupt={rare} dir=up"}, timeout=60)
    assert native.status == 0 and len(native.out.splitlines()) > 1000
    assert (ours.status, ours.err) == (native.status, native.err)
    pairs = zip(ours.out.decode().splitlines(), native.out.decode().splitlines(), strict=True)
    assert [pair for pair in pairs if pair[0] != pair[1]] == []
