# SPDX-License-Identifier: MIT
"""Goal: what config/ offers to operators is right: alerts fire for what they name and for nothing less, each has its runbook,
the dashboard asks for metrics that exist, and units, manifests and images say what the library needs."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

import helper
from helper import TOP
from servers import HOST

CONFIG = os.path.join(TOP, "config")
RULES = os.path.join(CONFIG, "prometheus", "resil.rules.yml")


def read(*parts):
    with open(os.path.join(CONFIG, *parts), encoding="utf-8") as file:
        return file.read()


def alerts():
    return {rule["alert"]: rule for rule in yaml.safe_load(read("prometheus", "resil.rules.yml"))["groups"][0]["rules"]}


def promtool(*args):
    result = subprocess.run(["promtool", *args], capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()


def test_files_are_legal():
    promtool("check", "rules", RULES)
    promtool("check", "config", os.path.join(CONFIG, "prometheus", "prometheus.yml"))


B = '{destination="a",endpoint="*"'
FLAT, GROWS, QUIET = "1x90", "0+60x90", "5x90"  # one value; 60 a minute; a counter at rest
# An alert: (series that make it fire, the same where it must not). Each value is for one minute.
FIRES = {
    "ResilBreakerOpen": ({"resil_breaker_state" + B + ',state="open"}': "1x90"},
                         {"resil_breaker_state" + B + ',state="open"}': "0x29 1x0 0x30",
                          'resil_breaker_state{destination="a",endpoint="x",state="open"}': "1x90"}),
    "ResilBreakerOpened": ({"resil_breaker_transitions_total" + B + ',to="open"}': "0x27 1x30"},
                           {"resil_breaker_transitions_total" + B + ',to="open"}': QUIET,
                            "resil_breaker_transitions_total" + B + ',to="closed"}': GROWS}),
    "ResilBreakerFlapping": ({"resil_breaker_transitions_total" + B + ',to="open"}': "0+1x90"},
                             {"resil_breaker_transitions_total" + B + ',to="open"}': "0x27 5x30"}),
    "ResilNoEndpoint": ({'resil_endpoints{destination="a"}': "2x90", 'resil_ejections_active{destination="a"}': "2x90"},
                        {'resil_endpoints{destination="a"}': "2x90", 'resil_ejections_active{destination="a"}': "1x90",
                         'resil_endpoints{destination="b"}': "0x90", 'resil_ejections_active{destination="b"}': "0x90"}),
    "ResilEndpointsDown": ({'resil_endpoints{destination="a"}': "3x90", 'resil_ejections_active{destination="a"}': "1x90"},
                           {'resil_endpoints{destination="a"}': "4x90", 'resil_ejections_active{destination="a"}': "1x90"}),
    "ResilEjections": ({'resil_ejections_active{destination="a"}': "1x90"}, {'resil_ejections_active{destination="a"}': "0x90"}),
    "ResilHealthCheckFailing": ({'resil_endpoint_up{destination="a",endpoint="x"}': "0x90"},
                                {'resil_endpoint_up{destination="a",endpoint="x"}': "1x90", "resil_endpoint_up" + B + "}": "0x90",
                                 'resil_endpoint_up{destination="a",endpoint="y"}': " ".join(["NaN"] * 91)}),
    "ResilConnectFailures": ({"resil_connects_total" + B + ',result="failed"}': "0+15x90", "resil_connects_total" + B + ',result="timeout"}': "0+15x90"},
                             {"resil_connects_total" + B + ',result="failed"}': "0+15x90", "resil_connects_total" + B + ',result="ok"}': GROWS}),
    "ResilResponseTimeouts": ({"resil_exchanges_total" + B + ',result="ok"}': "0+94x90", "resil_exchanges_total" + B + ',result="response_timeout"}': "0+6x90"},
                              {"resil_exchanges_total" + B + ',result="ok"}': "0+96x90", "resil_exchanges_total" + B + ',result="response_timeout"}': "0+4x90"}),
    "ResilQueueing": ({'resil_bulkhead_queued{destination="a"}': "1x90"}, {'resil_bulkhead_queued{destination="a"}': "1x28 0x0 1x30"}),
    "ResilBulkheadNearlyFull": ({'resil_bulkhead_in_use{destination="a"}': "9x90", 'resil_bulkhead_limit{destination="a"}': "10x90"},
                                {'resil_bulkhead_in_use{destination="a"}': "8x90", 'resil_bulkhead_limit{destination="a"}': "10x90",
                                 'resil_bulkhead_in_use{destination="b"}': "8x90", 'resil_bulkhead_limit{destination="b"}': " ".join(["+Inf"] * 91)}),
    "ResilOverload": ({'resil_rejected_total{destination="a",reason="rate"}': "0+90x90"},
                      {'resil_rejected_total{destination="a",reason="rate"}': "0+30x90", 'resil_rejected_total{destination="a",reason="breaker_open"}': "0+900x90"}),
    "ResilRetries": ({'resil_retry_attempts_total{destination="a",outcome="failure"}': "0+30x90", "resil_attempts_total" + B + "}": "0+100x90"},
                     {'resil_retry_attempts_total{destination="a",outcome="failure"}': "0+10x90", "resil_attempts_total" + B + "}": "0+100x90"}),
    "ResilRetriesExhausted": ({'resil_retry_calls_total{destination="a",kind="exhausted"}': "0+5x90"},
                              {'resil_retry_calls_total{destination="a",kind="exhausted"}': "0+1x90"}),
    "ResilFallback": ({"resil_fallbacks_total" + B + "}": GROWS}, {"resil_fallbacks_total" + B + "}": QUIET}),
    "ResilChaos": ({"resil_chaos_injected_total" + B + "}": GROWS}, {"resil_chaos_injected_total" + B + "}": QUIET}),
    "ResilConfigError": ({"resil_config_error": FLAT}, {"resil_config_error": "0x90"}),
    "ResilConfigDrift": ({"resil_config_file_changed": FLAT}, {"resil_config_file_changed": "0x20 1x40"}),
    "ResilDisabled": ({"resil_disabled": FLAT}, {"resil_disabled": "0x90"}),
    "ResilAgentDown": ({"resil_agent_up": "0x90"}, {"resil_agent_up": "1x90"}),
    "ResilSegmentFull": ({"resil_shm_dropped_total": GROWS}, {"resil_shm_dropped_total": QUIET}),
    "ResilDoubts": ({"resil_doubts_total": "0x20 1x40"}, {"resil_doubts_total": QUIET}),
    "ResilCrashingClients": ({'resil_bulkhead_reclaimed_total{destination="a"}': "0+2x90"}, {'resil_bulkhead_reclaimed_total{destination="a"}': "0x20 9x40"}),
    "ResilStaleNames": ({"resil_stale_answers_total" + B + "}": GROWS}, {"resil_stale_answers_total" + B + "}": QUIET}),
    "ResilUnmatched": ({"resil_unmatched_connects_total": "0+1x180"}, {"resil_unmatched_connects_total": "5x180"}),
}


def test_every_alert_fires_for_what_it_names(resil):
    """promtool plays half an hour for each alert: once it fires at the end, once it does not."""
    rules = alerts()
    assert set(rules) == set(FIRES)
    plays = []
    for name, (loud, quiet) in FIRES.items():
        for series, fires in ((loud, True), (quiet, False)):
            at = "65m" if name == "ResilUnmatched" else "30m"
            labels = {"severity": rules[name]["labels"]["severity"]}
            by_destination = any("destination" in one for one in series)
            if by_destination:
                labels["destination"] = "a"
            for label in ("endpoint", "state", "to", "reason"):
                values = {match for one in loud for match in re.findall(rf'{label}="([^"]*)"', one)}
                if len(values) == 1 and not (rules[name]["expr"].startswith("sum by (destination)") or name == "ResilOverload" and label != "reason"):
                    labels[label] = values.pop()
            # One play serves all alerts that ask for other metrics: each costs promtool a database.
            metrics = {key.split("{")[0] for key in series}
            play = next((one for one in plays if not one[0] & metrics), None)
            if not play:
                play = (set(), {"interval": "1m", "input_series": [], "alert_rule_test": []})
                plays.append(play)
            play[0].update(metrics)
            play[1]["input_series"] += [{"series": key, "values": value} for key, value in series.items()]
            play[1]["alert_rule_test"].append({"eval_time": at, "alertname": name, "exp_alerts": [{"exp_labels": labels}] if fires else []})
    # Annotations hold values; the rules are played without them.
    text = yaml.safe_load(read("prometheus", "resil.rules.yml"))
    for rule in text["groups"][0]["rules"]:
        del rule["annotations"]
    resil.file("rules.yml", yaml.safe_dump(text))
    promtool("test", "rules", resil.file("tests.yml", yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [one for _, one in plays]})))


def test_every_alert_has_its_runbook(resil):
    text, rules = read("prometheus", "RUNBOOKS.md"), alerts()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    assert list(sections) == list(rules)
    commands = re.findall(r"^  ([a-z-]+) ", resil.resctl("--help").out.decode(), re.MULTILINE)
    for name, body in sections.items():
        assert rules[name]["annotations"]["runbook"] == f"RUNBOOKS.md#{name.lower()}"
        assert re.findall(r"^\*\*(\w+):\*\* \S", body, re.MULTILINE) == ["Means", "Look", "Do", "Recovered"], name
        assert [one for one in re.findall(r"`resctl ([a-z-]+)", body) if one not in commands] == [], name
    known = set(helper.key_names())
    keys = re.findall(r"`((?:breaker|bulkhead|timeout|retry|balance|dns|health|rate)\.[a-z_]+)", text)
    assert keys and [key for key in keys if key not in known] == []


def expressions(value):
    """Every expr of a dashboard, its variables replaced."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "expr":
                yield one.replace("$__rate_interval", "5m").replace("$destination", ".*")
            else:
                yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)


