# SPDX-License-Identifier: MIT
"""The clients that the tests drive: unmodified programs of as many kinds as there are ways to use a socket."""

import re
from dataclasses import dataclass
from typing import Callable

from helper import PYTHON, program
from servers import postgres_bin

# What the clients say. curl puts a failed connect into its number: 7, or 28 when it timed out.
REFUSED = rb"refused|REFUSED|curl: \(7\)"
TIMED_OUT = rb"timed out|timeout|ETIMEDOUT|curl: \(28\)"


@dataclass(frozen=True)
class Client:
    """name, the kind of server it talks to, and how to call it.

    clock     it prints elapsed=SECONDS of the operation itself; of the others only the wall time is known
    repeats   how often it asks again by itself when a connect (first) or an answer (second) fails
    """

    name: str
    kind: str
    build: Callable[[str, int, str], list]
    clock: bool = False
    repeats: tuple = (1, 1)

    def command(self, host, port, path="/page"):
        return self.build(host, port, path)

    def seconds(self, result, native=0.0):
        """How long the operation took; native: wall time of a successful run without the library."""
        if not self.clock:
            return result.seconds - native
        found = re.search(rb"^elapsed=([0-9.]+)", result.err, re.MULTILINE)
        assert found, result
        return float(found[1])


def _url(host, port, path):
    return f"http://{host}:{port}{path}"


CLIENTS = (
    Client("curl", "http", lambda host, port, path: [
        "curl", "-q", "-sS", "--noproxy", "*", "-w", "%{stderr}elapsed=%{time_total}\n", _url(host, port, path)],
        clock=True),
    Client("wget", "http", lambda host, port, path: [
        "wget", "--no-config", "--no-proxy", "--no-hsts", "-t1", "-nv", "-O-", _url(host, port, path)]),
    Client("redis-cli", "redis", lambda host, port, path: [
        "redis-cli", "-h", host, "-p", str(port), "get", "greeting"], repeats=(2, 1)),
    Client("psql", "pg", lambda host, port, path: [
        postgres_bin("psql"), "-X", f"host={host} port={port} user=postgres dbname=postgres sslmode=disable "
        "gssencmode=disable", "-Atqc", "select 'hello', generate_series(1, 3)"]),
    Client("python3", "http", lambda host, port, path: [
        PYTHON, program("http_blocking.py"), host, str(port), path], clock=True),
    Client("asyncio", "http", lambda host, port, path: [
        PYTHON, program("http_asyncio.py"), host, str(port), path], clock=True),
    Client("node", "http", lambda host, port, path: [
        "node", program("http_node.js"), host, str(port), path], clock=True),
    Client("perl", "http", lambda host, port, path: [
        "perl", program("http_perl.pl"), host, str(port), path], clock=True),
)
BY_NAME = {client.name: client for client in CLIENTS}
NAMES = [client.name for client in CLIENTS]
HTTP_NAMES = [client.name for client in CLIENTS if client.kind == "http"]

_VOLATILE = (
    (re.compile(rb"^elapsed=[0-9.]+", re.MULTILINE), b"elapsed=-"),
    (re.compile(rb"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE), b"DATE"),
    (re.compile(rb"after \d+ ms"), b"after - ms"),
)


def stable(text):
    """The text without what differs from run to run."""
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text
