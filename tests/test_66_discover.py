# SPDX-License-Identifier: MIT
"""Goal: the agent finds endpoints where `discover` says, running programs follow, what stays keeps its breaker, and an
answer that cannot be used changes nothing."""

import os
import re
import signal
import subprocess

import pytest

import servers
from agents import active, agent, log_of  # noqa: F401
from helper import PYTHON, Puppet, program, wait_until
from test_33_balance import HOSTS, listeners

ASKED = "192.0.2.1"  # nobody is there (RFC 5737): whoever arrives was steered


@pytest.fixture
def backends():
    """Three servers on one port of three addresses."""
    found = [servers.Hold(one) for one in listeners(HOSTS)]
    yield found
    for server in found:
        server.stop()


def names(backends):
    return [f"{host}:{server.port}" for host, server in zip(HOSTS, backends)]


def configure(resil, source, *keys, refresh="60s"):
    lines = "\n".join(keys)
    return resil.config(f"[destination vip]\nmatch = {ASKED}\ndiscover = {source}\ndiscover.refresh = {refresh}\n"
                        f"balance = round_robin\ntimeout.connect = 1s\n{lines}\n")


def found(resil):
    """What was discovered, as `status` has it."""
    row = next((row for row in resil.status()["destinations"] if row["name"] == "vip"), {})
    return (row.get("discovery") or {}).get("endpoints")


def failures(resil):
    return resil.row("vip")["discovery"]["failures"]


def wait_found(resil, *points):
    wait_until(lambda: found(resil) == list(points), what=f"{points} to be found")


def puppet(resil, host=ASKED):
    return Puppet(resil.spawn([PYTHON, program("puppet.py"), host, "80"], stdin=subprocess.PIPE))


def attempts(resil, points):
    known = {row["endpoint"]: row["counters"]["attempts"] for row in resil.status()["destinations"]}
    return [known.get(point, 0) for point in points]


def replace(path, text):
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


def kinds(resil):
    return [event["kind"] for event in resil.events() if event["destination"] == "vip"]


# ---- files


def test_a_file(resil, agent, backends):
    """Written over, replaced, broken, emptied, gone, and there again: a running program follows what is good, and keeps
    its endpoints otherwise. An open breaker of an endpoint that stays is open still."""
    a, b, c = names(backends)
    path = resil.file("backends", f"# two\n{a}\n\n{b} weight=3  # the big one\n")
    configure(resil, f"file:{path}", "breaker.failures = 1", "breaker.open_time = 1h", "breaker.open_max = 1h")
    active(resil, agent())
    wait_found(resil, a, f"{b} weight=3")
    one = puppet(resil)
    assert [one.do("connect().close()") for _ in range(4)] == ["ok"] * 4
    assert attempts(resil, (a, b, c)) == [2, 2, 0]
    backends[0].stop()
    assert sorted(one.do("connect().close()") for _ in range(2)) == ["ECONNREFUSED", "ok"]
    assert resil.row("vip", a)["state"] == "open"
    generation = resil.status()["segment"]["generation"]
    replace(path, f"{a}\n{c}\n")
    wait_found(resil, a, c)
    assert resil.status()["segment"]["generation"] == generation + 1
    assert [one.do("connect().close()") for _ in range(3)] == ["ok"] * 3
    assert attempts(resil, (a, b, c)) == [3, 3, 3] and resil.row("vip", a)["state"] == "open"
    for text, why in ((f"{b}\nnonsense\n", "line 2: got `nonsense', want ADDR:PORT"), ("# nothing\n", "no endpoint at all"),
                      (f"{b} weight=0\n", "a weight from 1 to 1000"), (f'{b}, {c}\n', "line 1: got"), ("\0\n", "line 1")):
        count = failures(resil)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        wait_until(lambda: failures(resil) > count, what=f"the failure of {text!r}")
        assert found(resil) == [a, c] and why in log_of(resil)
    count = failures(resil)
    os.unlink(path)
    wait_until(lambda: failures(resil) > count, what="the file to be missed")
    assert found(resil) == [a, c] and "No such file or directory" in log_of(resil)
    assert one.do("connect().close()") == "ok"
    assert resil.status()["segment"]["generation"] == generation + 1
    assert kinds(resil).count("discovery_failed") == 1
    status = resil.resctl("status").out.decode()
    assert "DISCOVERY  vip: file:" in status and "FAILED" in status and "\nset  " not in status
    replace(path, f"{c} backup\n{b}\n")
    wait_found(resil, f"{c} backup", b)
    assert failures(resil) == 0 and [one.do("connect().close()") for _ in range(3)] == ["ok"] * 3
    assert attempts(resil, (a, b, c)) == [3, 6, 4]
    counters, metrics = resil.counters("vip"), resil.resctl("metrics").out.decode()
    assert counters["discoveries_failed"] == 6 and counters["discoveries_ok"] >= 3
    assert re.search(r'^resil_discovery_refresh_total\{[^}]*"vip"[^}]*result="failure"[^}]*\} 6$', metrics, re.MULTILINE)
    assert re.search(r'^resil_discovery_endpoints\{[^}]*"vip"[^}]*\} 2$', metrics, re.MULTILINE)
    age = re.search(r'^resil_discovery_last_success_seconds\{[^}]*"vip"[^}]*\} (\S+)$', metrics, re.MULTILINE)
    assert 0 <= float(age[1]) < 5


