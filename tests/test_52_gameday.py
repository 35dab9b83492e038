# SPDX-License-Identifier: MIT
"""Goal: the game days of config/examples/chaos end as their files say: each policy holds while faults are injected. Programs are
unmodified; only the address behind `match` is put in."""

import json
import os
import subprocess

import pytest

from helper import LIBRARY, PYTHON, RESCTL, TOP, UPPER, program, wait_until
from servers import HOST, PAGE, Counting, Scripted, http_answer, read_request

KIT = os.path.join(TOP, "config", "examples", "chaos")
FILES = sorted(name for name in os.listdir(KIT) if name.endswith(".conf"))


def kit(resil, name, *changes):
    """The file with its changes, each made at least once."""
    with open(os.path.join(KIT, name), encoding="utf-8") as file:
        text = file.read()
    for old, new in changes:
        assert old in text, (name, old)
        text = text.replace(old, new)
    return resil.config(text)


def here(name, port):
    return f"{name}.example.com:8080", f"{HOST}:{port}"


def start_calls(resil, port, count, *args, host=HOST, **env):
    return resil.spawn([PYTHON, program("calls.py"), host, str(port), str(count), *args],
                       env={"RESIL_CHAOS_SEED": "1", **env})


def calls(resil, *args, **options):
    result = resil.finish(start_calls(resil, *args, **options))
    assert result.status == 0, result
    return json.loads(result.out)


def transitions(resil):
    return [(event["to"], event["reason"]) for event in resil.events() if event["kind"] == "state"]


@pytest.mark.parametrize("name", FILES)
def test_the_kit_needs_no_hint(resil, name):
    result = resil.resctl("check", "--json", os.path.join(KIT, name))
    assert result.status == 0 and {hint["id"] for hint in json.loads(result.out)["hints"]} == {"has_chaos"}, result
    with open(os.path.join(KIT, name), encoding="utf-8") as file:
        text = file.read()
    assert f"resctl run -c {name} -- ./service" in text and "What should happen:" in text and "\n#     resctl status" in text


def test_slow_dependency(resil, counting):
    kit(resil, "slow-dependency.conf", here("dependency", counting.port), ("500ms~50ms", "250ms~20ms"))
    ends = calls(resil, counting.port, 14)
    assert [end for end, _ in ends] == ["ok"] * 10 + ["ECONNREFUSED"] * 4, ends
    assert all(0.23 <= seconds <= 0.27 + UPPER for _, seconds in ends[:10]), ends
    assert transitions(resil) == [("open", "slow")] and counting.accepted == 10
    off = calls(resil, counting.port, 1, RESIL_DISABLE="breaker")
    assert off[0][0] == "ok" and off[0][1] >= 0.23


def test_slow_dependency_that_does_not_count(resil, counting):
    """The same faults without chaos.counts: the breaker stays out of it."""
    kit(resil, "slow-dependency.conf", here("dependency", counting.port), ("500ms~50ms", "210ms"), ("chaos.counts = on", ""),
        ("min_calls = 10", "min_calls = 2"))
    assert [end for end, _ in calls(resil, counting.port, 4)] == ["ok"] * 4
    row = resil.row("dependency")
    assert (row["state"], row["counters"]["opened"], row["counters"]["chaos_injected"]) == ("closed", 0, 4)


def test_flapping_dependency(resil, counting):
    kit(resil, "flapping-dependency.conf", here("dependency", counting.port), ("open_time = 1s", "open_time = 150ms"))
    ends = [end for end, _ in calls(resil, counting.port, 30, "0.05")]
    assert ends[:5] == ["ok"] * 5 and ends[5:8] == ["ECONNREFUSED"] * 3 and ends[-5:] == ["ok"] * 5, ends
    seen = transitions(resil)
    assert seen[0] == ("open", "consecutive") and seen[-1] == ("closed", "probes_ok"), seen
    assert seen.count(("open", "probe_failed")) == 2, seen
    counters = resil.counters("dependency")
    assert counters["chaos_injected"] == 5 and counters["rejected_breaker"] == ends.count("ECONNREFUSED") - 5 > 0


def test_partition(resil, counting):
    """The fallback answers; without it the calls fail at once."""
    stand_in = Counting()
    try:
        kit(resil, "partition.conf", here("dependency", counting.port), ("127.0.0.1:8999", f"{HOST}:{stand_in.port}"),
            ("connect = 300ms", "connect = 200ms"))
        ends = calls(resil, counting.port, 6)
        assert [end for end, _ in ends] == ["ok"] * 6 and (counting.accepted, stand_in.accepted) == (0, 6), ends
        assert all(0.2 <= seconds <= 0.2 + UPPER for _, seconds in ends[:3]) and all(seconds < 0.1 for _, seconds in ends[3:]), ends
        counters = resil.counters("dependency")
        assert (counters["connect_timeouts"], counters["rejected_breaker"], counters["fallbacks"]) == (3, 3, 6), counters
    finally:
        stand_in.stop()


