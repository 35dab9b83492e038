# SPDX-License-Identifier: MIT
"""Goal: `resctl health` tells the truth about everything that the rules name: checks, endpoints, breakers; asked at once, or
as the agent found it lately; with the exit status that an orchestrator acts on."""

import json
import os
import re
import signal
import time

import pytest

from agents import active, agent, log_of  # noqa: F401
from clients import BY_NAME
from helper import UPPER, wait_until
from servers import HOST
from test_63_metrics import pick, scrape


def configure(resil, text):
    """Rules that some process has published."""
    resil.config("[destination other]\nmatch = 192.0.2.1\n" + text)
    assert resil.resctl("run", "--", "curl", "-s", f"http://{HOST}:9/").status == 7


def health(resil, *options):
    """The answer, and whether it was a good one."""
    result = resil.resctl("health", *options)
    assert result.status in (0, 1) and result.err == b"", result
    answer = json.loads(result.out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["timestamp"])
    return answer, result.status == 0


def check(resil, name):
    return health(resil)[0]["checks"][name]


def test_nothing_is_asked(resil):
    configure(resil, "")
    assert health(resil)[0]["status"] == "healthy"
    assert health(resil, "--live")[0]["alive"] is True and health(resil, "--ready")[0]["ready"] is True
    both = resil.resctl("health", "--live", "--ready")
    assert both.status == 2 and both.out == b""


def test_no_segment(resil):
    result = resil.resctl("health")
    assert result.status == 3 and resil.segment in result.err.decode() and result.out == b""


def test_real_servers(resil, nginx, redis, postgres):
    configure(resil, f"""
[check tcp]
tcp = localhost:{nginx.port}
[check http]
http = http://{HOST}:{nginx.port}/page
[check redis]
redis = {HOST}:{redis.port}
[check postgres]
postgres = {HOST}:{postgres.port}
[check exec]
exec = test 1 = 1
[check memory]
memory = 100%
""")
    answer, good = health(resil)
    assert good and answer["status"] == "healthy"
    assert {name: (found["status"], found["message"]) for name, found in answer["checks"].items()} == {
        name: ("healthy", "ok") for name in ("tcp", "http", "redis", "postgres", "exec", "memory")}
    assert all(found["critical"] is True and 0 <= found["latency_ms"] < 3000 for found in answer["checks"].values())


def test_what_is_wrong(resil, nginx, redis, dead, hang):
    configure(resil, f"""
[check refused]
tcp = {HOST}:{dead.port}
[check missing]
http = {HOST}:{nginx.port}/nothing-here
[check silent]
redis = {HOST}:{hang.port}
timeout = 200ms
[check other]
postgres = {HOST}:{nginx.port}
[check another]
http = {HOST}:{redis.port}
[check exit]
exec = exit 3
[check killed]
exec = kill -9 $$
[check memory]
memory = 0.1%
[check name]
tcp = no-such-name.invalid:1
""")
    start = time.monotonic()
    answer, good = health(resil)
    assert not good and answer["status"] == "unhealthy" and time.monotonic() - start < 3 + UPPER
    messages = {name: found["message"] for name, found in answer["checks"].items()}
    assert all(found["status"] == "unhealthy" for found in answer["checks"].values())
    assert messages.pop("silent").startswith("no answer within 2")
    assert re.fullmatch(r"\d+% of memory in use", messages.pop("memory"))
    assert "lookup failed" in messages.pop("name")
    assert messages == {"refused": "Connection refused", "missing": "HTTP 404", "exit": "exit status 3",
                        "other": "the answer is not of that protocol", "another": "closed without an answer",
                        "killed": "killed by signal 9"}


def test_a_slow_command_is_ended(resil):
    """At its timeout, with everything that it started; others do not wait for it longer than that."""
    configure(resil, f"""
[check slow]
exec = sleep 60 & echo $! >{resil.dir}/pid; wait
timeout = 300ms
[check quick]
exec = true
""")
    start = time.monotonic()
    answer, good = health(resil)
    took = time.monotonic() - start
    assert not good and 0.3 <= took < 0.3 + 2 * UPPER
    assert answer["checks"]["quick"]["status"] == "healthy"
    assert answer["checks"]["slow"]["message"].startswith("no answer within 3")
    with open(f"{resil.dir}/pid", encoding="utf-8") as file:
        pid = int(file.read())

    def is_gone():
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    wait_until(is_gone, what="the end of what the command started")


SCOPES = """
[check alive]
exec = test -e alive
type = liveness
[check ready]
exec = test -e ready
[check nice]
exec = test -e nice
critical = off
"""


@pytest.mark.parametrize("present,whole,alive,ready", [
    ("alive ready nice", "healthy", True, True), ("alive ready", "degraded", True, True),
    ("alive nice", "unhealthy", True, False), ("ready nice", "unhealthy", False, True)])
def test_scopes(resil, present, whole, alive, ready):
    for name in present.split():
        resil.file(name, "")
    configure(resil, SCOPES)
    answer, good = health(resil)
    assert (answer["status"], good) == (whole, whole != "unhealthy")
    live, live_good = health(resil, "--live")
    assert (live["alive"], live_good, set(live["checks"]), live["destinations"]) == (alive, alive, {"alive"}, {})
    answer, good = health(resil, "--ready")
    assert (answer["ready"], good, set(answer["checks"])) == (ready, ready, {"ready", "nice"})


