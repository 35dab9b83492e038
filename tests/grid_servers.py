# SPDX-License-Identifier: MIT
"""The real servers of the client grid, beside those of servers.py: one nginx for HTTP, HTTPS, cleartext HTTP/2 and git,
memcached, rsync, and sshd. Each is started once by the worker that needs it."""

import os
import pwd
import subprocess

import servers
from helper import wait_until
from servers import HOST, Nginx, Server

GREETING = b"hello from the grid\n"


def quiet(*command, **options):
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


class Web(Nginx):
    """HTTP at .port, HTTPS (with HTTP/2) at .tls_port, HTTP/2 without TLS at .h2_port; a git repository at /repo.git."""

    def prepare(self):
        super().prepare()
        quiet("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=grid", "-keyout",
              self.path("key"), "-out", self.path("cert"))
        work, bare = self.path("work"), self.path("www/repo.git")
        git = ["git", "-C", work, "-c", "user.name=grid", "-c", "user.email=grid@localhost"]
        quiet("git", "init", "-q", "-b", "main", work)
        quiet(*git, "commit", "-q", "--allow-empty", "-m", "first")
        quiet("git", "clone", "-q", "--bare", work, bare)
        quiet("git", "-C", bare, "update-server-info")

    def command(self):
        command = super().command()
        self.tls_port, self.h2_port = servers.free_port(), servers.free_port()
        with open(self.path("nginx.conf"), encoding="utf-8") as file:
            text = file.read().rstrip()
        common = f"root {self.path('www')}; default_type text/plain;"
        text = text[:-1] + (
            f"server {{ listen {HOST}:{self.tls_port} ssl http2; ssl_certificate {self.path('cert')}; "
            f"ssl_certificate_key {self.path('key')}; {common} }}\n"
            f"server {{ listen {HOST}:{self.h2_port} http2; {common} }} }}\n")
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(text)
        return command


class Memcached(Server):
    def command(self):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        return ["memcached", "-l", HOST, "-p", str(self.port), "-U", "0", "-m", "16", "-t", "1", *user]

    def fill(self):
        import socket
        with socket.create_connection((HOST, self.port), timeout=10) as one:
            one.sendall(b"set greeting 0 0 %d\r\n%s\r\n" % (len(GREETING), GREETING))
            assert one.recv(64) == b"STORED\r\n"


class Rsync(Server):
    def command(self):
        os.makedirs(self.path("files"), exist_ok=True)
        with open(self.path("files/greeting"), "wb") as file:
            file.write(GREETING)
        with open(self.path("conf"), "w", encoding="utf-8") as file:
            file.write(f"use chroot = no\n[files]\npath = {self.path('files')}\nread only = yes\n")
        return ["rsync", "--daemon", "--no-detach", f"--config={self.path('conf')}", f"--address={HOST}",
                f"--port={self.port}"]


class Sshd(Server):
    def prepare(self):
        for name in ("host", "user"):
            quiet("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name))
        os.chmod(self.dir, 0o755)
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.user = pwd.getpwuid(os.geteuid()).pw_name

    def command(self):
        with open(self.path("conf"), "w", encoding="utf-8") as file:
            file.write(f"ListenAddress {HOST}:{self.port}\nHostKey {self.path('host')}\nPidFile none\nUsePAM no\n"
                       f"AuthorizedKeysFile {self.path('user.pub')}\nStrictModes no\nPermitRootLogin yes\n"
                       "PasswordAuthentication no\nMaxStartups 100\nLogLevel ERROR\n")
        return ["/usr/sbin/sshd", "-D", "-e", "-f", self.path("conf")]


class Mute(servers.Scripted):
    """Accepts, reads, never answers, and stays when the client has said all that it had to say."""

    def handle(self, connection):
        while connection.recv(65536):
            pass
        self.stopping.wait(60)


class Park:
    """The servers by the kind of their clients, each started at its first use."""

    KINDS = {"web": Web, "redis": servers.Redis, "pg": servers.Postgres, "memcached": Memcached, "rsync": Rsync,
             "ssh": Sshd}
    PORTS = {"http": ("web", "port"), "https": ("web", "tls_port"), "h2": ("web", "h2_port")}

    def __init__(self):
        self.running = {}

    def server(self, kind):
        if kind not in self.running:
            self.running[kind] = self.KINDS[kind]()
        return self.running[kind]

    def port(self, kind):
        name, attribute = self.PORTS.get(kind, (kind, "port"))
        port = getattr(self.server(name), attribute)
        wait_until(lambda: servers.accepts(port), 10, "the server's port")
        return port

    def stop(self):
        for server in self.running.values():
            server.stop()
