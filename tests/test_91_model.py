# SPDX-License-Identifier: MIT
"""Goal: the engine and an independent model agree on every line of a million random events for each family of policies.

MODEL_EVENTS=N runs fewer. A difference prints seed, settings and a short script; MODEL_SEED=N replays that one seed."""

import os
import random
import time

import pytest

import model
from helper import RESCTL

EVENTS = int(os.environ.get("MODEL_EVENTS", 10**6))
LINES = 20_000  # of one script
SHRINK_SECONDS = 20.0


def print_time(instant):
    whole, part = divmod(instant, model.SECOND)
    return f"{whole}.{part:09d}".rstrip("0") if part else str(whole)


def never_opens(conf):
    """breaker.errors so far apart (breaker.lumping) never fit into the window: no legal configuration."""
    return (conf.breaker_errors is not None and conf.breaker_lumping is not None and not conf.breaker_window_calls
            and (conf.breaker_errors - 1) * conf.breaker_lumping > conf.breaker_window)


FORCED = (model.FORCED_OPEN, model.FORCED_CLOSED)


class Maker:
    """Writes a random script line by line; it watches the model to know who is open and what is due."""

    def __init__(self, rng, family, settings, mix, gap):
        self.rng, self.family, self.mix, self.gap = rng, family, mix, gap
        self.simulation = model.Simulation([setting.split("=", 1) for setting in settings])
        self.lines = []
        self.names = []  # begun, perhaps no longer open
        self.number = 0
        self.steady = self.bad = mix[4] if len(mix) > 4 else None  # the share of failures; None: it changes

    def make(self, lines):
        random_, simulation, append = self.rng.random, self.simulation, self.lines.append
        call, begin, end, kill = self.mix[:4]
        for count in range(lines):
            if count % 100 == 0 and self.steady is None:
                self.bad = self.rng.choice((0.02, 0.2, 0.5, 0.8, 0.98))
            instant = self._time(random_())
            if simulation.waiting or simulation.slow:
                simulation.advance(instant)
            now = print_time(instant)
            draw = random_()
            if draw < call:
                text = f"{now} call {self._outcome()}{self._duration()}"
            elif draw < begin:
                text = self._begin(now)
            elif draw < end:
                name = self._open()
                text = f"{now} end {name} {self._outcome()}" if name else self._begin(now)
            elif draw < kill:
                name = self._open(waiting=True)
                text = f"{now} kill {name}" if name else self._begin(now)
            else:
                text = self._rare(now)
            append(text)
            simulation.line(text)

    def _time(self, draw):
        """Mostly now or soon; now and then exactly at, just before or after an instant at which something changes."""
        simulation = self.simulation
        now = simulation.now
        if self.steady is not None:
            now += 10**5 if draw < 0.5 else 0
        elif draw < 0.15 and simulation.breaker.state == model.OPEN:
            now = max(now, simulation.breaker.until + self.rng.choice((-1, 0, 0, 1)))
        elif draw < 0.5:
            pass
        elif draw < 0.9:
            now += int(self.rng.random() * self.gap) // 1000 * 1000
        elif draw < 0.995:
            instant = self._instant(now)
            now = max(now, instant + self.rng.choice((-1, 0, 0, 1)))
        else:
            now += int(self.rng.random() * self.gap * 1000)
        return now

    def _instant(self, now):
        simulation, breaker, draw = self.simulation, self.simulation.breaker, self.rng.random()
        if simulation.queue and draw < 0.4:
            return simulation.queue[0].due or now
        if simulation.conf.rate_limit and draw < 0.7:
            return simulation.rate.tat - simulation.conf.rate_tolerance
        if breaker.leases and draw < 0.2:
            return min(breaker.leases.values())
        if isinstance(breaker.window, model.TimeWindow):
            return (now // breaker.window.width + 1 + int(draw * 12)) * breaker.window.width
        return now

    def _outcome(self):
        draw = self.rng.random()
        if draw < 0.06:
            return "ignore"
        if self.rng.random() < self.bad:
            return "fail" if draw < 0.8 else "timeout"
        return "ok"

    def _duration(self):
        draw = self.rng.random()
        if draw < 0.85:
            return ""
        slow = self.simulation.conf.breaker_slow_time or 1_000_000
        if draw < 0.95:
            slow += self.rng.choice((-1, 0, 1))
        else:
            slow = int(slow * 2 * self.rng.random())
        return " " + model.print_seconds(max(0, slow))

    def _begin(self, now):
        self.number += 1
        name = f"c{self.number}"
        self.names.append(name)
        if self.simulation.conf.bulkhead_queue and self.rng.random() < 0.1:
            return f"{now} begin {name} priority={self.rng.randrange(4)}"
        return f"{now} begin {name}"

    def _open(self, waiting=False):
        names, simulation = self.names, self.simulation
        while names:
            place = int(self.rng.random() * len(names))
            name = names[place]
            if name in simulation.held or (waiting and name in simulation.waiting):
                return name
            if name in simulation.waiting:
                return None
            names[place] = names[-1]
            names.pop()
        return None

    def _rare(self, now):
        draw = self.rng.random()
        if draw < 0.2:
            return f"{now} show"
        if draw < 0.35:
            forced = self.simulation.breaker.state in FORCED
            return f"{now} force {'auto' if forced else self.rng.choice(('open', 'closed', 'auto'))}"
        if self.simulation.breaker.state in FORCED:
            return f"{now} force auto"  # not for long
        change = self.rng.choice(CHANGES[self.family])(self.rng)
        texts = dict(self.simulation.conf.texts)
        texts.update([change.split("=", 1)])
        return f"{now} show" if never_opens(model.Conf(texts.items())) else f"{now} set {change}"


def one_of(*values):
    return lambda rng: rng.choice(values)


def between(low, high, unit=""):
    return lambda rng: f"{rng.randint(low, high)}{unit}"


def mostly(value, other, share=0.7):
    return lambda rng: value if rng.random() < share else other(rng)


RATIOS = one_of("off", "50%", "33.3%", "0.1%", "100%", "66%", "25%", "90%")
BREAKER = {
    "breaker.failures": mostly("off", between(1, 8), 0.4),
    "breaker.ratio": RATIOS,
    "breaker.window": one_of("10s", "1s", "10ms", "7s", "1m", "333ms", "24h"),
    "breaker.min_calls": one_of("1", "4", "5", "10", "20", "50"),
    "breaker.window_calls": mostly("off", between(1, 100)),
    "breaker.errors": mostly("off", between(1, 40), 0.5),
    "breaker.slow_time": mostly("off", one_of("1ms", "10us", "250ms", "2s"), 0.5),
    "breaker.slow_ratio": one_of("100%", "50%", "20%", "1%"),
    "breaker.open_time": one_of("1ms", "100ms", "1s", "5s", "30s"),
    "breaker.multiplier": one_of("1", "2", "1.5", "3", "10"),
    "breaker.open_max": one_of("1s", "5s", "10s", "1m"),
    "breaker.open_from": one_of("trip", "last_failure"),
    "breaker.probes": between(1, 6),
    "breaker.successes": between(1, 5),
    "breaker.halfopen_failures": between(1, 3),
    "breaker.halfopen": mostly("strict", one_of("ratio")),
    "breaker.lumping": mostly("off", one_of("1ms", "100ms", "1s")),
    "timeout.connect": one_of("off", "5s", "100ms"),
    "timeout.response": one_of("off", "1s", "50ms"),
}
BULKHEAD = {
    "bulkhead.limit": between(1, 10),
    "bulkhead.queue": mostly("0", between(1, 8), 0.2),
    "bulkhead.queue_timeout": one_of("1ms", "20ms", "300ms", "5s", "off"),
    "priority": between(0, 3),
}
RATE = {
    "rate.limit": one_of("1/s", "10/s", "1000/s", "4/s", "3/s", "7/s", "64/s", "30/m", "60/m", "100/m", "3600/h",
                         "250/h"),
    "rate.burst": between(1, 30),
}
LIVE = ("breaker.failures", "breaker.ratio", "breaker.min_calls", "breaker.errors", "breaker.slow_time",
        "breaker.slow_ratio", "breaker.open_time", "breaker.multiplier", "breaker.open_max", "breaker.open_from",
        "breaker.probes", "breaker.successes", "breaker.halfopen_failures", "breaker.lumping")
CHANGES = {
    "breaker": [lambda rng, key=key: f"{key}={BREAKER[key](rng)}" for key in LIVE],
    "bulkhead": [lambda rng, key=key: f"{key}={BULKHEAD[key](rng)}" for key in BULKHEAD]
    + [lambda rng: "bulkhead.limit=off", lambda rng: f"breaker.failures={BREAKER['breaker.failures'](rng)}"],
    "rate": [lambda rng, key=key: f"{key}={BREAKER[key](rng)}" for key in LIVE[:3]],
}


def choose(rng, keys, share=1.0):
    return [f"{key}={value(rng)}" for key, value in keys.items() if rng.random() < share]


def breaker_script(rng):
    if rng.random() < 0.9:
        return choose(rng, BREAKER, 0.8), (0.62, 0.79, 0.97, 0.992)
    bad = rng.choice((0.15, 0.25, 0.4, 0.7))  # buckets fill up and are halved, near the limits
    most = model.HALVE_AT - rng.randrange(2)
    if bad < 0.5:
        most = int(model.HALVE_AT * bad / (1 - bad) * rng.uniform(0.93, 1.03))
    return ["breaker.failures=off", "breaker.window=24h", "breaker.open_time=1ms", "breaker.slow_time=1ms",
            f"breaker.errors={most}", f"breaker.slow_ratio={rng.choice(('7%', '100%'))}",
            f"breaker.ratio={rng.choice(('20%', '40%', 'off', 'off'))}",
            f"breaker.min_calls={rng.randint(2000, 9000)}"], (0.99, 0.995, 1.0, 1.0, bad)


def bulkhead_script(rng):
    settings = choose(rng, BULKHEAD) + choose(rng, BREAKER, 0.15)
    if rng.random() < 0.3:
        settings = [setting for setting in settings if not setting.startswith("breaker.")]
        settings += ["breaker.failures=off", "breaker.ratio=off"]
    return settings, (0.12, 0.56, 0.95, 0.995)


def rate_script(rng):
    settings = [f"rate.limit={RATE['rate.limit'](rng)}"] + choose(rng, {"rate.burst": RATE["rate.burst"]}, 0.6)
    draw = rng.random()
    if draw < 0.4:
        settings += choose(rng, BREAKER, 0.3)
    if 0.2 < draw < 0.7:
        settings += choose(rng, BULKHEAD)
    elif rng.random() < 0.6:
        settings += [f"rate.max_wait={rng.choice(('1ms', '100ms', '2s', '1m'))}"]
    return settings, (0.6, 0.8, 0.98, 0.997)


FAMILIES = {"breaker": breaker_script, "bulkhead": bulkhead_script, "rate": rate_script}


def make(family, seed, lines):
    """(settings, script lines, expected lines) of a seed."""
    rng = random.Random(f"{family} {seed}")
    settings, mix = FAMILIES[family](rng)
    settings.append("breaker.jitter=off")
    conf = model.Conf(setting.split("=", 1) for setting in settings)
    if never_opens(conf):
        settings = [setting for setting in settings if not setting.startswith("breaker.lumping=")]
    gap = rng.choice((conf.breaker_window / 50, conf.breaker_open_time / 10, 10**6, 10**8))
    if family == "rate":
        gap = rng.choice((1, 1, 3)) * 2 * conf.rate_interval
    if family == "bulkhead" and conf.bulkhead_queue_timeout:
        gap = conf.bulkhead_queue_timeout / rng.choice((1, 5, 20))
    maker = Maker(rng, family, settings, mix, gap)
    maker.make(lines)
    return settings, maker.lines, maker.simulation.out


def first_difference(got, expected):
    """The index of the first line that differs, or None. A line of show is compared up to its state."""
    if got == expected:
        return None
    for number in range(max(len(got), len(expected))):
        mine, theirs = (lines[number] if number < len(lines) else "(nothing)" for lines in (expected, got))
        if mine != theirs and not (" show -> - " in mine and theirs.startswith(mine + " attempts=")):
            return number
    return None


class Engine:
    """Runs scripts through resctl."""

    def __init__(self, resil, settings):
        self.resil, self.settings = resil, settings
        self.arguments = [argument for setting in settings for argument in ("--set", setting)]

    def run(self, lines):
        text = "\n".join(lines) + "\n"
        result = self.resil.run([RESCTL, "simulate", *self.arguments], preload=False, stdin=text.encode(), timeout=60)
        lines = result.out.decode().splitlines()
        return lines if result.status == 0 else [*lines, f"exit {result.status}: {result.err.decode().strip()}"]

    def differs(self, lines):
        """(expected, got) where engine and model first differ, or None."""
        simulation = model.Simulation([setting.split("=", 1) for setting in self.settings])
        try:
            expected = simulation.run("\n".join(lines))
        except model.ScriptError:
            return None
        got = self.run(lines)
        number = first_difference(got, expected)
        if number is None:
            return None
        return [(part[number] if number < len(part) else "(nothing)") for part in (expected, got)]

    def shrink(self, lines):
        """The shortest prefix that differs, by bisection; then without whatever can be left out of it."""
        low, high = 0, len(lines)  # lines[:low] agrees, lines[:high] differs
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.differs(lines[:middle]) else (middle, high)
        lines = lines[:high]
        end = time.monotonic() + SHRINK_SECONDS
        size = max(1, len(lines) // 2)
        while size and time.monotonic() < end:
            start = 0
            while start < len(lines) and time.monotonic() < end:
                fewer = lines[:start] + lines[start + size:]
                if self.differs(fewer):
                    lines = fewer
                else:
                    start += size
            size //= 2
        return lines


@pytest.mark.parametrize("family", FAMILIES)
def test_engine_agrees_with_model(resil, family):
    seeds = range(1, max(1, EVENTS // LINES) + 1)
    if "MODEL_SEED" in os.environ:
        seeds = [int(os.environ["MODEL_SEED"])]
    for seed in seeds:
        settings, lines, expected = make(family, seed, min(LINES, EVENTS))
        engine = Engine(resil, settings)
        number = first_difference(engine.run(lines), expected)
        if number is not None:
            short = engine.shrink(lines)
            mine, theirs = engine.differs(short)
            options = " ".join(f"--set {setting}" for setting in settings)
            pytest.fail(f"MODEL_SEED={seed} ({family}): line {number + 1} of the output differs\n{options}\n"
                        + "\n".join(short[-60:])
                        + f"\n{len(short)} lines in all; model and engine print\n{mine}\n{theirs}", pytrace=False)


# ---- the model itself


def test_scripts_reach_every_state_and_result():
    """The generator is worth something: each family meets all that its policies can answer."""
    seen = {family: set() for family in FAMILIES}
    for family in FAMILIES:
        for seed in range(1, 21):
            for line in make(family, seed, 2000)[2]:
                seen[family].update(line.split(" -> ")[1].split())
    for family, words in {
        "breaker": "admitted rejected_breaker late done state=closed state=open state=half_open state=forced_open "
                   "state=forced_closed reason=consecutive reason=ratio reason=errors reason=slow reason=probe_failed "
                   "reason=probes_ok reason=open_elapsed reason=forced",
        "bulkhead": "admitted queued rejected_bulkhead rejected_breaker rejected_queue_timeout late done",
        "rate": "admitted rejected_rate queued done",
    }.items():
        assert set(words.split()) <= seen[family], set(words.split()) - seen[family]


def test_budget():
    """Scenario 6.59 (Finagle): the share of the attempts, and a floor in each second."""
    for share, retries in ((100_000, 1000), (750_000, 7500), (0, 0)):
        budget = model.Budget(share, floor=0, ttl=60 * model.SECOND)
        allowed = 0
        for _ in range(10_000):
            budget.attempt(0)
            allowed += budget.retry(0)
        assert abs(allowed - retries) <= (1 if retries else 0)
    budget = model.Budget(0, floor=10, ttl=model.SECOND)
    assert sum(budget.retry(0) for _ in range(20)) == 10
    assert sum(budget.retry(model.SECOND) for _ in range(20)) == 10
