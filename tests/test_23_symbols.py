# SPDX-License-Identifier: MIT
"""Goal: every symbol that the library exports keeps the record of a connection right. Each row of the symbols table has a
case in programs/symbols.c, which makes that one call on a connection; what the library made of it is read by resctl, and
what the program saw is what it sees natively. A row that is tried elsewhere is named there in a line `covers: NAME ...`."""

import os
import re

import pytest

import helper
from helper import TESTS, UPPER, table_rows, wait_until
from servers import HOST

TIMEOUT = 0.3
TIMED_OUT = b"-1 Connection timed out"


def case_names():
    """(kind, case) of every case of the program, read from its source."""
    with open(os.path.join(TESTS, "programs", "symbols.c"), encoding="utf-8") as file:
        return [(kind.lower(), name) for kind, name in re.findall(r'^    ([A-Z]+)\("([^"]+)",', file.read(), re.MULTILINE)]


def covered_elsewhere():
    names = set()
    for folder, _, files in os.walk(TESTS):
        for name in files:
            if name.endswith((".py", ".c")):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    for line in re.findall(r"^\W*covers: (.*)$", file.read(), re.MULTILINE):
                        names.update(line.split())
    return names


def test_every_symbol_has_a_case():
    cases = {name.split(":")[0] for _, name in case_names()}
    assert [row for row in table_rows("symbols.tbl.h", "SYMBOL") if row not in cases | covered_elsewhere()] == []


class Setting:
    """The three servers, their destinations, and one run of the program."""

    def __init__(self, resil, program, echo, silent, dead, library=None):
        self.resil, self.program = resil, program
        self.ports = [echo.port, silent.port, dead.port]
        self.env = {"LD_PRELOAD": library} if library else {}
        resil.config("".join(f"[destination {name}]\nmatch = {where}:{port}\ntimeout.response = 300ms\n"
                             for name, where, port in (("echo", HOST, echo.port), ("silent", HOST, silent.port),
                                                       ("dead", HOST, dead.port), ("named", "localhost", echo.port))))

    def command(self, name):
        return [self.program, name, *map(str, self.ports), "localhost"]

    def run(self, name, preload=True, stdin=b"\n\n"):
        result = self.resil.run(self.command(name), preload=preload, env=self.env if preload else None, stdin=stdin)
        assert result.status == 0, result
        return result

    def seconds(self, result):
        return int(re.search(rb"(\d+) ms", result.err)[1]) / 1000

    def check_timed_out(self, result):
        assert TIMED_OUT in result.out
        assert TIMEOUT - 0.002 <= self.seconds(result) <= TIMEOUT + UPPER
        assert self.resil.counters("silent")["response_timeouts"] == 1

    # ---- one for each kind

    def check_in(self, name):
        ours = self.run(name)
        assert ours.out == self.run(name, preload=False).out
        counters = self.resil.counters("echo")
        assert (counters["attempts"], counters["connects_ok"], counters["exchanges_ok"]) == (1, 1, 1)
        assert (counters["bytes_out"], counters["bytes_in"]) == (5, 5)

    check_out = check_open = check_in

    def check_wait(self, name):
        result = self.run(name)
        assert b"call 1 " in result.out
        self.check_timed_out(result)

    def check_mode(self, name):
        self.check_timed_out(self.run(name))

    def check_gone(self, name):
        child = self.resil.spawn(self.command(name), env=self.env, stdin=helper.subprocess.PIPE)
        assert child.stdout.readline() == b"call 0 \n"
        assert child.stdout.readline() == b"ready\n"
        assert self.resil.row("echo")["connections"] == 0
        assert self.resil.counters("echo")["attempts"] == 1
        child.stdin.close()

    def check_alias(self, name):
        child = self.resil.spawn(self.command(name), env=self.env, stdin=helper.subprocess.PIPE)
        assert child.stdout.readline() == b"alias 1 \n"
        wait_until(lambda: child.stdout.readline() == b"ready\n", what="the exchange")
        row = self.resil.row("echo")
        assert (row["connections"], row["counters"]["exchanges_ok"], row["counters"]["bytes_in"]) == (1, 1, 5)
        child.stdin.write(b"\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"ready\n"
        assert self.resil.row("echo")["connections"] == 0
        child.stdin.close()

    def check_name(self, name):
        self.run(name)
        assert self.resil.counters("named")["attempts"] == 1

    def check_other(self, name):
        result = self.run(name)
        if name == "getsockopt":
            assert b"SO_ERROR 111" in result.out
            assert self.resil.counters("dead")["connects_failed"] == 1
        elif name.endswith("shutdown"):
            assert result.out == b"shutdown 1 \nrecv 0 \n"
            counters = self.resil.counters("silent")
            assert (counters["abandoned"], counters["empty_responses"]) == (1, 0)
        else:
            assert result.out.startswith(b"SO_RCVTIMEO 2 " if name == "setsockopt" else b"epoll_wait 1 ")
            self.check_timed_out(result)


@pytest.mark.parametrize("kind, name", case_names(), ids=lambda text: text)
def test_symbol(resil, compiled, hold, hang, dead, kind, name):
    setting = Setting(resil, compiled("symbols.c"), hold, hang, dead)
    getattr(setting, f"check_{kind}")(name)
