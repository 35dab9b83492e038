# SPDX-License-Identifier: MIT
"""Goal: the policies do what the known systems do. Every scenario of tests/scenarios is replayed in virtual time and
compared to the byte; random delays keep to their formulas; a bad script is refused with its line."""

import glob
import os
import re

import pytest

from helper import RESCTL, TESTS

SCENARIOS = sorted(glob.glob(os.path.join(TESTS, "scenarios", "*.sim")))
OPTION, EXPECTED = "#! --set ", "#= "
DRAWS = 20000


def simulate(resil, settings, script, *options):
    """The lines that resctl simulate prints."""
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    result = resil.run([RESCTL, "simulate", *arguments, *options], preload=False, stdin=script.encode())
    assert result.status == 0 and result.err == b"", result
    return result.out.decode().splitlines()


def refused(resil, settings, script):
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    result = resil.run([RESCTL, "simulate", *arguments], preload=False, stdin=script.encode())
    assert result.status == 2, result
    return result.err.decode()


def read(path):
    """(settings, expected lines) of a scenario."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    settings = [line[len(OPTION):] for line in lines if line.startswith(OPTION)]
    start = lines.index(EXPECTED + "expected") + 1
    assert all(line.startswith(EXPECTED) for line in lines[start:]), path
    return settings, [line[len(EXPECTED):] for line in lines[start:]]


def test_there_are_scenarios():
    assert len(SCENARIOS) >= 60


@pytest.mark.parametrize("path", SCENARIOS, ids=[os.path.basename(path)[:-4] for path in SCENARIOS])
def test_scenario(resil, path):
    settings, expected = read(path)
    assert simulate(resil, settings, "", path) == expected


def test_destination_of_a_file(resil):
    """The keys of a destination serve as well as --set, which wins over them."""
    settings, expected = read(os.path.join(TESTS, "scenarios", "7-design-example.sim"))
    keys = "".join(setting.replace("=", " = ", 1) + "\n" for setting in settings)
    path = resil.file("other.conf", f"[destination a]\nmatch = 192.0.2.1\nbreaker.failures = 9\n[destination b]\n"
                      f"match = 192.0.2.2\n{keys}")
    script = os.path.join(TESTS, "scenarios", "7-design-example.sim")
    assert simulate(resil, [], "", "--config", path, "--destination", "b", script) == expected
    assert simulate(resil, settings, "", "--config", path, "--destination", "a", script) == expected


def test_show_changes_nothing(resil):
    """A query while the open time is over leaves the state; it prints counters and rates."""
    settings = ["breaker.failures=1", "breaker.open_time=5s", "breaker.jitter=off", "breaker.probes=1"]
    script = "0 call fail\n4 call ok\n9 show\n9 show\n9 begin p\n9 show\n9 begin q\n"
    lines = simulate(resil, settings, script)
    shown = [line for line in lines if " show " in line]
    assert [line.split(" state=")[1].split()[0] for line in shown] == ["open", "open", "half_open"]
    assert [line for line in lines if " begin " in line] == [
        "9 begin p -> admitted state=half_open reason=open_elapsed", "9 begin q -> rejected_breaker state=half_open"]
    assert shown[0] == shown[1] and shown[0].startswith("9 show -> - ")
    pairs = dict(re.findall(r"(\w+)=(\S+)", shown[0]))
    assert (pairs["opened"], pairs["rejected_breaker"], pairs["half_opened"]) == ("1", "1", "0")


# ---- random parts


def test_open_time_jitter(resil):
    """10 % both ways: never half-open before 0.9, always from 1.1 times the open time; one seed, one result."""
    settings = ["breaker.failures=1", "breaker.open_time=10s", "breaker.jitter=10%"]
    steps = "".join(f"{milliseconds / 1000:g} call ok\n" for milliseconds in range(8999, 11002))
    instants = []
    for seed in range(1, 41):
        lines = simulate(resil, settings, "0 call fail\n" + steps, "--seed", str(seed))
        instants.append(next(float(line.split()[0]) for line in lines if "open_elapsed" in line or "probes_ok" in line))
    assert 9 <= min(instants) < 9.3 and 10.7 < max(instants) <= 11.001
    again = simulate(resil, settings, "0 call fail\n" + steps, "--seed", "40")
    assert next(float(line.split()[0]) for line in again if "probes_ok" in line) == instants[-1]


MS = 10**6  # of ns: what is printed is exact
SECOND = 1000 * MS
SIGMAS = 5


def bounds_fixed(low, high):
    return lambda before, number: (low(SECOND << number), high(SECOND << number))


JITTERS = {  # jitter: (low, high) of the delay before retry number + 1, base 1 s, factor 2; and the delay before it
    "full": bounds_fixed(lambda delay: 0, lambda delay: delay),
    "equal": bounds_fixed(lambda delay: delay // 2, lambda delay: delay),
    "20%": bounds_fixed(lambda delay: 8 * delay // 10, lambda delay: 12 * delay // 10),
    "+1s": bounds_fixed(lambda delay: delay, lambda delay: delay + SECOND),
    "+100ms": bounds_fixed(lambda delay: delay, lambda delay: delay + 100 * MS),
    "+50%": bounds_fixed(lambda delay: delay, lambda delay: 3 * delay // 2),
    "x0.5..1.5": bounds_fixed(lambda delay: delay // 2, lambda delay: 3 * delay // 2),
    "x1..2": bounds_fixed(lambda delay: delay, lambda delay: 2 * delay),
    "decorrelated": lambda before, number: (SECOND, max(SECOND, 3 * before)),
}


def delays_of(line):
    """The delays of a line of backoff, in ns."""
    texts = re.fullmatch(r"0 backoff \d+ -> (\S+) state=closed", line)[1].split(",")
    return [int(whole) * MS + int(part.ljust(6, "0") or 0) for whole, _, part in (text.partition(".") for text in texts)]


def check_uniform(shares, what):
    """Shares of their range: over all of it, and their mean is that of a uniform draw."""
    mean, sigma = sum(shares) / len(shares), (12 * len(shares)) ** -0.5
    assert min(shares) < 0.002 and max(shares) > 0.998, (what, min(shares), max(shares))
    assert abs(mean - 0.5) < SIGMAS * sigma, (what, mean, sigma)


@pytest.mark.parametrize("jitter", JITTERS)
def test_backoff_jitter(resil, jitter):
    """10^5 draws of each form lie exactly within its bounds and reach over all of the range (scenario 6.42)."""
    settings = ["retry.base=1s", "retry.factor=2", "retry.max=1h", f"retry.jitter={jitter}"]
    lines = simulate(resil, settings, "0 backoff 5\n" * DRAWS, "--seed", "7")
    assert len(lines) == DRAWS
    shares = [[] for _ in range(5)]
    for line in lines:
        before = SECOND
        for number, delay in enumerate(delays_of(line)):
            low, high = JITTERS[jitter](before, number)
            assert low <= delay <= high, (line, low, high)
            shares[number].append((delay - low) / (high - low))
            before = delay
    for number, share in enumerate(shares):
        check_uniform(share, (jitter, number))


SEEDS = {  # the forms of the seeds: (settings, base in ms, cap in ms, low and high of a capped delay, a cap after it)
    "S0": (["retry.base=1s", "retry.max=30s", "retry.jitter=+1s"], 1000, 30_000, (1, 1), 1000, None),
    "S1": (["retry.base=1s", "retry.max=30s", "retry.jitter=x0.5..1.5"], 1000, 30_000, (0.5, 1.5), 0, None),
    "S3": (["retry.base=100ms", "retry.max=5s", "retry.jitter=+100%"], 100, 5_000, (1, 2), 0, 5_000),
}


@pytest.mark.parametrize("seed", SEEDS)
def test_backoff_of_the_seeds(resil, seed):
    """S0: [d, d + 1 s]. S1: d times [0.5, 1.5] after the cap, so up to 45 s with a cap of 30 s. S3: [d, 2d], then capped."""
    settings, base, cap, (low, high), plus, last = SEEDS[seed]
    lines = simulate(resil, [*settings, "retry.factor=2"], "0 backoff 10\n" * (DRAWS // 2), "--seed", "11")
    longest = 0
    shares = [[] for _ in range(10)]
    for line in lines:
        for number, delay in enumerate(delays_of(line)):
            grown = min(base << number, cap) * MS
            least, most = int(grown * low), int(grown * high) + plus * MS
            longest = max(longest, delay)
            if last and most > last * MS:
                assert min(least, last * MS) <= delay <= last * MS, (line, number)
                continue
            assert least <= delay <= most, (line, number)
            shares[number].append((delay - least) / (most - least))
    assert sum(map(len, shares)) >= DRAWS
    for number, share in enumerate(filter(None, shares)):
        check_uniform(share, (seed, number))
    assert longest <= {"S0": 31_000, "S1": 45_000, "S3": 5_000}[seed] * MS < longest * 1.01


def test_backoff_jitter_is_repeatable(resil):
    lines = [simulate(resil, ["retry.jitter=full"], "0 backoff 9\n" * 20, "--seed", seed) for seed in ("1", "1", "2")]
    assert lines[0] == lines[1] != lines[2]
    assert len(set(lines[0])) > 1


# ---- bad scripts

BAD = {
    "back in time": "1 call ok\n0.999 call ok\n",
    "before the end of the call": "1 call ok 2\n2.999 call ok\n",
    "no verb": "0 call ok\n1\n",
    "unknown verb": "0 call ok\n1 cal ok\n",
    "unknown outcome": "0 call ok\n1 call good\n",
    "not a time": "0 call ok\nsoon call ok\n",
    "negative time": "0 call ok\n-1 call ok\n",
    "open already": "0 begin a\n1 begin a\n",
    "never begun": "0 begin a\n1 end b ok\n",
    "ended twice": "0 begin a\n\n# a comment\n1 end a ok\n2 end a ok\n",
    "unknown key": "0 call ok\n1 set breaker.failurs=3\n",
    "bad value": "0 call ok\n1 set breaker.failures=many\n",
    "unknown force": "0 call ok\n1 force shut\n",
    "too many words": "0 call ok\n1 call ok 1 1\n",
    "too few words": "0 begin a\n1 end a\n",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_script(resil, case):
    error = refused(resil, [], BAD[case])
    assert re.search(rf"\b{BAD[case].count(chr(10))}\b", error), error


@pytest.mark.parametrize("setting", [
    "breaker.failurs=3", "breaker.failures=many", "breaker.open_time=5", "breaker.failures"])
def test_bad_setting(resil, setting):
    assert setting.split("=")[0] in refused(resil, [setting], "0 call ok\n")


# ---- the balancer


def picks(resil, count, *settings, seed="1"):
    line, = simulate(resil, settings, f"0 pick {count}\n", "--seed", seed)
    found = re.fullmatch(rf"0 pick {count} -> (\S+) state=closed", line)
    assert found, line
    return found[1].split(",")


POINTS = "endpoints=10.0.0.1:80 weight=5, 10.0.0.2:80 weight=3, 10.0.0.3:80 weight=2"


@pytest.mark.parametrize("strategy, ideal", [("random", (5, 3, 2)), ("round_robin", (1, 1, 1)), ("weighted", (5, 3, 2)),
                                             ("least_conn", (5, 3, 2)), ("first", (1, 0, 0))])
def test_pick_shares(resil, strategy, ideal):
    got = picks(resil, 60000, POINTS, f"balance={strategy}")
    for last, part in enumerate(ideal, 1):
        assert abs(got.count(f"10.0.0.{last}:80") / 60000 - part / sum(ideal)) < 0.01


@pytest.mark.parametrize("strategy", ["p2c", "least_time"])
def test_pick_two(resil, strategy):
    got = picks(resil, 60000, "endpoints=10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80", f"balance={strategy}")
    assert all(abs(got.count(f"10.0.0.{last}:80") / 60000 - 1 / 3) < 0.01 for last in (1, 2, 3))


@pytest.mark.parametrize("setting", ["balance=ip_hash", "balance=maglev", "balance.affinity=uid",
                                     "balance.affinity=source", "balance.affinity=process"])
def test_pick_by_who_asks(resil, setting):
    """The simulated program is one: it stays; others (seeds) spread by the weights."""
    chosen = [picks(resil, 20, POINTS, setting, seed=str(seed)) for seed in range(60)]
    assert all(len(set(each)) == 1 for each in chosen)
    assert setting.endswith("process") or len({each[0] for each in chosen}) == 3


def test_pick_is_repeatable(resil):
    assert picks(resil, 50, POINTS, "balance=random", seed="4") == picks(resil, 50, POINTS, "balance=random", seed="4")
    assert picks(resil, 50, POINTS, "balance=random", seed="4") != picks(resil, 50, POINTS, "balance=random", seed="5")


def test_bad_picks(resil):
    assert "line 1: no endpoints are set" in refused(resil, [], "0 pick 3\n")
    for count in ("0", "x", "-1", "1000001"):
        assert f"line 1: want a number of choices, got `{count}'" in refused(resil, [POINTS], f"0 pick {count}\n")
    assert "endpoints: got `10.0.0.1'" in refused(resil, ["endpoints=10.0.0.1"], "")
