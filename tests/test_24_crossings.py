# SPDX-License-Identifier: MIT
"""Goal: policies that meet on one connect: endpoints, retries, orders, limits of exchanges, chaos and replay leave every
account as they found it, whatever kind of loop the program has."""

import json
import subprocess

import pytest

from clients import BY_NAME
from helper import PYTHON, wait_until
from servers import HOST, Hold
from test_24_async_retry import LOOP

QUIET = "breaker.failures = off\nbreaker.ratio = off\nretry.budget = off\n"


def all_quiet(resil, name="backend"):
    """Nothing is held once the program is gone."""
    for row in resil.status()["destinations"]:
        if row["name"] == name:
            assert (row["connections"], row["queued"], row["probes"]) == (0, 0, 0), row


@pytest.mark.parametrize("order", ["breaker-inside", "breaker-outside-retry", "bulkhead-outside"])
@pytest.mark.parametrize("name", ["curl", "asyncio", "node", "psql"])
def test_failover_within_a_pending_connect(resil, dead, black_hole, healthy, name, order):
    """The first endpoint refuses, the second says nothing, the third answers."""
    client = BY_NAME[name]
    text = "" if order == "breaker-inside" else f"order = {order}\n"
    resil.config(f"[destination backend]\nmatch = 192.0.2.7:7777\n{QUIET}{text}retry.attempts = 4\ntimeout.connect = 300ms\n"
                 f"retry.base = 50ms\nbulkhead.limit = 1\nbulkhead.queue = 2\n"
                 f"endpoints = {HOST}:{dead.port}, {HOST}:{black_hole.port}, {HOST}:{healthy[client.kind]}\n")
    for _ in range(2):
        outcome = resil.run(client.command("192.0.2.7", 7777))
        assert outcome.status == 0, outcome
    counters = resil.counters("backend")
    assert counters["retries_exhausted"] == 0 and counters["connects_ok"] >= 2, counters
    all_quiet(resil)


@pytest.mark.parametrize("order", ["breaker-inside", "breaker-outside-retry", "bulkhead-outside"])
@pytest.mark.parametrize("how", ["poll", "select", "level", "edge"])
def test_exhausted_retries_leave_nothing(resil, dead, how, order):
    text = "" if order == "breaker-inside" else f"order = {order}\n"
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n{text}retry.attempts = 3\nretry.base = 20ms\n"
                 "retry.budget = off\nbulkhead.limit = 1\nbulkhead.queue = 2\nbreaker.failures = 100\nbreaker.ratio = off\n"
                 "chaos = latency=30ms@connect\n")
    for _ in range(3):
        outcome = resil.run([PYTHON, "-c", LOOP, str(dead.port), how])
        assert json.loads(outcome.out)["result"] == "ECONNREFUSED", outcome
    all_quiet(resil)
    row = resil.row("backend")
    assert row["consecutive_failures"] == (3 if order == "breaker-outside-retry" else 9), row
    assert row["counters"]["attempts"] == 9


WRITES = r"""
import errno, json, select, socket, sys, time
port, edge = int(sys.argv[1]), select.EPOLLET if sys.argv[2] == "edge" else 0
ep = select.epoll()
socks = []
for _ in range(2):
    s = socket.create_connection(("127.0.0.1", port))
    s.setblocking(False)
    ep.register(s, select.EPOLLIN | select.EPOLLOUT | edge)
    socks.append(s)
ep.poll(0)
first, second = socks
first.send(b"a")
codes = []
for _ in range(5):
    try:
        second.send(b"b")
        codes.append("ok")
        break
    except OSError as error:
        codes.append(errno.errorcode[error.errno])
start, cpu = time.monotonic(), time.process_time()
got, sent = {}, "ok" in codes
freed = False
while time.monotonic() < start + 6 and "second" not in got:
    for fd, event in ep.poll(0.4 if not freed else 5):
        s = first if fd == first.fileno() else second
        if s is second and event & select.EPOLLOUT and not sent:
            try:
                s.send(b"b")
                sent = True
            except OSError as error:
                codes.append(errno.errorcode[error.errno])
        if event & select.EPOLLIN and (s is second or time.monotonic() > start + 0.5):
            got["first" if s is first else "second"] = s.recv(1).decode()
        elif event & select.EPOLLIN or s is first:
            time.sleep(0.01)
    if time.monotonic() > start + 0.5 and not freed:
        freed = True
        try:
            got["first"] = first.recv(1).decode()
        except BlockingIOError:
            pass
print(json.dumps({"codes": codes, "got": got, "cpu": time.process_time() - cpu}))
"""


