# SPDX-License-Identifier: MIT
"""Goal: what no proxy can do: a slow accept, faults of one program among several, inside TLS without a certificate, seen by the breakers
or not; repeatable to the last delay; RST on the wire; forbidden where the configuration says so; and free when it is not asked for."""

import glob
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import time

import pytest

import bench
import servers
from helper import BUILD, LIBRARY, PYTHON, TESTS, TOP, program, wait_until
from servers import HOST, PAGE, Counting, Scripted, http_answer, read_request
from test_51_faults import REQUEST, peers, run, start, whole  # noqa: F401 (a fixture)

OFF_OFFSET = 16  # the kill switch: fixed for all versions


# ---- slow to accept ---------------------------------------------------------------------------------------------


def test_slow_accept_is_not_a_slow_connect(resil, peers):
    """The server has the connection at once; with `latency` a blocking client has not even begun."""
    for spec, early in (("slow_accept=600ms", True), ("latency=600ms", False)):
        peer = peers["block" if early else "edge"]
        child = start(resil, peer.port, "block", spec)
        wait_until(lambda peer=peer: peer.accepted == 1)
        accepted = time.monotonic()
        resil.finish(child)
        assert (time.monotonic() - accepted >= 0.5) == early, spec


# ---- one program of several -------------------------------------------------------------------------------------


def test_one_program_of_several(resil, counting):
    """The same settings, the same host, the same destination: curl is struck, python is not."""
    env = {"RESIL_CHAOS": "reset app=curl; refuse app=wget"}
    url = f"http://{HOST}:{counting.port}/page"
    curl = resil.spawn(["curl", "-s", url], env=env)
    python = resil.spawn([PYTHON, program("calls.py"), HOST, str(counting.port), "5"], env=env)
    assert resil.finish(curl).status == 56
    assert [end for end, _ in json.loads(resil.finish(python).out)] == ["ok"] * 5


# ---- TLS --------------------------------------------------------------------------------------------------------


