# SPDX-License-Identifier: MIT
"""Goal: what the tables list is what the library exports, what the reference file explains and what the README names."""

import os
import re

import pytest

import tables
from helper import LIBRARY, RESCTL, TOP, key_names, table_rows


def read(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as file:
        return file.read()


def test_exported_symbols(resil):
    result = resil.run(["nm", "-D", "--defined-only", LIBRARY], preload=False)
    exported = sorted(line.split()[-1] for line in result.out.decode().splitlines())
    assert exported == sorted(table_rows("symbols.tbl.h", "SYMBOL"))


def test_needs_nothing_but_glibc(resil):
    result = resil.run(["readelf", "-d", LIBRARY], preload=False)
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", result.out.decode()))
    assert needed <= {"libc.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}


def test_every_key_is_explained(resil):
    text = read("config", "resil.conf")
    missing = [key for key in key_names() if not re.search(rf"^#?\s*{re.escape(key)} =", text, re.MULTILINE)]
    assert missing == []


def test_readme_names_every_subcommand(resil):
    listed = re.findall(r"^  ([a-z-]+) ", resil.resctl("--help").out.decode(), re.MULTILINE)
    text = read("README.md")
    assert listed and [command for command in listed if f"resctl {command}" not in text] == []


def test_readme_names_every_variable(resil):
    text = read("README.md")
    variables = ("RESIL_CONFIG", "RESIL_RULES", "RESIL_SEGMENT", "RESIL_CHAOS", "RESIL_CHAOS_SEED", "RESIL_DISABLE",
                 "RESIL_LOG", "RESIL_PRIORITY")
    assert [variable for variable in variables if variable not in text] == []


def test_lists_of_the_readme(resil):
    """Keys, counters, commands, symbols, and the offsets of the segment, as tests/tables.py writes them."""
    text = read("README.md")
    assert tables.rewritten(text) == text


def test_links_of_the_readme(resil):
    """Each leads to a heading, as GitHub makes anchors of them."""
    text = re.sub(r"^```.*?^```$", "", read("README.md"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert links and [link for link in links if anchors.count(link) != 1] == []


def test_names_of_the_readme(resil):
    """Whatever is spelled like a key of a destination is one; whatever file of ours is named is there."""
    text = read("README.md")
    families = "|".join({re.escape(key.split(".")[0]) for key in key_names() if "." in key})
    spelled = set(re.findall(rf"`((?:{families})\.[a-z_.]*[a-z_])[` =]", text))
    files = {os.path.basename(path) for path in re.findall(r"`([\w/-]+\.conf)`", text)}
    assert spelled - set(key_names()) - files <= {"dns.resolve", "health.degraded_code"}
    paths = re.findall(r"`((?:config|src|tests|tools)/[\w./-]*\w)`", text)
    assert paths and [path for path in paths if not os.path.exists(os.path.join(TOP, path))] == []


README_EXAMPLES = re.findall(r"^```ini\n(.*?)^```$", read("README.md"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(README_EXAMPLES)))
def test_configuration_of_the_readme(resil, number):
    """Every example is accepted as it stands there, without a hint."""
    text = README_EXAMPLES[number]
    path = resil.file(f"{number}.conf", text if "[destination" in text else f"[destination a]\nmatch = a\n{text}")
    result = resil.resctl("check", path)
    assert result.status == 0 and b"hint" not in result.out, (text, result)


def test_scripts_of_the_readme(resil):
    """A command with `resctl simulate`, its script, and what it prints."""
    found = re.findall(r"^    \$ resctl simulate (.*?) <<END\n(.*?)^    END\n(.*?)^$", read("README.md"), re.DOTALL | re.MULTILINE)
    assert found
    for options, script, printed in found:
        result = resil.run(["/bin/sh", "-c", f"{RESCTL} simulate {options}"], preload=False,
                           stdin=script.replace("    ", "").encode())
        assert result.out.decode() == printed.replace("    ", ""), result
