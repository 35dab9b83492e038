# SPDX-License-Identifier: MIT
"""Goal: what the tables list is what the library exports, what the reference file explains and what the README names."""

import os
import re

from helper import LIBRARY, TOP, key_names, table_rows


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
                 "RESIL_LOG")
    assert [variable for variable in variables if variable not in text] == []
