# SPDX-License-Identifier: MIT
"""Goal: the agent asks endpoints whether they are well (`health.check`); what is down is not picked, by any process, until
it is well again; and health never makes things worse: not when all are down, not when nobody checks any more, and a
breaker is not kept from its probe."""

import os
import resource
import signal
import socket
import subprocess
import time

import pytest

import servers
from agents import active, agent, log_of  # noqa: F401
from clients import BY_NAME
from helper import PYTHON, RESCTL, UPPER, Puppet, program, wait_until
from test_33_balance import HOSTS, listener, listeners

ASKED = "192.0.2.1"  # nobody is there (RFC 5737): whoever arrives was steered
INTERVAL, TIMEOUT, LEAST, MOST = 0.3, 0.2, 0.27, 0.33
COMMANDS = "health.check.interval = 300ms\n"  # and as much time: a loaded machine may take long to start one
CHECK = f"health.check.interval = {INTERVAL * 1000:.0f}ms\nhealth.check.timeout = {TIMEOUT * 1000:.0f}ms\n"


def configure(resil, points, *keys, check=CHECK):
    lines = "\n".join(keys)
    resil.config(f"[destination vip]\nmatch = {ASKED}\nendpoints = {', '.join(points)}\nbalance = round_robin\n"
                 f"timeout.connect = 1s\n{check}{lines}\n")


def health(resil, point):
    row = next((row for row in resil.status()["destinations"] if (row["name"], row["endpoint"]) == ("vip", point)), None)
    return row and row["health"] and row["health"]["state"]


def wait_for(resil, point, state, deadline=5.0):
    wait_until(lambda: health(resil, point) == state, deadline, f"{point} to be {state}")


def changes(resil, point, to):
    return [event for event in resil.events() if (event["kind"], event["endpoint"], event["to"]) == ("health", point, to)]


def connect(resil, times):
    """So many connects, one after the other, and how many of them failed."""
    puppet = Puppet(resil.spawn([PYTHON, program("puppet.py"), ASKED, "80"], stdin=subprocess.PIPE))
    answers = [puppet.do("connect().close()", timeout=20) for _ in range(times)]
    puppet.exit()
    return len([answer for answer in answers if answer != "ok"])


def shares(resil, points):
    return [resil.counters("vip", point)["attempts"] for point in points]


@pytest.fixture
def web():
    """Three nginx."""
    found = [servers.Nginx() for _ in range(3)]
    yield found
    for server in found:
        server.process.send_signal(signal.SIGCONT)
        server.stop()


@pytest.fixture
def backends():
    """Three servers on one port of three addresses, which nobody else can take."""
    sockets = listeners(HOSTS)
    found = [servers.Hold(one) for one in sockets]
    yield found
    for server in found:
        server.stop()


def names(backends):
    return [f"{host}:{server.port}" for host, server in zip(HOSTS, backends)]


def test_a_backend_that_stops_and_comes_back(resil, agent, web):
    """nginx is stopped, so that it accepts and does not answer: down after two checks, within their time; nobody is sent
    there; after two good ones it is back, with a tenth of its share at first."""
    points = [f"{servers.HOST}:{server.port}" for server in web]
    configure(resil, points, "health.check = http:/page", "health.check.fall = 2", "balance.slow_start = 60s")
    active(resil, agent())
    for point in points:
        wait_for(resil, point, "up")
    assert connect(resil, 30) == 0
    assert shares(resil, points) == [10, 10, 10]
    stopped = time.monotonic()
    web[1].process.send_signal(signal.SIGSTOP)
    wait_for(resil, points[1], "down")
    took = changes(resil, points[1], "down")[0]["monotonic_ns"] / 1e9 - stopped
    assert LEAST + TIMEOUT - 0.02 <= took <= 2 * MOST + TIMEOUT + UPPER
    assert changes(resil, points[1], "down")[0]["reason"] == "timeout"
    counters = resil.counters("vip", points[1])
    assert counters["checks_ok"] >= 1 and counters["checks_failed"] >= 2
    assert resil.counters("vip", points[0])["checks_failed"] == 0
    assert f"vip {points[1]} is down: no answer within" in log_of(resil)
    assert "down: no answer within" in resil.resctl("status").out.decode()
    assert connect(resil, 30) == 0
    assert shares(resil, points) == [25, 10, 25]
    curl = BY_NAME["curl"].command(ASKED, 80)
    assert all(resil.run(curl).status == 0 for _ in range(4))
    back = time.monotonic()
    web[1].process.send_signal(signal.SIGCONT)
    wait_for(resil, points[1], "up")
    took = changes(resil, points[1], "up")[1]["monotonic_ns"] / 1e9 - back
    assert LEAST - TIMEOUT - 0.02 <= took <= 2 * MOST + UPPER
    assert connect(resil, 210) == 0
    assert 10 + 210 * 0.1 / 2.1 - 3 <= shares(resil, points)[1] <= 10 + 210 * 0.12 / 2.12 + 3
    assert len(changes(resil, points[0], "up")) == 1 and not changes(resil, points[0], "down")


