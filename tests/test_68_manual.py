# SPDX-License-Identifier: MIT
"""Goal: the manual pages list what the tables and the program have, say it without an error of their language, and are
installed where man and the shells look."""

import os
import re
import subprocess

import pytest

import helper
import tables
from helper import TOP, key_names, table_rows

PAGES = ("resctl.1", "resil.conf.5", "libresil.7")


@pytest.fixture(scope="session")
def pages():
    """The source of each page, made if it is not there."""
    folder = os.path.join(helper.BUILD, "man")
    if not all(os.path.exists(os.path.join(folder, page)) for page in PAGES):
        subprocess.run(["make", "-s", "-C", TOP, f"B={helper.BUILD}", "man"], check=True, timeout=120)
    return {page: os.path.join(folder, page) for page in PAGES}


def shown(path):
    """What a reader sees, in one line without repeated blanks."""
    result = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200", path], capture_output=True, check=True, timeout=20)
    return re.sub(r"\s+", " ", re.sub(r".\x08", "", result.stdout.decode()))


def tags(path):
    with open(path, encoding="utf-8") as file:
        return [re.sub(r"\\&|\\(?=-)", "", line[4:].strip()) for line in file if line.startswith(".It ")]


@pytest.mark.parametrize("page", PAGES)
def test_without_errors(pages, page):
    result = subprocess.run(["mandoc", "-T", "lint", pages[page]], capture_output=True, timeout=20, check=False)
    complaints = [line for line in result.stdout.decode().splitlines() if "referenced manual not found" not in line]
    assert complaints == [] and "GENERATED" not in shown(pages[page])


def test_commands_and_their_options(resil, pages):
    found, text = tags(pages["resctl.1"]), shown(pages["resctl.1"])
    usage = resil.resctl("--help").out.decode()
    commands = re.findall(r"^  ([a-z-]+) +(.*)$", usage, re.MULTILINE)
    assert len(commands) > 20
    for name, what in commands:
        own = resil.resctl(name, "--help").out.decode()
        synopsis = own.splitlines()[0].removeprefix("usage: ")
        assert name in found and what in text and re.sub(r"\s+", " ", synopsis) in text, name
        for letter, option, argument in re.findall(r"^  (?:-(.), |    )--([a-z-]+) ?(\S*)", own, re.MULTILINE):
            if option != "help":
                assert any(re.fullmatch(rf"(-{letter}, )?--{option}( .*)?", tag) for tag in found), (name, option, argument)


def test_keys_of_the_configuration(pages):
    found, text = tags(pages["resil.conf.5"]), shown(pages["resil.conf.5"])
    rows = tables.rows("keys", "KEY") + tables.rows("check_keys", "CHECKKEY") + tables.rows("event_keys", "EVENTKEY")
    names = [row[1] for row in rows]
    assert [name for name in names if name not in found] == [] and set(key_names()) <= set(names)
    for _, name, kind, default, low, high, words, meaning in rows:
        assert re.sub(r"\s+", " ", meaning) in text, name
        assert not default or f"Default: {default}." in text, name
        assert kind != "WORD" or f"One of: {words}." in text, name
    assert all(fault in found for fault in re.findall(r'^FAULT\(\w+, "(\w+)"', open(
        os.path.join(TOP, "src", "tables", "faults.tbl.h"), encoding="utf-8").read(), re.MULTILINE))
    assert "chaos_denied" in text or "EVENT(CHAOS_DENIED" not in open(
        os.path.join(TOP, "src", "tables", "events.tbl.h"), encoding="utf-8").read()


def test_counters_and_symbols(pages):
    found, text = tags(pages["libresil.7"]), shown(pages["libresil.7"])
    assert [name for name in table_rows("counters.tbl.h", "COUNTER") if name not in found] == []
    assert [name for name in table_rows("symbols.tbl.h", "SYMBOL") if f" {name} " not in text] == []


def test_tables_of_resctl(pages):
    found = tags(pages["resctl.1"])
    for table, macro in (("hints", "HINT"), ("gaps", "GAP")):
        with open(os.path.join(TOP, "tools", f"{table}.tbl.h"), encoding="utf-8") as file:
            rows = re.findall(rf"^{macro}\((\w+),", file.read(), re.MULTILINE)
        assert rows and [row for row in rows if row not in found] == []


def test_variables(pages):
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| (`RESIL_.*?) \|", file.read(), re.MULTILINE)
    variables = [name for row in rows for name in re.findall(r"`(RESIL_[A-Z_]+)`", row)]
    assert len(variables) >= 8
    for page in PAGES:
        found = tags(pages[page])
        assert [name for name in variables if name not in found] == [], page


def test_installed(resil, pages):
    """The recipe's commands, without building anything."""
    result = subprocess.run(["make", "-n", "-C", TOP, f"B={helper.BUILD}", f"DESTDIR={resil.dir}/root", "PREFIX=/usr", "install"],
                            capture_output=True, check=True, timeout=60)
    recipe = result.stdout.decode()
    lines = [line for line in recipe.splitlines() if re.match(r"\s*(install|for page) ", line)]
    subprocess.run(["sh", "-ec", "\n".join(lines)], check=True, cwd=TOP, timeout=60)
    for path in ("share/man/man1/resctl.1", "share/man/man5/resil.conf.5", "share/man/man7/libresil.7",
                 "share/bash-completion/completions/resctl", "share/zsh/site-functions/_resctl", "bin/resctl"):
        assert os.path.getsize(os.path.join(resil.dir, "root", "usr", path)) > 0, path
