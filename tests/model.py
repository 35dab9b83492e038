# SPDX-License-Identifier: MIT
"""A second, independent implementation of the policies, to hold the engine against: `model.py [--set KEY=VALUE]...
[FILE]` prints what `resctl simulate` has to print. Written from the documentation alone.

Choices where the documentation leaves room:

Script
 1. Time 0 of the script is 0 ns of the clock that numbers the tenths of the window. Times have up to nine decimals,
    exactly.
 2. Instants of `admit` and `expire` lines are printed in seconds with no more decimals than needed: 34, 34.5,
    0.000000001.
 3. What is due at or before a line's TIME happens, and is printed, before the line. Of one instant: waits that
    expire (of equal ones in the order of their turns), then turns that come. What a line causes (a turn) is printed
    after it. After the last line time stands still.
 4. `call` that is refused takes no time: its DURATION is ignored. What falls due during a call is printed before
    it.
 5. An ID is free again after its end, kill, refusal or expiry. To begin one that is open, to end one that is not
    (or still waits) or to kill one that is unknown is a bad script; so are going back in time and unknown words.
 6. reason= is printed exactly when this line changed the state; refusals have none.
 7. A turn that is refused prints `TIME admit ID -> rejected_breaker ...`; the next waiter is asked at once.
 8. Lists (backoff, pick) are separated by commas without blanks; milliseconds as in 2.
 9. priority=N of begin (else the key priority): the highest waiter has the turn, among equals the first. A full
    queue refuses whoever comes.

Admission: rate, then breaker, then bulkhead
10. A rate token is spent even when the breaker or the bulkhead then refuses; a turn in the queue is not charged
    again.
11. open -> half_open happens when the breaker is asked, also if the bulkhead then refuses or queues; the lease is
    given back.

Breaker
12. Duration is end minus admission (waiting does not count). A call in flight counts as slow (and as a call, not
    failed) 1 ns after it passed slow_time, as that was when it began: while closed, in the window at that instant, and
    that evaluates; in half-open and strict, as a failed probe, and its end says nothing any more. Such a call that then
    fails is no second call: its place in the window turns from good to failed. No line is printed for it; the next line
    shows the reason. A `call` is one finished outcome: it counts at its end only. slow is about time alone: a failed call may be slow too.
13. ignore counts nothing and evaluates nothing, gives lease and slot back, does not end a run of failures. An older
    generation makes any outcome `late`, ignore too.
14. A transition begins a new generation: results of calls admitted before it are late, also those of the other
    probes.
15. An evaluation looks at consecutive, errors, ratio, slow in this order; the first that holds is the reason. An
    evaluation happens at completions only, never because of `set` or of time.
16. window_calls replaces the time window for errors, ratio and slow; its least volume is min(min_calls,
    window_calls).
17. A time bucket whose ok, failed or slow count has reached 4095 is halved, all of its counts, when the next result comes
    into it.
18. lumping: while closed, a failure less than this after the last counted failure counts in nothing (run, window,
    slow), but is a completion and evaluates. A success between them changes nothing. Every transition forgets the
    last counted failure.
19. The first opening lasts open_time; each re-opening multiplies it, cut to whole ns, and no further than
    max(open_max, open_time). Live changes of these act on the next opening.
20. open_from = last_failure: every late failure or timeout that arrives in state open, even after its time is over but
    before anybody asked, moves the end to its own instant plus the length of this opening by the keys as they are then.
21. A lease ends at admission + timeout.probe + timeout.response (60 s for each that is off), at now >= end. A
    result without lease counts like any other of its generation.
22. strict: a slow ok is a failed probe. ratio: leases plus results never exceed probes; judged when probes results
    are in, failures by ratio, slow by slow_ratio (when not off), both >=; reasons probe_failed and probes_ok.
    Otherwise successes and halfopen_failures are not looked at.
22a. Half-open and all probes taken: a call of a priority above 0 leaves it behind for a second (to the ms); meanwhile
    calls of a lower one are refused a probe. One of that priority or a higher that gets a probe takes it away.
23. Probe results are in no window. Closing empties window, run of failures and k.
24. force open/closed: a transition with reason forced unless it is so already; all results of earlier calls are late.
    While forced nothing is counted and nothing changes the state; results of calls begun since are `done`. force auto:
    to closed, everything emptied, reason forced; without a force it does nothing.

Bulkhead
25. A call is queued when the limit is reached and there is a place; its wait ends at now >= begin + queue_timeout
    (off: never).
26. A slot freed by end or kill, and a limit raised by set, give turns at once. A lowered limit or queue ends
    nothing.
27. kill of a waiting call frees its place.

Rate
28. GCRA: interval = unit / limit in whole ns (cut); a call passes at now >= tat - (burst - 1) * interval; then tat
    becomes max(now, tat) + interval. Default burst: the whole calls of one second, at least 1.
29. max_wait: `begin` that would have to wait no longer than this is `queued` and reserved; at its instant it is
    asked by breaker and bulkhead and prints an admit line (`queued` again if the bulkhead queues it). A kill gives
    no token back.

Backoff and balance
30. retry.max bounds each delay before jitter. linear n * base, fibonacci base * 1 1 2 3 5 8.
31. first: always the first. round_robin: in order, from the first. weighted: smooth (add each weight, take the
    greatest, the first of equals, subtract the sum from it).
32. `set` of breaker.window, breaker.window_calls, rate.*, endpoints, balance in the middle of a script has no defined
    effect here.
33. Measured at the engine, named by no document: the end of the open time is kept in whole us and the end of a lease
    in whole ms, both rounded up; the last counted failure (lumping) in whole us, rounded down; the window counts only
    while one of ratio, errors and slow_time is on; an end of the open time that lies more than 2 * max(open_time,
    open_max) ahead (after a live change) is taken for over.
34. Budget (not visible in scripts): retries allowed = share * attempts of the last ttl + floor * ttl - retries of
    that time.
"""

