# SPDX-License-Identifier: MIT
"""Goal: the agent's HTTP tells Prometheus, an orchestrator and a browser what resctl tells, and nobody can make it do
anything else, or keep it from answering others."""

import contextlib
import http.client
import json
import os
import re
import select
import socket
import subprocess
import time

import html5lib
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from agents import active, agent, log_of  # noqa: F401
from clients import BY_NAME
from helper import RESCTL, UPPER, program, wait_until
from servers import HOST

RULES = """[destination backend]
match = {host}:{port}
breaker.failures = 1
breaker.open_time = 60s
bulkhead.limit = 5
[check job]
exec = test -e {dir}/well
interval = 100ms
fall = 1
rise = 1
"""
PLACES, STREAMS, HEAD_SECONDS = 64, 16, 5  # tools/agent/http.h


class Web:
    """A running agent that answers at a port of its own."""

    def __init__(self, resil, agent, port, *options):
        resil.config(RULES.format(host=HOST, port=port, dir=resil.dir))
        resil.file("well", "")
        self.resil = resil
        self.child = agent("--listen", f"{HOST}:0", *options)
        active(resil, self.child)
        wait_until(lambda: resil.published("backend"), what="the rules")
        self.port = int(re.search(r"answers at http://127\.0\.0\.1:(\d+)/", log_of(resil))[1])

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer

    def connect(self):
        return socket.create_connection((HOST, self.port), timeout=10)

    def raw(self, request, deadline=10.0):
        """All that is answered to these bytes until the server closes."""
        with self.connect() as client:
            client.settimeout(deadline)
            client.sendall(request)
            return read_all(client)


def read_all(client):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def statuses(answer):
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d+) ", answer, re.MULTILINE)]


@pytest.fixture
def web(resil, agent, dead):
    web = Web(resil, agent, dead.port)
    yield web
    assert web.child.poll() is None, log_of(resil)  # whatever was sent, it lives
    assert web.get("/api/v1/status").status == 200