def test_the_dashboard_and_the_rules_ask_for_what_exists(resil, hold):
    resil.config(f"[destination a]\nmatch = {HOST}:{hold.port}\n")
    assert resil.puppet(hold.port).do("s = connect()") == "ok"
    shown = set(re.findall(r"^(resil_\w+)[ {]", resil.resctl("metrics").out.decode(), re.MULTILINE))
    asked = list(expressions(json.loads(read("grafana", "resil.json"))))
    assert len(asked) > 15
    for expr in [*asked, *(rule["expr"] for rule in alerts().values())]:
        assert set(re.findall(r"resil_\w+", expr)) <= shown, expr
        for reason in re.findall(r'reason=~?"([^"]+)"', expr):
            assert set(reason.split("|")) <= set(re.findall(r'reason="(\w+)"', resil.resctl("metrics").out.decode()))
    rules = [{"record": f"resil:{number}", "expr": expr} for number, expr in enumerate(asked)]
    promtool("check", "rules", resil.file("dashboard.yml", yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})))


def test_panels_do_not_overlap():
    panels = json.loads(read("grafana", "resil.json"))["panels"]
    cells = [(x, y) for panel in panels for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
             for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels) > 10


def test_the_unit_is_legal(resil):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    unit = read("systemd", "resil-agent.service").replace("/usr/local/bin/resctl", helper.RESCTL)
    unit = re.sub(r"^Documentation=.*\n", "", unit, flags=re.MULTILINE)
    path = resil.file("resil-agent.service", unit)
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, timeout=60, check=False)
    assert "resil-agent" not in result.stderr.decode(), result.stderr.decode()
    for line in re.findall(r"^Exec\w+=(.*)$", unit, re.MULTILINE):
        _, command, *options = line.split()
        usage = resil.resctl(command, "--help").out.decode()
        assert usage.startswith("usage: resctl " + command) and all(one in usage for one in options if one.startswith("--"))


