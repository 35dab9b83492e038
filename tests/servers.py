# SPDX-License-Identifier: MIT
"""Backends: real servers, and scripted ones that misbehave in exactly one way. All on the loopback interface."""

import ctypes
import glob
import os
import pwd
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from helper import wait_until

HOST = "127.0.0.1"
PAGE = b"hello from a healthy backend\n"
BULK = b"".join(b"line %06d of a longer answer\n" % number for number in range(8000))
GREETING = "hello from redis"
START_TIMEOUT = 30.0


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection((HOST, port), timeout=1).close()
        return True
    except OSError:
        return False


class Server:
    """A server process in a directory of its own. Subclasses give the command and prepare the directory."""

    stop_signal = 15
    prefix = ["setpriv", "--pdeathsig", "TERM"]  # ends with us, even if we are killed

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="resil-server-")
        self.prepare()
        for attempt in range(3):  # somebody may take the free port before the server does
            self.port = free_port()
            with open(os.path.join(self.dir, "log"), "ab") as log:
                self.process = subprocess.Popen([*self.prefix, *self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            wait_until(lambda: self.process.poll() is not None or accepts(self.port), START_TIMEOUT, "server start")
            if self.process.poll() is None:
                break
        else:
            with open(os.path.join(self.dir, "log"), "rb") as log:
                raise AssertionError(f"{self.command()} does not start: {log.read()[-2000:]!r}")
        self.fill()

    def prepare(self):
        pass

    def fill(self):
        pass

    def path(self, name):
        return os.path.join(self.dir, name)

    def stop(self):
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
        shutil.rmtree(self.dir, ignore_errors=True)


class Nginx(Server):
    def prepare(self):
        os.makedirs(self.path("www"))
        for name, content in (("page", PAGE), ("bulk", BULK)):
            with open(self.path(f"www/{name}"), "wb") as file:
                file.write(content)

    def command(self):
        temporary = "".join(
            f"{kind}_temp_path {self.path(kind)};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(
                f"daemon off; master_process off; pid {self.path('pid')};\n"
                "events { worker_connections 512; }\n"
                f"http {{ access_log off; {temporary}\n"
                f"server {{ listen {HOST}:{self.port}; root {self.path('www')}; default_type text/plain; }} }}\n"
            )
        return ["/usr/sbin/nginx", "-e", self.path("error"), "-p", self.dir, "-c", self.path("nginx.conf")]


class Redis(Server):
    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", HOST, "--dir", self.dir, "--save", "",
                "--appendonly", "no", "--daemonize", "no"]

    def fill(self):
        subprocess.run(["redis-cli", "-h", HOST, "-p", str(self.port), "set", "greeting", GREETING], check=True,
                       stdout=subprocess.DEVNULL, timeout=START_TIMEOUT)


def postgres_bin(name):
    return sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))[-1]


