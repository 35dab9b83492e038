# SPDX-License-Identifier: MIT
"""Goal: resctl is a tool that people and scripts can rely on: help everywhere, fixed exit codes, JSON of a fixed shape,
events that say who was refused and why, and `run` that is invisible."""

import glob
import json
import os
import re

import pytest

from clients import BY_NAME, REFUSED
from helper import TOP, table_rows, wait_until
from servers import HOST, PAGE

with open(os.path.join(TOP, "tools", "commands.tbl.h"), encoding="utf-8") as _file:
    COMMANDS = re.findall(r'^COMMAND\("([a-z-]+)"', _file.read(), flags=re.MULTILINE)

RULES = "[destination backend]\nmatch = {host}:{port}\nbreaker.failures = 2\nbreaker.open_time = 60s\n"


def test_version(resil):
    with open(os.path.join(TOP, "src", "version"), encoding="utf-8") as file:
        version = file.read().strip()
    result = resil.resctl("version")
    assert result.status == 0 and version in result.out.decode()
    assert json.loads(resil.resctl("version", "--json").out)["version"] == version


def test_help(resil):
    result = resil.resctl("--help")
    assert result.status == 0 and result.err == b""
    for command in COMMANDS:
        assert re.search(rf"^ +{command} ", result.out.decode(), re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each(resil, command):
    result = resil.resctl(command, "--help")
    assert result.status == 0 and result.err == b""
    assert result.out.decode().startswith(f"usage: resctl {command}")


@pytest.mark.parametrize("args,word", [
    ([], "usage"), (["stauts"], "status"), (["status", "--jsn"], "json"), (["reset"], "DEST"),
    (["run"], "CMD"), (["run", "--rules", "mode = x", "--", "true"], "mode"),
    (["run", "--chaos", "refuze", "--", "true"], "refuse"),
])
def test_usage_errors(resil, args, word):
    result = resil.resctl(*args)
    assert result.status == 2 and result.out == b"" and word in result.err.decode(), result


def test_no_segment(resil):
    for args in (["status"], ["status", "--json"], ["events"], ["reset", "backend"]):
        result = resil.resctl(*args)
        assert result.status == 3 and resil.segment in result.err.decode() and result.out == b"", result
    assert not os.path.exists(resil.segment)
    result = resil.resctl("status", "--segment", os.path.join(resil.file("file", "x"), "segment"))
    assert result.status == 4 and b": Not a directory" in result.err, result


def test_segments_that_exist(resil, counting):
    """Who has the wrong one learns which file each belongs to; a damaged one is named as such, with the way out."""
    path = resil.config(RULES.format(host=HOST, port=counting.port))
    assert resil.run(BY_NAME["curl"].command(HOST, counting.port)).status == 0
    result = resil.resctl("status", "--segment", resil.segment + "-absent")
    assert result.status == 3 and re.search(rf"^  {resil.segment}  of uid \d+, rules of {path}$", result.err.decode(), re.MULTILINE), result
    resil.remember_semaphores()
    with open(resil.segment, "r+b") as file:
        file.truncate(8192)
    result = resil.resctl("status")
    assert result.status == 3 and b"truncated" in result.err and b"deleted (rm)" in result.err, result
    assert re.search(rf"^  {resil.segment}  of uid \d+, cannot be used$", result.err.decode(), re.MULTILINE), result


def test_shipped_files_are_good(resil):
    files = [os.path.join(TOP, "config", "resil.conf"), *glob.glob(os.path.join(TOP, "config", "examples", "*.conf"))]
    assert len(files) >= 4
    for path in files:
        result = resil.resctl("check", path)
        assert result.status == 0 and result.err == b"", result


def test_status_json(resil, counting):
    resil.config(RULES.format(host=HOST, port=counting.port) + "bulkhead.limit = 7\n[destination idle]\nmatch = 192.0.2.1\n")
    assert resil.run(BY_NAME["curl"].command(HOST, counting.port)).status == 0
    status = resil.status()
    assert {"path", "version", "generation", "processes", "dropped"} <= set(status["segment"])
    assert status["segment"]["path"] == resil.segment and status["segment"]["generation"] >= 1
    names = [(row["name"], row["endpoint"]) for row in status["destinations"]]
    assert names == [("backend", "*"), ("backend", f"{HOST}:{counting.port}"), ("idle", "*")]
    for row in status["destinations"]:
        assert {"name", "endpoint", "state", "reason", "mode", "connections", "limit", "queued", "in_flight", "probes",
                "open_for_ms", "next_attempt_ms", "consecutive_failures", "failure_ratio", "counters",
                "latency_ms"} <= set(row)
        assert list(row["counters"]) == table_rows("counters.tbl.h", "COUNTER")
        assert {name: set(parts) for name, parts in row["latency_ms"].items()} == {
            "connect": {"p50", "p90", "p99", "max"}, "response": {"p50", "p90", "p99", "max"}}
    row, endpoint, idle = status["destinations"]
    assert (row["state"], row["reason"], row["mode"], row["limit"]) == ("closed", None, "enforce", 7)
    assert (idle["limit"], idle["open_for_ms"], idle["counters"]["attempts"]) == (None, None, 0)
    assert row["counters"] == endpoint["counters"]
    assert row["counters"]["connects_ok"] == row["counters"]["exchanges_ok"] == 1
    assert row["counters"]["bytes_in"] > len(PAGE) and row["counters"]["bytes_out"] > 0
    latency = row["latency_ms"]["response"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] and latency["max"] < 5000


def test_status_is_readable(resil, dead):
    resil.config(RULES.format(host=HOST, port=dead.port))
    for _ in range(3):
        resil.run(BY_NAME["curl"].command(HOST, dead.port))
    text = resil.resctl("status").out.decode()
    assert re.search(rf"backend +{HOST}:{dead.port} +open", text), text
    assert resil.config_path in text and resil.segment in text
    only = resil.resctl("status", "backend")
    assert only.status == 0 and b"backend" in only.out
    unknown = resil.resctl("status", "backand")
    assert unknown.status == 1 and b"backend" in unknown.err


def test_looking_changes_nothing(resil, dead):
    resil.config(RULES.format(host=HOST, port=dead.port).replace("60s", "50ms"))
    for _ in range(2):
        resil.run(BY_NAME["curl"].command(HOST, dead.port))
    with open(resil.segment, "rb") as file:
        before = file.read()
    wait_until(lambda: resil.row("backend")["next_attempt_ms"] == 0)
    for args in (["status"], ["status", "--json"], ["events"], ["events", "--json"]):
        assert resil.resctl(*args).status == 0
    assert resil.row("backend")["state"] == "open"
    with open(resil.segment, "rb") as file:
        assert file.read() == before


def test_events(resil, dead):
    resil.config(RULES.format(host=HOST, port=dead.port))
    for _ in range(3):
        child = resil.spawn(BY_NAME["perl"].command(HOST, dead.port))
        assert re.search(REFUSED, resil.finish(child).err)
    assert resil.resctl("reset", "backend").status == 0
    events = resil.events()
    label = f"{HOST}:{dead.port}"
    opened = [event for event in events if event["kind"] == "state"]
    assert [(event["destination"], event["endpoint"], event["from"], event["to"], event["reason"])
            for event in opened][:1] == [("backend", label, "closed", "open", "consecutive")]
    rejected = [event for event in events if event["kind"] == "rejected"]
    assert [(event["destination"], event["endpoint"], event["reason"], event["pid"], event["program"])
            for event in rejected] == [("backend", label, "breaker_open", child.pid, "perl")]
    assert {"loaded", "reset"} <= {event["kind"] for event in events}
    text = resil.resctl("events").out.decode()
    assert re.search(rf"rejected.*backend.*{label}.*breaker_open.*{child.pid}.*perl", text), text
    assert re.search(r"backend.*closed -> open.*consecutive", text), text


def test_reset_of_the_unknown(resil, counting):
    resil.config(RULES.format(host=HOST, port=counting.port))
    resil.run(BY_NAME["curl"].command(HOST, counting.port))
    result = resil.resctl("reset", "bakend")
    assert result.status == 1 and b"backend" in result.err
    assert resil.resctl("reset", f"backend/{HOST}:{counting.port}").status == 0


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_run_passes_the_exit_status_on(resil, status):
    result = resil.resctl("run", "--", "sh", "-c", f"cat; echo out; echo err >&2; exit {status}")
    assert (result.status, result.out, result.err) == (status, b"out\n", b"err\n")


def test_run_with_rules_and_chaos(resil, counting):
    path = resil.file("other.conf", RULES.format(host=HOST, port=counting.port))
    curl = BY_NAME["curl"].command(HOST, counting.port)
    result = resil.resctl("run", "-c", path, "--", *curl)
    assert (result.status, result.out) == (0, PAGE)
    assert resil.counters("backend")["connects_ok"] == 1
    result = resil.resctl("run", "-c", path, "--chaos", "backend: refuse", "--", *curl)
    assert result.status == 7 and resil.counters("backend")["chaos_injected"] == 1


def test_run_with_rules_only(resil, dead):
    rules = f"mode = enforce; [destination inline]; match = {HOST}:{dead.port}; breaker.failures = 1"
    curl = BY_NAME["curl"].command(HOST, dead.port)
    for _ in range(2):
        assert resil.resctl("run", "--rules", rules, "--", *curl).status == 7
    counters = resil.counters("inline")
    assert (counters["connects_failed"], counters["rejected_breaker"]) == (1, 1)


def test_run_says_what_it_cannot_reach(resil):
    source = resil.file("static.c", "int main(void) { return 5; }\n")
    program = os.path.join(resil.dir, "static")
    assert resil.run(["gcc", "-static", "-o", program, source], preload=False).status == 0
    result = resil.resctl("run", "--", program)
    assert result.status == 5 and b"static" in result.err
    result = resil.resctl("run", "--strict", "--", program)
    assert result.status == 1 and b"static" in result.err and b"not started" in result.err and b"warning" not in result.err
    assert resil.resctl("run", "--", os.path.join(resil.dir, "nothing")).status == 127


def test_gc_takes_back_what_the_dead_left(resil, hold):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 3\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("s = connect()") == "ok"
    assert resil.row("backend")["connections"] == 1
    puppet.kill()
    row = resil.row("backend")
    assert (row["connections"], row["counters"]["reclaimed"]) == (0, 0)
    assert resil.resctl("gc").status == 0
    assert resil.counters("backend")["reclaimed"] == 1
    assert resil.resctl("gc", "--remove").status == 0
    assert not os.path.exists(resil.segment)