def test_degraded_code(resil):
    """Those who want an alarm for it get one from /health, and nobody is taken out of service for it."""
    configure(resil, "[defaults]\nhealth.degraded_code = 503\n[check nice]\nexec = false\ncritical = off\n")
    assert health(resil)[1] is False and health(resil)[0]["status"] == "degraded"
    assert health(resil, "--ready")[1] is True


def test_breakers(resil, dead):
    """An open breaker degrades the whole, and does not make it unhealthy: the program still runs."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 1\nbreaker.open_time = 60s\n"
                 "[destination off]\nmatch = 192.0.2.1\nmode = off\n")
    resil.run(BY_NAME["curl"].command(HOST, dead.port))
    answer, good = health(resil)
    assert good and answer["status"] == "degraded"
    assert answer["destinations"] == {"backend": {"status": "unhealthy", "critical": False, "state": "open",
                                                  "reason": "consecutive"}}
    assert resil.resctl("reset", "backend").status == 0
    assert health(resil)[0]["status"] == "healthy"


def test_endpoints(resil, agent, dead, counting):
    """A destination whose health is asked for is critical, unless it says otherwise."""
    text = (f"[destination backend]\nmatch = 192.0.2.1\nendpoints = {HOST}:{dead.port}{{more}}\nhealth.check = tcp\n"
            "health.check.interval = 100ms\nhealth.check.fall = 1\nhealth.check.critical = {critical}\n")
    for more, critical, whole in (("", "on", "unhealthy"), ("", "off", "degraded"),
                                  (f", {HOST}:{counting.port}", "on", "degraded")):
        resil.config(text.format(more=more, critical=critical))
        child = agent()
        active(resil, child)
        wait_until(lambda: health(resil)[0]["destinations"]["backend"].get("endpoints_checked") == (2 if more else 1))
        answer, good = health(resil)
        assert (answer["status"], good) == (whole, whole != "unhealthy"), answer
        if more:
            found = scrape(resil)
            assert pick(found, "resil_endpoint_up", destination="backend", endpoint=f"{HOST}:{dead.port}") == 0
            assert pick(found, "resil_endpoint_up", destination="backend", endpoint="*") == 1
        child.terminate()
        assert child.wait(timeout=10) == 0
        os.unlink(resil.segment)


# ---- with an agent


def lines(resil, name):
    path = os.path.join(resil.dir, name)
    if not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as file:
        return len(file.readlines())


def test_the_agents_facts(resil, agent):
    """Who asks the agent's facts asks nobody else; what the agent left behind is soon believed by nobody."""
    resil.config(f"[check job]\nexec = echo >>{resil.dir}/asked; test -e {resil.dir}/well\n"
                 "interval = 400ms\nrise = 1\nfall = 2\n[destination other]\nmatch = 192.0.2.1\n")
    resil.file("well", "")
    child = agent()
    active(resil, child)
    wait_until(lambda: lines(resil, "asked") >= 2, what="checks of the agent")
    assert check(resil, "job")["status"] == "healthy"
    assert pick(scrape(resil), "resil_check_up", check="job") == 1 == pick(scrape(resil), "resil_agent_up")
    os.unlink(os.path.join(resil.dir, "well"))
    before = lines(resil, "asked")
    wait_until(lambda: check(resil, "job")["status"] == "unhealthy")
    assert lines(resil, "asked") - before >= 2
    assert pick(scrape(resil), "resil_checks_total", check="job", result="failed") >= 2
    event = [event for event in resil.events() if event["kind"] == "health"][-1]
    assert (event["destination"], event["from"], event["to"], event["reason"]) == ("job", "up", "down", "exit_status")
    assert resil.dir not in event["endpoint"] and "job" in log_of(resil)
    resil.file("well", "")
    wait_until(lambda: check(resil, "job")["status"] == "healthy")
    child.send_signal(signal.SIGSTOP)
    count = lines(resil, "asked")
    assert check(resil, "job")["status"] == "healthy" and lines(resil, "asked") <= count + 1
    os.unlink(os.path.join(resil.dir, "well"))
    wait_until(lambda: check(resil, "job")["status"] == "unhealthy", what="the stopped agent's fact to be forgotten")
    child.send_signal(signal.SIGCONT)


def test_another_question_is_another_fact(resil, agent):
    """A check that is changed does not inherit what the old one found."""
    text = "[destination other]\nmatch = 192.0.2.1\n[check job]\nexec = {command}\ninterval = 200ms\nfall = 1\n"
    resil.config(text.format(command="true"))
    child = agent()
    active(resil, child)
    wait_until(lambda: pick(scrape(resil), "resil_check_up", check="job") == 1)
    resil.config(text.format(command="exit 4"))
    child.send_signal(signal.SIGHUP)
    wait_until(lambda: check(resil, "job")["message"] == "exit status 4")


def test_hostile_facts(resil, agent):
    resil.config("[check job]\nexec = true\ninterval = 24h\n[destination other]\nmatch = 192.0.2.1\n")
    child = agent()
    active(resil, child)
    wait_until(lambda: pick(scrape(resil), "resil_check_up", check="job") == 1)
    child.kill()
    child.wait(timeout=10)
    resil.remember_semaphores()
    with open(resil.segment, "r+b") as file:
        at = file.read().index(b"job\0", 2228224) - 40
        file.seek(at + 216)
        file.write(b"\xff" * (2584 - 216))
    assert health(resil)[0]["checks"]["job"]["status"] in ("healthy", "unhealthy", "unknown")
    scrape(resil, openmetrics=True)