def test_a_file_that_is_not_changed_publishes_nothing(resil, agent, backends):
    a, b, _ = names(backends)
    path = resil.file("backends", f"{a}\n{b}\n")
    configure(resil, f"file:{path}", refresh="100ms")
    active(resil, agent())
    wait_found(resil, a, b)
    segment = resil.status()["segment"]
    for _ in range(3):
        age = resil.row("vip")["discovery"]["age_ms"]
        wait_until(lambda: resil.row("vip")["discovery"]["age_ms"] < age or not age, what="another look")
    replace(path, f"{a}\n{b} weight=1\n{a} # once more\n")
    age = resil.row("vip")["discovery"]["age_ms"]
    wait_until(lambda: resil.row("vip")["discovery"]["age_ms"] < age or not age, what="another look")
    after = resil.status()["segment"]
    assert (after["generation"], after["loaded_at"], after["loaded_by"]) == (
        segment["generation"], segment["loaded_at"], segment["loaded_by"])


def test_a_directory_that_appears_later(resil, agent, backends):
    a = names(backends)[0]
    directory = os.path.join(resil.dir, "later")
    configure(resil, f"file:{directory}/backends", refresh="100ms")
    active(resil, agent())
    wait_until(lambda: resil.published("vip") and failures(resil), what="the failure")
    os.mkdir(directory)
    replace(f"{directory}/backends", a)
    wait_found(resil, a)


def test_without_an_answer_the_static_endpoints_count(resil, agent, backends):
    """Before anything is found: `endpoints`, or else where the program asked for."""
    a, b, _ = names(backends)
    path = os.path.join(resil.dir, "backends")
    configure(resil, f"file:{path}", f"endpoints = {a}")
    active(resil, agent())
    one = puppet(resil)
    assert one.do("connect().close()") == "ok" and attempts(resil, (a, b)) == [1, 0]
    replace(path, b)
    wait_found(resil, b)
    assert one.do("connect().close()") == "ok" and attempts(resil, (a, b)) == [1, 1]


# ---- commands


def test_a_command(resil, agent, backends):
    """Its lines and its exit status count; its name for the destination, its children, its patience."""
    a, b, _ = names(backends)
    script = resil.file("list", f"echo {a}; test $RESIL_DESTINATION = vip\n")
    configure(resil, f"exec:exec sh {script}", refresh="100ms")
    active(resil, agent())
    wait_found(resil, a)
    for text, why in ((f"echo {b}; exit 3", "exit status 3"), (f"echo {b}; kill -9 $$", "ended by signal 9"),
                      ("echo '! 10.0.0.1:1'", "line 1: got"), ("yes 10.0.0.1:1", "the answer is too large"),
                      (f"echo {b}; sleep 60", "no answer in time")):
        replace(script, text)
        wait_until(lambda: why in log_of(resil), what=why)
        assert found(resil) == [a]
    replace(script, f"echo {b}; sleep 60 & echo $! >>left")
    wait_found(resil, b)
    with open(os.path.join(resil.dir, "left"), encoding="utf-8") as file:
        left = int(file.readline())
    wait_until(lambda: not os.path.exists(f"/proc/{left}") or " Z " in open(f"/proc/{left}/stat", encoding="utf-8").read(),
               what="what the command left behind to be ended")


# ---- together with the rest


def test_reload_keeps_what_was_found(resil, agent, backends):
    """The endpoints are never gone in between; without `discover`, or with another one, they are."""
    a, b, _ = names(backends)
    path = resil.file("backends", a)
    configure(resil, f"file:{path}")
    first = agent()
    active(resil, first)
    wait_found(resil, a)
    first.kill()
    first.wait(timeout=5)
    one = puppet(resil)
    configure(resil, f"file:{path}", "timeout.response = 3s")
    assert resil.resctl("reload").status == 0 and one.do("connect().close()") == "ok"
    assert attempts(resil, (a, b)) == [1, 0]
    resil.config(f"[destination vip]\nmatch = {ASKED}\nendpoints = {b}\n")
    assert resil.resctl("reload").status == 0 and one.do("connect().close()") == "ok"
    assert attempts(resil, (a, b)) == [1, 1]


