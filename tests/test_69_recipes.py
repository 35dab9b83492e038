# SPDX-License-Identifier: MIT
"""Goal: what README tells operators to type is right: the drop-in for a service is one that systemd takes, and the lines for an
image are those of config/docker, which build what they name. systemd and docker only judge: nothing is started by them."""

import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

import helper
from helper import TOP
from servers import HOST

INSTRUCTIONS = {"FROM", "RUN", "COPY", "USER", "ENTRYPOINT", "ENV", "WORKDIR", "ARG", "CMD", "LABEL"}


def text_of(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as file:
        return file.read()


def section():
    return re.search(r"^## In operation\n(.*?)^## ", text_of("README.md") + "\n## ", re.DOTALL | re.MULTILINE)[1]


def judged(root, unit):
    """What systemd-analyze has to say of a unit and its drop-ins under a directory."""
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, timeout=60, check=False,
                            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{root}/etc/systemd/system:"})
    return (result.stdout + result.stderr).decode()


def test_a_drop_in_for_a_service(resil):
    """The lines of README, for a service `web' under another root."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    steps = [line.strip("# ") for line in re.findall(r"^    # .*$", section(), re.MULTILINE)]
    assert [step.split()[0] for step in steps] == ["mkdir", "cp", "systemctl"]
    assert steps[2].replace("NAME", "web").count("web") == 2 and steps[2] in re.sub(r"\s+", " ", text_of("config", "systemd", "legacy.service.d", "resil.conf"))
    root = resil.dir + "/root"
    for step in steps[:2]:
        words = [word.replace("NAME", "web") for word in shlex.split(step)]
        words = [root + word if word.startswith("/etc/") else os.path.join(TOP, word) if word.startswith("config/") else word for word in words]
        subprocess.run(words, check=True, timeout=20)
    units = root + "/etc/systemd/system"
    with open(units + "/web.service", "w", encoding="utf-8") as file:
        file.write("[Unit]\nDescription=unmodified\n[Service]\nExecStart=/bin/sleep 1\n")
    drop_in = units + "/web.service.d/resil.conf"
    assert "web.service" not in judged(root, "web.service")
    # What the drop-in's comment offers for a beginning; and a mistake in it is one that the judge sees.
    offered = re.search(r'Environment="RESIL_RULES=[^"]*"', text_of("config", "systemd", "legacy.service.d", "resil.conf"))[0]
    with open(drop_in, "a", encoding="utf-8") as file:
        file.write(offered + "\n")
    assert "web.service" not in judged(root, "web.service")
    with open(drop_in, "a", encoding="utf-8") as file:
        file.write("Environmnt=a=b\n")
    assert "web.service.d/resil.conf" in judged(root, "web.service")


def instructions(text):
    """(INSTRUCTION, words) of a Dockerfile."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [(name, rest.strip()) for name, rest in re.findall(r"^(\S+)\s+(.*)$", text, re.MULTILINE)]


def test_the_recipe_of_an_image():
    text = text_of("config", "docker", "Dockerfile")
    build = re.search(r"`(docker build [^`]*)`", section())[1]
    lines = [line.strip() for line in re.findall(r"^    (?:COPY|ENV) .*$", section(), re.MULTILINE)]
    comments = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    assert len(lines) == 2 and [line for line in [build, *lines] if line not in comments] == []
    tag = "libresil:" + text_of("src", "version").strip()
    assert tag in build and tag in lines[0] and os.path.exists(os.path.join(TOP, re.search(r"-f (\S+)", build)[1]))
    found = instructions(text)
    assert found[0][0] == "FROM" and {name for name, _ in found} <= INSTRUCTIONS
    stages, made = set(), set()
    for name, rest in found:
        if name == "FROM":
            assert re.fullmatch(r"debian:\d+-slim( AS \w+)?", rest), rest
            stages.update(re.findall(r" AS (\w+)$", rest))
        elif name == "RUN":
            assert subprocess.run(["sh", "-n", "-c", rest], capture_output=True, timeout=20, check=False).returncode == 0, rest
            made.update(re.findall(r"(?:PREFIX|LIBDIR)=(\S+)", rest))
        elif name == "COPY":
            *sources, target = [word for word in rest.split() if not word.startswith("--")]
            stage = re.search(r"--from=(\S+)", rest)
            assert stage is None or stage[1] in stages and set(sources) <= made, rest
            assert target.startswith("/") and (stage or all(os.path.exists(os.path.join(TOP, one)) for one in sources)), rest
    assert "/opt/resil/lib" in made and ("USER", "10001") in found


def test_two_services_share_a_breaker_as_composed(resil, dead):
    """The environment of compose.yaml, its paths under another root."""
    services = yaml.safe_load(text_of("config", "docker", "compose.yaml"))
    root = resil.dir + "/root"
    paths = {}
    for one in services["services"]["first"]["volumes"]:
        source, target = one.split(":")[:2]
        assert source.startswith("./") or source in services["volumes"]
        paths[target] = source
    for folder in ("/opt/resil/lib", "/opt/resil/bin", "/resil-segment", "/etc/resil"):
        os.makedirs(root + folder)
    shutil.copy(helper.LIBRARY, root + "/opt/resil/lib")
    shutil.copy(helper.RESCTL, root + "/opt/resil/bin")
    config = resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 2\nbreaker.open_time = 60s\n")
    shutil.copy(config, root + "/etc/resil/resil.conf")
    env = [{name: root + value for name, value in services["services"][one]["environment"].items()} for one in ("first", "second")]
    assert set(paths) == {"/etc/resil/resil.conf", "/resil-segment"} and env[0]["RESIL_SEGMENT"].startswith(root + "/resil-segment/")
    resil.segment = env[0]["RESIL_SEGMENT"]
    first, second = (resil.puppet(dead.port, preload=False, env=one) for one in env)
    assert first.do("connect()") == "ECONNREFUSED" and second.do("connect()") == "ECONNREFUSED"
    assert resil.row("backend")["state"] == "open" and len(resil.status()["destinations"]) == 2
    # resctl of the image finds the library of the image.
    result = resil.run([root + "/opt/resil/bin/resctl", "run", "--", "/bin/sh", "-c", "echo $LD_PRELOAD"], preload=False)
    assert result.status == 0 and result.out.decode().startswith(root + "/opt/resil/lib"), result
