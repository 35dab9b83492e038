# SPDX-License-Identifier: MIT
"""Goal: with no policy a program's system calls on its sockets are those that it makes natively, and the few that the
README names."""

import collections
import re

import pytest

import grid
import grid_servers
from servers import HOST

# What the library adds to one connection, at most. The README has the same table ("What it costs").
EXTRA = {"getsockopt SO_PROTOCOL": 1, "getsockopt SO_DOMAIN": 1, "getsockopt SO_COOKIE": 2, "getsockopt TCP_INFO": 3, "ioctl FIONREAD": 1}
# How often a program looks for bytes, and whether it has to wait for them at all, depends on how they arrive. It does
# not spin for them.
BY_CHANCE = {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "recvfrom", "recvmsg"}
NAMES = [name for name in ("curl", "wget", "nc.openbsd", "nc.traditional", "perl", "python-http.client", "python-select",
                           "python-poll", "python-epoll", "lua", "ruby", "redis-cli", "psql") if name in grid.BY_ROW]


@pytest.fixture(scope="module")
def park():
    running = grid_servers.Park()
    yield running
    running.stop()


def calls(resil, row, park, preload):
    """How often each call on a socket was made; options of sockets by their names."""
    log = resil.file("strace", "")
    tracer = ["strace", "-f", "-qq", "-e", "signal=none", "-o", log, "-e",
              "trace=%network,poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,epoll_ctl,epoll_create1,ioctl"]
    if preload:
        tracer += ["-E", f"LD_PRELOAD={resil.env()['LD_PRELOAD']}"]
    result = resil.run([*tracer, *row.command(HOST, park.port(row.kind), park)], preload=False, stdin=row.stdin)
    assert result.status == 0, result
    found = collections.Counter()
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            call = re.match(r"\d+ +(\w+)\((?:\d+, )?(.*)", line)
            if call:
                words = re.split(r", |\)", call[2])
                option = words[1] if call[1].endswith("sockopt") else words[0] if call[1] == "ioctl" else ""
                found[f"{call[1]} {option}".strip()] += 1
    return found


@pytest.mark.parametrize("name", NAMES)
def test_extra_calls(resil, park, name):
    row = grid.BY_ROW[name]
    native = calls(resil, row, park, preload=False)
    ours = calls(resil, row, park, preload=True)
    assert ours["getsockopt SO_COOKIE"] >= 1, "the library was not there"
    for call in sorted(set(native) | set(ours)):
        added = ours[call] - native[call]
        if call in BY_CHANCE:
            assert ours[call] <= 2 * native[call] + 10, call
        elif call in EXTRA:
            assert 0 <= added <= EXTRA[call], f"{call}: {added} more"
        else:
            assert added == 0, f"{call}: {added} more"
