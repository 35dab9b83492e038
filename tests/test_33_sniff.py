# SPDX-License-Identifier: MIT
"""Goal: with `sniff` a backend that answers promptly, but answers that it cannot, opens its breaker; what is the client's
own mistake does not. Each protocol by its real client; odd ways to read and to cut answers by a scripted server."""

import errno
import select
import socket
import subprocess
import threading
import time

import pytest

import servers
from clients import BY_NAME
from helper import PYTHON
from servers import HOST, Scripted, postgres_bin

def configure(resil, port, sniff, more=""):
    keys = {"match": f"{HOST}:{port}", "sniff": sniff, "breaker.failures": "3", "breaker.ratio": "off",
            "breaker.open_time": "1s", "breaker.jitter": "off"}
    keys.update(line.split(" = ") for line in more.splitlines())
    resil.config("[destination backend]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))


def state(resil):
    return resil.row("backend")["state"]


def counted(resil, *names):
    counters = resil.counters("backend")
    return tuple(counters[name] for name in names)


# ---- HTTP -------------------------------------------------------------------------------------------------------


class Moody(servers.Nginx):
    """nginx that answers /CODE with that status; 503 and 429 with a Retry-After of 3 s, /later with one of an hour."""

    def command(self):
        command = super().command()
        with open(self.path("nginx.conf"), encoding="utf-8") as file:
            text = file.read()
        codes = "".join(f"location = /{code} {{ return {code}; }}\n" for code in (404, 429, 500, 501, 502, 505))
        codes += "location = /503 { add_header Retry-After 3 always; return 503; }\n"
        codes += "location = /429-3 { add_header Retry-After 3 always; return 429; }\n"
        codes += "location = /later { add_header Retry-After 3600 always; return 503; }\n"
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(text.replace("default_type text/plain;", "default_type text/plain;\n" + codes))
        return command


@pytest.fixture(scope="module")
def moody():
    server = Moody()
    yield server
    server.stop()


def get(resil, moody, path, client="curl"):
    return resil.run(BY_NAME[client].command(HOST, moody.port, path))


@pytest.mark.parametrize("client", ["curl", "python3", "asyncio", "node", "perl", "wget"])
def test_http_500(resil, moody, client):
    configure(resil, moody.port, "http")
    for number in range(3):
        assert number == 0 or state(resil) == "closed"
        get(resil, moody, "/500", client)
    row = resil.row("backend")
    assert (row["state"], row["reason"]) == ("open", "consecutive")
    assert counted(resil, "protocol_errors", "exchanges_failed", "exchanges_ok") == (3, 3, 0)
    failed = [event for event in resil.events() if event["kind"] == "failed"]
    assert len(failed) == 3 and all(event["reason"] == "protocol_error" for event in failed)


@pytest.mark.parametrize("sniff, path", [("http", "/404"), ("http", "/501"), ("http", "/505"), ("http", "/page"),
                                         ("off", "/500")])
def test_http_success(resil, moody, sniff, path):
    configure(resil, moody.port, sniff)
    for _ in range(4):
        get(resil, moody, path)
    assert state(resil) == "closed"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (0, 4)


def test_http_429_counts_for_the_ratio_only(resil, moody):
    configure(resil, moody.port, "http")
    for path in ("/429", "/429", "/429", "/429", "/500", "/429", "/500", "/429"):
        get(resil, moody, path)
    assert resil.row("backend", f"{HOST}:{moody.port}")["consecutive_failures"] == 2
    assert state(resil) == "closed"
    get(resil, moody, "/500")
    assert state(resil) == "open"
    assert counted(resil, "overloads", "protocol_errors", "exchanges_failed") == (6, 3, 9)


def test_http_429_trips_the_ratio(resil, moody):
    configure(resil, moody.port, "http", "breaker.failures = off\nbreaker.ratio = 50%\nbreaker.min_calls = 4\n"
                                         "breaker.window = 60s\n")
    for path in ("/page", "/page", "/429", "/429-3"):
        get(resil, moody, path)
    row = resil.row("backend")
    assert (row["state"], row["reason"]) == ("open", "ratio")
    assert 1000 < resil.row("backend", f"{HOST}:{moody.port}")["next_attempt_ms"] <= 3000


def test_retry_after_is_the_open_time(resil, moody):
    configure(resil, moody.port, "http")
    for _ in range(3):
        before_trip = time.monotonic()
        get(resil, moody, "/503")
    after_trip = time.monotonic()
    while True:
        start = time.monotonic()
        if get(resil, moody, "/page").status == 0:
            break
        assert start < after_trip + 3.0, "refused after the time that was asked for"
    assert time.monotonic() - before_trip >= 3.0
    assert state(resil) == "closed"


def test_retry_after_stays_within_bounds(resil, moody):
    configure(resil, moody.port, "http", "breaker.failures = 1\nbreaker.open_time = 60s\nbreaker.open_max = 90s\n")
    endpoint = f"{HOST}:{moody.port}"
    get(resil, moody, "/503")
    assert 30_000 < resil.row("backend", endpoint)["next_attempt_ms"] <= 60_000
    resil.resctl("reset", "backend")
    get(resil, moody, "/later")
    assert 60_000 < resil.row("backend", endpoint)["next_attempt_ms"] <= 90_000


def test_failed_probe(resil, moody):
    configure(resil, moody.port, "http", "breaker.open_time = 100ms\nbreaker.multiplier = 1\n")
    for _ in range(3):
        get(resil, moody, "/500")
    end = time.monotonic() + 5
    while counted(resil, "protocol_errors") == (3,):
        get(resil, moody, "/500")
        assert time.monotonic() < end
    row = resil.row("backend")
    assert (row["state"], row["reason"], row["counters"]["opened"]) == ("open", "probe_failed", 2)


class Script(Scripted):
    """Sends each piece of `answer` after a request: bytes are sent, an event is waited for, None waits for more of the
    client. `greets`: it begins without being asked."""

    def __init__(self, *answer, greets=False):
        self.answer = answer
        self.greets = greets
        super().__init__()

    def handle(self, connection):
        if not self.greets:
            connection.recv(65536)
        for piece in self.answer:
            if piece is None:
                connection.recv(65536)
            elif isinstance(piece, bytes):
                connection.sendall(piece)
            else:
                piece.wait(30)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@pytest.fixture
def script():
    """script(...): a Script that ends with the test."""
    started = []

    def start(*answer, **options):
        started.append(Script(*answer, **options))
        return started[-1]

    yield start
    for server in started:
        for piece in server.answer:
            if isinstance(piece, threading.Event):
                piece.set()
        server.stop()


def test_100_continue_is_not_the_answer(resil, script):
    server = script(b"HTTP/1.1 100 Continue\r\n\r\n", None, b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n")
    configure(resil, server.port, "http", "breaker.open_time = 200ms\n")
    command = ["curl", "-q", "-sS", "--noproxy", "*", "-H", "Expect: 100-continue", "--expect100-timeout", "10", "-d",
               "body", f"http://{HOST}:{server.port}/"]
    for _ in range(3):
        assert resil.run(command).status == 0
    assert state(resil) == "open"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (3, 3)
    server.answer = (*server.answer[:2], b"HTTP/1.1 200 yes\r\nContent-Length: 0\r\n\r\n")
    end = time.monotonic() + 5
    while resil.run(command).status != 0:
        assert time.monotonic() < end
    assert resil.row("backend")["reason"] == "probes_ok", "the probe was judged by its final answer"


# ---- ways to read -----------------------------------------------------------------------------------------------

ANSWER = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
C = "import ctypes, os, socket; libc = ctypes.CDLL(None); buf = ctypes.create_string_buffer(4096); f = s.fileno(); "
VECTOR = (C + "io = (ctypes.c_size_t * 4)(ctypes.addressof(buf), 5, ctypes.addressof(buf) + 5, 4000); "
          "msg = (ctypes.c_size_t * 8)(0, 0, ctypes.addressof(io), 2, 0, 0, 0, 0); ")
READS = {
    "recv": "s.recv(4096)",
    "recv_into": "s.recv_into(bytearray(4096))",
    "recvfrom": "s.recvfrom(4096)",
    "read": "import os; os.read(s.fileno(), 4096)",
    "readv": "import os; os.readv(s.fileno(), [bytearray(3), bytearray(0), bytearray(9), bytearray(4000)])",
    "recvmsg": "s.recvmsg(4096)",
    "recvmsg_into": "s.recvmsg_into([bytearray(1), bytearray(4000)])",
    "waitall": f"import socket; s.recv({len(ANSWER)}, socket.MSG_WAITALL)",
    "recvmmsg": VECTOR + "libc.recvmmsg(f, msg, 1, 0, None)",
    "read_chk": C + "libc.__read_chk(f, buf, 4096, 4096)",
    "recv_chk": C + "libc.__recv_chk(f, buf, 4096, 4096, 0)",
    "recvfrom_chk": C + "libc.__recvfrom_chk(f, buf, 4096, 4096, 0, None, None)",
}
PEEK = "import socket; s.recv(4096, socket.MSG_PEEK)"


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("peek", [False, True])
def test_every_receive(resil, script, how, peek):
    server = script(ANSWER)
    configure(resil, server.port, "http", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')") == "ok"
    if peek:
        assert puppet.do(PEEK) == "ok"
        assert counted(resil, "protocol_errors", "exchanges_ok") == (0, 0)
    assert puppet.do(READS[how]) == "ok"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (1, 0)
    assert resil.row("backend", f"{HOST}:{server.port}")["next_attempt_ms"] > 20_000, "Retry-After in the same read"


@pytest.mark.parametrize("read", [C + f"buf.value = {ANSWER!r}; libc.recv(f, buf, 40, socket.MSG_TRUNC)",
                                  "import os; r, w = os.pipe(); os.splice(s.fileno(), w, 40)"], ids=["trunc", "splice"])
def test_bytes_that_nobody_sees(resil, script, read):
    server = script(ANSWER)
    configure(resil, server.port, "http", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')") == "ok"
    assert puppet.do(read) == "ok"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (0, 1)
    assert puppet.do("s.recv(4096)") == "ok"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (0, 1)


def test_byte_by_byte(resil, script):
    server = script(ANSWER)
    configure(resil, server.port, "http", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')") == "ok"
    for _ in range(len("HTTP/1.1 503")):
        assert puppet.do("s.recv(1)") == "ok"
        assert puppet.do(PEEK) == "ok"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (0, 0)
    assert puppet.do("s.recv(1)") == "ok"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (1, 0)
    assert resil.row("backend", f"{HOST}:{server.port}")["next_attempt_ms"] <= 1000, "Retry-After in a later read"


@pytest.mark.parametrize("end", ["s.close()", "s.recv(100)", "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')"],
                         ids=["close", "end of file", "next request"])
def test_an_answer_that_is_cut_off_is_a_success(resil, script, end):
    server = script(b"HTTP/1.1 50")
    configure(resil, server.port, "http", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(100)") == "ok"
    assert counted(resil, "exchanges_ok") == (0,)
    assert puppet.do(end) == "ok"
    assert counted(resil, "exchanges_ok", "exchanges_failed") == (1, 0)


def test_an_answer_that_stalls(resil, script):
    server = script(b"HTTP/1.1 50", threading.Event())
    configure(resil, server.port, "http", "breaker.failures = 1\ntimeout.idle = 200ms\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(100)") == "ok"
    assert puppet.do("s.recv(100)") == "ETIMEDOUT"
    assert counted(resil, "exchanges_ok", "idle_timeouts", "protocol_errors") == (1, 1, 0)


def test_latency_ends_at_the_first_byte(resil, script):
    rest = threading.Event()
    server = script(b"HTTP", rest, b"/1.1 200 OK\r\n\r\n")
    configure(resil, server.port, "http", "breaker.slow_time = 1s\nbreaker.slow_ratio = 100%\nbreaker.min_calls = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(100)") == "ok"
    assert counted(resil, "exchanges_ok") == (0,)
    time.sleep(1.1)  # slow, had it been the latency
    rest.set()
    assert puppet.do("s.recv(100)") == "ok"
    assert counted(resil, "exchanges_ok") == (1,)
    assert state(resil) == "closed"


def test_a_late_look_is_still_judged(resil, script):
    """The answer lies in the buffer when the timeout passes: not late, and not a success either."""
    server = script(ANSWER)
    configure(resil, server.port, "http", "breaker.failures = 1\ntimeout.response = 1s\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')") == "ok"
    assert puppet.do("import select, time; time.sleep(1.1); select.select([s], [], [], 0)") == "ok"
    assert counted(resil, "exchanges_ok", "response_timeouts") == (0, 0)
    assert puppet.do("s.recv(4096)") == "ok"
    assert counted(resil, "exchanges_ok", "protocol_errors") == (0, 1)


@pytest.mark.parametrize("sniff", ["off", "http"])
def test_bad_addresses_fail_as_natively(resil, script, sniff):
    """Neither the bytes nor the vectors of a call that the kernel refused are looked at."""
    server = script(b"HTTP/1.1", threading.Event())
    configure(resil, server.port, sniff)
    puppet = resil.puppet(server.port)
    bad = ("import ctypes; libc = ctypes.CDLL(None, use_errno=True); bad = ctypes.c_void_p(8); f = s.fileno(); "
           "call = lambda name, *args: (getattr(libc, name)(f, bad, *args), ctypes.get_errno())")
    assert puppet.do("s = connect()") == "ok"
    assert puppet.do(bad) == "ok"
    for calls in (("sendmsg", 0), ("writev", 1), ("sendmmsg", 1, 0), ("send", 5, 0), ("write", 5)):
        assert puppet.get(f"call{calls}") == repr((-1, errno.EFAULT)), calls
    assert puppet.do("s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(4)") == "ok"
    for calls in (("recvmsg", 0), ("readv", 1), ("recvmmsg", 1, 0, None), ("recv", 5, 0), ("read", 5)):
        assert puppet.get(f"call{calls}") == repr((-1, errno.EFAULT)), calls


# ---- Redis ------------------------------------------------------------------------------------------------------


class FullRedis(servers.Redis):
    def command(self):
        return [*super().command(), "--maxmemory", "1", "--maxmemory-policy", "noeviction"]

    def fill(self):
        pass


class Replica(servers.Redis):
    def command(self):
        return [*super().command(), "--replicaof", HOST, "1"]

    def fill(self):
        pass


def redis_cli(resil, port, *command):
    return resil.run(["redis-cli", "-h", HOST, "-p", str(port), *command])


@pytest.mark.parametrize("kind, word, opens", [(FullRedis, b"OOM", True), (Replica, b"READONLY", False)])
def test_redis(resil, kind, word, opens):
    server = kind()
    try:
        configure(resil, server.port, "redis")
        for _ in range(3):
            assert word in redis_cli(resil, server.port, "set", "key", "value").out
        assert state(resil) == ("open" if opens else "closed")
        assert counted(resil, "protocol_errors", "exchanges_ok", "ignored") == ((3, 0, 0) if opens else (0, 3, 3))
    finally:
        server.stop()


def test_redis_errors_of_the_client_change_nothing(resil, redis, script):
    configure(resil, redis.port, "redis")
    for _ in range(4):
        assert b"WRONGTYPE" in redis_cli(resil, redis.port, "lpush", "greeting", "x").out
    assert counted(resil, "protocol_errors", "exchanges_ok", "ignored") == (0, 4, 4)
    assert redis_cli(resil, redis.port, "get", "greeting").status == 0
    assert counted(resil, "ignored") == (4,)


def test_redis_loading(resil, script):
    server = script(b"-LOADING Redis is loading the dataset in memory\r\n")
    configure(resil, server.port, "redis")
    for _ in range(3):
        assert b"LOADING" in redis_cli(resil, server.port, "get", "x").out
    assert state(resil) == "open"


# ---- PostgreSQL -------------------------------------------------------------------------------------------------


class SmallPostgres(servers.Postgres):
    def command(self):
        return [*super().command(), "-c", "max_connections=2", "-c", "superuser_reserved_connections=0", "-c",
                "max_wal_senders=0"]


@pytest.fixture(scope="module")
def small_postgres():
    server = SmallPostgres()
    yield server
    server.stop()


def psql(resil, port, sql, sslmode, user="postgres", **options):
    return resil.run([postgres_bin("psql"), "-X", f"host={HOST} port={port} user={user} dbname=postgres "
                      f"sslmode={sslmode}", "-Atqc", sql], **options)


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
def test_postgres_without_connections_to_spare(resil, small_postgres, sslmode):
    port = small_postgres.port
    configure(resil, port, "postgres", "breaker.open_time = 200ms\n")
    holders = [resil.spawn([postgres_bin("psql"), "-X", "-Atq", f"host={HOST} port={port} user=postgres dbname=postgres"],
                           preload=False, stdin=subprocess.PIPE) for _ in range(2)]
    for holder in holders:
        holder.stdin.write(b"select 'held';\n")
        holder.stdin.flush()
        assert select.select([holder.stdout], [], [], 20)[0] and holder.stdout.readline() == b"held\n"
    for _ in range(3):
        assert b"too many clients" in psql(resil, port, "select 1", sslmode).err
    assert state(resil) == "open"
    assert counted(resil, "protocol_errors") == (3,)
    for holder in holders:
        holder.communicate(timeout=10)
    end = time.monotonic() + 10
    while state(resil) != "closed":
        psql(resil, port, "select 1", sslmode)
        assert time.monotonic() < end, "the probe is judged by the answer behind the SSLRequest's"
    assert resil.row("backend")["reason"] == "probes_ok"


def test_postgres_mistakes_are_neutral(resil, postgres):
    configure(resil, postgres.port, "postgres")
    for _ in range(4):
        assert b"does not exist" in psql(resil, postgres.port, "select 1", "prefer", user="nobody-of-that-name").err
    assert state(resil) == "closed"
    assert counted(resil, "protocol_errors", "exchanges_failed") == (0, 0)
    assert psql(resil, postgres.port, "select 1", "prefer").out == b"1\n"


def test_postgres_starting_up(resil, script):
    fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    server = script(b"N", None, b"E" + (4 + len(fields)).to_bytes(4, "big") + fields)
    configure(resil, server.port, "postgres")
    for _ in range(3):
        assert b"starting up" in psql(resil, server.port, "select 1", "prefer").err
    assert state(resil) == "open"


# ---- SMTP, MySQL, memcached -------------------------------------------------------------------------------------

SMTP = "import smtplib, sys; smtplib.SMTP(sys.argv[1], int(sys.argv[2])).noop()"


@pytest.mark.parametrize("answer, opens", [((b"421 too busy\r\n",), True), ((b"554 no\r\n",), True),
                                           ((b"550 no\r\n",), False), ((b"220 mx\r\n", None, b"250 ok\r\n"), False),
                                           ((b"220 mx\r\n", None, b"421 closing\r\n"), False)])
def test_smtp(resil, script, answer, opens):
    server = script(*answer, greets=True)
    configure(resil, server.port, "smtp")
    for _ in range(3):
        resil.run([PYTHON, "-c", SMTP, HOST, str(server.port)])
    assert state(resil) == ("open" if opens else "closed")
    assert counted(resil, "protocol_errors") == ((3,) if opens or b"421 closing\r\n" in answer else (0,))


def test_smtp_after_starttls(resil, script):
    server = script(b"220 mx\r\n", None, b"220 go ahead\r\n", None, b"421 these bytes are encrypted\r\n", greets=True)
    configure(resil, server.port, "smtp", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.recv(100); s.sendall(b'STARTTLS\\r\\n'); s.recv(100)") == "ok"
    assert puppet.do("s.sendall(b'hello'); s.recv(100)") == "ok"
    assert counted(resil, "protocol_errors", "exchanges_ok") == (0, 3)


@pytest.mark.parametrize("code, opens", [(1040, True), (1129, True), (1045, False)])
def test_mysql(resil, script, code, opens):
    server = script(b"\x17\0\0\0\xff" + code.to_bytes(2, "little") + b"a reason", greets=True)
    configure(resil, server.port, "mysql", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.recv(4)") == "ok"  # the header first, as the clients do
    assert counted(resil, "protocol_errors", "exchanges_ok") == (0, 0)
    assert puppet.do("s.recv(100)") == "ok"
    assert counted(resil, "protocol_errors", "exchanges_ok", "ignored") == ((1, 0, 0) if opens else (0, 1, 1))
    assert state(resil) == ("open" if opens else "closed")


@pytest.mark.parametrize("answer, observed", [(b"SERVER_ERROR out of memory\r\n", "protocol_errors"),
                                              (b"ERROR\r\n", "ignored"), (b"STORED\r\n", "exchanges_ok")])
def test_memcached(resil, script, answer, observed):
    server = script(answer)
    configure(resil, server.port, "memcached", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'set a 0 0 1\\r\\nx\\r\\n'); s.recv(100)") == "ok"
    assert counted(resil, observed) == (1,)
    assert state(resil) == ("open" if observed == "protocol_errors" else "closed")


# ---- TLS --------------------------------------------------------------------------------------------------------


class ModernTls(servers.Nginx):
    """nginx that speaks TLS 1.3 and nothing older."""

    def prepare(self):
        super().prepare()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=backend", "-days",
                        "2", "-keyout", self.path("key"), "-out", self.path("cert")], check=True, timeout=60,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self):
        command = super().command()
        with open(self.path("nginx.conf"), encoding="utf-8") as file:
            text = file.read()
        text = text.replace(f"listen {HOST}:{self.port};", f"listen {HOST}:{self.port} ssl; ssl_protocols TLSv1.3; "
                            f"ssl_certificate {self.path('cert')}; ssl_certificate_key {self.path('key')};")
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(text)
        return command


@pytest.fixture(scope="module")
def modern_tls():
    server = ModernTls()
    yield server
    server.stop()


PYTHON_TLS = """
import socket, ssl, sys
context = ssl._create_unverified_context()
context.maximum_version = ssl.TLSVersion[sys.argv[3]]
with context.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2])))) as s:
    s.sendall(b"GET /page HTTP/1.0\\r\\n\\r\\n")
    while s.recv(4096):
        pass
"""
ASYNC_TLS = """
import asyncio, ssl, sys
async def main():
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion[sys.argv[3]]
    reader, writer = await asyncio.open_connection(sys.argv[1], int(sys.argv[2]), ssl=context)
    writer.write(b"GET /page HTTP/1.0\\r\\n\\r\\n")
    await reader.read()
asyncio.run(main())
"""


def tls_command(client, port, version):
    if client == "curl":
        option = {"TLSv1_2": "1.2", "TLSv1_3": "1.3"}[version]
        return ["curl", "-q", "-sSk", "--noproxy", "*", "--tls-max", option, f"https://{HOST}:{port}/page"]
    if client == "openssl":
        return ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-" + {"TLSv1_2": "tls1_2", "TLSv1_3": "tls1_3"}[version]]
    return [PYTHON, "-c", {"python3": PYTHON_TLS, "asyncio": ASYNC_TLS}[client], HOST, str(port), version]


@pytest.mark.parametrize("sniff", ["off", "http"])
@pytest.mark.parametrize("client", ["curl", "python3", "asyncio", "openssl"])
def test_tls_alert(resil, modern_tls, client, sniff):
    port = modern_tls.port
    configure(resil, port, sniff)
    assert resil.run(tls_command(client, port, "TLSv1_3")).status == 0
    assert counted(resil, "tls_alerts", "exchanges_failed") == (0, 0)
    for number in range(3):
        assert state(resil) == "closed", number
        assert resil.run(tls_command(client, port, "TLSv1_2")).status != 0
    row = resil.row("backend")
    assert (row["state"], row["reason"]) == ("open", "consecutive")
    assert counted(resil, "tls_alerts", "exchanges_failed") == (3, 3)


def test_tls_alert_only_in_answer_to_a_handshake(resil, script):
    server = script(b"\x15\x03\x03\0\x02\x02\x28")
    configure(resil, server.port, "off", "breaker.failures = 1\n")
    puppet = resil.puppet(server.port)
    assert puppet.do("s = connect(); s.sendall(b'hello'); s.recv(100)") == "ok"
    assert counted(resil, "tls_alerts", "exchanges_ok") == (0, 1)
    assert puppet.do("t = connect(); t.sendmsg([b'\\x16', b'\\x03\\x01\\0\\x05', b'hello']); t.recv(5)") == "ok"
    assert counted(resil, "tls_alerts", "exchanges_ok") == (0, 1)
    assert puppet.do("t.recv(2)") == "ok"
    assert counted(resil, "tls_alerts", "exchanges_ok") == (1, 1)
