# SPDX-License-Identifier: MIT
"""Goal: a connection belongs to the most specific rule that fits it, by the name that the program resolved, address,
network, port, program or user; what no rule fits is left alone."""

import os
import socket
import threading

import pytest

from clients import BY_NAME
from helper import PYTHON
from servers import HOST, PAGE, http_answer, read_request

# The most specific first. Each is tried against all that follow, in a file that names them in the reverse order.
LADDER = ("localhost:{port}", "localhost", "127.0.0.1:{port}", "127.0.0.1", "127.0.0.0/24:{port}", "127.0.0.0/24",
          "127.0.0.0/8:{port}", "127.0.0.0/8:1-65535", "127.0.0.0/8", "*:{port}", "*:1-65535 app=python3*",
          "*:1-65535", "*")
V4 = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()"


def attempts(resil):
    """Destination -> attempts, of those that had any."""
    rows = resil.status()["destinations"]
    return {row["name"]: row["counters"]["attempts"] for row in rows
            if row["endpoint"] == "*" and row["counters"]["attempts"]}


def rules(patterns):
    return "".join(f"[destination {name}]\nmatch = {pattern}\n" for name, pattern in patterns.items())


@pytest.mark.parametrize("first", range(len(LADDER)))
def test_most_specific_wins(resil, counting, first):
    numbered = {f"d{number}": LADDER[number].format(port=counting.port)
                for number in reversed(range(first, len(LADDER)))}
    resil.config(rules(numbered))
    puppet = resil.puppet(counting.port)
    name = "localhost" if LADDER[first].startswith("localhost") else "127.0.0.1"
    code = f"s = socket.create_connection(socket.getaddrinfo('{name}', PORT, socket.AF_INET)[0][4])"
    assert puppet.do(code) == "ok"
    assert attempts(resil) == {f"d{first}": 1}


@pytest.mark.parametrize("name", ["wget", "python3", "perl", "node", "asyncio"])
def test_names_in_every_client(resil, counting, name):
    resil.config(rules({"name": f"localhost:{counting.port}", "address": "127.0.0.1"}))
    result = resil.run(BY_NAME[name].command("localhost", counting.port))
    assert (result.status, result.out) == (0, PAGE), result
    assert resil.counters("name", f"{HOST}:{counting.port}")["connects_ok"] == 1
    assert resil.counters("address")["attempts"] == 0


@pytest.mark.parametrize("name", ["wget", "python3"])
def test_names_count_only_when_resolved(resil, counting, name):
    resil.config(rules({"name": f"localhost:{counting.port}"}))
    result = resil.run(BY_NAME[name].command(HOST, counting.port))
    assert (result.status, result.out) == (0, PAGE)
    assert attempts(resil) == {}


def test_program(resil, counting):
    resil.config(rules({"w": f"{HOST}:{counting.port} app=wg*", "c": f"{HOST}:{counting.port} app=curl"}))
    for name in ("curl", "curl", "wget", "perl"):
        assert resil.run(BY_NAME[name].command(HOST, counting.port)).out == PAGE
    assert attempts(resil) == {"c": 2, "w": 1}


def test_user(resil, counting):
    resil.config(rules({"me": f"* uid={os.geteuid()}", "other": f"{HOST} uid={os.geteuid() + 1}"}))
    assert resil.run(BY_NAME["curl"].command(HOST, counting.port)).out == PAGE
    assert attempts(resil) == {"me": 1}


def test_mapped_addresses_are_ipv4(resil, counting):
    resil.config(rules({"four": f"127.0.0.0/8:{counting.port}", "six": "[::/0]"}))
    code = V4.replace("socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()",
                      "s = socket.socket(socket.AF_INET6); s.connect((sys.argv[1], int(sys.argv[2])))")
    result = resil.run([PYTHON, "-c", code, "::ffff:127.0.0.1", str(counting.port)])
    assert result.status == 0, result
    assert attempts(resil) == {"four": 1}


def test_the_unmatched_is_left_alone(resil, dead, syns):
    packets = syns(dead.port)
    resil.config("[destination elsewhere]\nmatch = 192.0.2.1\nbreaker.failures = 1\n")
    puppet = resil.puppet(dead.port)
    for _ in range(10):
        assert puppet.do("connect()") == "ECONNREFUSED"
    assert packets.count() in (10, 0) and attempts(resil) == {}
    dead.revive()
    assert puppet.do("s = connect()") == "ok"


def test_unix_sockets_only_by_their_path(resil):
    path = os.path.join(resil.dir, "socket")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(8)

    def serve():
        for _ in range(2):
            connection, _ = server.accept()
            read_request(connection)
            connection.sendall(http_answer(PAGE))
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    curl = ["curl", "-q", "-sS", "--unix-socket", path, "http://localhost/page"]
    resil.config(rules({"all": "*", "local": f"unix:{resil.dir}/sock*"}))
    assert resil.run(curl).out == PAGE
    assert resil.run(curl).out == PAGE
    assert attempts(resil) == {"local": 2}
    thread.join(5)
    server.close()
