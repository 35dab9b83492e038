# SPDX-License-Identifier: MIT
"""Goal: the shells complete what resctl knows at that moment: every command and option, destinations and endpoints of the
live segment, keys and their words; and the scripts work in the shells that they are for."""

import os
import re

import pytest

import helper
from helper import key_names
from servers import HOST
from terminal import Terminal


def words(resil, line, env=None):
    """The candidates for the last word of a line, which ends at the cursor."""
    typed = line.split(" ")
    result = resil.resctl("completion", "words", "--", *typed, env=env)
    assert result.status == 0, result
    return [one.split("\t")[0] for one in result.out.decode().splitlines()]


def commands(resil):
    return re.findall(r"^  ([a-z-]+) ", resil.resctl("--help").out.decode(), re.MULTILINE)


@pytest.fixture
def live(resil, hold, dead):
    resil.config(f"[destination backend]\nmatch = {HOST}:{hold.port}\n[destination broken]\nmatch = {HOST}:{dead.port}\n"
                 "breaker.failures = 1\n[destination idle]\nmatch = 192.0.2.1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("a = connect()") == "ok" and puppet.do(f"connect({dead.port})") == "ECONNREFUSED"
    return puppet


def test_commands(resil):
    assert words(resil, "resctl ") == commands(resil) and len(commands(resil)) > 20
    assert words(resil, "resctl st") == [name for name in commands(resil) if name.startswith("st")]
    assert words(resil, "resctl --v") == ["--version"] and words(resil, "resctl nothing ") == []


def test_every_option_of_every_command(resil):
    for name in commands(resil):
        shown = re.findall(r"^  (?:-.,|   ) (--[a-z-]+)", resil.resctl(name, "--help").out.decode(), re.MULTILINE)
        assert words(resil, f"resctl {name} -") == shown and "--help" in shown, name


def test_destinations_of_the_live_segment(resil, live, hold):
    assert words(resil, "resctl status ") == ["backend", "broken", "idle"]
    assert words(resil, "resctl status --json b") == ["backend", "broken"]
    assert words(resil, "resctl conns x") == [] and words(resil, "resctl status backend ") == []
    assert words(resil, "resctl reset backend/") == [f"backend/{HOST}:{hold.port}"]
    assert words(resil, "resctl set id") == ["idle"]
    assert words(resil, f"resctl status --segment {resil.segment} id", env={"RESIL_SEGMENT": None}) == ["idle"]
    line = resil.resctl("completion", "words", "--", "resctl", "status", "br").out.decode()
    assert line == "broken\topen\n"
    assert words(resil, "resctl status --pid ") == [str(live.pid)]


def test_destinations_of_the_file_where_there_is_no_segment(resil):
    resil.config("[destination one]\nmatch = *\n[destination two]\nmatch = *:1\n")
    assert words(resil, "resctl simulate --destination t") == ["two"]
    assert resil.resctl("completion", "words", "--", "resctl", "status", "t").out == b"two\t\n"


def test_keys_and_words(resil):
    assert words(resil, "resctl simulate --set ") == [name + "=" for name in key_names()]
    assert words(resil, "resctl simulate --set mode=") == ["mode=enforce", "mode=observe", "mode=off"]
    assert words(resil, "resctl simulate --set=mode=o") == ["--set=mode=observe", "--set=mode=off"]
    assert words(resil, "resctl simulate -s breaker.halfopen=") == ["breaker.halfopen=strict", "breaker.halfopen=ratio"]
    assert words(resil, "resctl set any order=b") == ["order=breaker-outside-retry", "order=bulkhead-outside"]
    assert words(resil, "resctl set any order=standard retry.j") == ["retry.jitter="]
    assert words(resil, "resctl top --sort r") == ["rate", "rejected"]


def test_words_of_a_command(resil, live):
    assert words(resil, "resctl chaos ") == ["set", "list", "clear"]
    assert words(resil, "resctl chaos clear b") == ["backend", "broken"]
    assert "latency" in words(resil, "resctl chaos set backend ")
    assert words(resil, "resctl completion ") == ["bash", "zsh"]


def test_what_the_shell_knows_better(resil):
    assert words(resil, "resctl check ") == words(resil, "resctl run -c ") == words(resil, "resctl run -- ls ") == [":files"]
    assert words(resil, "resctl run -- l") == words(resil, "resctl run --observe ") == [":commands"]
    assert words(resil, "resctl explain ") == []


def test_hostile_names_are_no_candidates(resil, live):
    resil.remember_semaphores()
    with open(resil.segment, "r+b") as file:
        data = file.read()
        for at in [match.start() for match in re.finditer(b"backend\0", data)]:
            file.seek(at)
            file.write(b"ba$(x)\t")
    assert all(re.fullmatch(r"[a-z]+", word) for word in words(resil, "resctl status "))


def bash(resil, line):
    """What COMPREPLY holds behind the line."""
    script = ('eval "$(resctl completion bash)"; COMP_LINE=$1; COMP_POINT=${#1}; complete -p resctl >/dev/null && _resctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    result = resil.run(["bash", "-c", script, "bash", line], preload=False,
                       env={"PATH": os.path.dirname(helper.RESCTL) + ":/usr/bin:/bin"})
    assert (result.status, result.err) == (0, b""), result
    return result.out.decode().split()


def test_bash(resil, live, hold):
    assert bash(resil, "resctl sta") == ["status"]
    assert bash(resil, "resctl status b") == ["backend", "broken"]
    # bash has cut at ':' and '=', and replaces what stands behind.
    assert bash(resil, "resctl simulate --set mode=o") == ["observe", "off"]
    assert bash(resil, f"resctl reset backend/{HOST}:") == [str(hold.port)]
    assert bash(resil, "resctl reset backend/") == [f"backend/{HOST}:{hold.port}"]
    assert "ls" in bash(resil, "resctl run -- l") and bash(resil, "resctl nothing ") == []


def test_bash_at_a_prompt(resil, live):
    env = resil.env(preload=False, extra={"PATH": os.path.dirname(helper.RESCTL) + ":/usr/bin:/bin", "TERM": "xterm", "PS1": "> "})
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], env)
    try:
        shell.find(">")
        shell.type('eval "$(resctl completion bash)"; bind "set enable-bracketed-paste off"; clear\r')
        shell.see(lambda lines: lines[0].endswith(">") and not any(lines[1:]), "a prompt")
        shell.type("resctl stat\tbro\t--js\t")
        shell.find("> resctl status broken --json")
        shell.type("\x15resctl simulate --set mode=en\t")
        shell.find("resctl simulate --set mode=enforce")
        shell.type("\x15exit\r")
        shell.ended()
    finally:
        shell.close()