def test_up_closes_the_breaker(resil, agent, backends):
    """The breaker is open for an hour: the check is the probe it would wait for."""
    points = names(backends)[:1]
    backends[0].stop()
    with listener(HOSTS[0], int(points[0].split(":")[1])) as sock:  # bound, so refused, and nobody else's
        configure(resil, points, "health.check = tcp", "health.check.fall = 2", "breaker.failures = 2",
                  "breaker.open_time = 1h", "breaker.open_max = 1h")
        active(resil, agent())
        wait_for(resil, points[0], "down")
        assert connect(resil, 3) == 3
        assert resil.row("vip", points[0])["state"] == "open"
        assert resil.row("vip", points[0])["health"]["finding"] == "connect_failed"
        server = servers.Hold(sock)
        wait_until(lambda: resil.row("vip", points[0])["state"] == "closed", what="the breaker to close")
        assert resil.row("vip", points[0])["reason"] == "health"
        assert connect(resil, 3) == 0
        server.stop()


@pytest.mark.parametrize("check", ["tcp", "exec:curl -sS http://$RESIL_ENDPOINT/"])
def test_an_agent_that_is_preloaded_itself(resil, agent, check):
    """As by an LD_PRELOAD of the whole system: its own checks, and those of its commands, are not refused by the breaker
    that waits for them, nor led elsewhere, nor counted."""
    with listener(HOSTS[0]) as sock:
        port = sock.getsockname()[1]
        point = f"{HOSTS[0]}:{port}"
        resil.config(f"[destination vip]\nmatch = {point}\nhealth.check = {check}\nhealth.check.fall = 1\n"
                     f"breaker.failures = 1\nbreaker.open_time = 1h\nbreaker.open_max = 1h\n{COMMANDS}")
        active(resil, agent(preload=True))
        wait_for(resil, point, "down")
        one = Puppet(resil.spawn([PYTHON, program("puppet.py"), HOSTS[0], str(port)], stdin=subprocess.PIPE))
        assert one.do("connect()") == "ECONNREFUSED"
        assert resil.row("vip", point)["state"] == "open"
        server = servers.Counting(sock)
        wait_until(lambda: resil.row("vip", point)["state"] == "closed", what="the breaker to close")
        assert resil.row("vip", point)["reason"] == "health"
        assert resil.counters("vip")["attempts"] == 1 and resil.counters("vip")["rejected_breaker"] == 0
        server.stop()


def test_resctl_health_that_is_preloaded_itself(resil, counting):
    """Without an agent it runs the checks itself; faults that are injected into programs are none of them."""
    resil.config(f"[check web]\ntcp = {servers.HOST}:{counting.port}\n[destination d]\nmatch = 192.0.2.1\n")
    assert resil.run([PYTHON, "-c", "import socket; socket.socket().connect_ex(('192.0.2.1', 1))"],
                     env={"RESIL_CHAOS": "refuse"}).status == 0
    result = resil.run([RESCTL, "health"], env={"RESIL_CHAOS": "refuse"})
    assert result.status == 0 and b'"healthy"' in result.out, result


def test_a_breaker_that_is_open_on_a_healthy_endpoint_stays_open(resil, agent, switch):
    """Checks that only say what they said before are no probes: the breaker knows better."""
    point, marks = f"{servers.HOST}:{switch.port}", resil.file("marks", "")
    configure(resil, [point], f"health.check = exec:echo >>{marks}", "breaker.failures = 2", "breaker.open_time = 1h",
              "breaker.open_max = 1h", check=COMMANDS)
    active(resil, agent())
    wait_for(resil, point, "up")
    curl = BY_NAME["curl"].command(ASKED, 80)
    assert all(resil.run(curl).status != 0 for _ in range(2))
    checks = os.path.getsize(marks)
    assert resil.row("vip", point)["state"] == "open"
    wait_until(lambda: os.path.getsize(marks) >= checks + 3, what="three more checks")
    assert resil.row("vip", point)["state"] == "open" and len(changes(resil, point, "up")) == 1


def test_all_down_is_as_if_none_were(resil, agent, backends):
    """The check is wrong (it asks for something that is not there): traffic goes on."""
    points = names(backends)
    configure(resil, points, "health.check = exec:false", "health.check.fall = 1")
    active(resil, agent())
    for point in points:
        wait_for(resil, point, "down")
    assert connect(resil, 9) == 0
    assert shares(resil, points) == [3, 3, 3]


