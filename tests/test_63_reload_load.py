# SPDX-License-Identifier: MIT
"""Goal: rules are changed again and again under a program at full speed (redis-benchmark): it keeps every connection and gets
every answer, and each new limit binds the very next call."""

import shutil
import subprocess

import pytest

from helper import wait_until
from servers import HOST, Redis

pytestmark = pytest.mark.skipif(not shutil.which("redis-benchmark"), reason="redis-benchmark is not here")
CLIENTS, REQUESTS, ROUNDS = 20, 100000, 5
RULES = """[destination backend]
match            = {host}:{port}
timeout.connect  = {connect}ms
timeout.response = {response}s
breaker.failures = {failures}
bulkhead.limit   = {limit}
{more}
"""


@pytest.fixture
def fresh():
    """A Redis that nobody else asks: its counts are ours."""
    server = Redis()
    yield server
    server.stop()


def facts(server):
    """INFO, without the library, as numbers where it has such."""
    text = subprocess.run(["redis-cli", "-h", HOST, "-p", str(server.port), "info", "everything"], capture_output=True, check=True, timeout=20).stdout.decode()
    return dict(line.strip().split(":", 1) for line in text.splitlines() if ":" in line)


def calls(found):
    return int(found.get("cmdstat_get", "calls=0,").split("calls=")[1].split(",")[0])


def test_under_load(resil, fresh):
    def publish(limit, number=0, more=""):
        resil.config(RULES.format(host=HOST, port=fresh.port, limit=limit, connect=1000 + number, response=30 + number % 7, failures=5 + number % 3, more=more))

    publish(CLIENTS + 1)
    puppet = resil.puppet(fresh.port)
    bench = resil.spawn(["redis-benchmark", "-h", HOST, "-p", str(fresh.port), "-c", str(CLIENTS), "-n", str(REQUESTS), "-t", "get", "--csv"])
    wait_until(lambda: resil.published("backend") and resil.row("backend")["connections"] == CLIENTS, what="all clients")
    wait_until(lambda: calls(facts(fresh)) > 100, what="load")
    before, asked, refused, rounds = facts(fresh), 1, 0, 0  # asked: by the puppet, and at the end by redis-cli

    def is_running():
        return resil.row("backend")["connections"] == CLIENTS

    while is_running():
        rounds += 1
        # As many as there are: the next call is refused. Who is in stays in.
        publish(CLIENTS, rounds)
        assert resil.resctl("reload").status == 0
        answer = puppet.do("connect()")
        refused += answer == "ECONNREFUSED"
        asked += answer == "ok"
        if not is_running():
            break  # perhaps a slot had become free
        assert answer == "ECONNREFUSED", rounds
        # A bad file in between is refused, and the limit stays.
        resil.file("bad.conf", "[destination backend]\nbulkhead.limit = many\n")
        assert resil.resctl("reload", f"{resil.dir}/bad.conf").status == 2
        # One more: the next call comes in, and is served.
        publish(CLIENTS + 1, rounds)
        assert resil.resctl("reload").status == 0
        assert puppet.do("one = connect(); one.sendall(b'PING\\r\\n')") == "ok", rounds
        assert puppet.get("one.recv(7).decode()") == "+PONG\r\n" and puppet.do("one.close()") == "ok"
        asked += 1
        # By another means: a rate that is used up.
        publish(CLIENTS + 1, rounds, "rate.limit = 1/h\nrate.burst = 1\n")
        assert resil.resctl("reload").status == 0
        answers = [puppet.do("connect().close()") for _ in range(2)]
        assert answers[1] == "ECONNREFUSED" and (answers[0] == "ok") == (rounds == 1), (rounds, answers)
        asked += answers[0] == "ok"
    result = resil.finish(bench)
    after, counters = facts(fresh), resil.counters("backend")
    assert result.status == 0 and result.err == b"" and result.out.decode().splitlines()[-1].startswith('"GET","'), result
    assert refused >= ROUNDS, refused
    # Every request was answered, over the connections of the beginning.
    assert calls(after) == REQUESTS and after["total_error_replies"] == before["total_error_replies"]
    assert int(after["total_connections_received"]) - int(before["total_connections_received"]) == asked
    print(f"{rounds} rounds, {resil.status()['segment']['generation']} generations")
    assert [name for name in ("resets", "exchanges_failed", "connects_failed", "response_timeouts", "abandoned", "reclaimed") if counters[name]] == []
    assert counters["rejected_bulkhead"] == refused and resil.status()["segment"]["doubts"] == 0
