# SPDX-License-Identifier: MIT
"""Goal: while no name server answers, a lookup is answered by the addresses that it last had, in any process of the user,
for as long as dns.stale_max says; a name that does not exist any more stays so. The name server is a real one on port 53
of a network and a mount namespace of the test's own.

covers: getaddrinfo gethostbyname_r gethostbyname2_r
"""

import json
import os

import pytest

from helper import PYTHON

NAME = "shop.example.net"

# A name server in a thread, whose answers the script changes, and the programs that ask it.
INSIDE = r"""
import json, os, socket, subprocess, sys, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
mode = "good"
addresses = ["127.0.0.7", "127.0.0.8"]
def serve():
    while True:
        query, who = server.recvfrom(4096)
        end = query.index(b"\0", 12) + 5
        question, kind = query[12:end], query[end - 3]
        code = {"good": 0, "fail": 2, "gone": 3}.get(mode)
        if code is None:
            continue
        found = addresses if mode == "good" and kind == 1 else []
        head = query[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, len(found), 0, 0, 0, 0])
        server.sendto(head + question + b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(a) for a in found), who)
threading.Thread(target=serve, daemon=True).start()
web = socket.socket()
web.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
web.bind(("127.0.0.7", 80))
web.listen(16)
def answer():
    while True:
        one, _ = web.accept()
        one.recv(4096)
        one.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        one.close()
threading.Thread(target=answer, daemon=True).start()
env = json.loads(sys.argv[1])
def run(*command):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    return done.stdout or done.stderr
def curl():
    return run("curl", "-q", "-sS", "http://NAME/")
def look(code):
    return run(sys.executable, "-c", "import socket\ntry: print(" + code + ")\nexcept OSError as e: print(type(e).__name__, e.errno)").strip()
result = {}
exec(sys.argv[2])
print(json.dumps(result))
""".replace("NAME", NAME)


@pytest.fixture
def inside(resil):
    """inside(script, keys): what the script put into `result`."""

    def run(script, keys="dns.stale_max = 1h", match=NAME):
        resil.config(f"[destination shop]\nmatch = {match}\n{keys}\n")
        conf = resil.file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        shell = f"ip link set lo up && mount --bind {conf} /etc/resolv.conf && exec {PYTHON} -c \"$0\" \"$@\""
        unshare = ["unshare", "-mn" if os.geteuid() == 0 else "-rmn"]
        result = resil.run([*unshare, "sh", "-c", shell, INSIDE, json.dumps(resil.env()), script], preload=False, timeout=60)
        if result.status != 0 and b"unshare" in result.err:
            pytest.skip("this kernel lets us have no namespaces")
        assert result.status == 0, result
        return json.loads(result.out)

    return run


def test_another_process_has_the_last_good_answer(resil, inside):
    seen = inside("""
result["good"] = curl()
mode = "fail"
result["fail"] = curl()
result["again"] = curl()  # a stale answer makes none that is fresh
result["all"] = look("[a[4][0] for a in socket.getaddrinfo('shop.example.net', 80, 0, socket.SOCK_STREAM)]")
result["host"] = look("socket.gethostbyname_ex('SHOP.example.net.')")
result["v6"] = look("socket.getaddrinfo('shop.example.net', 80, socket.AF_INET6)")
mode = "gone"
result["gone"] = curl()
mode = "silent"
result["silent"] = curl()
""")
    assert (seen["good"], seen["fail"], seen["again"], seen["silent"]) == ("ok", "ok", "ok", "ok")
    assert seen["all"] == "['127.0.0.7', '127.0.0.8']"
    assert seen["host"] == "('SHOP.example.net.', [], ['127.0.0.7', '127.0.0.8'])"
    assert seen["v6"].startswith("gaierror")
    assert "Could not resolve" in seen["gone"], "a name that does not exist is no failure of the name server"
    assert resil.counters("shop")["stale_answers"] == 6  # gethostbyname_ex() looks twice
    assert ("stale", "shop") in [(event["kind"], event["destination"]) for event in resil.events()]


def test_too_old(resil, inside):
    seen = inside("""
import time
result["good"] = curl()
end = time.monotonic() + 1.05
mode = "fail"
result["young"] = curl()
while time.monotonic() < end:
    time.sleep(0.01)
result["old"] = curl()
""", "dns.stale_max = 1s")
    assert (seen["good"], seen["young"]) == ("ok", "ok") and "Could not resolve" in seen["old"]


@pytest.mark.parametrize("keys", ["dns.stale_max = off", "dns.stale_max = 1h\nmode = observe"])
def test_only_where_it_is_asked_for(inside, keys):
    seen = inside("result['good'] = curl(); mode = 'fail'; result['fail'] = curl()", keys)
    assert seen["good"] == "ok" and "Could not resolve" in seen["fail"]


def test_the_most_specific_rule_speaks(resil, inside):
    script = "result['good'] = curl(); mode = 'fail'; result['fail'] = curl()"
    rules = "dns.stale_max = 1h\n[destination any]\nmatch = *\ndns.stale_max = off"
    assert inside(script, rules, "*.example.net")["fail"] == "ok"
    resil.segment += "-b"
    rules = "dns.stale_max = off\n[destination any]\nmatch = *\ndns.stale_max = 1h"
    assert "Could not resolve" in inside(script, rules, "*.example.net")["fail"]


def test_a_service_has_its_last_good_addresses_first(resil, inside):
    """Then its own."""
    seen = inside("""
mode = "fail"
result["never"] = look("socket.gethostbyname('shop.example.net')")
mode = "good"
curl()
mode = "fail"
result["once"] = look("socket.gethostbyname('shop.example.net')")
""", "dns.stale_max = 1h\nfallback = 127.0.0.1:1")
    assert seen["never"].startswith("198.1") and seen["once"] == "127.0.0.7"


def test_the_units(resil):
    path = resil.file("bad.conf", "[destination a]\nmatch = *\ndns.stale_max = 5\n")
    result = resil.resctl("check", path)
    assert result.status == 2 and b"dns.stale_max" in result.out + result.err
