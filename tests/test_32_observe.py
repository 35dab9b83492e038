# SPDX-License-Identifier: MIT
"""Goal: mode = observe changes nothing and says what enforce would have done; mode = off does not even count."""

import re

from clients import BY_NAME, REFUSED
from servers import HOST, PAGE

RULES = """
[destination backend]
match = 127.0.0.1:{port}
mode = {mode}
breaker.failures = 3
breaker.open_time = 60s
timeout.response = 100ms
bulkhead.limit = 1
"""


def test_observe_reports_only(resil, dead):
    command = BY_NAME["curl"].command(HOST, dead.port)
    resil.config(RULES.format(port=dead.port, mode="observe"))
    for _ in range(3):
        assert re.search(REFUSED, resil.run(command).err)
    row = resil.row("backend")
    assert (row["state"], row["mode"]) == ("open", "observe")
    server = dead.revive()
    result = resil.run(command)
    assert (result.status, result.out, server.accepted) == (0, PAGE, 1)
    counters = resil.counters("backend")
    assert (counters["would_reject"], counters["rejected_breaker"]) == (1, 0)


def test_off_is_out_of_the_way(resil, dead):
    command = BY_NAME["curl"].command(HOST, dead.port)
    resil.config(RULES.format(port=dead.port, mode="off"))
    for _ in range(4):
        assert re.search(REFUSED, resil.run(command).err)
    row = resil.row("backend")
    assert (row["state"], row["mode"], row["counters"]["attempts"]) == ("closed", "off", 0)
