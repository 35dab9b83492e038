# SPDX-License-Identifier: MIT
"""The rows of the client grid: unmodified programs of Debian, one for each way to use a socket that they have."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import Callable

from clients import BY_NAME, stable
from helper import PYTHON, program
from servers import postgres_bin

REQUEST = b"GET /page HTTP/1.0\r\n\r\n"


@dataclass(frozen=True)
class Row:
    """One program, and what its own logic makes of the states.

    kind        the server that it talks to (grid_servers.Park)
    engine      how it waits for its sockets
    build       build(host, port) -> the command
    needs       commands or files without which the row is left out of the grid
    stdin       what it reads
    clock       it prints elapsed=SECONDS of the operation itself; of the others only the wall time is known
    connects    how often it connects by itself when nobody answers, one after the other
    asks        how often it asks by itself when the answer does not come, one after the other
    at_once     connections that it makes side by side
    deaf        why it ends with status 0 although the connect failed, if it does
    deaf_answer why it ends with status 0 although no answer came, if it does
    at_once_words  what it says of a refused connect, where that differs with the moment: a connect that does not block is
                refused at once by the library, and a moment later by the kernel
    without     states that are not shown of it, each with the reason
    measures    it prints figures that differ from run to run
    """

    name: str
    kind: str
    engine: str
    build: Callable[[str, int], list]
    needs: tuple
    stdin: bytes = b""
    clock: bool = False
    connects: int = 1
    asks: int = 1
    at_once: int = 1
    deaf: str = ""
    deaf_answer: str = ""
    at_once_words: bytes = b""
    without: dict = field(default_factory=dict)
    measures: bool = False

    def command(self, host, port, park):
        """{ssh} stands for the directory with the key of sshd's user."""
        return [word.replace("{ssh}", park.server("ssh").dir) if "{ssh}" in word else word
                for word in self.build(host, port)]

    def seconds(self, result, native):
        """How long the operation took; native: the wall time of a successful run without the library."""
        if not self.clock:
            return result.seconds - native
        found = re.search(rb"^elapsed=([0-9.]+)", result.err, re.MULTILINE)
        assert found, result
        return float(found[1])


def url(host, port, scheme="http", path="/page"):
    return f"{scheme}://{host}:{port}{path}"


def shell(text):
    """A command line of sh; $0 is the host, $1 the port."""
    return lambda host, port: ["sh", "-c", text, host, str(port)]


def script(*interpreter):
    """A program text for an interpreter, with the host and the port as its arguments."""
    return lambda host, port: [*interpreter, host, str(port)]


def scheme(name, *command):
    """A command whose last argument is the URL."""
    return lambda host, port: [*command, url(host, port, name)]


def curl(name, *options):
    return scheme(name, "curl", "-q", "-sS", "-k", "--noproxy", "*", *options, "-w",
                  "%{stderr}elapsed=%{time_total}\n")


def wget(name):
    return scheme(name, "wget", "--no-config", "--no-proxy", "--no-hsts", "--no-check-certificate", "-t1", "-nv", "-O-")


def aria2c(poll):
    return shell(f"rm -f got*; aria2c -q --no-conf=true --no-netrc=true --max-tries=1 --event-poll={poll} -d . -o got "
                 "http://$0:$1/page; status=$?; cat got 2>/dev/null; exit $status")


def python(engine):
    return lambda host, port: [PYTHON, program("http_python.py"), engine, host, str(port), "/page"]


def through(proxy):
    return lambda host, port: [PYTHON, program("through.py"), proxy, host, str(port), "/page"]


def same_as(name):
    client = BY_NAME[name]
    return lambda host, port: client.command(host, port)


@functools.cache
def java_classes():
    """The directory of the compiled Http.java; it lasts as long as the session's temporary files."""
    where = tempfile.mkdtemp(prefix="resil-java-")
    subprocess.run(["javac", "-d", where, program("Http.java")], check=True, timeout=120)
    return where


def java(way):
    return lambda host, port: ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp",
                               java_classes(), "Http", way, host, str(port), "/page"]


