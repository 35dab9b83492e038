# SPDX-License-Identifier: MIT
"""Goal: what [events] says happens for each event, once, in order, whatever the event's texts hold; a command that hangs,
fails or comes too often costs nobody else anything."""

import json
import os
import re
import shutil
import signal
import socket
import time

from agents import active, agent, log_of  # noqa: F401
from clients import BY_NAME
from helper import UPPER, wait_until
from servers import HOST


def begin(resil, agent, port, events, more=""):
    resil.config(f"[destination backend]\nmatch = {HOST}:{port}\nbreaker.failures = 1\nbreaker.open_time = 60s\n{more}\n"
                 f"[events]\n{events}\n")
    child = agent()
    active(resil, child)
    return child


def trip(resil, port):
    """A state event, and a refusal."""
    for _ in range(2):
        resil.run(BY_NAME["curl"].command(HOST, port))


def reset(resil):
    """An event; the destination has to have had a call."""
    assert resil.resctl("reset", "backend").status == 0


def lines(resil, name):
    path = os.path.join(resil.dir, name)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def test_exec(resil, agent, dead):
    script = resil.file("notify", f"#!/bin/sh\n(cat; env | grep ^RESIL_EVENT_ | sort; echo .) >>{resil.dir}/told\n")
    os.chmod(script, 0o755)
    begin(resil, agent, dead.port, f"exec = {script}\non = state reset")
    trip(resil, dead.port)
    reset(resil)
    wait_until(lambda: lines(resil, "told").count(".") == 2, what="two commands")
    first, second = "\n".join(lines(resil, "told")).split("\n.")[:2]
    event = json.loads(first.splitlines()[0])
    shown = [known for known in resil.events() if known["kind"] in ("state", "reset")]
    assert event == shown[0] and json.loads(second.splitlines()[1]) == shown[1]
    variables = dict(line.split("=", 1) for line in first.splitlines()[1:])
    assert variables == {
        "RESIL_EVENT_KIND": "state", "RESIL_EVENT_DESTINATION": "backend", "RESIL_EVENT_ENDPOINT": f"{HOST}:{dead.port}",
        "RESIL_EVENT_FROM": "closed", "RESIL_EVENT_TO": "open", "RESIL_EVENT_REASON": "consecutive",
        "RESIL_EVENT_ERROR": "", "RESIL_EVENT_COUNT": "1", "RESIL_EVENT_PID": str(event["pid"]),
        "RESIL_EVENT_PROGRAM": "curl", "RESIL_EVENT_TIME": event["time"], "RESIL_EVENT_SKIPPED": "0"}


def test_texts_are_never_commands(resil, agent, dead):
    """A program may have any name: it is data for the command."""
    begin(resil, agent, dead.port, f"exec = cat >>{resil.dir}/told; : $RESIL_EVENT_PROGRAM\non = state")
    name = "$(touch x);`y`"
    shutil.copy(shutil.which("curl"), os.path.join(resil.dir, name))
    resil.run([os.path.join(resil.dir, name), "-s", f"http://{HOST}:{dead.port}/"])
    wait_until(lambda: lines(resil, "told"), what="the command")
    assert json.loads(lines(resil, "told")[0])["program"] == name
    assert not os.path.exists(os.path.join(resil.dir, "x"))


def test_log(resil, agent, dead):
    """A line each; a file that was moved away is made anew."""
    log = os.path.join(resil.dir, "events.log")
    begin(resil, agent, dead.port, f"log = {log}\non = state reset rejected")
    trip(resil, dead.port)
    wait_until(lambda: len(lines(resil, "events.log")) == 2)
    os.rename(log, log + ".1")
    reset(resil)
    wait_until(lambda: lines(resil, "events.log"))
    told = [json.loads(line) for line in lines(resil, "events.log.1") + lines(resil, "events.log")]
    assert told == [event for event in resil.events() if event["kind"] in ("state", "rejected", "reset")]
    assert os.stat(log).st_mode & 0o777 == 0o640


