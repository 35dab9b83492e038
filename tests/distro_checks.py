# SPDX-License-Identifier: MIT
"""Goal: what was built on one release of Debian works on others, and shares its state with what runs outside. Run by
tests/distros alone: the programs of `resil` are those of the other release, those of `outside` this host's."""

import re

import pytest

import helper
from clients import REFUSED
from helper import LIBRARY, PYTHON, RESCTL, program, wait_until
from servers import HOST, PAGE

CURL = ["curl", "-q", "-sS", "--noproxy", "*"]


@pytest.fixture
def outside(resil):
    """A workspace of this host's programs, with the segment and the rules of `resil`."""
    workspace = helper.Resil()
    workspace.root = None
    workspace.segment = resil.segment
    yield workspace
    workspace.remove()


def url(port):
    return f"http://{HOST}:{port}/page"


@pytest.mark.parametrize("path", [LIBRARY, RESCTL])
def test_no_symbol_is_missing(resil, path):
    result = resil.run(["ldd", "-r", path], preload=False)
    assert (result.status, result.err) == (0, b"")
    assert not re.search(rb"undefined|not found", result.out), result.out
    assert resil.run(["/bin/true"]).err == b""


def test_resctl_is_the_same_as_outside(resil, outside):
    for command in (["version"], ["--help"], ["check", f"{helper.TOP}/config/resil.conf"]):
        there, here = resil.resctl(*command), outside.resctl(*command)
        assert (there.status, there.out, there.err) == (here.status, here.out, here.err)
        assert there.status == 0


def test_doctor_says_that_it_is_reached(resil):
    result = resil.resctl("doctor", "curl")
    assert result.status == 0 and re.search(rb"reached +yes", result.out), result
    result = resil.run([RESCTL, "run", "--strict", "--rules", "timeout.connect = 1s", "--", "cat", "/proc/self/maps"], preload=False)
    assert result.status == 0 and LIBRARY.encode() in result.out


def test_demo(resil):
    result = resil.run([RESCTL, "demo"], preload=False, timeout=60)
    assert result.status == 0 and b"closed -> open -> half-open -> closed" in result.out, result


def test_breaker_is_shared_with_this_host(resil, outside, dead):
    outside.config_path = resil.config(f"[destination d]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 3\nbreaker.open_time = 60s\n")
    for workspace in (resil, outside, resil):
        assert re.search(REFUSED, workspace.run([*CURL, url(dead.port)]).err)
    dead.revive()
    for workspace in (resil, outside):
        assert workspace.run([*CURL, url(dead.port)]).status == 7
        assert workspace.row("d")["state"] == "open"
    counters = outside.counters("d")
    assert (counters["attempts"], counters["opened"], counters["rejected_breaker"]) == (3, 1, 2)
    assert outside.resctl("reset", "d").status == 0
    assert resil.run([*CURL, url(dead.port)]).out == PAGE


@pytest.mark.parametrize("holder_is_there", [True, False])
def test_bulkhead_is_shared_with_this_host(resil, outside, hold, holder_is_there):
    outside.config_path = resil.config(f"[destination d]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 1\n")
    holder, other = (resil, outside) if holder_is_there else (outside, resil)
    puppet = holder.puppet(hold.port)
    assert puppet.do("kept = connect()") == "ok"
    many = [PYTHON, program("connect_many.py"), HOST, str(hold.port), "2"]
    assert other.run(many).out == b"xx\n"
    puppet.kill()
    assert other.run(many).out == b"..\n"
    assert other.counters("d")["reclaimed"] == 1
    wait_until(lambda: holder.row("d")["connections"] == 0)


def test_nginx_fails_over(resil, dead, counting):
    """An event loop in C with epoll, edge-triggered: the second attempt is made on the same descriptor."""
    resil.config(f"[destination d]\nmatch = {HOST}:{dead.port}\nendpoints = {HOST}:{dead.port}, {HOST}:{counting.port}\nretry.attempts = 2\n")
    result = resil.run([PYTHON, program("through.py"), "nginx", HOST, str(dead.port), "/page"])
    assert (result.status, result.out) == (0, PAGE), result
    counters = resil.counters("d")
    assert (counters["retries_ok"], counters["exchanges_ok"]) == (1, 1)


def test_chaos_strikes_threads_of_python(resil, counting):
    code = ("import urllib.request as u, concurrent.futures as f\n"
            "def get(_):\n try: return u.urlopen('URL').read()\n except OSError as error: return error.reason.errno\n"
            "with f.ThreadPoolExecutor(4) as pool: print(sorted(map(str, pool.map(get, range(8)))))")
    resil.config(f"[destination d]\nmatch = {HOST}:{counting.port}\nchaos = error=ECONNRESET@connect count=3\n")
    result = resil.run([PYTHON, "-c", code.replace("URL", url(counting.port))])
    assert result.out.decode() == f"{sorted(['104'] * 3 + [str(PAGE)] * 5)}\n", result
