# SPDX-License-Identifier: MIT
"""Goal: retry.replay sends a request that may be repeated again, when its connection fails before a byte of the answer, and
never any other; the program sees one answer."""

import json
import socket
import struct

import pytest

from helper import UPPER, wait_until
from servers import HOST, Scripted, http_answer

CONFIG = "[destination backend]\nmatch = {host}:{port}\nretry.replay = idempotent\nretry.attempts = 3\nretry.base = 10ms\n" \
         "retry.jitter = off\nretry.budget = off\nbreaker.failures = off\nbreaker.ratio = off\nfirst_byte = client\n{more}\n"
RAW = r"""
import errno, json, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
out = []
for request in sys.argv[2:]:
    try:
        s.sendall(request.encode().decode("unicode_escape").encode())
        out.append(s.recv(4096).decode().split("\r\n")[0])
    except OSError as error:
        out.append(errno.errorcode[error.errno])
print(json.dumps(out))
"""
GET = r"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
POST = r"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
PUT = r"PUT /page HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


class Flaky(Scripted):
    """Fails the first requests in a given way and answers the later ones; remembers what it was sent."""

    def __init__(self, failures, how, answer=None):
        self.failures, self.how = failures, how
        self.requests = []
        self.answer = answer or http_answer(b"ok")
        super().__init__()

    def handle(self, connection):
        while data := connection.recv(1 << 17):
            self.requests.append(data)
            if len(self.requests) > self.failures:
                connection.sendall(self.answer)
            elif self.how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            elif self.how == "close":
                return
            elif self.how == "hang":
                self.stopping.wait(30)
            else:
                connection.sendall(b"HTTP/1.1 %d Bad\r\nContent-Length: 5\r\n\r\nwrong" % self.how)


