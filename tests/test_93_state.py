# SPDX-License-Identifier: MIT
"""Goal: windows and rate limiter hold exactly what an independent model holds, after each of a million random events.
(tests/test_91_model.py compares what they answer, together with breaker and bulkhead.)

MODEL_SEED=N replays one seed, MODEL_EVENTS=N runs fewer events."""

import glob
import os
import random
import shlex
import struct
import subprocess
from types import SimpleNamespace

import pytest

import model
from helper import BUILD, TESTS, TOP

EVENTS = int(os.environ.get("MODEL_EVENTS", 10**6))
SEEDS = 20


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("drivers") / "policy")
    objects = [path for room in ("real", "base", "policy") for path in glob.glob(os.path.join(BUILD, "src", room, "*.o"))]
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror",
                    f"-I{os.path.join(TOP, 'src')}", "-o", path, os.path.join(TESTS, "drivers", "policy.c"), *objects],
                   check=True)
    return path


def results(rng, count, now, step):
    """Events {now, generation, failed, slow}. step(now): the next instant. A generation lasts for some time: the window's
    buckets know 64 of them, and more do not come within one window."""
    generation, bad, slow, events = rng.randrange(4096), 0.5, 0.1, []
    for number in range(count):
        if number % 500 == 0:
            bad, slow = rng.choice((0, 0.02, 0.3, 0.7, 1)), rng.choice((0, 0.1, 0.9, 1, 1, 1))
        if rng.random() < 0.0005:
            generation = (generation + rng.randrange(1, 4)) % 4096
        now = step(now)
        events.append((now, generation, int(rng.random() < bad), int(rng.random() < slow)))
    return events


def sums(window, events):
    """What the model holds after each."""
    generation, answers = None, []
    for now, its, failed, slow in events:
        if its != generation:
            window.empty()
            generation = its
        window.add(now, failed, slow)
        answers.append((window.ok + window.failed, window.failed, window.slow))
    return answers


def make_window(rng, count):
    length = rng.choice((10**7, 10**9, 7 * 10**9, 10**10, 333 * 10**6, 86400 * 10**9))
    tenth = length // 10
    pace = rng.choice((tenth / 5, tenth / 100, tenth / 20_000))  # few in a tenth, many, or so many that counts are halved

    def step(now):
        draw = rng.random()
        if draw < 0.999 or pace < tenth / 1000 and draw < 0.9999:
            return now + int(rng.random() * pace)
        if draw < 0.9998:
            return max(now, (now // tenth + rng.randrange(1, 13)) * tenth + rng.choice((-1, 0, 1)))
        return now + rng.randrange(30 * tenth)

    events = results(rng, count, rng.randrange(10**15), step)
    return [length], events, sums(model.TimeWindow(length), events)


def make_calls(rng, count):
    length = rng.choice((1, 2, 10, 63, 64, 65, 100, 128, 1000, 1023, 1024, rng.randrange(1, 1025)))
    events = results(rng, count, 0, lambda now: now)
    return [length], events, sums(model.CallWindow(length), events)


def make_rate(rng, count):
    per_hour = rng.choice((1, 60, 250, 3600, 36_000, 25_200, 3_600_000, 3_600_000_000, rng.randrange(1, 10**7)))
    burst, max_wait = rng.choice((0, 1, 2, 30, 1000)), rng.choice((0, 10**6, 10**8, 10**9, 60 * 10**9))
    interval = 3600 * 10**9 // per_hour
    conf = SimpleNamespace(rate_limit=True, rate_interval=interval,
                           rate_tolerance=((burst or max(1, per_hour // 3600)) - 1) * interval)
    limiter, now, events, answers = model.Rate(conf), rng.randrange(1, 10**15), [], []
    pace = rng.choice((0.5, 1, 2)) * 2 * interval
    for _ in range(count):
        draw = rng.random()
        if draw < 0.85:
            now += int(rng.random() * pace)
        elif draw < 0.95:  # at, before or after the instant at which it conforms, or may wait for it
            at = limiter.tat - conf.rate_tolerance - rng.choice((0, max_wait))
            now = max(now, at + rng.choice((-1, 0, 1)))
        elif draw < 0.951:
            now += rng.randrange(2000 * interval)
        may_wait = int(rng.random() < 0.5)
        wait = limiter.wait(now)
        admitted = wait == 0 or bool(may_wait) and wait <= max_wait
        if admitted:
            limiter.spend(now)
        events.append((now, may_wait, 0, 0))
        answers.append((int(admitted), wait, limiter.tat))
    return [per_hour, burst, max_wait], events, answers


POLICIES = {"window": make_window, "calls": make_calls, "rate": make_rate}


@pytest.mark.parametrize("policy", POLICIES)
def test_state_after_each_event(driver, policy):
    seeds = [int(os.environ["MODEL_SEED"])] if "MODEL_SEED" in os.environ else range(1, SEEDS + 1)
    for seed in seeds:
        settings, events, expected = POLICIES[policy](random.Random(f"{policy} {seed}"), EVENTS // SEEDS)
        result = subprocess.run([driver, policy, *map(str, settings)], check=True, stdout=subprocess.PIPE,
                                input=b"".join(struct.pack("=QQQQ", *event) for event in events))
        got = list(struct.iter_unpack("=QQQ", result.stdout))
        assert len(got) == len(expected)
        if got != expected:
            number = next(number for number, pair in enumerate(zip(got, expected)) if pair[0] != pair[1])
            before = list(zip(events, got))[max(0, number - 5):number]
            pytest.fail(f"MODEL_SEED={seed} ({policy} {settings}): event {number} {events[number]}: model "
                        f"{expected[number]}, engine {got[number]}; before it {before}", pytrace=False)