def test_the_drop_in_reaches_a_program(resil, hold):
    """Its Environment= lines, with the paths of this build."""
    lines = re.findall(r'^Environment="?(\w+)=(.*?)"?$', read("systemd", "legacy.service.d", "resil.conf"), re.MULTILINE)
    assert dict(lines) == {"LD_PRELOAD": "/usr/local/$LIB/libresil.so", "RESIL_CONFIG": "/etc/resil/resil.conf"}
    assert "/etc/ld.so.preload" in read("systemd", "legacy.service.d", "resil.conf")
    root = os.path.join(resil.dir, "root")
    library = subprocess.run([helper.PYTHON, "-c", "import sysconfig; print(sysconfig.get_config_var('MULTIARCH'))"],
                             capture_output=True, check=True, timeout=20).stdout.decode().strip()
    for folder in (f"lib/{library}", "lib64", "lib"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
        shutil.copy(helper.LIBRARY, os.path.join(root, folder, "libresil.so"))
    resil.config(f"[destination a]\nmatch = {HOST}:{hold.port}\nbreaker.failures = 2\n")
    puppet = resil.puppet(hold.port, preload=False, env={"LD_PRELOAD": root + "/$LIB/libresil.so"})
    assert puppet.do("s = connect()") == "ok" and resil.row("a")["connections"] == 1


def test_the_manifest_of_kubernetes(resil, hold):
    config, deployment = yaml.safe_load_all(read("kubernetes", "deployment.yaml"))
    assert resil.resctl("check", resil.file("k8s.conf", config["data"]["resil.conf"])).status == 0
    spec = deployment["spec"]["template"]["spec"]
    container, init = spec["containers"][0], spec["initContainers"][0]
    assert len(spec["containers"]) == 1 and spec["securityContext"]["runAsUser"] > 0
    volumes = {one["name"] for one in spec["volumes"]}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert set(mounts) == volumes and init["volumeMounts"][0]["mountPath"] == "/resil"
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env["LD_PRELOAD"].startswith(mounts["resil"]) and os.path.dirname(env["RESIL_SEGMENT"]) == mounts["segment"]
    assert os.path.dirname(env["RESIL_CONFIG"]) == mounts["config"]
    size = next(one["emptyDir"]["sizeLimit"] for one in spec["volumes"] if one["name"] == "segment")
    # The segment stands in a directory like that one: of another owner, with a group, not in /dev/shm.
    folder = os.path.join(resil.dir, "segment")
    os.mkdir(folder)
    os.chmod(folder, 0o2777)
    resil.config(f"[destination a]\nmatch = {HOST}:{hold.port}\n")
    resil.segment = os.path.join(folder, "segment")
    first, second = resil.puppet(hold.port), resil.puppet(hold.port)
    assert first.do("s = connect()") == "ok" and second.do("s = connect()") == "ok" and resil.row("a")["connections"] == 2
    assert os.path.getsize(resil.segment) < int(size.removesuffix("Mi")) << 20
    probe = container["readinessProbe"]["exec"]["command"]
    assert probe[:2] == ["/bin/sh", "-c"]
    script = probe[2].replace("/resil/bin/resctl", helper.RESCTL)
    assert resil.run(["/bin/sh", "-c", script], preload=False).status == 0
    assert resil.run(["/bin/sh", "-c", script], preload=False, env={"RESIL_SEGMENT": folder + "/none"}).status == 0


def test_the_images(resil):
    compose = yaml.safe_load(read("docker", "compose.yaml"))
    services = compose["services"]
    assert {one["user"] for one in services.values()} == {"10001"} and services["second"]["ipc"] == "service:first"
    assert {one["environment"]["RESIL_SEGMENT"] for one in services.values()} == {"/resil-segment/segment"}
    dockerfile = read("docker", "Dockerfile")
    make = re.search(r"make -C /src .*? install (PREFIX=\S+) (LIBDIR=\S+)$", dockerfile, re.MULTILINE).groups()
    result = subprocess.run(["make", "-n", "-C", TOP, f"B={helper.BUILD}", *make, "install"], capture_output=True, check=True, timeout=60)
    recipe = result.stdout.decode()
    for path in ("/opt/resil/lib/libresil.so", "/opt/resil/bin/resctl"):
        assert path in recipe and os.path.dirname(path).rsplit("/", 1)[0] in dockerfile
    assert services["first"]["environment"]["LD_PRELOAD"] == "/opt/resil/lib/libresil.so"