import sys
from collections import deque

SECOND = 10**9
MILLION = 10**6
UNITS = {"us": 10**3, "ms": 10**6, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
LEASE_OF_OFF = 60 * SECOND
HALVE_AT = 4095
OPEN_STEP = 1000  # resolution of the end of the open time in ns, rounded up
LEASE_STEP = MILLION  # likewise of the end of a lease
WANTED_MS = 1000  # how long a priority stays wanted
LUMP_STEP = 1000  # likewise of the last counted failure, rounded down

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
FORCED_OPEN, FORCED_CLOSED = "forced_open", "forced_closed"
OUTCOMES = ("ok", "fail", "timeout", "ignore")


class ScriptError(Exception):
    """The script is bad: resctl must refuse it."""


# ---- values


def _decimal(text, scale):
    whole, _, part = text.partition(".")
    if not (whole.isdigit() and (not part or part.isdigit())) or text.endswith("."):
        raise ScriptError(f"not a number: {text}")
    value = int(whole + part) * scale
    return value // 10 ** len(part)


def seconds(text):
    """A time of the script in ns: a bare number means seconds."""
    if text.isdigit():
        return int(text) * SECOND
    return _decimal(text, SECOND)


def round_up(instant, step):
    return -(-instant // step) * step


def print_number(value, scale):
    whole, part = divmod(value, scale)
    if not part:
        return str(whole)
    return f"{whole}.{str(part).rjust(len(str(scale)) - 1, '0').rstrip('0')}"


def print_seconds(ns):
    return print_number(ns, SECOND)


def _duration(text):
    for unit in ("us", "ms", "s", "m", "h"):
        number = text[: -len(unit)]
        if text.endswith(unit) and number[-1:].isdigit():
            return _decimal(number, UNITS[unit])
    raise ScriptError(f"not a duration: {text}")


def _count(text):
    return int(text)


def _percent(text):
    return _decimal(text.rstrip("%"), MILLION // 100)


def _factor(text):
    return _decimal(text, MILLION)


def _rate(text):
    number, _, unit = text.partition("/")
    return int(number), UNITS[unit]


def _off(parse):
    return lambda text: None if text == "off" else parse(text)


KEYS = {  # name: (parser, default); a default that names a key means its value
    "timeout.connect": (_off(_duration), "5s"),
    "timeout.probe": (_off(_duration), "timeout.connect"),
    "timeout.response": (_off(_duration), "off"),
    "breaker.failures": (_off(_count), "5"),
    "breaker.ratio": (_off(_percent), "50%"),
    "breaker.window": (_duration, "10s"),
    "breaker.min_calls": (_count, "20"),
    "breaker.window_calls": (_off(_count), "off"),
    "breaker.errors": (_off(_count), "off"),
    "breaker.slow_time": (_off(_duration), "off"),
    "breaker.slow_ratio": (_percent, "100%"),
    "breaker.open_time": (_duration, "5s"),
    "breaker.multiplier": (_factor, "2"),
    "breaker.open_max": (_duration, "60s"),
    "breaker.jitter": (_off(_percent), "10%"),
    "breaker.open_from": (str, "trip"),
    "breaker.probes": (_count, "3"),
    "breaker.successes": (_count, "1"),
    "breaker.halfopen_failures": (_count, "1"),
    "breaker.halfopen": (str, "strict"),
    "breaker.lumping": (_off(_duration), "off"),
    "bulkhead.limit": (_off(_count), "off"),
    "bulkhead.queue": (_count, "0"),
    "bulkhead.queue_timeout": (_off(_duration), "timeout.connect"),
    "priority": (_count, "0"),
    "rate.limit": (_off(_rate), "off"),
    "rate.burst": (_count, None),
    "rate.max_wait": (lambda text: 0 if text in ("0", "off") else _duration(text), "0"),
    "retry.attempts": (_count, "1"),
    "retry.backoff": (str, "exponential"),
    "retry.base": (_duration, "100ms"),
    "retry.factor": (_factor, "2"),
    "retry.max": (_duration, "5s"),
    "retry.jitter": (str, "full"),
    "endpoints": (str, ""),
    "balance": (str, "first"),
}


class Conf:
    """The keys as attributes: breaker.open_time is breaker_open_time, in ns, parts per million or None for off."""

    def __init__(self, settings):
        self.texts = {}
        for name, text in settings:
            self.set(name, text, resolve=False)
        self._resolve()

    def set(self, name, text, resolve=True):
        if name not in KEYS:
            raise ScriptError(f"unknown key {name}")
        self.texts[name] = text
        if resolve:
            self._resolve()

    def _resolve(self):
        for name, (parse, default) in KEYS.items():
            text = self.texts.get(name, default)
            if text in KEYS:
                text = self.texts.get(text, KEYS[text][1])
            setattr(self, name.replace(".", "_"), None if text is None else parse(text))
        self.lease = sum(LEASE_OF_OFF if part is None else part for part in (self.timeout_probe, self.timeout_response))
        if self.rate_limit:
            calls, unit = self.rate_limit
            burst = self.rate_burst or max(1, calls * SECOND // unit)
            self.rate_interval = unit // calls
            self.rate_tolerance = (burst - 1) * self.rate_interval


# ---- breaker


class TimeWindow:
    """The current tenth and the nine before."""

    def __init__(self, length, halve_at=HALVE_AT):
        self.width = length // 10
        self.halve_at = halve_at
        self.empty()

    def empty(self):
        self.buckets = deque()  # [tenth, ok, failed, slow], oldest first
        self.ok = self.failed = self.slow = 0

    def _forget(self, bucket):
        self.ok -= bucket[1]
        self.failed -= bucket[2]
        self.slow -= bucket[3]

    def advance(self, now):
        tenth = now // self.width
        buckets = self.buckets
        while buckets and buckets[0][0] < tenth - 9:
            self._forget(buckets.popleft())
        return tenth

    def add(self, now, failed, slow):
        tenth = self.advance(now)
        buckets = self.buckets
        if not buckets or buckets[-1][0] != tenth:
            buckets.append([tenth, 0, 0, 0])
        bucket = buckets[-1]
        if self.halve_at and max(bucket[1:]) >= self.halve_at:
            self._forget(bucket)
            bucket[1:] = [count // 2 for count in bucket[1:]]
            self.ok += bucket[1]
            self.failed += bucket[2]
            self.slow += bucket[3]
        if failed:
            bucket[2] += 1
            self.failed += 1
        else:
            bucket[1] += 1
            self.ok += 1
        if slow:
            bucket[3] += 1
            self.slow += 1
        return bucket

    def fail(self, bucket):
        """A call that was counted in flight has failed."""
        if bucket[1] > 0 and bucket[2] < HALVE_AT and any(bucket is other for other in self.buckets):
            bucket[1] -= 1
            bucket[2] += 1
            self.ok -= 1
            self.failed += 1


class CallWindow:
    """The last N calls."""

    def __init__(self, calls):
        self.calls = calls
        self.empty()

    def empty(self):
        self.results = deque()
        self.ok = self.failed = self.slow = self.seen = 0

    def advance(self, now):
        pass

    def add(self, now, failed, slow):
        if len(self.results) == self.calls:
            old_failed, old_slow = self.results.popleft()
            self.failed -= old_failed
            self.ok -= not old_failed
            self.slow -= old_slow
        self.results.append((failed, slow))
        self.failed += failed
        self.ok += not failed
        self.slow += slow
        self.seen += 1
        return self.seen

    def fail(self, mark):
        age = self.seen - mark
        if age >= len(self.results) or self.results[-1 - age][0]:
            return
        self.results[-1 - age] = (True, self.results[-1 - age][1])
        self.failed += 1
        self.ok -= 1


class Breaker:
    def __init__(self, conf):
        self.conf = conf
        self.state = CLOSED
        self.reason = None  # of the last transition; whoever prints it clears it
        self.generation = 0
        calls = conf.breaker_window_calls
        self.window = CallWindow(calls) if calls else TimeWindow(conf.breaker_window)
        self.run = 0  # consecutive failures
        self.counted = None  # when the last failure was counted
        self.reopened = 0  # k
        self.until = 0
        self.leases = {}  # ticket number: expiry
        self.probe_ok = self.probe_failed = self.probe_errors = self.probe_slow = 0
        self.tickets = 0
        self.wanted = (0, 0)  # priority, ms

    def _go(self, state, reason):
        self.state, self.reason = state, reason
        self.generation += 1
        self.leases.clear()
        self.counted = None
        self.probe_ok = self.probe_failed = self.probe_errors = self.probe_slow = 0

    def _open_until(self, now):
        conf, times = self.conf, self.reopened
        length, longest = conf.breaker_open_time, max(conf.breaker_open_time, conf.breaker_open_max)
        if times and conf.breaker_multiplier > MILLION:
            length = longest if times > 1000 else min(
                longest, length * conf.breaker_multiplier**times // MILLION**times)
        return round_up(now + length, OPEN_STEP)

    def _open(self, now, reason):
        self.until = self._open_until(now)
        self._go(OPEN, reason)

    def _close(self, reason):
        self.window.empty()
        self.run = self.reopened = 0
        self._go(CLOSED, reason)

    def force(self, how):
        if how == "auto":
            if self.state in (FORCED_OPEN, FORCED_CLOSED):
                self._close("forced")
            return
        state = FORCED_OPEN if how == "open" else FORCED_CLOSED
        if self.state != state:
            self._go(state, "forced")

    def admit(self, now, priority=0):
        """A ticket (generation, number), or None."""
        state = self.state
        if state == CLOSED or state == FORCED_CLOSED:
            return (self.generation, 0)
        if state == FORCED_OPEN:
            return None
        if state == OPEN:
            longest = max(self.conf.breaker_open_time, self.conf.breaker_open_max)
            if now < self.until <= now + 2 * longest + 2 * OPEN_STEP:
                return None
            self._go(HALF_OPEN, "open_elapsed")
        leases = self.leases
        for number in [number for number, expiry in leases.items() if expiry <= now]:
            del leases[number]
        used = len(leases)
        if self.conf.breaker_halfopen == "ratio":
            used += self.probe_ok + self.probe_failed
        instant = now // MILLION
        wanted = self.wanted[0] if instant - self.wanted[1] <= WANTED_MS else 0
        granted = wanted <= priority and used < self.conf.breaker_probes
        if priority and wanted <= priority:
            self.wanted = (0, 0) if granted else (priority, instant)
        if not granted:
            return None
        self.tickets += 1
        leases[self.tickets] = round_up(now + self.conf.lease, LEASE_STEP)
        return (self.generation, self.tickets)

    def give_back(self, ticket):
        """The call came to nothing: refused elsewhere, or its owner died."""
        if ticket[0] == self.generation:
            self.leases.pop(ticket[1], None)

    def slow(self, held, now):
        """The call in flight has passed slow_time."""
        held.slow_at = None
        if held.ticket[0] != self.generation or self.state not in (CLOSED, HALF_OPEN):
            return
        if self.state == CLOSED:
            held.counted = self.window.add(now, False, True)
            self._judge(now)
        elif self.conf.breaker_halfopen != "ratio":
            held.spent = True
            self.probe_failed += 1
            self._judge_probes(now)

    def result(self, held, now, outcome, duration):
        """False: late."""
        ticket = held.ticket
        failed = outcome == "fail" or outcome == "timeout"
        if ticket[0] != self.generation:
            if failed and self.state == OPEN and self.conf.breaker_open_from == "last_failure":
                self.until = self._open_until(now)
            return False
        if self.state == HALF_OPEN:
            self.leases.pop(ticket[1], None)
        if outcome == "ignore" or self.state == FORCED_CLOSED or held.spent:
            return True
        slow = self.conf.breaker_slow_time is not None and duration > self.conf.breaker_slow_time
        if self.state == HALF_OPEN:
            self._probed(now, failed, slow)
        else:
            self._count(now, failed, slow, held.counted)
        return True

    def _probed(self, now, failed, slow):
        conf = self.conf
        self.probe_errors += failed
        self.probe_slow += slow
        if conf.breaker_halfopen == "ratio":
            self.probe_failed += failed
            self.probe_ok += not failed
            results = self.probe_ok + self.probe_failed
            if results < conf.breaker_probes:
                return
            good = not (self._share(self.probe_errors, results, conf.breaker_ratio)
                        or (conf.breaker_slow_time is not None
                            and self._share(self.probe_slow, results, conf.breaker_slow_ratio)))
            self._decide(now, good, not good)
        else:
            self.probe_failed += failed or slow
            self.probe_ok += not (failed or slow)
            self._judge_probes(now)

    def _judge_probes(self, now):
        conf = self.conf
        self._decide(now, self.probe_ok >= conf.breaker_successes,
                     self.probe_failed >= conf.breaker_halfopen_failures)

    def _decide(self, now, good, bad):
        if bad:
            self.reopened += 1
            self._open(now, "probe_failed")
        elif good:
            self._close("probes_ok")

    @staticmethod
    def _share(part, whole, limit):
        return limit is not None and part * MILLION >= limit * whole

    def _count(self, now, failed, slow, counted):
        conf, window = self.conf, self.window
        lumped = False
        if failed and conf.breaker_lumping is not None:
            lumped = self.counted is not None and now < self.counted + conf.breaker_lumping
            if not lumped:
                self.counted = now // LUMP_STEP * LUMP_STEP
        if lumped:
            window.advance(now)
        else:
            self.run = self.run + 1 if failed else 0
            if conf.breaker_ratio is conf.breaker_errors is conf.breaker_slow_time is None:
                pass
            elif counted is None:
                window.add(now, failed, slow)
            elif failed:
                window.fail(counted)
        self._judge(now)

    def _judge(self, now):
        conf, window = self.conf, self.window
        window.advance(now)
        total = window.ok + window.failed
        least = conf.breaker_min_calls
        if conf.breaker_window_calls:
            least = min(least, conf.breaker_window_calls)
        if conf.breaker_failures is not None and self.run >= conf.breaker_failures:
            self._open(now, "consecutive")
        elif conf.breaker_errors is not None and window.failed >= conf.breaker_errors:
            self._open(now, "errors")
        elif total < least:
            pass
        elif self._share(window.failed, total, conf.breaker_ratio):
            self._open(now, "ratio")
        elif conf.breaker_slow_time is not None and self._share(window.slow, total, conf.breaker_slow_ratio):
            self._open(now, "slow")


# ---- rate, backoff, balance, budget


class Rate:
    def __init__(self, conf):
        self.conf = conf
        self.tat = 0

    def wait(self, now):
        """How long a call that comes now has to wait."""
        if self.conf.rate_limit is None:
            return 0
        return max(0, self.tat - self.conf.rate_tolerance - now)

    def spend(self, now):
        if self.conf.rate_limit is not None:
            self.tat = max(now, self.tat) + self.conf.rate_interval


def backoff(conf, retries):
    """The delays before retries 1..N in ns; only without jitter."""
    if conf.retry_jitter != "off" or conf.retry_backoff == "decorrelated":
        raise ScriptError("random delays have no expected value")
    delays = []
    power, before, fibonacci = conf.retry_base, 0, conf.retry_base
    for number in range(1, retries + 1):
        delay = {"exponential": power, "linear": number * conf.retry_base, "fibonacci": fibonacci,
                 "constant": conf.retry_base}[conf.retry_backoff]
        delays.append(min(delay, conf.retry_max))
        power = min(power * conf.retry_factor // MILLION, conf.retry_max)
        before, fibonacci = fibonacci, before + fibonacci
    return delays


class Balancer:
    def __init__(self, conf):
        self.conf = conf
        self.names, self.weights = [], []
        for entry in filter(None, (entry.strip() for entry in conf.endpoints.split(","))):
            name, *attributes = entry.split()
            weight = [attribute[7:] for attribute in attributes if attribute.startswith("weight=")]
            self.names.append(name)
            self.weights.append(int(weight[0]) if weight else 1)
        self.current = [0] * len(self.names)
        self.next = 0

    def pick(self):
        if not self.names:
            raise ScriptError("no endpoints")
        chosen = 0
        if self.conf.balance == "round_robin":
            chosen = self.next
            self.next = (chosen + 1) % len(self.names)
        elif self.conf.balance == "weighted":
            self.current = [have + weight for have, weight in zip(self.current, self.weights)]
            chosen = self.current.index(max(self.current))
            self.current[chosen] -= sum(self.weights)
        elif self.conf.balance != "first":
            raise ScriptError("random picks have no expected value")
        return self.names[chosen]


class Budget:
    """Retries by their share of the attempts, over all that use the destination."""

    def __init__(self, share_ppm=200_000, floor=10, ttl=10 * SECOND):
        self.share, self.floor, self.ttl = share_ppm, floor, ttl
        self.attempts = TimeWindow(ttl, halve_at=None)
        self.retries = TimeWindow(ttl, halve_at=None)

    def attempt(self, now):
        self.attempts.add(now, False, False)

    def retry(self, now):
        """Whether a retry is allowed; if so it is counted."""
        self.attempts.advance(now)
        self.retries.advance(now)
        allowed = self.attempts.ok * self.share + self.floor * self.ttl * MILLION // SECOND
        if (self.retries.ok + 1) * MILLION > allowed:
            return False
        self.retries.add(now, False, False)
        return True


# ---- scripts


class Held:
    """An admitted call."""

    __slots__ = ("begun", "ticket", "slow_at", "counted", "spent")

    def __init__(self, begun, ticket, slow_at):
        self.begun, self.ticket, self.slow_at = begun, ticket, slow_at
        self.counted, self.spent = None, False


class Waiting:
    """A queued call: at `due` its wait ends (queue) or its turn comes (rate)."""

    __slots__ = ("name", "priority", "due")

    def __init__(self, name, priority, due):
        self.name, self.priority, self.due = name, priority, due


REJECTED_BREAKER, REJECTED_BULKHEAD, FULL = "rejected_breaker", "rejected_bulkhead", object()


class Simulation:
    """Executes lines; `out` holds what is printed."""

    def __init__(self, settings=()):
        self.conf = Conf(settings)
        self.breaker = Breaker(self.conf)
        self.rate = Rate(self.conf)
        self.balancer = Balancer(self.conf)
        self.now = 0
        self.in_use = 0
        self.held = {}
        self.queue = deque()
        self.reserved = []
        self.waiting = {}
        self.slow = deque()  # calls in flight that may become slow, in the order of their instants
        self.out = []
        self.verbs = {"call": self._call, "begin": self._begin, "end": self._end, "kill": self._kill,
                      "force": self._force, "set": self._set, "show": self._show, "backoff": self._backoff,
                      "pick": self._pick}

    def run(self, text):
        for line in text.splitlines():
            self.line(line)
        return self.out

    def line(self, text):
        words = text.split()
        if not words or words[0][0] == "#":
            return
        if len(words) < 2 or words[1] not in self.verbs:
            raise ScriptError(text)
        now = seconds(words[0])
        if now < self.now:
            raise ScriptError(f"going back: {text}")
        self.advance(now)
        self.now = now
        self._print(text.strip(), self.verbs[words[1]](*words[2:]))
        if self.queue:
            self._turns()

    def _print(self, text, result):
        breaker = self.breaker
        if breaker.reason is None:
            self.out.append(f"{text} -> {result} state={breaker.state}")
        else:
            self.out.append(f"{text} -> {result} state={breaker.state} reason={breaker.reason}")
            breaker.reason = None

    # time and turns

    def advance(self, until):
        """What is due up to this instant."""
        while self.waiting or self.slow:
            while self.slow and self.slow[0].slow_at is None:
                self.slow.popleft()
            slow = self.slow[0] if self.slow else None
            expiring = min((waiter for waiter in self.queue if waiter.due is not None), key=lambda waiter: waiter.due,
                           default=None)
            turning = min(self.reserved, key=lambda waiter: waiter.due, default=None)
            due = min((waiter.due for waiter in (expiring, turning) if waiter), default=until)
            if slow and slow.slow_at <= min(due, until):
                self.now = slow.slow_at
                self.breaker.slow(slow, self.now)
                continue
            reason, self.breaker.reason = self.breaker.reason, None
            if expiring and expiring.due <= until and not (turning and turning.due < expiring.due):
                self.now = expiring.due
                self.queue.remove(expiring)
                del self.waiting[expiring.name]
                self._print(f"{print_seconds(self.now)} expire {expiring.name}", "rejected_queue_timeout")
            elif turning and turning.due <= until:
                self.now = turning.due
                self.reserved.remove(turning)
                del self.waiting[turning.name]
                result = self._ask(turning.name, turning.priority)
                self._print(f"{print_seconds(self.now)} admit {turning.name}", result)
            else:
                self.breaker.reason = reason
                return
            self.breaker.reason = reason

    def _turns(self):
        limit = self.conf.bulkhead_limit
        while self.queue and (limit is None or self.in_use < limit):
            waiter = self.queue.popleft()
            del self.waiting[waiter.name]
            held = self._enter(waiter.priority)
            if held is not REJECTED_BREAKER:
                self.held[waiter.name] = held
            self._print(f"{print_seconds(self.now)} admit {waiter.name}",
                        REJECTED_BREAKER if held is REJECTED_BREAKER else "admitted")

    # admission

    def _enter(self, priority):
        """A held call, REJECTED_BREAKER or FULL."""
        ticket = self.breaker.admit(self.now, priority)
        if ticket is None:
            return REJECTED_BREAKER
        limit = self.conf.bulkhead_limit
        if limit is not None and self.in_use >= limit:
            self.breaker.give_back(ticket)
            return FULL
        self.in_use += 1
        slow_time = self.conf.breaker_slow_time
        held = Held(self.now, ticket, None if slow_time is None else self.now + slow_time + 1)
        if slow_time is not None:
            self._insert_slow(held)
        return held

    def _insert_slow(self, held):
        """Mostly at the end; slow_time may have been lowered meanwhile."""
        place = len(self.slow)
        while place and (self.slow[place - 1].slow_at or 0) > held.slow_at:
            place -= 1
        self.slow.insert(place, held)

    def _ask(self, name, priority):
        """Breaker, bulkhead and queue for a call that stays open."""
        held = self._enter(priority)
        if held is REJECTED_BREAKER:
            return REJECTED_BREAKER
        if held is not FULL:
            self.held[name] = held
            return "admitted"
        if len(self.queue) >= self.conf.bulkhead_queue:
            return REJECTED_BULKHEAD
        timeout = self.conf.bulkhead_queue_timeout
        waiter = Waiting(name, priority, None if timeout is None else self.now + timeout)
        place = len(self.queue)
        while place and self.queue[place - 1].priority < priority:
            place -= 1
        self.queue.insert(place, waiter)
        self.waiting[name] = waiter
        return "queued"

    # verbs

    def _call(self, outcome, duration="0"):
        if outcome not in OUTCOMES:
            raise ScriptError(outcome)
        if self.conf.rate_limit is not None:
            if self.rate.wait(self.now):
                return "rejected_rate"
            self.rate.spend(self.now)
        held = self._enter(self.conf.priority)
        if held is REJECTED_BREAKER:
            return REJECTED_BREAKER
        if held is FULL:
            return REJECTED_BULKHEAD
        held.slow_at = None
        if duration != "0":
            length = seconds(duration)
            end = self.now + length
            self.advance(end)
            self.now = end
        else:
            length = 0
        self.breaker.result(held, self.now, outcome, length)
        self.in_use -= 1
        return "admitted"

    def _begin(self, name, option=""):
        if name in self.held or name in self.waiting or option[:9] not in ("", "priority="):
            raise ScriptError(name)
        priority = int(option[9:]) if option else self.conf.priority
        if self.conf.rate_limit is not None:
            wait = self.rate.wait(self.now)
            if wait > self.conf.rate_max_wait:
                return "rejected_rate"
            self.rate.spend(self.now)
            if wait:
                waiter = Waiting(name, priority, self.now + wait)
                self.reserved.append(waiter)
                self.waiting[name] = waiter
                return "queued"
        return self._ask(name, priority)

    def _end(self, name, outcome):
        if name not in self.held or outcome not in OUTCOMES:
            raise ScriptError(name)
        held = self.held.pop(name)
        self.in_use -= 1
        held.slow_at = None
        return "done" if self.breaker.result(held, self.now, outcome, self.now - held.begun) else "late"

    def _kill(self, name):
        if name in self.held:
            held = self.held.pop(name)
            held.slow_at = None
            self.breaker.give_back(held.ticket)
            self.in_use -= 1
        elif name in self.waiting:
            waiter = self.waiting.pop(name)
            (self.queue if waiter in self.queue else self.reserved).remove(waiter)
        else:
            raise ScriptError(name)
        return "done"

    def _force(self, how):
        if how not in ("open", "closed", "auto"):
            raise ScriptError(how)
        self.breaker.force(how)
        return "-"

    def _set(self, setting):
        name, equals, value = setting.partition("=")
        if not equals:
            raise ScriptError(setting)
        self.conf.set(name, value)
        return "-"

    def _show(self):
        return "-"

    def _backoff(self, retries):
        return ",".join(print_number(delay, MILLION) for delay in backoff(self.conf, int(retries)))

    def _pick(self, picks):
        return ",".join(self.balancer.pick() for _ in range(int(picks)))


def main(arguments):
    settings = []
    while arguments[:1] == ["--set"]:
        settings.append(tuple(arguments[1].split("=", 1)))
        arguments = arguments[2:]
    with open(arguments[0] if arguments else 0, encoding="utf-8") as file:
        text = file.read()
    print("\n".join(Simulation(settings).run(text)))


if __name__ == "__main__":
    main(sys.argv[1:])