class Tls(Scripted):
    """HTTPS with a certificate that nobody trusts."""

    def __init__(self, directory):
        files = [os.path.join(directory, name) for name in ("cert", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here", "-out", files[0],
                        "-keyout", files[1]], check=True, capture_output=True, timeout=30)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*files)
        super().__init__()

    def handle(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as wrapped:
            read_request(wrapped)
            wrapped.sendall(http_answer(PAGE))


@pytest.fixture
def tls(tmp_path):
    server = Tls(str(tmp_path))
    yield server
    server.stop()


ASYNCIO = """import asyncio, ssl, sys
async def main():
    context = ssl._create_unverified_context()
    reader, writer = await asyncio.open_connection(sys.argv[1], int(sys.argv[2]), ssl=context)
    writer.write(b"GET /page HTTP/1.0\\r\\n\\r\\n")
    answer = await reader.read()
    sys.stdout.write(answer.split(b"\\r\\n\\r\\n")[1].decode())
asyncio.run(main())
"""


def test_inside_tls(resil, tls):
    """Nothing is decrypted: the faults are those of the stream beneath."""
    clients = {"curl": ["curl", "-sk", f"https://{HOST}:{tls.port}/page"],
               "asyncio": [PYTHON, "-c", ASYNCIO, HOST, str(tls.port)]}

    def both(chaos):
        children = {name: (time.monotonic(), resil.spawn(command, env={"RESIL_CHAOS": chaos, "RESIL_CHAOS_SEED": "1"}))
                    for name, command in clients.items()}
        return {name: (resil.finish(child), time.monotonic() - begun) for name, (begun, child) in children.items()}

    for name, (result, seconds) in both("latency=300ms@read; slice=1..100").items():
        assert (result.status, result.out) == (0, PAGE) and seconds >= 0.3, (name, result)
    for name, (result, _) in both("reset").items():
        assert result.status != 0 and PAGE not in result.out, (name, result)
    for name, (result, _) in both("corrupt=1/20").items():
        assert result.status != 0 and PAGE not in result.out, (name, result)


# ---- seen by the breakers, or not -------------------------------------------------------------------------------

FAULTS = ["refuse", "unreachable", "error=ECONNRESET@read", "reset", "half_close", "limit=0B", "blackhole",
          "blackhole dir=down", "timeout=20ms", "latency=1s", "latency=1s@read", "slow_accept=1s"]


def test_seen_by_the_breakers_or_not(resil, counting):
    """Three calls, each of which fails by the fault; every fault has a destination of its own, and its own address."""
    places = {f"127.0.0.{10 + i}": fault for i, fault in enumerate(FAULTS)}
    listener = Counting(servers.socket.create_server(("0.0.0.0", 0)))
    try:
        for counts, state in (("off", "closed"), ("on", "open")):
            resil.segment = f"{resil.first_segment}-{counts}"
            resil.config("[defaults]\nbreaker.failures = 3\nbreaker.ratio = off\nbreaker.open_time = 1h\ntimeout.connect = 60ms\n"
                         f"timeout.response = 250ms\nchaos.counts = {counts}\n" + "".join(
                             f"[destination d{i}]\nmatch = {address}\nchaos = {fault}\n"
                             for i, (address, fault) in enumerate(places.items())))
            children = [resil.spawn([PYTHON, program("calls.py"), address, str(listener.port), "3"]) for address in places]
            for child, fault in zip(children, FAULTS):
                ends = [end for end, _ in json.loads(resil.finish(child).out)]
                assert "ok" not in ends, (fault, ends)
            rows = {row["name"]: row for row in resil.status()["destinations"] if row["endpoint"] == "*"}
            for i, fault in enumerate(FAULTS):
                row = rows[f"d{i}"]
                assert (row["state"], row["counters"]["chaos_injected"]) == (state, 3), (fault, counts, row)
    finally:
        listener.stop()


# ---- repeatable -------------------------------------------------------------------------------------------------

ORDERS = """import random, socket, sys, time
ports, order = [int(port) for port in sys.argv[2:]], []
order = [0] * 40 + [1] * 40 if sys.argv[1] == "blocks" else random.sample([0] * 40 + [1] * 40, 80)
letters = ["", ""]
for which in order:
    if sys.argv[1] != "blocks":
        time.sleep(random.random() / 1000)
    with socket.socket() as one:
        letters[which] += "x" if one.connect_ex(("127.0.0.1", ports[which])) else "."
print(*letters)
"""


def test_repeatable_whatever_the_order(resil):
    """The n-th connection to a destination meets the same, whatever happens beside it and when."""
    one, two = Counting(), Counting()
    try:
        resil.config(f"[destination one]\nmatch = {HOST}:{one.port}\n[destination two]\nmatch = {HOST}:{two.port}\n")

        def letters(order, seed):
            result = resil.run([PYTHON, "-c", ORDERS, order, str(one.port), str(two.port)],
                               env={"RESIL_CHAOS": "refuse 40%; unreachable 10% count=3", "RESIL_CHAOS_SEED": seed})
            return result.out.split()

        first = letters("blocks", "7")
        assert letters("mixed", "7") == letters("mixed", "7") == first != letters("blocks", "8")
        assert first[0] != first[1] and all(8 <= line.count(b"x") <= 28 for line in first), first
    finally:
        one.stop()
        two.stop()


DELAYS = """import json, socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as one:
    delays = []
    for _ in range(50):
        begun = time.monotonic()
        one.sendall(b"x")
        one.recv(1)
        delays.append(time.monotonic() - begun)
print(json.dumps(delays))
"""


def test_latencies_are_uniform_and_repeatable(resil, hold):
    """latency=20ms~20ms: the same delays again for the same seed, others for another one, spread evenly over 0 to 40 ms."""
    children = [resil.spawn([PYTHON, "-c", DELAYS, HOST, str(hold.port)],
                            env={"RESIL_CHAOS": "latency=20ms~20ms@read", "RESIL_CHAOS_SEED": seed}) for seed in "3338"]
    one, again, third, other = (json.loads(resil.finish(child).out) for child in children)
    near = sorted(abs(a - b) for a, b in zip(one, again))
    assert near[25] < 0.004, near
    assert sorted(abs(a - b) for a, b in zip(one, other))[25] > 0.005
    least = sorted(map(min, zip(one, again, third)))  # a late wake is not the fault's
    assert all(abs(value / 0.04 - (i + 0.5) / 50) < 0.25 for i, value in enumerate(least)), least  # Kolmogorov-Smirnov


# ---- on the wire ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["block", "epoll"])
def test_a_reset_is_one_on_the_wire(resil, peers, mode):
    try:
        packets = servers.SynCounter(peers[mode].port, mask=0x04, flags=0x04)
    except PermissionError:
        pytest.skip("needs CAP_NET_RAW")
    try:
        assert run(resil, peers[mode].port, mode, "reset")["error"] == "ECONNRESET"
        wait_until(lambda: packets.count() == 1)
    finally:
        packets.stop()


# ---- guard rails ------------------------------------------------------------------------------------------------


def test_denied_with_an_event(resil, counting):
    resil.config(f"[destination payments]\nmatch = {HOST}:{counting.port}\nchaos = deny\n")
    result = resil.run([PYTHON, program("calls.py"), HOST, str(counting.port), "3"], env={"RESIL_CHAOS": "refuse"})
    assert [end for end, _ in json.loads(result.out)] == ["ok"] * 3
    denied = [event for event in resil.events() if event["kind"] == "chaos_denied"]
    assert len(denied) == 1 and denied[0]["destination"] == "payments", denied
    assert b"chaos_denied" in resil.resctl("events").out
    resil.run([PYTHON, program("calls.py"), HOST, str(counting.port), "1"], env={"RESIL_CHAOS": "elsewhere: refuse"})
    assert len([event for event in resil.events() if event["kind"] == "chaos_denied"]) == 1


def test_status_tells(resil, counting):
    """By a banner, of faults in the configuration and of those that a program brought itself."""
    resil.config(f"[destination one]\nmatch = {HOST}:{counting.port}\n[destination two]\nmatch = 127.0.0.2\nchaos = reset 1%\n")
    resil.run([PYTHON, program("calls.py"), HOST, str(counting.port), "3"], env={"RESIL_CHAOS": "refuse count=2"})
    shown = resil.resctl("status").out.decode()
    assert "CHAOS      faults are injected into two: reset 1%\n" in shown
    assert "CHAOS      2 faults were injected into one by RESIL_CHAOS" in shown, shown


def test_the_kill_switch_ends_what_is_under_way(resil, peers):
    """A fault that holds a connection lets go of it when everything is switched off."""
    resil.config(f"[destination d]\nmatch = {HOST}\nchaos = blackhole dir=down\n")
    children = [(mode, start(resil, peers[mode].port, mode, "")) for mode in ("block", "poll")]
    wait_until(lambda: all(peers[mode].seen and peers[mode].seen[0]["got"] == REQUEST for mode, _ in children))
    with open(resil.segment, "r+b") as file:
        file.seek(OFF_OFFSET)
        file.write(b"\1")
    for mode, child in children:
        seen = json.loads(resil.finish(child).out)
        assert whole(seen), (mode, seen)


# ---- free when it is not asked for ------------------------------------------------------------------------------

HOT = ["hooks/input", "hooks/output", "conn/transfer"]  # what a send and a receive run through
PROBE = os.path.join(TESTS, "bench", "pairs.c")


@pytest.fixture(scope="module")
def without_chaos(tmp_path_factory):
    """The library linked from the same objects, but the hot ones compiled without chaos."""
    directory = str(tmp_path_factory.mktemp("plain"))
    with open(os.path.join(BUILD, "flags"), encoding="utf-8") as file:
        compiler, *flags = shlex.split(file.read())
    compiling = [subprocess.Popen([compiler, *flags, "-DRESIL_WITHOUT_CHAOS", "-MF", os.devnull, "-c", f"src/{name}.c", "-o",
                                   os.path.join(directory, os.path.basename(name) + ".o")], cwd=TOP) for name in HOT]
    assert [one.wait(timeout=60) for one in compiling] == [0] * len(HOT)
    names = [os.path.relpath(path, os.path.join(TOP, "src"))[:-2] for path in glob.glob(os.path.join(TOP, "src", "*", "*.c"))]
    others = [os.path.join(BUILD, "src", f"{name}.o") for name in names if name not in HOT]
    library = os.path.join(directory, "libresil.so")
    subprocess.run([compiler, "-shared", f"-Wl,--version-script={os.path.join(BUILD, 'libresil.map')}", "-Wl,-z,defs,-z,now", "-o",
                    library, *others, *glob.glob(os.path.join(directory, "*.o")), "-ldl"], check=True, timeout=60)
    return library


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
def test_unset_it_costs_nothing(resil, without_chaos, tmp_path):
    """The instructions of a send and its recv on a tracked connection, all policies on, with and without the code: what differs is
    where the compiler keeps two values."""
    probe, few, many = str(tmp_path / "pairs"), 50, 250
    subprocess.run(["cc", *bench.FLAGS, "-o", probe, PROBE, "-ldl"], check=True, timeout=60)
    resil.config(bench.ALL_POLICIES)
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", probe, "exchange", "0"]

    def cost(library):
        runs = {calls: [resil.spawn([*tool, str(calls)], env={"LD_PRELOAD": library, "RESIL_SEGMENT": "private"}) for _ in range(2)]
                for calls in (few, many)}
        least = {calls: min(int(re.search(rb"Collected : (\d+)", resil.finish(child, 60).err)[1]) for child in children)
                 for calls, children in runs.items()}
        return (least[many] - least[few]) / (many - few)

    plain, ours = cost(without_chaos), cost(LIBRARY)
    assert plain > 500 and ours - plain <= 5, (plain, ours)  # two, and what the clock brings now and then
