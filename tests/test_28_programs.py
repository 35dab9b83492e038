# SPDX-License-Identifier: MIT
"""Goal: programs of every other kind that Debian has (test_10 has the first eight), unmodified: with every policy on, with a
backend that is down, and switched off, each writes the same and ends with the same status as without the library; a backend
that hangs costs each the configured time.

A program that is not installed is skipped by name; tests/setup installs them all."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Callable

import pytest

import servers
from helper import PYTHON, UPPER
from servers import HOST, PAGE
from test_10_passthrough import EVERYTHING_ON, same

REQUEST = "GET /page HTTP/1.0\r\nHost: backend\r\n\r\n"
SHELL_REQUEST = REQUEST.replace("\r", "\\r").replace("\n", "\\n")


@dataclass(frozen=True)
class Program:
    """name, what has to be installed, how it is called, and what it gets on standard input.

    answer    what it prints of a healthy backend
    attempts  connects to a backend that is down
    """

    name: str
    needs: str
    build: Callable[[str, int], list]
    stdin: bytes = b""
    answer: bytes = PAGE
    attempts: int = 1
    kind: str = "http"

    def command(self, port):
        return self.build(HOST, port)


def script(interpreter, *options):
    return lambda text: lambda host, port: [interpreter, *options, text.replace("HOST", host).replace("PORT", str(port))]


PY = script(PYTHON, "-c")
RUBY = script("ruby", "-e")
PHP = script("php", "-n", "-r")

PROGRAMS = (
    Program("netcat", "nc.openbsd", lambda host, port: ["nc.openbsd", host, str(port)], REQUEST.encode()),
    Program("socat", "socat", lambda host, port: ["socat", "-t5", "-", f"TCP:{host}:{port}"], REQUEST.encode()),
    Program("bash", "bash", lambda host, port: [
        "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port} && printf '{SHELL_REQUEST}' >&3 && cat <&3"]),
    Program("curl of a name", "curl", lambda host, port: [
        "curl", "-q", "-sS", "--noproxy", "*", "--resolve", f"backend:{port}:{host}", f"http://backend:{port}/page"]),
    Program("curl, two transfers", "curl", lambda host, port: [
        "curl", "-q", "-sS", "--no-progress-meter", "--noproxy", "*", "--parallel", f"http://{host}:{port}/page", f"http://{host}:{port}/page"],
        answer=PAGE + PAGE, attempts=2),
    Program("urllib", "python3", PY(
        "import urllib.request as u; print(u.urlopen('http://HOST:PORT/page').read().decode(), end='')")),
    Program("http.client", "python3", PY(
        "import http.client as h; c = h.HTTPConnection('HOST', PORT)\n"
        "for i in range(3):\n c.request('GET', '/page'); print(c.getresponse().read().decode(), end='')"), answer=PAGE * 3),
    Program("threads", "python3", PY(
        "import urllib.request as u, concurrent.futures as f\n"
        "with f.ThreadPoolExecutor(8) as pool:\n"
        " print(*pool.map(lambda _: u.urlopen('http://HOST:PORT/page').read().decode(), range(20)), sep='', end='')"),
        answer=PAGE * 20, attempts=20),
    Program("multiprocessing", "python3", PY(
        "import urllib.request as u, multiprocessing as m\n"
        "def get(_): return u.urlopen('http://HOST:PORT/page').read().decode()\n"
        "if __name__ == '__main__': print(*m.get_context('fork').Pool(3).map(get, range(6)), sep='', end='')"),
        answer=PAGE * 6, attempts=6),
    Program("asyncio streams at once", "python3", PY(
        "import asyncio\nasync def get():\n r, w = await asyncio.open_connection('HOST', PORT)\n"
        " w.write(b'GET /page HTTP/1.0\\r\\n\\r\\n'); data = await r.read(); w.close(); await w.wait_closed()\n"
        " return data.split(b'\\r\\n\\r\\n')[1].decode()\n"
        "async def main(): print(*await asyncio.gather(*[get() for _ in range(10)]), sep='', end='')\nasyncio.run(main())"),
        answer=PAGE * 10, attempts=10),
    Program("selectors", "python3", PY(
        "import selectors, socket\ns = socket.socket(); s.setblocking(False)\nsel = selectors.DefaultSelector()\n"
        "e = s.connect_ex(('HOST', PORT)); sel.register(s, selectors.EVENT_WRITE); sel.select()\n"
        "e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)\nif e: raise OSError(e, 'no')\n"
        "s.send(b'GET /page HTTP/1.0\\r\\n\\r\\n'); sel.modify(s, selectors.EVENT_READ)\ndata = b''\n"
        "while sel.select():\n more = s.recv(100)\n if not more: break\n data += more\n"
        "print(data.split(b'\\r\\n\\r\\n')[1].decode(), end='')")),
    Program("ruby", "ruby", RUBY("require 'net/http'; print Net::HTTP.get(URI('http://HOST:PORT/page'))"), attempts=1),
    Program("ruby, not blocking", "ruby", RUBY(
        "require 'socket'; s = Socket.tcp('HOST', PORT, connect_timeout: 5); s.write(\"GET /page HTTP/1.0\\r\\n\\r\\n\");"
        "print s.read.split(\"\\r\\n\\r\\n\")[1]")),
    Program("php", "php", PHP("echo file_get_contents('http://HOST:PORT/page') ?: exit(1);")),
    Program("php, sockets", "php", PHP(
        "$s = stream_socket_client('tcp://HOST:PORT', $n, $e, 5) or exit(1); fwrite($s, \"GET /page HTTP/1.0\\r\\n\\r\\n\");"
        "echo explode(\"\\r\\n\\r\\n\", stream_get_contents($s))[1];")),
    Program("perl, stdio layers", "perl", script("perl", "-e")(
        "use IO::Socket::INET; my $s = IO::Socket::INET->new('HOST:PORT') or die \"no: $!\\n\"; "
        "print $s \"GET /page HTTP/1.0\\r\\n\\r\\n\"; $s->flush; while (<$s>) { last if /^\\r/ } print while <$s>;")),
    Program("lua", "lua5.4", script("lua5.4", "-e")(
        "local s = require('socket').tcp(); local ok, e = s:connect('HOST', PORT); if not ok then error(e) end "
        "s:send('GET /page HTTP/1.0\\r\\n\\r\\n'); local all = s:receive('*a'); io.write((all:gsub('^.-\\r\\n\\r\\n', '')))")),
    Program("node, fetch", "node", script("node", "-e")(
        "fetch('http://HOST:PORT/page').then(r => r.text()).then(t => process.stdout.write(t))"
        ".catch(e => { console.error(e.cause ? e.cause.code : e.message); process.exit(1) })")),
    Program("git", "git", lambda host, port: ["git", "ls-remote", f"http://{host}:{port}/repository.git"],
            answer=b"\trefs/heads/main\n"),
    Program("openssl", "openssl", lambda host, port: ["openssl", "s_client", "-connect", f"{host}:{port}", "-quiet"],
            REQUEST.encode(), answer=b"", kind="plain"),
    Program("redis-cli, a pipe", "redis-cli", lambda host, port: ["redis-cli", "-h", host, "-p", str(port)],
            b"get greeting\nping\necho x\n", answer=b"hello from redis\nPONG\nx\n", attempts=4, kind="redis"),
    Program("redis-benchmark", "redis-benchmark", lambda host, port: [
        "redis-benchmark", "-h", host, "-p", str(port), "-c", "20", "-n", "1000", "-t", "ping_inline", "--csv"],
        answer=b"", kind="bench"),
)
IDS = [one.name.replace(" ", "-").replace(",", "") for one in PROGRAMS]
ENDING = [one for one in PROGRAMS if one.kind != "bench"]  # redis-benchmark asks for ever
ENDING_IDS = [name for name, one in zip(IDS, PROGRAMS) if one.kind != "bench"]
JAVA = """
import java.net.*; import java.net.http.*; import java.nio.*; import java.nio.channels.*;
public class Get {
    public static void main(String[] a) throws Exception {
        URI uri = URI.create("http://127.0.0.1:" + a[1] + "/page");
        if (a[0].equals("blocking")) {
            System.out.print(new String(uri.toURL().openStream().readAllBytes()));
        } else {
            var request = HttpRequest.newBuilder(uri).version(HttpClient.Version.HTTP_1_1).build();
            System.out.print(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
        }
    }
}
"""


@pytest.fixture(scope="session")
def pages(nginx):
    """The healthy server also has a git repository for clients that know no protocol but HTTP."""
    top = nginx.path("www/repository.git")
    work = nginx.path("work")
    if not os.path.exists(top):
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
        for command in ([*git, "init", "-q", work], [*git, "-C", work, "commit", "-q", "--allow-empty", "-m", "x"],
                        [*git, "clone", "-q", "--bare", work, top], [*git, "-C", top, "update-server-info"]):
            subprocess.run(command, check=True, timeout=60)
    return nginx


def installed(program):
    if not (shutil.which(program.needs) or os.path.exists(program.needs)):
        pytest.skip(f"{program.needs} is not installed")


def port_of(program, pages, redis):
    return redis.port if program.kind in ("redis", "bench") else pages.port


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_every_policy_on(resil, pages, redis, program):
    installed(program)
    resil.config(EVERYTHING_ON)
    port = port_of(program, pages, redis)
    if program.kind in ("plain", "bench"):  # what it prints has a time or an address in it
        native = resil.run(program.command(port), preload=False, stdin=program.stdin)
        ours = resil.run(program.command(port), stdin=program.stdin)
        assert ours.status == native.status and len(ours.out.splitlines()) == len(native.out.splitlines())
    else:
        ours = alike(resil, program, port)
        assert ours.status == 0 and program.answer in ours.out
    counters = resil.counters("backend")
    assert counters["connects_ok"] == counters["attempts"] >= 1
    assert resil.row("backend")["connections"] == 0
    assert counters["exchanges_ok"] >= 1 or program.name == "bash"  # there it is cat that reads


def alike(resil, program, port):
    native = resil.run(program.command(port), preload=False, stdin=program.stdin)
    ours = resil.run(program.command(port), stdin=program.stdin)
    assert (ours.status, ours.out, steady(ours.err)) == (native.status, native.out, steady(native.err))
    return ours


def steady(text):
    """Without what differs from run to run: addresses of objects, ports, process ids, times."""
    return re.sub(rb"^[0-9A-F]{8,}(?=:error:)|^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d socat\[\d+\]|^ *[\d:%-].*\r?$|0x[0-9a-f]+|\b[0-9A-F]{8,}\b|\d+(\.\d+)? ?ms|Traceback[\s\S]*|/[\w/.]+\.rb:\d+|process \d+", b"-", text, flags=re.MULTILINE)


@pytest.mark.parametrize("program", ENDING, ids=ENDING_IDS)
def test_dead_backend(resil, dead, program):
    installed(program)
    resil.config(EVERYTHING_ON.replace("breaker.failures = 5", "breaker.failures = off").replace("50%", "off"))
    ours = alike(resil, program, dead.port)
    assert ours.status != 0 or program.kind == "redis"
    counters = resil.counters("backend")
    assert counters["connects_failed"] == counters["attempts"] >= 1


@pytest.mark.parametrize("program", ENDING, ids=ENDING_IDS)
def test_open_breaker(resil, dead, syns, program):
    """As if it were refused; and not a packet is sent."""
    installed(program)
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 1\nbreaker.open_time = 60s\n")
    assert resil.puppet(dead.port).do("connect()") == "ECONNREFUSED"
    sent = syns(dead.port)
    native = resil.run(program.command(dead.port), preload=False, stdin=program.stdin)
    of_native = sent.count()
    ours = resil.run(program.command(dead.port), stdin=program.stdin)
    assert (ours.status, ours.out, steady(ours.err)) == (native.status, native.out, steady(native.err))
    assert sent.count() == of_native
    assert resil.counters("backend")["rejected_breaker"] >= 1


@pytest.mark.parametrize("program", ENDING, ids=ENDING_IDS)
def test_hanging_backend(resil, hang, program):
    """All that counts is that they end, each in its own words. In bash it is cat that waits: a program that never connects
    waits as long as it wants."""
    installed(program)
    if program.name in ("bash", "socat"):
        pytest.skip("it does not wait itself: cat does, or the server closes when it shuts down its side")
    resil.config(f"[destination backend]\nmatch = {HOST}:{hang.port}\ntimeout.response = 700ms\nbreaker.failures = off\n")
    result = resil.run(program.command(hang.port), stdin=program.stdin)
    assert PAGE not in result.out and result.seconds >= 0.7
    assert resil.counters("backend")["response_timeouts"] >= 1


@pytest.fixture(scope="session")
def java(tmp_path_factory):
    if not shutil.which("javac"):
        pytest.skip("no Java compiler is installed")
    where = tmp_path_factory.mktemp("java")
    (where / "Get.java").write_text(JAVA)
    subprocess.run(["javac", "-d", str(where), str(where / "Get.java")], check=True, timeout=120)
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", str(where), "Get"]


@pytest.mark.parametrize("how", ["blocking", "client"])
def test_java(resil, java, pages, dead, hang, how):
    resil.config(EVERYTHING_ON.replace("5s", "700ms"))
    ours = same(resil, [*java, how, str(pages.port)])
    assert (ours.status, ours.out) == (0, PAGE)
    assert resil.counters("backend")["exchanges_ok"] == 1
    refused = resil.run([*java, how, str(dead.port)])
    assert refused.status == 1 and b"ConnectException" in refused.err
    late = resil.run([*java, how, str(hang.port)])
    assert late.status == 1 and b"timed out" in late.err and 0.7 <= late.seconds
    assert resil.counters("backend")["response_timeouts"] >= 1


# ---- a proxy: a server, and a client of what stands behind it ------------------------------------------------------


class NginxProxy(servers.Nginx):
    """One process with an event loop; its upstream is the backend."""

    def __init__(self, resil, upstream):
        self.resil, self.upstream = resil, upstream
        super().__init__()

    def command(self):
        command = super().command()
        path = self.path("nginx.conf")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        at = f"location / {{ proxy_pass http://{HOST}:{self.upstream}; proxy_next_upstream off; }} }} }}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("} }\n", at, 1) if text.rstrip().endswith("} }") else text)
        environment = [f"{name}={value}" for name, value in self.resil.env().items()]
        return ["env", *environment, *command]


@pytest.fixture
def proxied(resil):
    started = []

    def start(upstream):
        started.append(NginxProxy(resil, upstream))
        return started[-1].port

    yield start
    for server in started:
        server.stop()


def status_of(resil, port):
    result = resil.run(["curl", "-q", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code} %{time_total}",
                        f"http://{HOST}:{port}/page"], preload=False)
    code, seconds = result.out.split()
    return int(code), float(seconds)


def test_nginx_as_a_client(resil, proxied, pages, dead, hang):
    resil.config(f"[destination good]\nmatch = {HOST}:{pages.port}\n"
                 f"[destination dead]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 2\nbreaker.open_time = 60s\n"
                 f"[destination slow]\nmatch = {HOST}:{hang.port}\ntimeout.response = 700ms\n")
    assert status_of(resil, proxied(pages.port))[0] == 200
    port = proxied(dead.port)
    assert [status_of(resil, port)[0] for _ in range(4)] == [502] * 4
    code, seconds = status_of(resil, proxied(hang.port))
    assert code in (502, 504) and 0.7 <= seconds <= 0.7 + UPPER
    assert resil.counters("good")["exchanges_ok"] == 1
    counters = resil.counters("dead")
    assert (counters["attempts"], counters["rejected_breaker"]) == (2, 2)
    assert resil.counters("slow")["response_timeouts"] == 1
