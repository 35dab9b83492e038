# SPDX-License-Identifier: MIT
"""Goal: `resctl top` shows what happens as it happens, on any terminal: rates that add up, keys that do what the help says,
actions only after a question was seen and answered, and a terminal that is given back on every way out."""

import datetime
import json
import os
import re
import signal
import time

import pytest

import helper
from helper import TOP, wait_until
from servers import HOST
from terminal import Terminal


@pytest.fixture
def top(resil):
    """top(*args, ...): a Terminal with a running `resctl top`; closed after the test."""
    opened = []

    def start(*args, lines=24, columns=80, env=None, every="100ms"):
        variables = resil.env(preload=False, extra={"TERM": "xterm-256color", **(env or {})})
        opened.append(Terminal([helper.RESCTL, "top", "-i", every, *args], variables, lines, columns))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture
def busy(resil, hold, dead):
    """A segment with a destination in use, one whose breaker is open, and one without traffic; the puppet."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 2\nbulkhead.queue = 5\n"
                 "bulkhead.queue_timeout = 60s\n"
                 f"[destination broken]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 3\nbreaker.open_time = 1h\n"
                 "breaker.open_max = 1h\n[destination idle]\nmatch = 192.0.2.1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect()") == "ok"
    for _ in range(4):
        assert puppet.do(f"connect({dead.port})") == "ECONNREFUSED"
    return puppet


def names(lines):
    """The destinations in the order of the screen."""
    return [line[1:].split()[0] for line in lines if re.match(r"[ >](backend|broken|idle) ", line)]


def test_overview(busy, top):
    screen = top()
    screen.find("idle")
    lines = screen.see(lambda lines: names(lines) == ["broken", "backend", "idle"], "the order by state")
    assert re.match(r" NAME +STATE +CALL/S +ERR% +P50 +P90 +P99 +USED +REJ/S +WHY +CALLS$", lines[2])
    assert re.match(r">broken +open +0\.0 +- +- +- +- +0 +0\.0 -$", lines[3])
    assert re.match(r" backend +closed +0\.0 +- +- +- +- +1/2 +0\.0 -$", lines[4])
    assert lines[-1].startswith("q quit") and re.match(r"\d\d:\d\d:\d\dZ  generation 1, 1 process, every 100ms, by state$", lines[1])


def test_what_happens_is_seen(resil, busy, top, hold, dead):
    screen = top(every="200ms")
    screen.find("broken")
    assert busy.do("b = connect()") == "ok"
    waiter = resil.puppet(hold.port)
    waiter.tell("c = connect()")
    line = screen.find("2/2+1")
    assert line.lstrip(">").split()[0] == "backend"
    end = time.monotonic() + 10
    while True:
        busy.do(f"connect({dead.port})")
        screen.feed(0.01)
        line = next((line for line in screen.screen.display if line[1:].startswith("broken")), "")
        if re.search(r" [1-9]\d*\.\d brea~", line):
            break
        assert time.monotonic() < end, line


def moments(resil, *args, timeout=20.0):
    return [json.loads(line) for line in resil.resctl("top", "--json", *args, timeout=timeout).out.splitlines()]


def wall(frame):
    return datetime.datetime.fromisoformat(frame["time"].replace("Z", "+00:00")).timestamp()


def test_rates_add_up(resil, busy, dead):
    """The sum of rate x time over all frames is what was refused."""
    child = resil.spawn([helper.RESCTL, "top", "--batch", "--json", "-n", "15", "-i", "100ms"], preload=False)
    frames = [json.loads(child.stdout.readline())]
    for _ in range(200):
        assert busy.do(f"connect({dead.port})") == "ECONNREFUSED"
    frames += [json.loads(line) for line in child.communicate(timeout=20)[0].splitlines()]
    assert len(frames) == 15
    sums, calls = 0, 0
    for before, after in zip(frames, frames[1:]):
        row = next(row for row in after["destinations"] if row["name"] == "broken")
        sums += row["rejected_per_s"]["breaker"] * (wall(after) - wall(before))
        calls += row["calls_per_s"]
    assert abs(sums - 200) < 20 and calls == 0, sums


def test_errors_and_latencies(resil, hold, dead):
    resil.config(f"[destination mixed]\nmatch = {HOST}\nbreaker.failures = off\nbreaker.ratio = off\n"
                 "breaker.success_on = connect\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect()") == "ok"
    child = resil.spawn([helper.RESCTL, "top", "--batch", "--json", "-n", "26", "-i", "40ms"], preload=False)
    first = json.loads(child.stdout.readline())["destinations"][0]
    assert first["error_ratio"] is None and first["latency_ms"]["p50"] is None
    seen = []
    for line in child.stdout:
        assert puppet.do("connect().close()") == "ok" and puppet.do(f"connect({dead.port})") == "ECONNREFUSED"
        seen.append(json.loads(line)["destinations"][0])
    assert child.wait(timeout=10) == 0
    judged = [one for one in seen if one["error_ratio"] is not None]
    assert len(judged) > 15 and all(0.3 <= one["error_ratio"] <= 0.7 for one in judged[12:]), judged
    assert all(0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p90"] <= one["latency_ms"]["p99"] < 1000 for one in judged[12:])


def test_keys(busy, top):
    screen = top()
    screen.see(lambda lines: names(lines) == ["broken", "backend", "idle"], "the list")
    for key, order in (("s", "name"), ("s", "rate"), ("s", "errors"), ("s", "latency"), ("s", "used"), ("s", "rejected"),
                       ("s", "state"), ("r", "reversed state"), ("r", "state")):
        screen.type(key)
        screen.see(lambda lines, order=order: lines[1].endswith("by " + order), "by " + order)
    screen.type("ssssss")
    screen.type("\x1b[B\x1bOB")
    screen.find(">idle")
    screen.type("k")
    screen.find(">broken")
    screen.type("\x1b[5~\x1b[99;99Zjj\x1b[H")
    screen.find(">backend")
    screen.type("s\x1b[1;2q\x1b[F")
    screen.find(">idle")
    screen.type("r")
    screen.see(lambda lines: lines[1].endswith("reversed state") and any(line.startswith(">idle") for line in lines),
               "the same line selected elsewhere")
    screen.type("r+")
    screen.find("every 200ms")
    screen.type("-")
    screen.find("every 100ms")
    screen.type("p")
    screen.find("PAUSED")
    screen.type("p?")
    screen.find("this help")
    screen.type("\x1b")
    screen.find(">idle")
    screen.type("q")
    assert screen.ended() == 0 and screen.is_given_back()


def test_every_key_is_in_the_help(busy, top):
    with open(os.path.join(TOP, "tools", "top_keys.tbl.h"), encoding="utf-8") as file:
        rows = re.findall(r'^TOPKEY\((\w+), "((?:\\.|[^"])*)", "([^"]*)", "([^"]*)"\)', file.read(), re.MULTILINE)
    screen = top(columns=100)
    screen.type("?")
    lines = screen.see(lambda lines: "this help" in " ".join(lines), "the help")
    assert len(rows) > 10 and all(any(line.strip().startswith(shown) and text in line for line in lines)
                                  for _, _, shown, text in rows)


def test_filter(busy, top):
    screen = top("--filter", "b")
    screen.see(lambda lines: names(lines) == ["broken", "backend"] and "only `b'" in lines[1], "the filter")
    screen.type("/xx\x7f\x7fro")
    screen.find("filter: bro_")
    screen.type("\r")
    screen.see(lambda lines: names(lines) == ["broken"] and "only `bro'" in lines[1], "the new filter")
    screen.type("/\x15zzz\r")
    screen.find("no name contains the filter")
    screen.type("/\x15qd\x1b")
    screen.see(lambda lines: lines[-1].startswith("q quit"), "the keys")
    screen.type("\x1b")
    screen.see(lambda lines: len(names(lines)) == 3, "all")
    assert screen.child.poll() is None


def test_drill_down(resil, busy, top, hold, dead):
    waiter = resil.puppet(hold.port)
    assert busy.do("b = connect()") == "ok"
    waiter.tell("c = connect()")
    screen = top()
    screen.find("2/2+1")
    screen.type("j\r")
    lines = screen.see(lambda lines: any("place 1" in line for line in lines), "the waiter")
    assert lines[2].startswith("backend: closed, mode enforce") and "2 in use, 1 queued" in lines[3]
    assert any(re.match(rf">{HOST}:{hold.port} +closed", line) for line in lines)
    connected = [line.split()[:4] for line in lines if re.match(r" +\d+ python3", line)]
    assert [(one[0], one[3]) for one in connected] == [(str(busy.pid), "held")] * 2 + [(str(waiter.pid), "place")]
    screen.type("\x1b[D")
    screen.find(">backend")
    screen.type("k\r")
    lines = screen.see(lambda lines: lines[2].startswith("broken: open by consecutive, mode enforce, next attempt in"), "broken")
    assert any(re.match(rf">{HOST}:{dead.port} +open", line) for line in lines)
    screen.type("\x1b")
    screen.find(">broken")


def test_fallbacks_are_marked(resil, top, hold, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nfallback = {HOST}:{hold.port}\n")
    puppet = resil.puppet(dead.port)
    assert puppet.do("a = connect()") == "ok"
    screen = top(columns=120)
    screen.find(">backend")
    screen.type("\r")
    screen.find(f"{HOST}:{hold.port} fallback")
    screen.find(f"{puppet.pid} python3")


def test_act(resil, busy, top):
    """Only what was asked on the screen and then confirmed: not what was typed ahead, and not on any other key."""
    screen = top()
    screen.find(">broken")
    for keys in ("Ry", "Rn", "R\r", "R\x1b"):
        screen.type(keys[0] if keys != "Ry" else keys)
        screen.find("reset broken ? [y/N]")
        screen.type(keys[1] if keys != "Ry" else "n")
        screen.see(lambda lines: lines[-1].startswith("q quit"), "the keys")
        assert resil.row("broken")["state"] == "open"
    screen.type("R")
    screen.find("reset broken ? [y/N]")
    screen.type("y")
    screen.see(lambda lines: any(re.match(r".broken +closed", line) for line in lines), "a closed breaker")
    assert resil.row("broken")["state"] == "closed"


def test_act_on_an_endpoint(resil, busy, top, dead):
    screen = top()
    screen.find(">broken")
    screen.type("\r")
    screen.find("broken: open")
    screen.type("R")
    screen.find(f"reset broken/{HOST}:{dead.port} ? [y/N]")
    screen.type("y")
    screen.find("broken: closed")
    assert resil.row("broken", f"{HOST}:{dead.port}")["state"] == "closed"


@pytest.mark.parametrize("key, command", [("t", "trip"), ("d", "drain")])
def test_actions_are_commands(resil, busy, top, key, command):
    known = re.findall(r"^  ([a-z-]+) ", resil.resctl("--help").out.decode(), re.MULTILINE)
    screen = top()
    screen.find(">broken")
    screen.type(key)
    screen.find(f"{command} broken ? [y/N]" if command in known else f"no command `{command}'")


@pytest.mark.parametrize("lines, columns", [(10, 40), (24, 80), (3, 20), (1, 1), (60, 200)])
def test_sizes(busy, top, lines, columns):
    """Also while it runs: nothing is longer than the line, and what is selected is there."""
    screen = top(lines=30, columns=100)
    screen.find(">broken")
    del screen.written[:]
    screen.resize(lines, columns)
    screen.see(lambda shown: b"\x1b[2J" in b"".join(screen.written), "a new frame")
    if lines > 4:
        shown = screen.see(lambda shown: any(line.startswith(">broken") for line in shown), "the list")
        assert shown[0].startswith("resctl top") and shown[-1].startswith("q quit"[:columns])
    for keys in ("\r", "?", "\x1b", "\x1b", "jjj"):
        screen.type(keys)
        screen.feed(0.15)
    assert screen.child.poll() is None
    addressed = [tuple(map(int, one)) for one in re.findall(rb"\x1b\[(\d+);(\d+)H", b"".join(screen.written))]
    after = addressed[len(addressed) // 2:]
    assert after and max(row for row, _ in after) <= max(lines, 1)


def test_a_long_list_scrolls(resil, hold, top):
    resil.config("".join(f"[destination d{number:02}]\nmatch = 192.0.2.{number + 1}\n" for number in range(40))
                 + f"[destination z]\nmatch = {HOST}:{hold.port}\n")
    assert resil.puppet(hold.port).do("s = connect()") == "ok"
    screen = top("--sort", "name", lines=12)
    screen.find(">d00")
    for keys, place, first in (("\x1b[6~", ">d08", "d01"), ("\x1b[F", ">z", "d33"), ("\x1b[5~", ">d32", "d32"), ("\x1b[H", ">d00", "d00")):
        screen.type(keys)
        lines = screen.see(lambda lines, place=place: any(line.startswith(place + " ") for line in lines), place)
        assert lines[3][1:].split()[0] == first, lines


WAYS = {"q": ("type", "q", 0), "^C": ("type", "\x03", -signal.SIGINT), "^\\": ("type", "\x1c", -signal.SIGQUIT),
        "SIGTERM": ("kill", signal.SIGTERM, -signal.SIGTERM), "SIGHUP": ("kill", signal.SIGHUP, -signal.SIGHUP),
        "SIGSEGV": ("kill", signal.SIGSEGV, -signal.SIGSEGV), "SIGABRT": ("kill", signal.SIGABRT, -signal.SIGABRT)}


@pytest.mark.parametrize("way", WAYS)
def test_the_terminal_is_given_back(busy, top, way):
    how, what, status = WAYS[way]
    screen = top()
    screen.find(">broken")
    assert not screen.is_given_back()
    if how == "type":
        screen.type(what)
    else:
        os.kill(screen.pid, what)
    assert screen.ended() == status and screen.is_given_back()


def test_a_segment_that_is_cut_short(resil, busy, top):
    screen = top()
    screen.find(">broken")
    resil.remember_semaphores()
    busy.kill()
    os.truncate(resil.segment, 4096)
    assert screen.ended() == 3 and screen.is_given_back()
    assert b"cut short" in b"".join(screen.written[-3:])


def test_a_segment_that_goes_and_comes_back(resil, busy, top, hold):
    screen = top()
    screen.find(">broken")
    resil.remember_semaphores()
    busy.exit()
    os.unlink(resil.segment)
    screen.find("GONE")
    assert resil.puppet(hold.port).do("a = connect()") == "ok"
    lines = screen.see(lambda lines: len(names(lines)) == 3 and not any("GONE" in line for line in lines), "the new one")
    assert any(re.match(r".broken +closed", line) for line in lines)


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def test_suspended_and_continued(busy, top):
    screen = top()
    screen.find(">broken")
    screen.type("\x1a")
    wait_until(lambda: state_of(screen.pid) == "T", what="a stopped top")
    while screen.feed(0.0):
        pass
    assert screen.is_given_back()
    screen.screen.reset()
    os.kill(screen.pid, signal.SIGCONT)
    screen.find(">broken")
    screen.type("q")
    assert screen.ended() == 0 and screen.is_given_back()


def test_colours(busy, top):
    screen = top()
    screen.find(">broken")
    screen.type("j")
    screen.find(">backend")
    assert b"\x1b[1;31m" in b"".join(screen.written)
    plain = top(env={"NO_COLOR": "1"})
    plain.find(">broken")
    plain.type("j")
    plain.find(">backend")
    assert not re.search(rb"\x1b\[[0-9;]*[34]\d[0-9;]*m", b"".join(plain.written))


def test_dumb_terminal(busy, top):
    screen = top(env={"TERM": "dumb"})
    wait_until(lambda: screen.feed(0.1) and b"".join(screen.written).count(b"broken") > 2, what="frames")
    assert b"\x1b" not in b"".join(screen.written)
    screen.type("\x03")
    assert screen.ended() == -signal.SIGINT


@pytest.mark.parametrize("locale, bars", [("C.UTF-8", "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"), ("C", ".:-=+*#@")])
def test_bars(resil, busy, top, dead, locale, bars):
    """The graph of calls, in the signs that the locale has."""
    screen = top("--sort", "name", columns=120, env={"LC_ALL": locale})
    screen.find(">backend")
    end = time.monotonic() + 10
    while True:
        resil.resctl("reset", "broken")
        busy.do(f"connect({dead.port})")
        screen.feed(0.02)
        line = next((line for line in screen.screen.display if line[1:].startswith("broken")), "")
        title = next((line for line in screen.screen.display if line.startswith(" NAME")), "")
        if any(bar in line[title.find("CALLS") + 1 if title else 999:][:40] for bar in bars):
            break
        assert time.monotonic() < end, line
    output = b"".join(screen.written).decode("utf-8")
    assert locale != "C" or output.isascii()


def test_a_frame_is_one_small_write(resil, busy, top):
    """No flicker: after the first frame only what changed is drawn, and never by clearing the screen."""
    screen = top()
    screen.find(">broken")
    screen.feed(0.3)
    del screen.written[:]
    frames = 0
    while frames < 2:
        frames += screen.feed(1.0)
    assert max(map(len, screen.written)) < 300 and b"\x1b[2J" not in b"".join(screen.written)
    trace = os.path.join(resil.dir, "trace")
    traced = Terminal(["strace", "-o", trace, "-e", "trace=write,ppoll", helper.RESCTL, "top", "-i", "100ms"],
                      resil.env(preload=False, extra={"TERM": "xterm"}))
    try:
        traced.find(">broken")
        traced.type("jjkk")
        traced.feed(0.5)
        traced.type("q")
        assert traced.ended() == 0
    finally:
        traced.close()
    with open(trace, encoding="utf-8", errors="replace") as file:
        calls = re.findall(r"^(write\(1|ppoll)", file.read(), re.MULTILINE)
    pairs = list(zip(calls, calls[1:]))[2:]
    assert len(pairs) > 3 and pairs.count(("write(1", "write(1")) <= 1, calls  # the last is that which gives it back


def test_once(resil, busy):
    result = resil.resctl("top", "--once", "-i", "10ms")
    lines = result.out.decode().splitlines()
    assert result.status == 0 and len(lines) == 6 and lines[5] == "", lines
    assert re.match(rf"^\d{{4}}-\S+Z {resil.segment} generation 1, 1 process$", lines[0])
    assert "breaker bulkhead queue_timeout" in lines[1] and names(lines) == ["broken", "backend", "idle"]
    assert [frame["destinations"][0]["name"] for frame in moments(resil, "-i", "10ms", "--sort", "name")] == ["backend"]
    assert len(resil.resctl("top", "--batch", "-n", "3", "-i", "10ms", "--filter", "idle").out.decode().split("\n\n")) == 4


def test_looking_changes_nothing(resil, busy, top):
    busy.kill()
    with open(resil.segment, "rb") as file:
        before = file.read()
    assert resil.resctl("top", "--once", "-i", "10ms").status == 0
    screen = top()
    screen.find(">broken")
    screen.type("\r")
    screen.find("broken: open")
    screen.type("q")
    assert screen.ended() == 0
    with open(resil.segment, "rb") as file:
        assert file.read() == before


@pytest.mark.parametrize("byte", [b"\xff", b"\x0b", "random"])
def test_hostile_bytes(resil, busy, top, byte):
    """Rows, directory, processes and ledger full of noise, also while it runs."""
    screen = top()
    screen.find(">broken")
    resil.remember_semaphores()
    with open(resil.segment, "r+b") as file:
        for offset, length in ((65536, 12288), (2228224, 2646016), (4915200, 524288), (5439488, 65536)):
            noise = (bytes(range(1, 252)) * (length // 251 + 1))[:length] if byte == "random" else byte * length
            file.seek(offset)
            file.write(noise)
    del screen.written[:]
    for keys in ("j", "\r", "\x1b", "s"):
        screen.type(keys)
        screen.feed(0.3)
    screen.type("q")
    assert screen.ended() == 0 and screen.is_given_back()
    output = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", b"".join(screen.written)).decode("utf-8")
    assert not re.search("[^ -~\u2581-\u2588\r\n]", output)
    result = resil.resctl("top", "--once", "-i", "10ms")
    assert result.status == 0 and not re.search("[^ -~\u2581-\u2588\n]", result.out.decode("utf-8"))


@pytest.mark.parametrize("args", [["-i", "1"], ["-i", "1ms"], ["-i", "2h"], ["--sort", "size"], ["--filter", "x" * 64], ["-n", "x"],
                                  ["backend"], []])
def test_bad_arguments(resil, busy, args):
    """Without a terminal, --batch or --once are needed."""
    result = resil.resctl("top", *args, env={"TERM": "xterm"})
    assert result.status == 2 and result.err and not result.out


def test_no_segment(resil):
    assert resil.resctl("top", "--once").status == 3
