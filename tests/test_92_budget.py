# SPDX-License-Identifier: MIT
"""Goal: retries of all processes together keep to retry.budget (scenario 6.59), and the budget is what an independent
model says it is. MODEL_SEED=N replays one seed, MODEL_EVENTS=N runs fewer events."""

import glob
import os
import random
import shlex
import struct
import subprocess
import time

import model
from helper import BUILD, PYTHON, TESTS, TOP
from servers import HOST

EVENTS = int(os.environ.get("MODEL_EVENTS", 10**6))
SEEDS = 10


CLIENT = """
import socket, sys
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
    except OSError:
        pass
"""


def spend_together(resil, port, calls):
    """Ten processes that begin at once; the counters of their destination afterwards."""
    clients = [resil.spawn([PYTHON, "-c", CLIENT, str(port), str(calls)], stdin=subprocess.PIPE) for _ in range(10)]
    for client in clients:
        client.stdin.write(b"go\n")
        client.stdin.flush()
    for client in clients:
        assert resil.finish(client, 60).status == 0
    return resil.counters("backend")


RETRYING = """
[destination backend]
match = {host}:{port}
breaker.failures = off
breaker.ratio = off
retry.attempts = 10
retry.base = {base}
retry.jitter = off
retry.backoff = constant
retry.budget = {budget}
"""


def test_ten_processes_share_the_floor(resil, dead):
    """A floor of 20 in these ten seconds, and ten that reach for the last of it at once: 20, not one more."""
    resil.config(RETRYING.format(host=HOST, port=dead.port, base="20ms", budget="0% 2/s 10s"))
    start = time.monotonic()
    counters = spend_together(resil, dead.port, 10)
    assert time.monotonic() - start < 9, "the floor is that of ten seconds"
    assert counters["attempts"] == 100 + counters["retries"] and counters["retries"] == 20


def test_ten_processes_share_the_share(resil, dead):
    resil.config(RETRYING.format(host=HOST, port=dead.port, base="1ms", budget="10% 0/s 60s"))
    counters = spend_together(resil, dead.port, 100)
    assert counters["attempts"] == 1000 + counters["retries"] and 90 <= counters["retries"] <= 100


# ---- the arithmetic


def build(folder):
    objects = [path for room in ("real", "base", "policy") for path in glob.glob(os.path.join(BUILD, "src", room, "*.o"))]
    driver = os.path.join(folder, "budget")
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror",
                    f"-I{os.path.join(TOP, 'src')}", "-o", driver, os.path.join(TESTS, "drivers", "budget.c"),
                    *objects], check=True)
    return driver


def drive(driver, share, floor, seconds, events):
    """(allowed, calls, retries) after each event (ns, retry) of the engine."""
    result = subprocess.run([driver, str(share), str(floor), str(seconds)], check=True, stdout=subprocess.PIPE,
                            input=b"".join(struct.pack("=QQ", *event) for event in events))
    return list(struct.iter_unpack("=III", result.stdout))


def expect(share, floor, seconds, events):
    """The same of the model."""
    budget = model.Budget(share * 10, floor, seconds * model.SECOND)
    answers = []
    for now, retry in events:
        if retry:
            allowed = budget.retry(now)
        else:
            budget.attempt(now)
            budget.retries.advance(now)
            allowed = True
        answers.append((int(allowed), budget.attempts.ok, budget.retries.ok))
    return answers


def make(seed):
    """(settings, events): mostly soon after one another, now and then at, before or after a tenth, or long after."""
    rng = random.Random(f"budget {seed}")
    share = rng.choice((0, 100, 10_000, 20_000, 75_000, 100_000, 200_000, rng.randrange(1_000_000)))
    floor, seconds = rng.choice((0, 1, 10, 100)), rng.choice((1, 10, 60, 3600))
    tenth = seconds * model.SECOND // 10
    now, events, retries = rng.randrange(10**15), [], 0.5
    for number in range(EVENTS // SEEDS):
        if number % 200 == 0:
            retries = rng.choice((0.05, 0.2, 0.5, 0.9))
        draw = rng.random()
        if draw < 0.9:
            now += int(rng.random() * tenth / 20)
        elif draw < 0.97:
            now = max(now, (now // tenth + rng.randrange(1, 12)) * tenth + rng.choice((-1, 0, 1)))
        elif draw < 0.972:
            now += rng.randrange(30 * tenth)
        events.append((now, int(rng.random() < retries)))
    return (share, floor, seconds), events


def test_engine_agrees_with_model(tmp_path):
    """A million events, and both counts compared after each."""
    driver = build(tmp_path)
    seeds = [int(os.environ["MODEL_SEED"])] if "MODEL_SEED" in os.environ else range(1, SEEDS + 1)
    results = set()
    for seed in seeds:
        settings, events = make(seed)
        got, expected = drive(driver, *settings, events), expect(*settings, events)
        assert len(got) == len(expected)
        for number, (mine, theirs) in enumerate(zip(expected, got)):
            assert mine == theirs, (f"MODEL_SEED={seed}: event {number} {events[number]} of {settings}: model {mine}, "
                                    f"engine {theirs}; before it {got[max(0, number - 3):number]}")
        results.update((event[1], answer[0]) for event, answer in zip(events, got))
    assert results == {(0, 1), (1, 0), (1, 1)} or "MODEL_SEED" in os.environ


def test_finagle(tmp_path):
    """Its own tests: 10 000 times a deposit and a try within 60 s; the floor alone; more retries than calls; nothing."""
    driver = build(tmp_path)

    def allowed(share, floor, seconds, events):
        return sum(answer[0] for answer, event in zip(drive(driver, share, floor, seconds, events), events) if event[1])

    pairs = [event for i in range(10_000) for event in ((10**12 + i * 10**6, 0), (10**12 + i * 10**6, 1))]
    assert abs(allowed(10_000, 0, 60, pairs) - 1000) <= 1
    assert abs(allowed(75_000, 0, 60, pairs) - 7500) <= 1
    assert allowed(0, 0, 60, pairs) == 0
    second = [(10**12, 1)] * 20
    assert allowed(0, 10, 1, second) == 10
    assert allowed(0, 10, 1, second + [(10**12 + 10**9, 1)] * 20) == 20
    calls = [(10**12, 0)] * 10_000
    assert allowed(200_000, 0, 60, calls + [(10**12, 1)] * 25_000) == 20_000