def test_an_agent_takes_away_what_nobody_looks_for(resil, agent, backends):
    a, b, _ = names(backends)
    path = resil.file("backends", a)
    configure(resil, f"file:{path}")
    first = agent()
    active(resil, first)
    wait_found(resil, a)
    resil.config(f"[destination vip]\nmatch = {ASKED}\nendpoints = {b}\n")
    first.send_signal(signal.SIGHUP)
    one = puppet(resil)
    wait_until(lambda: one.do("connect().close()") == "ok" and attempts(resil, (b,))[0] > 0, what="the static endpoint")
    assert resil.row("vip")["discovery"] is None


def test_the_standby_keeps_what_was_found(resil, agent, backends):
    """It finds nothing itself: what the first one found is good still."""
    a = names(backends)[0]
    path = resil.file("backends", a)
    configure(resil, f"file:{path}")
    first = agent()
    active(resil, first)
    wait_found(resil, a)
    os.unlink(path)
    second = agent()
    wait_until(lambda: "another agent is active" in log_of(resil), what="the second one to wait")
    first.kill()
    first.wait(timeout=5)
    active(resil, second)
    wait_until(lambda: failures(resil) >= 1, what="its own look")
    assert found(resil) == [a] and puppet(resil).do("connect().close()") == "ok"
    replace(path, names(backends)[1])
    wait_found(resil, names(backends)[1])


def test_what_is_gone_does_not_speak_for_the_rest(resil, agent, backends):
    """The row of an endpoint that is no more stays, with its counters; the destination is what its endpoints are now."""
    a, b, c = names(backends)
    path = resil.file("backends", a)
    configure(resil, f"file:{path}", "breaker.failures = 1", "breaker.open_time = 1h", "breaker.open_max = 1h")
    active(resil, agent())
    wait_found(resil, a)
    one = puppet(resil)
    assert one.do("s = connect()") == "ok"
    backends[1].stop()
    replace(path, b)
    wait_found(resil, b)
    assert resil.row("vip")["state"] == "closed" and resil.row("vip", a)["retired"]
    assert one.do("connect()") == "ECONNREFUSED"
    assert resil.row("vip")["state"] == "open" and resil.row("vip")["counters"]["attempts"] == 2
    assert a in resil.resctl("status").out.decode()  # somebody is connected to it
    assert one.do("s.close()") == "ok" and a not in resil.resctl("status").out.decode()
    assert re.search(rf"^vip +{a} +closed +- +retired ", resil.resctl("status", "vip").out.decode(), re.MULTILINE)
    replace(path, f"{b}\n{c}")  # which nobody has tried yet
    wait_found(resil, b, c)
    assert resil.row("vip")["state"] == "closed" and not resil.row("vip", b)["retired"]


def test_what_is_found_is_checked(resil, agent, backends):
    a, b, _ = names(backends)
    path = resil.file("backends", f"{a}\n{b}\n")
    configure(resil, f"file:{path}", f"health.check = exec:test $RESIL_ENDPOINT != {a}", "health.check.interval = 300ms",
              "health.check.fall = 1")
    active(resil, agent())
    wait_found(resil, a, b)
    state = {"down": a, "up": b}
    for word, point in state.items():
        wait_until(lambda: (resil.row("vip", point)["health"] or {}).get("state") == word, what=f"{point} to be {word}")
    one = puppet(resil)
    assert [one.do("connect().close()") for _ in range(3)] == ["ok"] * 3 and attempts(resil, (a, b)) == [0, 3]


@pytest.mark.parametrize("line, want", [
    ("discover = dns:web", "dns:NAME:PORT"), ("discover = zookeeper:x", "want dns:NAME:PORT, srv:NAME, file:/PATH"),
    ("via = 127.0.0.1:1\ndiscover = dns:web:80", "got via and discover"), ("discover = file:backends", "file:/PATH"), ("discover.refresh = 1ms", "from 100ms"), ("discover.refresh = 5", "unit"),
])
def test_bad_values(resil, line, want):
    result = resil.resctl("check", resil.config(f"[destination d]\nmatch = *\n{line}\n"))
    assert result.status != 0
    assert "resil.conf:3:" in (result.out + result.err).decode() and want in (result.out + result.err).decode()