def test_what_cannot_be_asked_says_nothing(resil, agent, backends):
    """The agent has no descriptor left for a socket: no endpoint is down for that."""
    points = names(backends)[:1]
    configure(resil, points, "health.check = tcp", "health.check.fall = 1")
    first = agent()
    active(resil, first)
    wait_for(resil, points[0], "up")
    used = max(int(number) for number in os.listdir(f"/proc/{first.pid}/fd"))
    resource.prlimit(first.pid, resource.RLIMIT_NOFILE, (used + 1, used + 1))
    wait_until(lambda: f"{points[0]} cannot be checked: Too many open files" in log_of(resil), what="the complaint")
    wait_until(lambda: health(resil, points[0]) is None, what="the fact to get old")
    assert not changes(resil, points[0], "down") and connect(resil, 3) == 0


def test_nobody_checks_any_more(resil, agent, backends):
    """The agent is killed: the facts are believed for three intervals, and no longer."""
    points = names(backends)
    configure(resil, points, f"health.check = exec:test $RESIL_ENDPOINT != {points[0]}", "health.check.fall = 1", check=COMMANDS)
    first = agent()
    active(resil, first)
    wait_for(resil, points[0], "down")
    wait_for(resil, points[1], "up")
    wait_for(resil, points[2], "up")
    assert connect(resil, 8) == 0 and shares(resil, points) == [0, 4, 4]
    first.kill()
    first.wait(timeout=5)
    wait_until(lambda: health(resil, points[0]) is None, 3 * INTERVAL + 1, "the fact to be forgotten")
    assert connect(resil, 9) == 0
    assert shares(resil, points) == [3, 7, 7]


def test_the_standby_goes_on(resil, agent, backends):
    """The first agent is killed while one endpoint is down: it stays down, and the others are still watched."""
    points = names(backends)
    configure(resil, points, f"health.check = exec:test $RESIL_ENDPOINT != {points[0]}", "health.check.fall = 1", check="health.check.interval = 1s\n")
    first = agent()
    active(resil, first)
    wait_for(resil, points[0], "down")
    second = agent()
    wait_until(lambda: "another agent is active" in log_of(resil), what="the second one to wait")
    first.kill()
    first.wait(timeout=5)
    active(resil, second)
    assert health(resil, points[0]) == "down"
    resil.config(open(resil.config_path, encoding="utf-8").read().replace("= exec:test", "= exec:! test"))
    second.send_signal(signal.SIGHUP)
    wait_for(resil, points[0], "up")
    wait_for(resil, points[1], "down")
    wait_for(resil, points[2], "down")
    assert len(changes(resil, points[0], "down")) == 1


@pytest.mark.parametrize("spec, state, finding", [
    ("http:/page", "up", "ok"), ("http:/missing", "down", "http_status"), ("redis", "down", "wrong_answer"),
])
def test_kinds(resil, agent, nginx, spec, state, finding):
    point = f"{servers.HOST}:{nginx.port}"
    configure(resil, [point], f"health.check = {spec}", "health.check.fall = 1")
    active(resil, agent())
    wait_for(resil, point, state)
    assert resil.row("vip", point)["health"]["finding"] == finding


def test_a_socket_in_the_file_system(resil, agent):
    path = os.path.join(resil.dir, "socket")
    resil.config(f"[destination local]\nmatch = unix:{path}\nendpoints = unix:{path}\nhealth.check = tcp\n"
                 f"health.check.fall = 1\n{CHECK}")
    active(resil, agent())
    wait_until(lambda: resil.row("local", path)["health"] and resil.row("local", path)["health"]["state"] == "down")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        wait_until(lambda: resil.row("local", path)["health"]["state"] == "up")


def test_addresses_that_the_program_chose(resil, agent, counting):
    """Without endpoints: what the match names, and what somebody connected to. Nobody is kept from going there."""
    seen = f"{servers.HOST}:{counting.port}"
    resil.config(f"[destination vip]\nmatch = 127.0.0.2:1, 127.0.0.0/8\nhealth.check = exec:false\n"
                 f"health.check.fall = 1\n{CHECK}")
    active(resil, agent())
    wait_for(resil, "127.0.0.2:1", "down")
    curl = BY_NAME["curl"].command(servers.HOST, counting.port)
    assert resil.run(curl).status == 0
    wait_for(resil, seen, "down")
    assert resil.run(curl).status == 0


@pytest.mark.parametrize("line, want", [
    ("health.check = ping", "want off, tcp, http, http:/PATH, redis, postgres or exec:COMMAND"),
    ("health.check = http:page", "want off, tcp"), ("health.check.fall = 0", "from 1 to 255"),
    ("health.check.interval = 1ms", "from 50ms"), ("health.check.critical = maybe", "off on"),
])
def test_bad_values(resil, line, want):
    result = resil.resctl("check", resil.config(f"[destination d]\nmatch = *\n{line}\n"))
    assert result.status != 0
    assert "resil.conf:3:" in (result.out + result.err).decode() and want in (result.out + result.err).decode()