def test_stderr_and_a_log_that_cannot_be_written(resil, agent, dead):
    child = begin(resil, agent, dead.port, "log = /nonexistent/log")
    trip(resil, dead.port)
    wait_until(lambda: "events are not written to /nonexistent/log: No such file" in log_of(resil))
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\n[events]\nlog = stderr\n")
    child.send_signal(signal.SIGHUP)
    wait_until(lambda: log_of(resil).count("rules loaded") == 2)
    reset(resil)
    wait_until(lambda: re.search(r'^\{.*"kind":"reset"', log_of(resil), re.MULTILINE))
    assert log_of(resil).count("are not written") == 1


def test_syslog(resil, agent, dead):
    path = os.path.join(resil.dir, "log.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(path)
        log.settimeout(10)
        child = begin(resil, agent, dead.port, f"syslog = unix:{path}\non = state reset")
        trip(resil, dead.port)
        text = log.recv(4096).decode()
        assert re.fullmatch(rf"<27>\w{{3}} [ \d]\d \d\d:\d\d:\d\d resctl-agent\[{child.pid}\]: state backend "
                            rf"{HOST}:{dead.port} closed -> open consecutive pid \d+ curl", text), text
        reset(resil)
        assert log.recv(4096).startswith(b"<30>")
    os.unlink(path)
    trip(resil, dead.port)
    wait_until(lambda: f"events do not reach {path}" in log_of(resil))
    assert child.poll() is None


def test_rate(resil, agent, dead):
    """At most one a second here; the next one is told how many it stands for."""
    begin(resil, agent, dead.port, f"exec = echo $RESIL_EVENT_SKIPPED >>{resil.dir}/told\nexec.rate = 1/s\non = reset")
    trip(resil, dead.port)
    for _ in range(5):
        reset(resil)
    wait_until(lambda: lines(resil, "told"))

    def again():
        reset(resil)
        return len(lines(resil, "told")) >= 2

    start = time.monotonic()
    wait_until(again)
    assert time.monotonic() - start > 0.5
    skipped = [int(line) for line in lines(resil, "told")]
    assert skipped[0] == 0 and skipped[1] >= 4


def test_commands_that_fail(resil, agent, dead):
    """Said once; the agent goes on, and so do the other commands."""
    begin(resil, agent, dead.port,
          f"exec = echo >>{resil.dir}/told; test $(wc -l <{resil.dir}/told) != 1 || exit 7; kill -9 $$\non = reset")
    trip(resil, dead.port)
    for number in (1, 2, 3):
        reset(resil)
        wait_until(lambda: len(lines(resil, "told")) == number)
    wait_until(lambda: "event command: ended with status 7" in log_of(resil))
    assert log_of(resil).count("event command") == 1


def test_a_command_that_hangs(resil, agent, dead):
    """Others wait for it, nothing else does; it ends with the agent, and so does what it started."""
    child = begin(resil, agent, dead.port,
                  f"exec = sleep 600 & echo $! >>{resil.dir}/told; wait\nlog = {resil.dir}/log\non = reset")
    trip(resil, dead.port)
    for _ in range(3):
        reset(resil)
    wait_until(lambda: len(lines(resil, "log")) == 3)
    wait_until(lambda: lines(resil, "told"))
    pid = int(lines(resil, "told")[0])
    start = time.monotonic()
    child.terminate()
    assert child.wait(timeout=10) == 0 and time.monotonic() - start < 1 + UPPER
    wait_until(lambda: not os.path.exists(f"/proc/{pid}") or
               open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[0] == "Z")
    assert len(lines(resil, "told")) == 1


def test_only_the_active_agent_tells(resil, agent, dead):
    """Two agents, one message; when the first dies, the other one goes on."""
    first = begin(resil, agent, dead.port, f"log = {resil.dir}/log\non = reset")
    trip(resil, dead.port)
    second = agent()
    wait_until(lambda: "waiting on" in log_of(resil))
    reset(resil)
    wait_until(lambda: len(lines(resil, "log")) == 1)
    first.kill()
    first.wait(timeout=10)
    active(resil, second, 15.0)
    reset(resil)
    wait_until(lambda: len(lines(resil, "log")) >= 2)
    events = [json.loads(line) for line in lines(resil, "log")]
    assert events == [event for event in resil.events() if event["kind"] == "reset"]