@pytest.mark.parametrize("edge", ["level", "edge"])
def test_a_second_write_while_an_exchange_is_queued(resil, hold, edge):
    """EAGAIN again and again, never a refusal; and its turn comes by the edge that it waits for."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nfirst_byte = client\nbulkhead.unit = exchange\n"
                 "bulkhead.limit = 1\nbulkhead.queue = 5\nbulkhead.queue_timeout = 10s\n")
    outcome = resil.run([PYTHON, "-c", WRITES, str(hold.port), edge])
    assert outcome.status == 0, outcome
    seen = json.loads(outcome.out)
    assert set(seen["codes"]) == {"EAGAIN"} and seen["got"] == {"first": "a", "second": "b"}, seen
    all_quiet(resil)


CROWD = {
    "asyncio": [PYTHON, "-c", r"""
import asyncio, sys
async def one(port):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    ok = 0
    for i in range(5):
        w.write(b"q")
        ok += await asyncio.wait_for(r.readexactly(1), 15) == b"q"
    w.close()
    return ok
async def main():
    print(sum(await asyncio.gather(*(one(int(sys.argv[1])) for _ in range(12)))))
asyncio.run(main())
"""],
    "node": ["node", "-e", r"""
const net = require('net');
let done = 0, ok = 0;
for (let i = 0; i < 12; i++) {
  let n = 0;
  const s = net.connect(+process.argv[1], '127.0.0.1', () => s.write('q'));
  s.on('data', () => { ok++; if (++n < 5) s.write('q'); else s.end(); });
  s.on('error', e => console.error(e.code));
  s.on('close', () => { if (++done === 12) console.log(ok); });
}
"""],
}


@pytest.mark.parametrize("limits", ["bulkhead.limit = 2\nbulkhead.queue = 50\nbulkhead.queue_timeout = 15s\nbulkhead.unit = exchange\n",
                                    "bulkhead.limit = 2\nbulkhead.queue = 50\nbulkhead.queue_timeout = 15s\n",
                                    "rate.limit = 40/s\nrate.burst = 1\nrate.unit = exchanges\nrate.max_wait = 15s\n",
                                    "bulkhead.limit = 2\nbulkhead.queue = 50\nbulkhead.queue_timeout = 15s\nbulkhead.unit = exchange\n"
                                    "bulkhead.adaptive = aimd\nbulkhead.min = 1\nbulkhead.max = 3\nbulkhead.per = process\n"
                                    "chaos = latency=10ms@read\n"],
                         ids=["exchange", "connection", "rate", "adaptive"])
@pytest.mark.parametrize("kind", CROWD)
def test_a_crowd_in_one_loop(resil, hold, kind, limits):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nfirst_byte = client\n{limits}")
    outcome = resil.run([*CROWD[kind], str(hold.port)], timeout=30)
    assert outcome.status == 0 and outcome.out.strip() == b"60", (outcome, resil.row("backend"))
    all_quiet(resil)


REPLAYS = r"""
import http.client, sys
c = http.client.HTTPConnection("192.0.2.7", 7777)
for _ in range(3):
    c.request("GET", "/")
    r = c.getresponse()
    print(r.status, len(r.read()))
c.close()
"""


def test_replay_to_an_endpoint_has_its_back_off(resil, switch, healthy):
    """The endpoint closes without a byte: the request is sent again to where the connection was, after the back-off."""
    resil.config(f"[destination backend]\nmatch = 192.0.2.7:7777\n{QUIET}retry.attempts = 3\nretry.backoff = constant\n"
                 "retry.base = 200ms\nretry.jitter = off\nretry.replay = idempotent\nsniff = http\n"
                 "bulkhead.unit = exchange\nbulkhead.limit = 1\nbulkhead.endpoint_limit = 2\ntimeout.exchange = 5s\n"
                 f"endpoints = {HOST}:{switch.port}, {HOST}:{healthy['http']}\n")
    outcome = resil.run([PYTHON, "-c", REPLAYS])
    assert outcome.status == 1 and b"RemoteDisconnected" in outcome.err, outcome
    assert outcome.seconds >= 0.4 and switch.accepted == 3, outcome
    all_quiet(resil)


@pytest.mark.parametrize("how", ["poll", "select", "level", "edge"])
def test_an_injected_failure_is_retried(resil, hold, how):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nretry.attempts = 3\nretry.base = 10ms\n"
                 "retry.budget = off\nfirst_byte = client\nchaos = refuse count=2\n")
    outcome = resil.run([PYTHON, "-c", LOOP, str(hold.port), how])
    seen = json.loads(outcome.out)
    assert (seen["result"], seen["answer"]) == (0, "x"), seen
    counters = resil.counters("backend")
    assert (counters["retries"], counters["retries_ok"], counters["chaos_injected"]) == (2, 1, 2), counters
    assert resil.row("backend")["consecutive_failures"] == 0
    all_quiet(resil)