def test_thundering_herd(resil, counting):
    """Eight processes, 400 calls of which half are refused at first; retries stay within the budget."""
    neighbour = Counting()
    try:
        kit(resil, "thundering-herd.conf", here("dependency", counting.port), here("neighbour", neighbour.port),
            ("20% 10/s 10s", "20% 0/s 10s"), ("base = 50ms", "base = 5ms"))
        herd = [start_calls(resil, counting.port, 50, RESIL_CHAOS_SEED=str(seed)) for seed in range(8)]
        beside = calls(resil, neighbour.port, 50)
        ends = [end for child in herd for end, _ in json.loads(resil.finish(child).out)]
        counters = resil.counters("dependency")
        assert all(end == "ok" for end, _ in beside), beside
        assert len(ends) == 400 and set(ends) == {"ok", "ECONNREFUSED"}
        assert 20 <= counters["retries"] <= 0.2 * 400, counters["retries"]
        assert counters["attempts"] == 400 + counters["retries"] - counters["rejected_queue_timeout"]
        assert counting.most_open <= 4
    finally:
        neighbour.stop()


def test_bulkhead_isolates_the_neighbour(resil):
    """Calls that hang by a fault take the places of their own destination only."""
    hung, neighbour = Counting(), Counting()
    try:
        resil.config(f"[destination hung]\nmatch = {HOST}:{hung.port}\nbulkhead.limit = 2\nchaos = blackhole dir=down\n"
                     f"timeout.response = 1s\n[destination neighbour]\nmatch = {HOST}:{neighbour.port}\nbulkhead.limit = 2\n")
        two = [start_calls(resil, hung.port, 1) for _ in range(2)]
        wait_until(lambda: resil.published("hung") and resil.row("hung")["connections"] == 2)
        assert [end for end, _ in calls(resil, hung.port, 2)] == ["ECONNREFUSED"] * 2
        assert [end for end, _ in calls(resil, neighbour.port, 5)] == ["ok"] * 5
        assert [json.loads(resil.finish(child).out)[0][0] for child in two] == ["ETIMEDOUT"] * 2
        assert resil.counters("hung")["rejected_bulkhead"] == 2
    finally:
        hung.stop()
        neighbour.stop()


def test_half_broken_dns(resil, counting):
    kit(resil, "half-broken-dns.conf", ("10.0.4.1:8080, 10.0.4.2:8080", f"{HOST}:{counting.port}"),
        ("plain.example.com:8080", f"localhost:{counting.port}"), ("delay:50ms", "delay:20ms"))
    ends = calls(resil, 8080, 12, host="dependency.example.com")
    assert all(end == "ok" and seconds >= 0.02 for end, seconds in ends), ends
    plain = [end for end, _ in calls(resil, counting.port, 12, host="localhost")]
    assert set(plain) == {"ok", "EAI -3"} and counting.accepted == 12 + plain.count("ok"), plain


class Large(Scripted):
    """A small answer for /page, a megabyte for the rest."""

    def handle(self, connection):
        request = read_request(connection)
        connection.sendall(http_answer(PAGE if b"/page" in request else bytes(1 << 20)))


def test_bandwidth_collapse(resil):
    """Small answers come as ever, large ones are ended by timeout.exchange, and leave their places."""
    large = Large()
    try:
        kit(resil, "bandwidth-collapse.conf", here("dependency", large.port), ("64KB/s 50%", "64KB/s"),
            ("timeout.exchange = 1s", "timeout.exchange = 400ms"))
        download = ["curl", "-s", "-o", "/dev/null", "-w", "%{size_download} %{time_total}", f"http://{HOST}:{large.port}/big"]
        many = [resil.spawn(download) for _ in range(3)]
        assert [end for end, _ in calls(resil, large.port, 5)] == ["ok"] * 5
        for child in many:
            size, seconds = resil.finish(child).out.split()
            assert child.returncode != 0 and 0.4 <= float(seconds) <= 0.4 + 2 * UPPER, (size, seconds)
            assert 0 < int(size) <= 0.7 * 65536, size
        row = resil.row("dependency")
        assert row["connections"] == 0 and row["counters"]["opened"] == 0
    finally:
        large.stop()


def test_the_pytest_helper(resil, counting, monkeypatch, tmp_path):
    """The fixture of the kit, in a pytest of its own, that tests an unmodified curl."""
    with open(os.path.join(KIT, "resil_chaos.py"), encoding="utf-8") as file:
        (tmp_path / "resil_chaos.py").write_text(file.read())
    (tmp_path / "conftest.py").write_text("from resil_chaos import chaos\n")
    (tmp_path / "test_it.py").write_text(f'''
import subprocess
CURL = ["curl", "-s", "http://{HOST}:{counting.port}/page"]
def test_refused(chaos):
    chaos("refuse")
    assert subprocess.run(CURL).returncode == 7 and chaos.injected() == 1
def test_spared(chaos):
    assert subprocess.run(CURL).returncode == 0
    chaos("refuse count=1 after=1")
    assert subprocess.run(CURL).returncode == 0 and chaos.injected() == 0
def test_mistyped(chaos):
    try:
        chaos("refuze")
    except AssertionError as error:
        assert "refuse" in str(error)
    else:
        raise RuntimeError("accepted")
''')
    env = {**resil.env(preload=False), "RESIL_LIBRARY": LIBRARY, "RESCTL": RESCTL}
    before = set(os.listdir("/dev/shm"))
    result = subprocess.run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)], env=env, cwd=tmp_path,
                            capture_output=True, timeout=60, check=False)
    assert result.returncode == 0 and b"3 passed" in result.stdout, result.stdout
    left = [name for name in set(os.listdir("/dev/shm")) - before if name.startswith("tmp")]
    assert not left, left