def test_metrics(web, dead):
    web.resil.run(BY_NAME["curl"].command(HOST, dead.port))
    answer = web.get("/metrics")
    assert answer.status == 200 and answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in parse_text(answer.body.decode())}
    assert any(sample.labels.get("state") == "open" and sample.value == 1
               for sample in families["resil_breaker_state"].samples)
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    answer = web.get("/metrics", Accept=accept)
    assert answer.getheader("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert {family.name for family in parse_openmetrics(answer.body.decode())} >= {"resil_connects", "resil_check_up"}
    judge = web.resil.run(["curl", "-sSf", f"http://localhost:{web.port}/metrics"], preload=False)
    assert judge.status == 0
    assert web.resil.run(["promtool", "check", "metrics"], preload=False, stdin=judge.out).status == 0


def test_status(web, dead):
    web.resil.run(BY_NAME["curl"].command(HOST, dead.port))
    answer = web.get("/api/v1/status")
    assert answer.status == 200 and answer.getheader("Content-Type") == "application/json"
    found, shown = json.loads(answer.body), web.resil.status()
    assert [row["counters"] for row in found["destinations"]] == [row["counters"] for row in shown["destinations"]]
    assert set(found) == set(shown) and found["segment"]["path"] == web.resil.segment


def test_health(web, dead):
    wait_until(lambda: web.get("/ready").status == 200)
    for path, extra in (("/health", None), ("/health/live", "alive"), ("/live", "alive"), ("/health/ready", "ready"),
                        ("/ready", "ready")):
        answer = web.get(path)
        assert (answer.status, answer.getheader("Content-Type")) == (200, "application/json"), path
        found = json.loads(answer.body)
        assert found["status"] == "healthy" and (extra is None or found[extra] is True)
    os.unlink(os.path.join(web.resil.dir, "well"))
    wait_until(lambda: web.get("/health").status == 503)
    assert web.get("/ready").status == 503 and json.loads(web.get("/ready").body)["ready"] is False
    assert web.get("/live").status == 200 and json.loads(web.get("/live").body)["alive"] is True


def test_methods(web):
    for path in ("/", "/metrics", "/health/live", "/api/v1/status"):
        whole, head = web.get(path), web.get(path, method="HEAD")
        assert (head.status, head.body) == (whole.status, b"") and int(head.getheader("Content-Length")) > 0
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
            answer = web.get(path, method=method)
            assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD"), (path, method)
    head = web.raw(b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert statuses(head) == [200] and head.endswith(b"\r\n\r\n")
    for path in ("/nothing", "/metrics/", "//metrics", "/..", "/../etc/passwd", "/%2e%2e/", "/api/v1/", "/favicon.ico"):
        assert web.get(path).status == 404, path
    assert web.get("/health/live?verbose=1").status == 200
    answer = web.get("/metrics")
    assert {name: answer.getheader(name) for name in ("Cache-Control", "X-Content-Type-Options", "X-Frame-Options",
                                                      "Access-Control-Allow-Origin")} == {
        "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
        "Access-Control-Allow-Origin": None}


def test_kept_alive_and_pipelined(web):
    connection = http.client.HTTPConnection(HOST, web.port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/live")
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
        socket_of = connection.sock
        assert socket_of is not None
    connection.close()
    one = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert statuses(web.raw(one * 50 + last + one)) == [200] * 50 + [404]
    assert statuses(web.raw(b"GET /live HTTP/1.0\r\n\r\n")) == [200]
    with_body = b"POST /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /"
    assert statuses(web.raw(with_body + last)) == [405, 404]


@pytest.mark.parametrize("request_bytes,status", [
    (b"garbage\r\n\r\n", 400), (b"GET /\r\n\r\n", 400), (b"GET /live HTTP/1.1\r\n\r\n", 400),
    (b"GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\n", 400),
    (b"GET /live HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    (b"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", 413),
    (b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET /live HTTP/1.1\r\nX: " + b"x" * 100000, 431), (b"GET /live HTTP/3.0\r\n\r\n", 505), (b"\n" * 100000, 431),
    (b"GET /live HTTP/1.1\r\nHost: \0\r\n\r\n", 400)])
def test_bad_requests(web, request_bytes, status):
    answer = web.raw(request_bytes)
    assert statuses(answer) == [status] and b"\r\nConnection: close\r\n" in answer


def test_names(web, resil, agent, dead):
    """A page whose name leads here (DNS rebinding) has its own name in Host."""
    for name in ("localhost", f"127.0.0.1:{web.port}", "[::1]", "10.0.0.7", socket.gethostname()):
        assert web.get("/live", Host=name).status == 200, name
    for name in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", f"evil.example:{web.port}"):
        assert web.get("/live", Host=name).status == 403, name
    assert statuses(web.raw(b"GET http://evil.example/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) == [403]
    web.child.terminate()
    web.child.wait(timeout=10)
    os.truncate(os.path.join(resil.dir, "agent.log"), 0)
    other = Web(resil, agent, dead.port, "--host", "box.example")
    assert other.get("/live", Host="box.example").status == 200 and other.get("/live", Host="boxx.example").status == 403
    web.child, web.port = other.child, other.port


def test_slow_clients(web):
    """Half of a request holds its place for 5 s and no longer, also when a byte comes now and then; who comes meanwhile
    waits for no more than that."""
    start = time.monotonic()
    slow = [web.connect() for _ in range(PLACES)]
    for client in slow:
        client.sendall(b"GET /live HTT")
    assert web.get("/live").status == 200
    assert time.monotonic() - start < HEAD_SECONDS + 2
    told = 0
    for client in slow:
        with contextlib.suppress(OSError):
            client.sendall(b"P")
        answer = read_all(client)  # nothing, of one that had to make room before its bytes were seen
        assert statuses(answer) in ([408], []) and time.monotonic() - start < HEAD_SECONDS + 2
        told += answer != b""
        assert not answer or time.monotonic() - start > HEAD_SECONDS - 0.01
        client.close()
    assert told >= PLACES - 4


def test_many_idle_clients(web):
    """Connections without a request make room at once."""
    start = time.monotonic()
    idle = [web.connect() for _ in range(3 * PLACES)]
    for _ in range(10):
        assert web.get("/live").status == 200
    assert time.monotonic() - start < HEAD_SECONDS
    for client in idle:
        client.close()


def test_slow_readers(web):
    """Nobody waits for one who asks for much and reads nothing."""
    request = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
    lazy = [web.connect() for _ in range(PLACES // 4)]
    for client in lazy:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.05)
        with contextlib.suppress(OSError):
            for _ in range(300):
                client.sendall(request * 20)
    start = time.monotonic()
    for _ in range(3):
        assert web.get("/live").status == 200
    assert time.monotonic() - start < HEAD_SECONDS
    for client in lazy:
        client.close()


# ---- events


class Stream:
    """A reader of /api/v1/events."""

    def __init__(self, web, query="", **headers):
        self.connection = http.client.HTTPConnection(HOST, web.port, timeout=10)
        self.connection.request("GET", "/api/v1/events" + query,
                                headers={name.replace("_", "-"): value for name, value in headers.items()})
        self.answer = self.connection.getresponse()
        self.id = None

    def next(self):
        """The next event."""
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line.startswith("id: "):
                self.id = line[4:]
            if line.startswith("data: "):
                return json.loads(line[6:])

    def until(self, kind, **fields):
        while True:
            event = self.next()
            if event["kind"] == kind and fields.items() <= event.items():
                return event

    def close(self):
        self.connection.close()
        self.answer.close()


def test_events(web, dead):
    stream = Stream(web)
    assert stream.answer.status == 200
    assert stream.answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
    assert stream.until("loaded")["program"] == "resctl-agent"  # what was before
    web.resil.run(BY_NAME["curl"].command(HOST, dead.port))
    event = stream.until("state", destination="backend")  # what is now
    assert (event["from"], event["to"], event["reason"]) == ("closed", "open", "consecutive")
    assert event in web.resil.events()
    while stream.id is None:
        stream.next()
    stream.close()
    web.resil.run(BY_NAME["curl"].command(HOST, dead.port))
    again = Stream(web, Last_Event_ID=stream.id)
    missed = again.next()
    while missed["kind"] != "rejected":
        assert missed["monotonic_ns"] > event["monotonic_ns"], "what was told before"
        missed = again.next()
    assert missed["reason"] == "breaker_open"
    again.close()
    none = Stream(web, "?last=0")
    web.resil.resctl("reset", "backend")
    assert none.next()["kind"] == "reset"
    none.close()


def test_readers_of_events_are_bounded(web):
    streams = [Stream(web) for _ in range(STREAMS)]
    assert all(stream.answer.status == 200 for stream in streams)
    refused = Stream(web)
    assert refused.answer.status == 503 and refused.answer.getheader("Retry-After")
    refused.close()
    assert web.get("/live").status == 200
    streams.pop().close()

    def is_let_in():
        stream = Stream(web)
        streams.append(stream)
        return stream.answer.status == 200

    wait_until(is_let_in)
    for odd in ("x", "1", "1.", ".1", "-1.-1", "99999999999999999999.1", "1.1x"):
        assert Stream(web, Last_Event_ID=odd).answer.status in (200, 503)
    for stream in streams:
        stream.close()


# ---- where it listens


def test_unix_socket(resil, agent, dead):
    """For its owner alone; what a killed agent left is replaced, and a clean end leaves nothing."""
    path = os.path.join(resil.dir, "agent.sock")
    resil.config(RULES.format(host=HOST, port=dead.port, dir=resil.dir))

    def ask():
        return resil.run(["curl", "-sS", "--unix-socket", path, "http://any.example/live"], preload=False)

    for end in ("kill", "terminate"):
        child = agent("--listen", f"unix:{path}")
        active(resil, child)
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert json.loads(ask().out)["alive"] is True
        getattr(child, end)()
        child.wait(timeout=10)
        assert os.path.exists(path) == (end == "kill")
        if end == "kill":
            wait_until(lambda: resil.resctl("gc").status == 0)


def test_a_taken_address(resil, agent, counting, dead):
    """The standby waits for the address as it waits for the lease."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        resil.config(RULES.format(host=HOST, port=dead.port, dir=resil.dir))
        child = agent("--listen", f"{HOST}:{port}")
        active(resil, child)
        assert "trying again" in log_of(resil)
    wait_until(lambda: f"answers at http://{HOST}:{port}/" in log_of(resil))
    answer = resil.run(["curl", "-sS", f"http://{HOST}:{port}/live"], preload=False)
    assert json.loads(answer.out)["alive"] is True


@pytest.mark.parametrize("where", ["nonsense", "127.0.0.1:99999", "127.0.0.1:", "unix:relative", "::1:80", "[127.0.0.1]:80",
                                   "example.com:80", ""])
def test_bad_address(resil, dead, where):
    resil.config(RULES.format(host=HOST, port=dead.port, dir=resil.dir))
    result = resil.resctl("agent", "--listen", where)
    assert result.status == 2 and b"want ADDR:PORT" in result.err or b"want unix:/PATH" in result.err, result


def test_read_only(web):
    """No request moves a word that is not the agent's own."""
    with open(web.resil.segment, "rb") as file:
        rows = 2228224
        file.seek(rows)
        before = file.read(64 * 2584)
    for path in ("/", "/metrics", "/health", "/api/v1/status"):
        web.get(path)
    web.get("/api/v1/status", method="POST")
    with open(web.resil.segment, "rb") as file:
        file.seek(rows)
        after = file.read(64 * 2584)
    names = {before[at + 40:at + 104].split(b"\0")[0] for at in range(0, len(before), 2584)
             if before[at:at + 2584] != after[at:at + 2584]}
    assert names <= {b"job"}


# ---- control

TOKEN = "correct-horse-battery-staple"


def token_file(resil, text=TOKEN + "\n", mode=0o600):
    path = resil.file("token", text)
    os.chmod(path, mode)
    return path


@pytest.fixture
def steered(resil, agent, dead):
    web = Web(resil, agent, dead.port, "--allow-control", "--token-file", token_file(resil))
    yield web
    assert web.child.poll() is None and web.get("/live").status == 200


def post(web, verb, body, **headers):
    """(status, answer); a header of None is left out."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **headers}
    connection = http.client.HTTPConnection(HOST, web.port, timeout=10)
    connection.request("POST", f"/api/v1/{verb}", body if isinstance(body, str) else json.dumps(body),
                       {name.replace("_", "-"): value for name, value in headers.items() if value is not None})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text.startswith("{") else text


def test_control(steered, dead):
    resil, place = steered.resil, f"{HOST}:{dead.port}"
    resil.run(BY_NAME["curl"].command(HOST, dead.port))
    assert resil.row("backend")["state"] == "open"
    assert post(steered, "reset", {"destination": "backend"}) == (200, {"ok": True, "message": "backend: reset"})
    assert resil.row("backend")["state"] == "closed"
    status, answer = post(steered, "drain", {"destination": "backend", "endpoint": place, "for": "1h"})
    assert (status, answer["ok"]) == (200, True) and resil.row("backend", place)["state"] == "draining"
    assert post(steered, "ready", {"destination": "backend"})[0] == 200
    for verb, state in (("force-open", "forced_open"), ("force-closed", "forced_closed")):
        assert post(steered, verb, {"destination": "backend"})[0] == 200
        assert resil.row("backend")["state"] == state
    assert post(steered, "reset", {"destination": "backend"})[0] == 200
    assert post(steered, "trip", {"destination": "backend", "for": "30s"})[0] == 200
    assert 29000 <= resil.row("backend")["next_attempt_ms"] <= 30000
    assert {event["program"] for event in resil.events() if event["kind"] == "reset"} == {"resctl"}


@pytest.mark.parametrize("body,status,word", [
    ({"destination": "bakend"}, 404, "the nearest is backend"), ({"destination": "backend", "for": "5"}, 400, "unit"),
    ({"destination": "--help"}, 404, "no destination"), ({"destination": "backend", "endpoint": "--remove"}, 404, "endpoint"),
    ({}, 400, "want"), ({"destination": ""}, 400, "want"), ({"destination": 7}, 400, "want"), ([], 400, "want"),
    ("", 400, "want"), ('{"destination": "backend"', 400, "want"), ({"destination": "x" * 300}, 400, "want"),
    ({"destination": "backend", "for": None}, 400, "want"), ({"destination": "a\0b"}, 400, "want"),
    ({"destination": "x" * 5000}, 413, "understood")])
def test_control_that_is_wrong(steered, body, status, word):
    before = steered.resil.status()["destinations"]
    found, answer = post(steered, "trip", body)
    assert found == status and word in (answer["message"] if isinstance(answer, dict) else answer), answer
    assert [row["state"] for row in steered.resil.status()["destinations"]] == [row["state"] for row in before]


@pytest.mark.parametrize("headers,status", [
    ({"Authorization": None}, 401), ({"Authorization": "Bearer wrong-wrong-wrong"}, 401), ({"Authorization": f"Basic {TOKEN}"}, 401),
    ({"Authorization": f"Bearer {TOKEN}x"}, 401), ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401), ({"Authorization": "Bearer "}, 401),
    ({"Content-Type": "text/plain"}, 415), ({"Content-Type": None}, 415), ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": "https://localhost"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403), ({"Host": "evil.example"}, 403)])
def test_who_may_not(steered, headers, status):
    """Without the token nobody, and no page of another origin with it."""
    assert post(steered, "force-open", {"destination": "backend"}, **headers)[0] == status
    assert steered.resil.row("backend")["state"] == "closed"


def test_who_may(steered):
    own = f"{HOST}:{steered.port}"
    assert post(steered, "force-open", {"destination": "backend"}, Origin=f"http://{own}", Sec_Fetch_Site="same-origin",
                Content_Type="application/json; charset=utf-8")[0] == 200
    assert steered.get("/api/v1/force-open").status == 405


def test_a_reader_cannot_control(web):
    assert post(web, "force-open", {"destination": "backend"})[0] == 403
    assert web.resil.row("backend")["state"] == "closed"


def test_gone_before_the_answer(steered):
    """What was asked for is done all the same."""
    body = json.dumps({"destination": "backend"}).encode()
    with steered.connect() as client:
        client.sendall(b"POST /api/v1/force-open HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode() +
                       b"\r\nContent-Type: application/json\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
    with steered.connect() as other:  # has the place of the one that left, and nothing of its answer
        wait_until(lambda: steered.resil.row("backend")["state"] == "forced_open")
        assert select.select([other], [], [], 0.1)[0] == []
        other.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = read_all(other)
        assert statuses(answer) == [200] and b'"alive":true' in answer


@pytest.mark.parametrize("text,mode,options", [
    (TOKEN, 0o644, True), ("short\n", 0o600, True), ("", 0o600, True), (f"two {TOKEN}\n", 0o600, True),
    ("x" * 300, 0o600, True), (TOKEN, 0o600, "--allow-control"), (TOKEN, 0o600, "--token-file"), (None, 0, True)])
def test_bad_tokens(resil, dead, text, mode, options):
    resil.config(RULES.format(host=HOST, port=dead.port, dir=resil.dir))
    path = token_file(resil, text, mode) if text is not None else os.path.join(resil.dir, "missing")
    chosen = {True: ["--allow-control", "--token-file", path], "--allow-control": ["--allow-control"],
              "--token-file": ["--token-file", path]}[options]
    result = resil.resctl("agent", *chosen)
    assert result.status == 2 and b"token" in result.err and TOKEN.encode() not in result.err, result


# ---- the page


def test_page(web, tmp_path, dead):
    answer = web.get("/")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    text = answer.body.decode()
    policy = answer.getheader("Content-Security-Policy")
    nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)[1]
    assert "default-src 'none'" in policy and f"style-src 'nonce-{nonce}'" in policy and "unsafe" not in policy
    assert re.findall(r'nonce="(.*?)"', text) == [nonce, nonce] and "@NONCE@" not in text
    assert nonce not in web.get("/").body.decode()
    # nothing from elsewhere: the only addresses are name spaces and its own paths
    assert re.findall(r"(?:https?:)?//[a-z0-9.]+", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert set(re.findall(r'(?:src|href|action)="([^"]*)"', text)) == {"#cards", "data:,"}
    assert "innerHTML" not in text and "document.write" not in text and "eval(" not in text
    html5lib.HTMLParser(strict=True).parse(text)
    plain = re.sub(r' nonce="[0-9a-f]*"', "", text)  # an attribute that tidy does not know
    judged = web.resil.run(["tidy", "-q", "-e"], preload=False, stdin=plain.encode())
    assert judged.status == 0, judged.err.decode()
    web.resil.run(BY_NAME["curl"].command(HOST, dead.port))
    script = tmp_path / "page-script.js"
    script.write_text(re.search(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)[1])
    run = web.resil.run(["node", program("page.js"), str(script), f"http://{HOST}:{web.port}"], preload=False)
    assert run.status == 0 and run.err == b"", run
    shown = json.loads(run.out)
    assert shown["asked"] == ["/api/v1/status", "/health", "/api/v1/events?last=50"] and shown["trouble"] == ""
    assert shown["health"] == "degraded"
    assert "backend" in shown["cards"] and "open, next try" in shown["cards"] and f"{HOST}:{dead.port}" in shown["cards"]
    assert "1 not closed" in shown["summary"] and shown["title"] == "(1) resil"
    assert "closed → open ratio ×2" in shown["events"] and "<b>" in shown["events"]