SSH = ["ssh", "-F", "none", "-i", "{ssh}/user", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
       "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
RUBY = 'require "net/http"; print Net::HTTP.new(ARGV[0], ARGV[1].to_i, nil).tap { |h| h.max_retries = 0 }.get("/page").body'
PHP = ('$b = file_get_contents("http://$argv[1]:$argv[2]/page"); if ($b === false) exit(1); echo $b;')
PHP_STREAM = ('$s = stream_socket_client("tcp://$argv[1]:$argv[2]", $n, $t, 30); if (!$s) exit(1); '
              'fwrite($s, "GET /page HTTP/1.0\\r\\n\\r\\n"); $b = stream_get_contents($s); '
              'if (!strlen($b)) exit(2); echo explode("\\r\\n\\r\\n", $b, 2)[1];')
LUA = ('local s = assert(require("socket").connect(arg[1], arg[2])); assert(s:send("GET /page HTTP/1.0\\r\\n\\r\\n")); '
       'local b = assert(s:receive("*a")); assert(#b > 0, "empty"); io.write(b:match("\\r\\n\\r\\n(.*)"))')
TCL = ('package require http; lassign $argv h p; set t [http::geturl http://$h:$p/page]; '
       'if {[http::status $t] ne "ok"} {puts stderr [http::error $t]; exit 1}; puts -nonewline [http::data $t]')
NODE_FETCH = ('fetch(`http://${process.argv[1]}:${process.argv[2]}/page`).then(a => a.text()).then(t => '
              'process.stdout.write(t), e => { console.error("failed:", e.cause?.code ?? e); process.exitCode = 1 })')
LWP = ('my $a = LWP::UserAgent->new(timeout => 30)->get("http://$ARGV[0]:$ARGV[1]/page"); '
       'if (!$a->is_success) { print STDERR "failed: ", $a->code, "\\n"; exit 1 } print $a->content')
GAWK = ('BEGIN { s = "/inet/tcp/0/" ARGV[1] "/" ARGV[2]; ORS = "\\r\\n\\r\\n"; print "GET /page HTTP/1.0" |& s; ORS = "\\n"; '
        'while ((n = (s |& getline line)) > 0) { last = line; seen = 1 } if (!seen) exit 1; print last }')
BASH = ('exec 3<>/dev/tcp/$0/$1 || exit 1; printf "GET /page HTTP/1.0\\r\\n\\r\\n" >&3; '
        'while IFS= read -r line <&3; do last=$line; done; [ -n "$last" ] || exit 2; echo "$last"')
ZSH = ('zmodload zsh/net/tcp; ztcp $1 $2 || exit 1; print -nu $REPLY "GET /page HTTP/1.0\\r\\n\\r\\n"; '
       'while read -ru $REPLY line; do last=$line; done; [[ -n $last ]] || exit 2; print -r -- $last')
PG = "host={} port={} user=postgres dbname=postgres sslmode=disable gssencmode=disable"

ROWS = (
    Row("curl", "http", "poll", curl("http"), ("curl",), clock=True),
    Row("curl-https", "https", "poll, TLS", curl("https"), ("curl",), clock=True),
    Row("curl-h2", "h2", "poll, HTTP/2", curl("http", "--http2-prior-knowledge"), ("curl",), clock=True),
    Row("wget", "http", "blocking, select", wget("http"), ("wget",)),
    Row("wget-https", "https", "blocking, select, TLS", wget("https"), ("wget",)),
    Row("wget2", "http", "threads, poll", scheme("http", "wget2", "--no-config", "--no-proxy", "--tries=1", "-q", "-O-"), ("wget2",), deaf="its status tells nothing of the network", deaf_answer="its status tells nothing of the network"),
    Row("aria2c-epoll", "http", "epoll", aria2c("epoll"), ("aria2c",)),
    Row("aria2c-poll", "http", "poll", aria2c("poll"), ("aria2c",)),
    Row("aria2c-select", "http", "select", aria2c("select"), ("aria2c",)),
    Row("axel", "http", "threads, select", shell("rm -f got*; axel -q -n 1 -o got http://$0:$1/page; status=$?; cat got 2>/dev/null; exit $status"), ("axel",)),
    Row("lynx", "http", "blocking, select", scheme("http", "lynx", "-source"), ("lynx",)),
    Row("w3m", "http", "blocking", scheme("http", "w3m", "-no-proxy", "-dump_source"), ("w3m",), deaf="its status tells nothing of the network", deaf_answer="its status tells nothing of the network"),
    Row("links", "http", "select", scheme("http", "links", "-source"), ("links",), connects=3, asks=3),
    Row("busybox-wget", "http", "blocking, stdio", scheme("http", "busybox", "wget", "-q", "-O-"), ("busybox",)),
    Row("busybox-nc", "http", "blocking, poll", script("busybox", "nc"), ("busybox",), stdin=REQUEST, deaf_answer="it ends as at the end of the answer"),
    Row("nc.openbsd", "http", "poll", script("nc.openbsd", "-N"), ("nc.openbsd",), stdin=REQUEST, deaf_answer="it ends as at the end of the answer"),
    Row("nc.traditional", "http", "blocking, select", script("nc.traditional", "-n"), ("nc.traditional",), stdin=REQUEST, deaf_answer="it ends as at the end of the answer"),
    Row("ncat", "http", "epoll", script("ncat", "--no-shutdown"), ("ncat",), stdin=REQUEST),
    Row("socat", "http", "select", lambda host, port: ["socat", "-t", "30", "-", f"TCP:{host}:{port}"], ("socat",), stdin=REQUEST),
    Row("openssl", "https", "blocking, select, TLS", lambda host, port: [
        "openssl", "s_client", "-quiet", "-verify_quiet", "-ign_eof", "-connect", f"{host}:{port}"], ("openssl",), stdin=REQUEST),
    Row("perl", "http", "blocking", same_as("perl"), ("perl",), clock=True),
    Row("perl-lwp", "http", "select", script("perl", "-MLWP::UserAgent", "-e", LWP), ("perl", "/usr/share/perl5/LWP.pm")),
    Row("python-urllib", "http", "blocking, stdio-like buffers", same_as("python3"), (PYTHON,), clock=True),
    Row("python-http.client", "http", "blocking", python("http_client"), (PYTHON,), clock=True),
    Row("python-asyncio", "http", "epoll", same_as("asyncio"), (PYTHON,), clock=True, at_once_words=rb"ECONNREFUSED"),
    Row("python-select", "http", "select", python("select"), (PYTHON,), clock=True),
    Row("python-poll", "http", "poll", python("poll"), (PYTHON,), clock=True),
    Row("python-epoll", "http", "epoll", python("epoll"), (PYTHON,), clock=True),
    Row("python-threads", "http", "threads, blocking", python("threads"), (PYTHON,), clock=True, at_once=3),
    Row("python-fork", "http", "fork, blocking", python("fork"), (PYTHON,)),
    Row("python-requests", "http", "blocking", python("requests"), (PYTHON, "py:requests")),
    Row("python-aiohttp", "http", "epoll", python("aiohttp"), (PYTHON, "py:aiohttp"), at_once_words=rb"Cannot connect to host"),
    Row("python-pycurl", "http", "curl multi, select", python("pycurl"), (PYTHON, "py:pycurl")),
    Row("python-tornado", "http", "epoll", python("tornado"), (PYTHON, "py:tornado")),
    Row("python-gevent", "http", "libev, epoll", python("gevent"), (PYTHON, "py:gevent"), at_once_words=rb"ConnectionRefusedError"),
    Row("ruby", "http", "poll, threads", script("ruby", "-e", RUBY), ("ruby",)),
    Row("php", "http", "poll", script("php", "-r", PHP), ("php",)),
    Row("php-stream", "http", "poll, blocking", script("php", "-r", PHP_STREAM), ("php",)),
    Row("lua", "http", "select", script("lua5.4", "-e", LUA, "/dev/null"), ("lua5.4", "/usr/share/lua/5.4/socket.lua")),
    Row("tclsh", "http", "blocking connect, select", script("tclsh", "/dev/stdin"), ("tclsh",), stdin=TCL.encode(), at_once_words=rb"connection refused"),
    Row("node", "http", "epoll", same_as("node"), ("node",), clock=True),
    Row("node-fetch", "http", "epoll, undici", script("node", "-e", NODE_FETCH), ("node",)),
    Row("java-socket", "http", "JVM, poll", java("socket"), ("java", "javac")),
    Row("java-client", "http", "JVM, NIO, epoll", java("client"), ("java", "javac"), connects=2, asks=2, at_once_words=rb"ConnectException"),
    Row("bash", "http", "blocking, raw descriptor", script("bash", "-c", BASH), ("bash",)),
    Row("zsh", "http", "blocking", lambda host, port: ["zsh", "-f", "-c", ZSH, "zsh", host, str(port)], ("zsh",)),
    Row("gawk", "http", "blocking, stdio", script("env", "GAWK_SOCK_RETRIES=1", "gawk", GAWK), ("gawk",)),
    Row("git", "http", "fork, curl multi", lambda host, port: [
        "git", "-c", "http.proxy=", "ls-remote", url(host, port, path="/repo.git")], ("git",)),
    Row("rsync", "rsync", "select, fork", lambda host, port: ["rsync", "--list-only", f"rsync://{host}:{port}/files/"], ("rsync",)),
    Row("ssh", "ssh", "poll", lambda host, port: [*SSH, "-p", str(port), host, "echo hello"], ("ssh", "/usr/sbin/sshd")),
    Row("ssh-keyscan", "ssh", "poll, many", lambda host, port: ["ssh-keyscan", "-t", "ed25519", "-T", "30", "-p", str(port), host],
        ("ssh-keyscan", "/usr/sbin/sshd"), at_once_words=rb"^"),
    Row("redis-cli", "redis", "blocking", same_as("redis-cli"), ("redis-cli",), connects=2),
    Row("memccat", "memcached", "poll", lambda host, port: ["memccat", f"--servers={host}:{port}", "greeting"], ("memccat", "memcached")),
    Row("psql", "pg", "poll", same_as("psql"), (postgres_bin("psql"),)),
    Row("pgbench", "pg", "poll, threads", lambda host, port: [
        "sh", "-c", 'echo "select 1;" | exec "$0" "$@"', postgres_bin("pgbench"), "-n", "-c2", "-j2", "-t5", "-f-", PG.format(host, port)],
        (postgres_bin("pgbench"),), measures=True),
    Row("ab", "http", "poll", scheme("http", "ab", "-q", "-c1", "-n1"), ("ab",), measures=True, at_once_words=rb"Connection refused"),
    Row("siege", "http", "threads, poll", shell("mkdir -p .siege; : >.siege/siege.conf; exec siege -c1 -r1 http://$0:$1/page"), ("siege",), measures=True, deaf="its status tells nothing of the network", deaf_answer="its status tells nothing of the network", at_once_words=rb"onnection refused"),
    Row("nghttp", "h2", "libev, epoll, HTTP/2", scheme("http", "nghttp", "--no-dep"), ("nghttp",), deaf="its status tells nothing of the network", deaf_answer="its status tells nothing of the network", at_once_words=rb"Could not connect"),
    Row("h2load", "h2", "libev, epoll, HTTP/2", scheme("http", "h2load", "-n1", "-c1"), ("h2load",), measures=True, deaf="its status tells nothing of the network", deaf_answer="its status tells nothing of the network", at_once_words=rb"could not connect|errored"),
    Row("nginx-proxy", "http", "epoll, upstream", through("nginx"), ("/usr/sbin/nginx",), clock=True),
    Row("haproxy", "http", "epoll, upstream", through("haproxy"), ("/usr/sbin/haproxy",), clock=True),
)




def _had(need):
    if need.startswith("py:"):
        return importlib.util.find_spec(need[3:]) is not None
    return os.path.exists(need) if need.startswith("/") else shutil.which(need, path=PATH) is not None


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HERE = tuple(row for row in ROWS if all(_had(need) for need in row.needs))
BY_ROW = {row.name: row for row in HERE}

_VOLATILE = (
    (re.compile(rb"^Date: .*$", re.MULTILINE), b"Date: -"),
    (re.compile(rb"^\S+ \S+ socat\[\d+\]", re.MULTILINE), b"socat"),
    (re.compile(rb"^[0-9A-F]+(?=:error:)", re.MULTILINE), b"thread"),
    (re.compile(rb"0x[0-9a-f]{6,}"), b"pointer"),
)
_FIGURES = ((re.compile(rb"-?\b(\d[\d.]*|nan|inf)[A-Za-z%]*"), b"N"), (re.compile(rb"\s+"), b" "))


def comparable(row, text):
    """What a run printed, without what differs from run to run."""
    text = stable(text)
    for pattern, replacement in (*_VOLATILE, *(_FIGURES if row.measures else ())):
        text = pattern.sub(replacement, text)
    return text