def test_zsh_at_a_prompt(resil, live):
    rc = ("PS1='> '; unsetopt PROMPT_SP; autoload -U compinit; compinit -u -D; source <(resctl completion zsh); "
          "bindkey -e; clear")
    resil.file(".zshrc", rc)
    env = resil.env(preload=False, extra={"PATH": os.path.dirname(helper.RESCTL) + ":/usr/bin:/bin", "TERM": "xterm",
                                          "ZDOTDIR": resil.dir})
    shell = Terminal(["zsh", "-d", "-i"], env)
    try:
        shell.see(lambda lines: lines[0].endswith(">") and not any(lines[1:]), "a prompt", 20)
        shell.type("resctl stat\tbro\t--js\t")
        shell.find("> resctl status broken --json", 20)
        shell.type("\x15resctl simulate --set mode=en\t")
        shell.find("> resctl simulate --set mode=enforce", 20)
        shell.type("\x15exit\r")
        shell.ended()
    finally:
        shell.close()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_is_whole(resil, shell):
    script = resil.resctl("completion", shell).out.decode()
    path = resil.file("script", script)
    assert resil.run([shell, "-n", path], preload=False).status == 0 and "resctl" in script


@pytest.mark.parametrize("args", [[], ["fish"], ["bash", "zsh"], ["--json"]])
def test_bad_arguments(resil, args):
    result = resil.resctl("completion", *args)
    assert result.status == 2 and result.err and not result.out
