# SPDX-License-Identifier: MIT
"""Goal: retries of all processes together keep to retry.budget (scenario 6.59), and the budget is what an independent
model says it is. MODEL_SEED=N replays one seed, MODEL_EVENTS=N runs fewer events."""

import glob
import os
import random
import shlex
import struct
import subprocess
import time

import model
from helper import BUILD, PYTHON, TESTS, TOP
from servers import HOST

EVENTS = int(os.environ.get("MODEL_EVENTS", 10**6))
SEEDS = 10


CLIENT = """
import socket, sys
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
    except OSError:
        pass
"""


def spend_together(resil, port, calls):
    """Ten processes that begin at once; the counters of their destination afterwards."""
    clients = [resil.spawn([PYTHON, "-c", CLIENT, str(port), str(calls)], stdin=subprocess.PIPE) for _ in range(10)]
    for client in clients:
        client.stdin.write(b"go\n")
        client.stdin.flush()
    for client in clients:
        assert resil.finish(client, 60).status == 0
    return resil.counters("backend")


RETRYING = """
[destination backend]
match = {host}:{port}
breaker.failures = off
breaker.ratio = off
retry.attempts = 10
retry.base = {base}
retry.jitter = off
retry.backoff = constant
retry.budget = {budget}
"""


def test_ten_processes_share_the_floor(resil, dead):
    """A floor of 20 in these ten seconds, and ten that reach for the last of it at once: 20, not one more."""
    resil.config(RETRYING.format(host=HOST, port=dead.port, base="20ms", budget="0% 2/s 10s"))
    start = time.monotonic()
    counters = spend_together(resil, dead.port, 10)
    assert time.monotonic() - start < 9, "the floor is that of ten seconds"
    assert counters["attempts"] == 100 + counters["retries"] and counters["retries"] == 20


def test_ten_processes_share_the_share(resil, dead):
    resil.config(RETRYING.format(host=HOST, port=dead.port, base="1ms", budget="10% 0/s 60s"))
    counters = spend_together(resil, dead.port, 100)
    assert counters["attempts"] == 1000 + counters["retries"] and 90 <= counters["retries"] <= 100
