# SPDX-License-Identifier: MIT
"""Goal: `resctl top` under tmux, which is how it is left open for days: the screens are those of a plain terminal, also after
the pane changed its size; nothing is coloured with NO_COLOR; the pane is given back; and 500 destinations cost next to nothing."""

import os
import re
import shlex
import shutil
import subprocess
import time

import pytest

import helper
from helper import wait_until
from servers import HOST
from terminal import Terminal

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not here")
SHARE, MEASURED_S = 0.05, 3.0


class Tmux:
    """A tmux server of its own with one detached pane, in which a command is run by a shell."""

    def __init__(self, resil, columns, lines, env=None):
        self.env = resil.env(preload=False, extra={"TMUX_TMPDIR": resil.dir, "TERM": "xterm-256color", **(env or {})})
        self.socket = os.path.join(resil.dir, f"tmux-{columns}-{time.monotonic_ns()}")
        self.do("new-session", "-d", "-x", str(columns), "-y", str(lines), "exec env PS1='ready> ' sh -i", ";",
                "set", "-g", "status", "off", ";", "set", "-g", "window-size", "manual", ";", "resize-window", "-x", str(columns), "-y", str(lines))
        self.see(lambda shown: shown and shown[0] == "ready>", "a prompt")

    def do(self, *args):
        result = subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *args], env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                                timeout=20, check=False)
        assert result.returncode == 0, (args, result.stderr)
        return result.stdout.decode()

    def screen(self, *options):
        return [line.rstrip() for line in self.do("capture-pane", "-p", *options).split("\n")[:-1]]

    def see(self, predicate, what, deadline=10.0):
        lines = []

        def look():
            lines[:] = self.screen()
            return predicate(lines)

        try:
            wait_until(look, deadline, what)
        except AssertionError as error:
            raise AssertionError("{} was not seen:\n{}".format(what, "\n".join(lines))) from error
        return lines

    def type(self, *keys):
        self.do("send-keys", *keys)

    def size(self, columns, lines):
        self.do("resize-window", "-x", str(columns), "-y", str(lines))

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)


@pytest.fixture
def tmux(resil):
    """tmux(columns, lines, ...): ended after the test."""
    opened = []

    def start(columns=80, lines=24, **options):
        opened.append(Tmux(resil, columns, lines, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def quiet(resil, hold, dead):
    """Three destinations at rest: nothing but the clock moves on the screen."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 2\n"
                 f"[destination broken]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 3\nbreaker.open_time = 1h\nbreaker.open_max = 1h\n"
                 "[destination idle]\nmatch = 192.0.2.1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect()") == "ok"
    for _ in range(4):
        assert puppet.do(f"connect({dead.port})") == "ECONNREFUSED"
    return puppet


def top_line(*options):
    return shlex.join([helper.RESCTL, "top", "-i", "100ms", *options])


def still(lines):
    """A screen without what moves by itself: the time of day."""
    return [re.sub(r"\b\d\d:\d\d:\d\dZ", "TIME", line) for line in lines]


def at_rest(lines):
    """The whole list, with no call in its memory of ten intervals."""
    return any(re.match(r".broken +open +0\.0 +- .* 0\.0 -", line) for line in lines) and any(line[1:].startswith("idle ") for line in lines)


def plain_screen(resil, columns, lines):
    """What pyte shows of the same program in a terminal of this size."""
    terminal = Terminal([helper.RESCTL, "top", "-i", "100ms"], resil.env(preload=False, extra={"TERM": "xterm-256color"}), lines, columns)
    try:
        return still(terminal.see(at_rest, "the list at rest"))
    finally:
        terminal.close()


def test_its_screens_are_those_of_a_plain_terminal(resil, quiet, tmux):
    """Two emulators agree, line by line, at each size; and what was on the screen before comes back."""
    pane = tmux(100, 24)
    pane.type("echo a line from before", "Enter")
    before = pane.see(lambda lines: lines[1:3] == ["a line from before", "ready>"], "the echo")
    pane.type(top_line(), "Enter")
    for columns, lines in ((100, 24), (80, 12), (140, 40), (100, 24)):
        pane.size(columns, lines)
        wanted = plain_screen(resil, columns, lines)
        shown = pane.see(lambda shown, wanted=wanted: still(shown) == wanted, f"at {columns}x{lines}: " + "\n".join(wanted))
        assert len(shown) == lines and max(map(len, shown)) <= columns
    pane.type("q")
    assert pane.see(lambda shown: shown[:2] == before[:2] and "ready>" in shown[2:], "the pane as it was")
    assert pane.do("display-message", "-p", "#{alternate_on} #{cursor_flag}").split() == ["0", "1"]


@pytest.mark.parametrize("value, coloured", [(None, True), ("1", False)])
def test_colours(quiet, tmux, value, coloured):
    pane = tmux(env={"NO_COLOR": value})
    pane.type(top_line(), "Enter")
    pane.see(at_rest, "the list")
    shown = "\n".join(pane.screen("-e"))  # with the attributes of each cell
    assert ("broken" in re.sub(r"\x1b\[[0-9;]*m", "", shown)) and bool(re.search(r"\x1b\[(?:\d+;)*[34][0-7](?:;\d+)*m", shown)) == coloured
    pane.type("?")
    pane.see(lambda lines: any("this help" in line for line in lines), "the help")


def cpu_seconds(pid):
    """What the process has spent, in ns by /proc/PID/schedstat."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def test_500_destinations_cost_little(resil, hold, tmux):
    """At the usual pace of one look a second, with traffic, in a large pane: less than a twentieth of one core."""
    resil.config("".join(f"[destination d{number:03}]\nmatch = 127.1.{number // 250}.{number % 250 + 1}:{hold.port}\nbulkhead.limit = 5\n" for number in range(500))
                 + f"[destination z]\nmatch = {HOST}:{hold.port}\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect()") == "ok"
    for first in range(500):  # a first row each, and one of its endpoint: nobody listens there
        puppet.do(f"socket.create_connection(('127.1.{first // 250}.{first % 250 + 1}', PORT))")
    assert len(resil.status()["destinations"]) == 1002
    pane = tmux(160, 60)
    pane.type("exec " + shlex.join([helper.RESCTL, "top", "--sort", "name"]), "Enter")
    pane.see(lambda lines: any(line.startswith(">d000 ") for line in lines), "the list")
    pid = int(pane.do("display-message", "-p", "#{pane_pid}"))
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        assert file.read() == "resctl\n"
    start, spent, calls = time.monotonic(), cpu_seconds(pid), 0
    while time.monotonic() - start < MEASURED_S:
        assert puppet.do("a.sendall(b'x'); a.recv(1)") == "ok"
        calls += 1
    spent, wall = cpu_seconds(pid) - spent, time.monotonic() - start
    assert 0 < spent < SHARE * wall, f"{100 * spent / wall:.2f} % of one core"
    pane.type("End")
    line = next(one for one in pane.see(lambda lines: any(one.startswith(">z ") for one in lines), "the last one") if one.startswith(">z "))
    assert calls and float(line.split()[2]) >= 0 and line.split()[1] == "closed"
    print(f"top over 1,002 rows: {100 * spent / wall:.2f} % of one core")
