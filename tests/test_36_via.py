# SPDX-License-Identifier: MIT
"""Goal: a plain client talks mutual TLS through a local stunnel that no connection goes past; breaker and timeouts are
about what the far side does, although the relay accepts everything.

covers: getpeername
"""

import os
import re
import socket
import ssl
import subprocess

import pytest

from clients import BY_NAME, TIMED_OUT
from helper import PYTHON, TOP, UPPER, Puppet, program, wait_until
from servers import HOST, PAGE, Dead, Scripted, accepts, free_port, http_answer, read_request

NAME = "partner.example.com"
ASKED = "192.0.2.7"  # nobody is there (RFC 5737): whoever arrives came through the relay


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """A CA, a server's and a client's certificate."""
    top = str(tmp_path_factory.mktemp("pki"))

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=top, check=True, timeout=60, stderr=subprocess.DEVNULL)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    for who, name in (("server", NAME), ("client", "client")):
        openssl("req", "-x509", *key, "-keyout", f"{who}.key", "-out", f"{who}.pem", "-subj", f"/CN={name}", "-days", "2",
                "-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem",
                "-CAkey", "ca.key")
    return top


class Partner(Scripted):
    """HTTPS that wants a client certificate. `mode`: answer, hang, or close after the request."""

    mode = "answer"

    def __init__(self, pki):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{pki}/ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_cert_chain(f"{pki}/server.pem", f"{pki}/server.key")
        self.subjects = []
        super().__init__()

    def handle(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as tls:
            self.subjects.append(tls.getpeercert()["subject"][0][0][1])
            read_request(tls)
            if self.mode == "hang":
                self.stopping.wait(20)
            elif self.mode == "answer":
                tls.sendall(http_answer(PAGE))


@pytest.fixture
def partner(pki):
    server = Partner(pki)
    yield server
    server.stop()


def start_relay(resil, pki, port, accept):
    """Debian's stunnel4 with the example's configuration, its places put in."""
    with open(os.path.join(TOP, "config", "examples", "mtls.stunnel"), encoding="utf-8") as file:
        text = file.read()
    for old, new in (("127.0.0.1:4481", accept), (f"{NAME}:443", f"{HOST}:{port}"),
                     ("/etc/stunnel/partner-ca.pem", f"{pki}/ca.pem"),
                     ("/etc/stunnel/client-cert.pem", f"{pki}/client.pem"),
                     ("/etc/stunnel/client-key.pem", f"{pki}/client.key")):
        assert old in text
        text = text.replace(old, new)
    child = resil.spawn(["stunnel4", resil.file("stunnel.conf", text)], preload=False)
    if accept.startswith("/"):
        wait_until(lambda: child.poll() is not None or os.path.exists(accept), 10.0, "stunnel")
    else:
        wait_until(lambda: child.poll() is not None or accepts(int(accept.rpartition(":")[2])), 10.0, "stunnel")
    assert child.poll() is None, child.stderr.read()
    return child


@pytest.fixture
def relay(resil, pki, partner):
    where = f"{HOST}:{free_port()}"
    start_relay(resil, pki, partner.port, where)
    return where


def configure(resil, relay, *keys):
    lines = "\n".join(keys)
    resil.config(f"[destination partner]\nmatch = {ASKED}\nvia = {relay}\n{lines}\n")


def puppet(resil):
    return Puppet(resil.spawn([PYTHON, program("puppet.py"), ASKED, "80"], stdin=subprocess.PIPE))


@pytest.mark.parametrize("name", ("curl", "asyncio", "perl", "node"))
def test_plain_clients_talk_mutual_tls(resil, relay, partner, name):
    configure(resil, relay)
    result = resil.run(BY_NAME[name].command(ASKED, 80))
    assert (result.status, result.out, set(partner.subjects)) == (0, PAGE, {"client"}), result
    row = resil.row("partner", f"{ASKED}:80")  # the far side's, not the relay's
    assert (row["counters"]["connects_ok"], row["counters"]["exchanges_ok"]) == (1, 1)


def test_the_program_sees_where_it_asked_to_go(resil, relay, partner):
    configure(resil, relay)
    one = puppet(resil)
    assert one.do("s = connect()") == "ok"
    assert one.get("list(s.getpeername())") == [ASKED, 80]


@pytest.mark.parametrize("mode", ("hang", "close"))
def test_the_far_side_is_judged(resil, relay, partner, mode):
    """Its relay connects every time, and still the breaker opens; connects alone do not close it again."""
    partner.mode = mode
    configure(resil, relay, "timeout.response = 200ms", "breaker.failures = 2", "breaker.open_time = 300ms",
              "breaker.jitter = off", "breaker.multiplier = 1", "first_byte = client")
    results = [resil.run(BY_NAME["curl"].command(ASKED, 80)) for _ in range(2)]
    assert all(result.status != 0 for result in results), results
    if mode == "hang":
        assert all(re.search(TIMED_OUT, result.err) and result.seconds <= 0.2 + 2 * UPPER for result in results)
    row = resil.row("partner")
    assert (row["state"], row["counters"]["connects_ok"]) == ("open", 2)
    one = puppet(resil)
    wait_until(lambda: resil.row("partner")["next_attempt_ms"] in (None, 0), what="the open time's end")
    assert one.do("connect().close()") == "ok"
    assert resil.row("partner")["state"] in ("open", "half_open"), "that the relay accepts says nothing"
    partner.mode = "answer"
    wait_until(lambda: resil.run(BY_NAME["curl"].command(ASKED, 80)).out == PAGE)
    assert resil.row("partner")["state"] == "closed"


def test_a_partner_that_is_not_there(resil, pki):
    """stunnel accepts, cannot connect, and closes: a failure, although the connect was good."""
    gone = Dead()
    where = f"{HOST}:{free_port()}"
    try:
        start_relay(resil, pki, gone.port, where)
        configure(resil, where, "breaker.failures = 2", "breaker.open_time = 60s", "first_byte = client")
        for _ in range(2):
            assert resil.run(BY_NAME["curl"].command(ASKED, 80)).status != 0
        assert resil.row("partner")["state"] == "open"
    finally:
        gone.stop()


def test_nothing_goes_past_the_relay(resil, dead, hold):
    """A relay that is gone is a failed connect; one that the socket cannot reach is a refusal. Never the address itself."""
    resil.config(f"[destination a]\nmatch = {HOST}:{hold.port}\nvia = {HOST}:{dead.port}\n"
                 f"[destination b]\nmatch = [::1]:{hold.port}\nvia = unix:{resil.dir}/none\nreject.errno = EHOSTUNREACH\n")
    one = resil.puppet(hold.port)
    assert one.do("connect()") == "ECONNREFUSED" and hold.accepted == 0
    assert one.do(f"socket.socket(socket.AF_INET6).connect(('::1', {hold.port}))") == "EHOSTUNREACH"
    assert resil.counters("a")["connects_failed"] == 1 and resil.counters("b")["rejected_no_endpoint"] == 1


def test_a_relay_that_is_gone_leaves_the_fallback(resil, dead, counting):
    resil.config(f"[destination a]\nmatch = {ASKED}\nvia = {HOST}:{dead.port}\nfallback = {HOST}:{counting.port}\n")
    for name in ("curl", "asyncio"):
        assert resil.run(BY_NAME[name].command(ASKED, 80)).out == PAGE


def test_a_relay_on_a_unix_socket(resil, pki, partner):
    path = os.path.join(resil.dir, "relay")
    start_relay(resil, pki, partner.port, path)
    resil.config(f"[destination partner]\nmatch = unix:{resil.dir}/asked\nvia = unix:{path}\n")
    result = resil.run(["curl", "-q", "-sS", "--unix-socket", f"{resil.dir}/asked", f"http://{NAME}/page"])
    assert (result.status, result.out) == (0, PAGE), result


def test_observed_connections_are_not_relayed(resil, dead, counting):
    resil.config(f"[destination a]\nmatch = {HOST}:{counting.port}\nvia = {HOST}:{dead.port}\nmode = observe\n")
    assert resil.run(BY_NAME["curl"].command(HOST, counting.port)).out == PAGE


def test_via_and_endpoints_exclude_each_other(resil):
    path = resil.file("bad.conf", "[destination a]\nmatch = *\nvia = 127.0.0.1:1\nendpoints = 127.0.0.1:2\n")
    result = resil.resctl("check", path)
    assert result.status == 2 and b"bad.conf:3" in result.out + result.err
