# SPDX-License-Identifier: MIT
"""Goal: the adaptive limit does what README says, step by step, against a second implementation of that text; against a
backend with a known capacity it settles near it, whatever happens stays within its bounds, and follows a change."""

import heapq
import math
import random
import re

import pytest

from helper import PYTHON, RESCTL
from servers import HOST, Scripted

US_PER_S = 10**6
WINDOW_MS, WINDOW_CALLS, ANSWERS_MAX = 1000, 10, 511
BASELINE_WINDOWS, AGAIN_WINDOWS, MINIMUM_WINDOWS, PATIENCE_US = 60, 5, 5, 5 * US_PER_S
CALM = ["breaker.failures=off", "breaker.ratio=off"]


class Model:
    """The section "The adaptive limit" of README. Times in whole microseconds."""

    def __init__(self, word, limit=None, low=3, high=200):
        self.word, self.low, self.high = word, min(low, high), high
        self.limit = self.bound(limit or 20)
        self.window_start = self.changed = self.reduced = self.baseline = self.back_to = None
        self.windows, self.at_minimum, self.calm = BASELINE_WINDOWS - AGAIN_WINDOWS, 0, 0
        self.forget()

    def bound(self, limit):
        return min(max(limit, self.low), self.high)

    def forget(self):
        self.answers = self.latencies = self.drops = self.most = 0

    def ended(self, begun, now, in_flight, dropped):
        """A call ended: with an answer, or dropped."""
        if self.window_start is None:
            self.window_start = now // 1000
        since = self.reduced if dropped else self.changed
        if since is not None and begun < since:
            return
        if self.back_to and in_flight > self.limit and now - self.changed < PATIENCE_US:
            return
        self.most = max(self.most, in_flight)
        if dropped:
            self.drops += 1
        elif self.answers < ANSWERS_MAX:
            self.answers += 1
            self.latencies += now - begun
        if now // 1000 - self.window_start >= WINDOW_MS and self.answers + self.drops >= WINDOW_CALLS:
            self.end_of_window(now)

    def end_of_window(self, now):
        before, special = self.limit, False
        mean = max(1, self.latencies // self.answers) if self.answers else None
        if self.back_to:
            decided = before
            self.limit = self.bound(self.back_to * 9 // 10 if self.drops else self.back_to)
            self.back_to = None
            self.end_special(mean)
        else:
            used = self.in_use()
            decided = self.limit = self.bound(getattr(self, self.word)(mean))
            special = self.word != "aimd" and self.begin_special(used, mean)
        if self.drops or decided < before:
            self.reduced = now
        if self.limit != before or special:
            self.changed = now
        self.forget()
        self.window_start = now // 1000

    def found(self, mean):
        known, self.baseline = self.baseline, mean
        if known and mean < known * 4 / 5:
            self.calm, self.windows = 0, max(self.windows, BASELINE_WINDOWS - AGAIN_WINDOWS)

    def end_special(self, mean):
        known = self.baseline
        self.windows = self.at_minimum = 0
        same = known and known * 4 / 5 <= (mean or known) <= known * 5 / 4
        self.calm = min(self.calm + 1, 6) if same or not (known or mean) else 0
        if mean:
            self.found(mean)

    def begin_special(self, used, mean):
        self.windows += 1
        self.at_minimum = self.at_minimum + 1 if self.limit == self.low else 0
        if self.windows < BASELINE_WINDOWS * (1 if used else 2 ** self.calm) and self.at_minimum < MINIMUM_WINDOWS:
            return False
        if min(self.most, self.limit) <= self.low:
            self.baseline, self.windows, self.at_minimum = mean or self.baseline, 0, 0
            return False
        self.back_to, self.limit = self.limit, self.bound(min(self.most, self.limit) // 2)
        return True

    def in_use(self):
        return self.most >= self.limit / 2

    def aimd(self, _):
        if self.drops:
            return self.limit * 9 // 10
        return self.limit + 1 if self.in_use() else self.limit

    def gradient(self, mean):
        if mean and (not self.baseline or mean < self.baseline):
            self.found(mean)
        if self.drops:
            return self.limit * 9 // 10
        room = self.limit * 5 * self.baseline // (4 * mean)
        room = min(max(room, self.limit // 2), self.limit * 2)
        wanted = room + math.isqrt(room)
        return wanted if self.in_use() else min(wanted, self.limit)

    def vegas(self, mean):
        digits = max(1, len(str(self.limit)) - 1)
        if self.drops:
            return self.limit - digits
        if self.baseline is None or mean < self.baseline:
            self.found(mean)
            return self.limit
        queue = -(-self.limit * (mean - self.baseline) // mean)
        more = 6 * digits if queue <= digits else digits if queue < 3 * digits else 0
        if queue > 6 * digits:
            return self.limit - digits
        return self.limit + more if self.in_use() else self.limit


def instant(us):
    return f"{us // US_PER_S}.{us % US_PER_S:06d}"


class Script:
    """A script for resctl simulate, and what the model expects of each of its lines."""

    def __init__(self, model):
        self.model, self.lines, self.expected = model, [], []
        self.open, self.number, self.samples = {}, 0, 0

    def begin(self, now):
        """The name of the call, or None when it is refused."""
        self.number += 1
        name = f"c{self.number}"
        admitted = len(self.open) < self.model.limit
        self.lines.append(f"{instant(now)} begin {name}")
        self.expected.append("admitted" if admitted else "rejected_bulkhead")
        if admitted:
            self.open[name] = now
        return name if admitted else None

    def end(self, now, name, outcome):
        if outcome in ("ok", "timeout"):
            self.samples += 1
            self.model.ended(self.open[name], now, len(self.open), outcome == "timeout")
        del self.open[name]
        self.lines += [f"{instant(now)} end {name} {outcome}", f"{instant(now)} show"]
        self.expected += ["done", self.model.limit]

    def run(self, resil, *settings):
        """Replays it; the limits that were shown."""
        arguments = [argument for setting in [*CALM, *settings] for argument in ("--set", setting)]
        result = resil.run([RESCTL, "simulate", *arguments], preload=False, stdin="\n".join(self.lines).encode(),
                           timeout=60)
        assert result.status == 0 and result.err == b"", result.err
        printed = result.out.decode().splitlines()
        assert len(printed) == len(self.lines)
        limits = []
        for line, text, expected in zip(self.lines, printed, self.expected):
            assert text.startswith(f"{line} -> ")
            if isinstance(expected, int):
                limits.append(int(re.search(r" limit=(\d+)", text)[1]))
                assert limits[-1] == expected, (line, len(limits))
            else:
                assert text.split(" -> ")[1].split()[0] == expected, (line, text)
        return limits


def serve(script, rng, seconds, workers, capacity, base_us=60000, patience_us=None):
    """A backend that takes base x max(1, in flight / capacity), give or take 2 %, and workers that ask it without a
    pause; who is refused tries again 150 ms later. capacity and base_us may be functions of the time."""
    events = [(rng.randrange(20000), worker, "ask", None) for worker in range(workers)]
    heapq.heapify(events)
    while events and events[0][0] < seconds * US_PER_S:
        now, worker, what, name = heapq.heappop(events)
        if what != "ask":
            script.end(now, name, what)
        name = script.begin(now)
        if not name:
            heapq.heappush(events, (now + 150000, worker, "ask", None))
            continue
        base = base_us(now) if callable(base_us) else base_us
        latency = int(base * max(1, len(script.open) / capacity) * rng.uniform(0.98, 1.02))
        late = patience_us is not None and latency > patience_us
        heapq.heappush(events, (now + (patience_us if late else latency), worker, "timeout" if late else "ok", name))


def settings_of(model, limit):
    return [f"bulkhead.adaptive={model.word}", f"bulkhead.limit={limit}", f"bulkhead.min={model.low}",
            f"bulkhead.max={model.high}"]


WORDS = ("aimd", "gradient", "vegas")


@pytest.mark.parametrize("word", WORDS)
def test_as_the_model_by_chance(resil, word):
    """12,000 samples of each of four random settings: bursts and pauses, answers, drops, failures."""
    for seed in range(4):
        rng = random.Random(f"{word} {seed}")
        low = rng.randint(1, 12)
        limit, high = rng.randint(1, 150), rng.randint(low, 150)
        script = Script(Model(word, limit, low, high))
        now, usual, drops = 10**7, 5000, 0.0
        while script.samples < 12000:
            if rng.random() < 0.002:
                usual = int(math.exp(rng.uniform(math.log(10), math.log(10**6))))
                drops = rng.choice((0, 0, 0.01, 0.3))
                crowd = rng.randint(1, 160)
            now += rng.choice((0, rng.randrange(1000), rng.randrange(2 * usual // 10 + 2)))
            crowd = crowd if script.samples else 50
            if len(script.open) < crowd and rng.random() < 0.6:
                script.begin(now)
            elif script.open:
                name = next(iter(script.open)) if rng.random() < 0.8 else rng.choice(list(script.open))
                script.end(now, name, "timeout" if rng.random() < drops else rng.choice(("ok",) * 20 + ("fail", "ignore")))
        limits = script.run(resil, *settings_of(script.model, limit))
        assert low <= min(limits) and max(limits) <= high


@pytest.mark.parametrize("word", ["gradient", "vegas"])
@pytest.mark.parametrize("capacity", [10, 40])
def test_settles_near_the_capacity(resil, word, capacity):
    """From far below and from far above; many more workers than the backend can serve."""
    for first in (3, 150 if word == "gradient" else 2 * capacity + 10):
        script = Script(Model(word, first, 3, 200))
        serve(script, random.Random(first), 100, 3 * capacity + 20, capacity)
        limits = script.run(resil, *settings_of(script.model, first))
        settled = sorted(limits[len(limits) // 3:])
        middle = settled[len(settled) // 2]
        # gradient leaves room of a quarter and a root, vegas a queue of 3 to 6; vegas adds 6 at once
        assert capacity <= middle <= (1.25 * capacity + math.sqrt(1.25 * capacity) + 3 if word == "gradient" else
                                      capacity + 12), middle
        assert 3 <= min(limits) and max(limits) <= 200
        assert capacity / 2 <= settled[len(settled) // 20] and settled[-len(settled) // 20] <= 2 * capacity + 5


def test_aimd_settles_where_calls_time_out(resil):
    """Capacity 20 and 180 ms of patience for 60 ms of work: 60 at once are just in time."""
    script = Script(Model("aimd", 30, 3, 200))
    serve(script, random.Random(1), 150, 150, 20, patience_us=180000)
    limits = script.run(resil, *settings_of(script.model, 30))
    settled = sorted(limits[len(limits) // 2:])
    assert 50 <= settled[0] and settled[-1] <= 63, (settled[0], settled[-1])


@pytest.mark.parametrize("word", ["gradient", "vegas"])
def test_a_backend_that_became_slower_gets_its_limit_back(resil, word):
    """Four times the latency at no load: shrinks at first, and does not stick there. And back again."""
    script = Script(Model(word, 20, 3, 200))
    serve(script, random.Random(2), 400, 60, 30,
          base_us=lambda now: 240000 if 80 * US_PER_S < now < 230 * US_PER_S else 60000)
    limits = script.run(resil, *settings_of(script.model, 20))
    times = [float(line.split()[0]) for line, expected in zip(script.lines, script.expected)
             if isinstance(expected, int)]
    of = lambda begin, end: sorted(limit for limit, at in zip(limits, times) if begin <= at < end)
    assert of(81, 160)[0] < 15
    for begin, end in ((40, 80), (190, 230), (330, 400)):
        settled = of(begin, end)
        assert 28 <= settled[len(settled) // 2] <= 55, (begin, settled[len(settled) // 2])


@pytest.mark.parametrize("word", WORDS)
def test_nothing_grows_when_idle(resil, word):
    script = Script(Model(word, 50, 3, 200))
    serve(script, random.Random(3), 120, 24, 1000)
    limits = script.run(resil, *settings_of(script.model, 50))
    assert set(limits) == ({50} if word == "aimd" else {50, 12})  # half of the 24 in flight, in special windows
    assert limits.count(12) < len(limits) / 30


def test_failures_are_not_counted(resil):
    lines = ["bulkhead.adaptive=aimd", "bulkhead.limit=20"]
    script = Script(Model("aimd", 20))
    for second in range(0, 40):
        names = [script.begin(second * US_PER_S + i) for i in range(20)]
        for name in names:
            script.end(second * US_PER_S + 500000, name, "fail")
    assert set(script.run(resil, *lines)) == {20}


# ---- real programs

SEND = """
import socket, sys, time
for _ in range(int(sys.argv[2])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as own:
        own.sendall(b"x")
        own.recv(1)
    time.sleep(0.03)
"""


class Echo(Scripted):
    def handle(self, connection):
        while data := connection.recv(100):
            connection.sendall(data)


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.stop()


def configure(resil, port, *lines):
    resil.config("\n".join([f"[destination backend]\nmatch = {HOST}:{port}", "breaker.failures = off",
                            "breaker.ratio = off", *lines, ""]))


@pytest.mark.parametrize("by", ["response", "connect", "none"])
def test_real_growth_ends_where_half_is_idle(resil, echo, by):
    """One call at a time: a limit of 2 is in use, one of 3 is not. By answers, or by connects."""
    configure(resil, echo.port, "bulkhead.adaptive = aimd", "bulkhead.limit = 2", "bulkhead.min = 1",
              {"response": "", "connect": "breaker.success_on = connect", "none": "first_byte = none"}[by])
    assert resil.run([PYTHON, "-c", SEND, str(echo.port), "1"]).status == 0
    assert resil.row("backend")["limit"] == 2
    assert resil.run([PYTHON, "-c", SEND, str(echo.port), "80"]).status == 0  # 2.4 seconds
    assert resil.row("backend")["limit"] == 3
    assert b"0/3 " in resil.resctl("status").out


def test_real_timeouts_shrink_it_and_it_is_enforced(resil, hang):
    """Ten calls time out together, a second after the window began."""
    configure(resil, hang.port, "bulkhead.adaptive = aimd", "bulkhead.limit = 20", "timeout.response = 300ms")
    first, second = resil.puppet(hang.port), resil.puppet(hang.port)

    def time_out(puppet, count):
        assert puppet.do(f"own = [connect() for _ in range({count})]") == "ok"
        assert puppet.do("for one in own: one.sendall(b'x')") == "ok"
        for index in range(count):
            assert puppet.do(f"own[{index}].recv(1)") == "ETIMEDOUT"
        assert puppet.do("for one in own: one.close()") == "ok"

    for puppet in (first, second) * 2:
        time_out(puppet, 2)
    assert resil.row("backend")["limit"] == 20  # eight, in more than 0.9 s
    time_out(first, 2)
    assert resil.row("backend")["limit"] == 18
    assert resil.counters("backend")["response_timeouts"] == 10
    assert first.do("many = [connect() for _ in range(18)]") == "ok"
    assert second.do("connect()") == "ECONNREFUSED"
    assert resil.counters("backend")["rejected_bulkhead"] == 1


def test_hints(resil):
    path = resil.config("[destination a]\nmatch = 192.0.2.1\nbulkhead.adaptive = aimd\nbulkhead.min = 30\nbulkhead.max = 20\n")
    out = resil.resctl("check", path).out.decode()
    assert "bulkhead.min (30) is above bulkhead.max (20)" in out and "timeout.response is off" in out