@pytest.fixture
def flaky():
    servers = []

    def start(*args, **options):
        servers.append(Flaky(*args, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def talk(resil, server, *requests, more=""):
    resil.config(CONFIG.format(host=HOST, port=server.port, more=more))
    result = resil.run(["/usr/bin/python3", "-c", RAW, str(server.port), *requests])
    assert result.status == 0, result
    return json.loads(result.out)


@pytest.mark.parametrize("how", ["close", "hang", 503])
def test_no_byte_is_missed(resil, flaky, how):
    """What the hooks saw is set against each of the kernel's connections, one after the other."""
    assert talk(resil, flaky(2, how), GET, more="timeout.response = 200ms\nretry.on = refused timeout reset http:5xx") == [
        "HTTP/1.0 200 OK"]
    assert resil.counters("backend")["replays"] == 2
    coverage = resil.row("backend")["coverage"]
    assert coverage["ratio"] == 1.0 and coverage["seen_out"] == coverage["kernel_out"] == 3 * len(GET.encode().decode("unicode_escape"))
    assert coverage["seen_in"] == coverage["kernel_in"] > 0


@pytest.mark.parametrize("how", ["reset", "close", "hang"])
def test_a_get_is_sent_again(resil, flaky, how):
    server = flaky(2, how)
    assert talk(resil, server, GET, more="timeout.response = 200ms") == ["HTTP/1.0 200 OK"]
    assert len(server.requests) == 3 and len(set(server.requests)) == 1
    counters = resil.counters("backend")
    assert (counters["replays"], counters["exchanges_failed"], counters["exchanges_ok"]) == (2, 2, 1)
    assert counters["attempts"] == 3 and resil.row("backend")["connections"] == 0


def test_an_unmodified_client_is_served(resil, flaky):
    server = flaky(1, "close")
    resil.config(CONFIG.format(host=HOST, port=server.port, more=""))
    code = f"import urllib.request; print(urllib.request.urlopen('http://{HOST}:{server.port}/').read())"
    result = resil.run(["/usr/bin/python3", "-c", code])
    assert result.out.strip() == b"b'ok'", result
    assert len(server.requests) == 2


@pytest.mark.parametrize("request_", [POST, r"hello\n", GET[:-4], r"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n"],
                         ids=["POST", "unknown", "incomplete", "upgrade"])
def test_other_requests_never(resil, flaky, request_):
    server = flaky(1, "close")
    assert talk(resil, server, request_) == [""]
    assert len(server.requests) == 1 and resil.counters("backend")["replays"] == 0


def test_a_put_with_its_body(resil, flaky):
    server = flaky(1, "reset")
    assert talk(resil, server, PUT) == ["HTTP/1.0 200 OK"]
    assert server.requests[0] == server.requests[1] and server.requests[1].endswith(b"abc")


def test_the_attempts_end(resil, flaky):
    server = flaky(9, "reset")
    assert talk(resil, server, GET) == ["ECONNRESET"]
    assert len(server.requests) == 3


def test_a_large_request_is_not_kept(resil, flaky):
    server = flaky(1, "close")
    size = 70000
    resil.config(CONFIG.format(host=HOST, port=server.port, more=""))
    client = RAW.replace("for request in sys.argv[2:]:",
                         f"for request in ['PUT / HTTP/1.1\\\\r\\\\nContent-Length: {size}\\\\r\\\\n\\\\r\\\\n' + 'x' * {size}]:")
    result = resil.run(["/usr/bin/python3", "-c", client, str(server.port)])
    assert json.loads(result.out)[0] in ("", "ECONNRESET", "EPIPE"), result
    assert resil.counters("backend")["replays"] == 0


def test_without_the_key_nothing_is_sent_again(resil, flaky):
    other = flaky(1, "close")
    resil.config(f"[destination backend]\nmatch = {HOST}:{other.port}\nretry.attempts = 3\n")
    assert json.loads(resil.run(["/usr/bin/python3", "-c", RAW, str(other.port), GET]).out) == [""]
    assert len(other.requests) == 1


@pytest.mark.parametrize("status, on, sent", [(503, "http:5xx", 2), (429, "http:5xx,429", 2), (503, "reset", 1),
                                              (404, "http:5xx,429", 1)])
def test_answers_that_are_refusals(resil, flaky, status, on, sent):
    server = flaky(1, status)
    first = talk(resil, server, GET, more=f"retry.on = {on}")
    assert len(server.requests) == sent
    assert first == ["HTTP/1.0 200 OK" if sent == 2 else f"HTTP/1.1 {status} Bad"]


def test_the_last_refusal_is_the_answer(resil, flaky):
    server = flaky(9, 503)
    assert talk(resil, server, GET, more="retry.on = http:5xx") == ["HTTP/1.1 503 Bad"]
    assert len(server.requests) == 3


def test_redis_reads(resil, flaky):
    server = flaky(1, "close", answer=b"$1\r\nv\r\n")
    assert talk(resil, server, r"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") == ["$1"]
    assert len(server.requests) == 2


def test_redis_writes_never(resil, flaky):
    server = flaky(1, "close", answer=b"+OK\r\n")
    assert talk(resil, server, r"*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n") == [""]
    assert len(server.requests) == 1


def test_a_selected_database_is_not_lost(resil):
    """SELECT is answered; the GET after it fails, and is not repeated on a connection that knows no SELECT."""

    class Server(Scripted):
        requests = []

        def handle(self, connection):
            while data := connection.recv(4096):
                self.requests.append(data)
                if b"GET" in data:
                    return
                connection.sendall(b"+OK\r\n")

    server = Server()
    try:
        answers = talk(resil, server, r"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n", r"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
        assert answers == ["+OK", ""] and len(server.requests) == 2
    finally:
        server.stop()


def test_the_open_breaker_ends_it(resil, flaky):
    server = flaky(9, "reset")
    resil.config(CONFIG.format(host=HOST, port=server.port, more="").replace("breaker.failures = off",
                                                                             "breaker.failures = 1"))
    result = resil.run(["/usr/bin/python3", "-c", RAW, str(server.port), GET])
    assert json.loads(result.out) == ["ECONNRESET"] and len(server.requests) == 1
    assert resil.counters("backend")["rejected_breaker"] == 1


def test_a_server_that_is_gone_ends_it(resil, flaky):
    dying = flaky(1, "hang")
    resil.config(CONFIG.format(host=HOST, port=dying.port, more="timeout.response = 300ms"))
    child = resil.spawn(["/usr/bin/python3", "-c", RAW, str(dying.port), GET])
    wait_until(lambda: dying.requests)
    dying.listener.shutdown(socket.SHUT_RDWR)
    dying.listener.close()
    result = resil.finish(child)
    assert json.loads(result.out) == ["ETIMEDOUT"] and result.seconds < 0.3 + 4 * UPPER, result