class Postgres(Server):
    stop_signal = 2  # fast shutdown

    def as_owner(self):
        """PostgreSQL does not run as root."""
        if os.geteuid() != 0:
            return []
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]

    def prepare(self):
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.dir, owner.pw_uid, owner.pw_gid)
        subprocess.run([*self.as_owner(), postgres_bin("initdb"), "-D", self.path("data"), "-U", "postgres", "-A",
                        "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], check=True, timeout=120, cwd="/",
                       stdout=subprocess.DEVNULL)

    def command(self):
        return [*self.as_owner(), "setpriv", *self.prefix[1:], postgres_bin("postgres"), "-D", self.path("data"), "-p", str(self.port), "-h", HOST,
                "-k", self.dir, "-F", "-c", "shared_buffers=8MB", "-c", "max_connections=64"]

    def fill(self):
        psql = [postgres_bin("psql"), "-h", HOST, "-p", str(self.port), "-U", "postgres", "-Atqc", "select 1"]
        wait_until(lambda: subprocess.run(psql, timeout=START_TIMEOUT, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL).returncode == 0, START_TIMEOUT, "first query")


# ---- scripted servers -------------------------------------------------------------------------------------------


def http_answer(body):
    return b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def read_request(connection):
    """Everything up to the end of a request's head; less when the peer went away."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


class Scripted:
    """Accepts in a thread and lets handle() treat each connection in a thread of its own."""

    def __init__(self, listener=None):
        if listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, 0))
        self.listener = listener
        self.port = listener.getsockname()[1]
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.connections = []
        listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.handle(connection)
        except OSError:
            pass
        finally:
            with self.lock:
                self.open -= 1
            connection.close()

    def handle(self, connection):
        raise NotImplementedError

    def stop(self):
        self.stopping.set()
        with self.lock:
            doomed = [self.listener, *self.connections]
        for one in doomed:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()


class Counting(Scripted):
    """A healthy HTTP server that counts."""

    def handle(self, connection):
        if read_request(connection):
            connection.sendall(http_answer(PAGE))


class Hang(Scripted):
    """Accepts, reads, never answers."""

    def handle(self, connection):
        while connection.recv(65536):
            pass


class Hold(Scripted):
    """Answers each byte with the same byte until the peer closes: connections stay open as long as they like."""

    def handle(self, connection):
        while data := connection.recv(65536):
            connection.sendall(data)


class Stall(Scripted):
    """Answers the head and half of the body at once, the other half `pause` seconds later (None: never)."""

    def __init__(self, pause):
        self.pause = pause
        super().__init__()

    def handle(self, connection):
        read_request(connection)
        answer = http_answer(PAGE)
        cut = len(answer) - len(PAGE) // 2
        connection.sendall(answer[:cut])
        self.stopping.wait(self.pause)
        connection.sendall(answer[cut:])


class Switch(Scripted):
    """Answers while `healthy`, closes without a byte otherwise."""

    healthy = False

    def handle(self, connection):
        if read_request(connection) and self.healthy:
            connection.sendall(http_answer(PAGE))


class Dead:
    """A port where nobody listens and that nobody else can take; revive() puts a server there."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self.server = None

    def revive(self, kind=Counting):
        self.server = kind(self.socket)
        return self.server

    def stop(self):
        if self.server:
            self.server.stop()
        self.socket.close()


class BlackHole:
    """A port that drops every SYN: its accept queue is full. A probe proves it before the test begins."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind((HOST, 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        while self._connects():
            assert len(self.fillers) < 64, "the accept queue never fills"

    def _connects(self):
        filler = socket.socket()
        filler.settimeout(0.2)
        self.fillers.append(filler)
        try:
            filler.connect((HOST, self.port))
            return True
        except TimeoutError:
            filler.close()
            return False

    def stop(self):
        for one in [*self.fillers, self.listener]:
            one.close()


# ---- proof that nothing was sent --------------------------------------------------------------------------------


class SynCounter:
    """Counts the SYNs sent to a port, on the wire (needs CAP_NET_RAW); or the packets with other flags, as a mask of those that
    are looked at and what they are to be."""

    SO_ATTACH_FILTER = 26
    PACKET_OUTGOING = 4

    def __init__(self, port, mask=0x12, flags=0x02):
        # IPv4, TCP, destination port, SYN without ACK; offsets from the IP header.
        code = [(0x30, 0, 0, 9), (0x15, 0, 7, 6), (0xB1, 0, 0, 0), (0x48, 0, 0, 2), (0x15, 0, 4, port),
                (0x50, 0, 0, 13), (0x54, 0, 0, mask), (0x15, 0, 1, flags), (0x06, 0, 0, 64), (0x06, 0, 0, 0)]
        program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, self.SO_ATTACH_FILTER,
                               struct.pack("HL", len(code), ctypes.addressof(program)))
        self.socket.bind(("lo", 0x0800))
        self.socket.setblocking(False)
        self.seen = 0

    def count(self):
        """SYNs so far. On lo a packet has been seen by the time that its sender's system call returns."""
        while True:
            try:
                address = self.socket.recvfrom(64)[1]
            except BlockingIOError:
                return self.seen
            if address[2] != self.PACKET_OUTGOING:
                self.seen += 1

    def stop(self):
        self.socket.close()


class NoCounter:
    """Without the capability: the tests then rely on the listener's own count alone."""

    def count(self):
        return 0

    def stop(self):
        pass


def syn_counter(port):
    try:
        return SynCounter(port)
    except PermissionError:
        return NoCounter()
