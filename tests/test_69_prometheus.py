# SPDX-License-Identifier: MIT
"""Goal: a real Prometheus takes what the agent exports and the rules as they are shipped; the alert of an open breaker
reaches an Alertmanager, and is taken back when the breaker closes; a dead agent is an alert, too.

Scrapes are 500 ms apart instead of 15 s, evaluations 250 ms, and each `for:` of the copied rules is cut to one second: nothing
else in them is changed."""

import http.server
import json
import os
import re
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from agents import active, agent, log_of  # noqa: F401
from helper import TOP, wait_until
from servers import HOST, START_TIMEOUT, Server

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not here")
SHIPPED = os.path.join(TOP, "config", "prometheus")
SCRAPE, EVALUATE, PATIENCE, DEADLINE = "500ms", "250ms", "1s", 20.0


def shipped(name):
    with open(os.path.join(SHIPPED, name), encoding="utf-8") as file:
        return yaml.safe_load(file)


class Receiver:
    """What an Alertmanager would be told: all posts, in order."""

    def __init__(self):
        self.alerts = received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def told(self, name, destination=None):
        """The alerts of this name, oldest first."""
        return [one for one in list(self.alerts) if one["labels"]["alertname"] == name
                and one["labels"].get("destination") == destination]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Prometheus(Server):
    def __init__(self, target, alertmanager):
        self.target, self.alertmanager = target, alertmanager
        super().__init__()

    def prepare(self):
        rules = shipped("resil.rules.yml")
        for rule in rules["groups"][0]["rules"]:
            if "for" in rule:
                rule["for"] = PATIENCE
        config = shipped("prometheus.yml")
        config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": EVALUATE}
        for job in config["scrape_configs"]:
            assert job.pop("scrape_interval") == "15s"
            job["static_configs"][0]["targets"] = [self.target]
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [self.alertmanager]}]}]}
        for name, content in (("resil.rules.yml", rules), ("prometheus.yml", config)):
            with open(self.path(name), "w", encoding="utf-8") as file:
                yaml.safe_dump(content, file)

    def command(self):
        return ["prometheus", "--config.file", self.path("prometheus.yml"), "--storage.tsdb.path", self.path("data"),
                "--web.listen-address", f"{HOST}:{self.port}", "--log.level", "warn"]

    def fill(self):
        """It accepts before its database is open."""
        wait_until(self.is_ready, START_TIMEOUT, "an open database")

    def is_ready(self):
        try:
            urllib.request.urlopen(f"http://{HOST}:{self.port}/-/ready", timeout=10).close()
            return True
        except urllib.error.HTTPError:
            return False

    def ask(self, path, **query):
        url = f"http://{HOST}:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, query):
        """The value of the only series that answers the query; None without one."""
        found = self.ask("query", query=query)["result"]
        assert len(found) < 2, found
        return float(found[0]["value"][1]) if found else None


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def prometheus(resil, agent, dead, receiver):  # noqa: F811
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 2\nbreaker.open_time = 100ms\n"
                 "breaker.jitter = off\n[destination idle]\nmatch = 192.0.2.1\n")
    child = agent("--listen", f"{HOST}:0")
    active(resil, child)
    port = int(re.search(r"answers at http://127\.0\.0\.1:(\d+)/", log_of(resil))[1])
    server = Prometheus(f"{HOST}:{port}", f"{HOST}:{receiver.port}")
    server.agent = child
    yield server
    server.stop()


def test_an_open_breaker_is_told_and_taken_back(resil, prometheus, receiver, dead):
    wait_until(lambda: prometheus.value('resil_breaker_state{destination="backend",endpoint="*",state="closed"}') == 1,
               DEADLINE, "a closed breaker in Prometheus")
    target, = prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", ""), target
    puppet = resil.puppet(dead.port)
    assert [puppet.do("connect()") for _ in range(2)] == ["ECONNREFUSED"] * 2
    alert = wait_until(lambda: receiver.told("ResilBreakerOpen", "backend"), DEADLINE, "the alert")[0]
    assert alert["labels"]["severity"] == "critical" and alert["annotations"] == {
        "summary": "backend: no endpoint has admitted a call for a minute", "runbook": "RUNBOOKS.md#resilbreakeropen"}
    wait_until(lambda: prometheus.value('ALERTS{alertname="ResilBreakerOpen",alertstate="firing"}') == 1, DEADLINE, "the alert in its own words")
    # What the rules say is what the segment says, and every one of them could be evaluated.
    assert resil.row("backend")["state"] == "open" and not receiver.told("ResilBreakerOpen", "idle")
    rules = prometheus.ask("rules")["groups"][0]["rules"]
    assert len(rules) == len(shipped("resil.rules.yml")["groups"][0]["rules"])
    assert [(one["name"], one["lastError"]) for one in rules if one["health"] != "ok"] == []
    families = {one["metric"]: one["type"] for one in prometheus.ask("targets/metadata")}
    assert families["resil_breaker_state"] == "gauge" and families["resil_connect_seconds"] == "histogram"
    assert "unknown" not in {kind for name, kind in families.items() if name.startswith("resil_")}

    dead.revive()
    wait_until(lambda: puppet.do("connect()") == "ok" and resil.row("backend")["state"] == "closed", DEADLINE, "a closed breaker")
    # An alert that holds ends minutes from now, unless it is renewed; one that is over has ended.
    taken = wait_until(lambda: [one for one in receiver.told("ResilBreakerOpen", "backend") if one["endsAt"][:19] < alert["endsAt"][:19]],
                       DEADLINE, "the end of the alert")[0]
    assert taken["startsAt"] == alert["startsAt"] and taken["labels"] == alert["labels"]
    wait_until(lambda: prometheus.value('ALERTS{alertname="ResilBreakerOpen"}') is None, DEADLINE, "no alert")
    assert not receiver.told("ResilConfigError")

    # Before the first scrape there is no agent either, and the cut `for:` is not patient with that.
    wait_until(lambda: prometheus.value('ALERTS{alertname="ResilAgentDown"}') is None, DEADLINE, "a living agent")
    before = {one["startsAt"] for one in receiver.told("ResilAgentDown")}
    prometheus.agent.kill()
    wait_until(lambda: {one["startsAt"] for one in receiver.told("ResilAgentDown")} - before, DEADLINE, "the alert of a dead agent")
