# SPDX-License-Identifier: MIT
"""Goal: timeout.dns bounds a lookup whose name server is silent. libc's resolver is told by RES_OPTIONS, from `resctl run`;
the name server is a port 53 without answers in a network and a mount namespace of the test's own."""

import json
import os

import pytest

from helper import PYTHON, RESCTL

RULES = "mode = enforce; timeout.dns = {limit}; [destination a]; match = *"
NAME = "nowhere.example."  # the dot: no search domain is tried

INSIDE = """
import json, socket, subprocess, sys, time
for i in range(1, 1 + int(sys.argv[1])):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); silent.bind((f"127.0.0.{i}", 53)); globals()[f"s{i}"] = silent
start = time.monotonic()
done = subprocess.run(sys.argv[2:], capture_output=True, text=True)
print(json.dumps({"status": done.returncode, "seconds": time.monotonic() - start, "out": done.stdout}))
"""


@pytest.fixture
def resolve(resil):
    """resolve(servers, command): runs it where so many silent name servers are all there is."""

    def run(servers, command, env=None):
        conf = resil.file("resolv.conf", "".join(f"nameserver 127.0.0.{i}\n" for i in range(1, 1 + servers)))
        script = f"ip link set lo up && mount --bind {conf} /etc/resolv.conf && exec {PYTHON} -c \"$0\" \"$@\""
        unshare = ["unshare", "-mn" if os.geteuid() == 0 else "-rmn"]
        result = resil.run([*unshare, "sh", "-c", script, INSIDE, str(servers), *command], preload=False, env=env, timeout=60)
        if result.status != 0 and b"unshare" in result.err:
            pytest.skip("this kernel lets us have no namespaces")
        assert result.status == 0, result
        return json.loads(result.out)

    return run


def under(limit, *command):
    return [RESCTL, "run", "--rules", RULES.format(limit=limit), "--", *command]


@pytest.mark.parametrize("servers, limit, seconds", [(1, "1s", 1), (1, "2s", 2), (1, "1500ms", 2), (2, "2s", 2), (3, "3s", 3)])
def test_a_silent_name_server(resolve, servers, limit, seconds):
    lookup = f"import socket; socket.getaddrinfo({NAME!r}, 80, socket.AF_INET)"  # getent asks for both families in turn
    seen = resolve(servers, under(limit, PYTHON, "-c", lookup))
    assert seen["status"] == 1
    assert seconds - 0.01 <= seen["seconds"] <= seconds + 0.5


def test_curl(resolve):
    seen = resolve(1, under("1s", "curl", "-sS", f"http://{NAME}/"))
    assert seen["status"] == 6
    assert 1 <= seen["seconds"] <= 1.6


def options(resil, *args, given=None):
    env = {"RES_OPTIONS": given}
    result = resil.resctl("run", *args, "--", "sh", "-c", "echo \"$RES_OPTIONS\"", env=env)
    assert result.status == 0, result
    return result.out.decode().strip()


def servers_here():
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        return max(1, min(3, sum(line.split()[:1] == ["nameserver"] for line in file)))


def test_options(resil):
    wanted = f"timeout:{max(1, 4 // servers_here())}"
    rules = ("--rules", RULES.format(limit="4s") + "; [destination b]; match = 10.1.1.1; timeout.dns = 9s")
    assert options(resil, *rules) == f"{wanted} attempts:1"
    assert options(resil, *rules, given="rotate edns0") == f"rotate edns0 {wanted} attempts:1"
    assert options(resil, *rules, given="attempts:3") == f"attempts:3 {wanted}"
    assert options(resil, *rules, given="timeout:7 rotate") == "timeout:7 rotate"


def test_no_limit_no_options(resil):
    assert options(resil) == ""
    assert options(resil, "--rules", "[destination a]; match = *") == ""
    # observed destinations are bounded by nothing
    rules = "timeout.dns = 4s; [destination a]; match = *"
    assert options(resil, "--observe", "--rules", rules, given="rotate") == "rotate"


def test_what_is_published_counts(resil):
    """A new process uses the rules of its segment, whatever the file says by now."""
    resil.config("[defaults]\ntimeout.dns = 12s\n[destination a]\nmatch = *\n")
    client = "import socket; s = socket.socket(); s.connect_ex(('127.0.0.1', 1))"
    assert resil.run([PYTHON, "-c", client]).status == 0
    resil.config("[destination a]\nmatch = *\n")
    assert options(resil) == f"timeout:{12 // servers_here()} attempts:1"
