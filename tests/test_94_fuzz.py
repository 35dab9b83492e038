# SPDX-License-Identifier: MIT
"""Goal: no input that a harness of tests/fuzz ever took exception to does so again. The harnesses are compiled with a
main() of their own; `make fuzz` and `make asan` run the same inputs under the sanitizers."""

import glob
import os
import shlex
import subprocess

import pytest

import fuzz
from helper import BUILD, TESTS, TOP

ROOMS = ("src/real", "src/base", "src/segment", "src/policy", "src/config", "tools")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def everything(folder):
    """An archive of all that resctl has, without its main()."""
    archive = str(folder / "everything.a")
    objects = [path for room in ROOMS for path in glob.glob(os.path.join(BUILD, room, "**", "*.o"), recursive=True)
               if not path.endswith("tools/resctl.o")]
    subprocess.run(["ar", "rcs", archive, *objects], check=True)
    return archive


@pytest.mark.parametrize("name", fuzz.HARNESSES)
def test_every_known_input(folder, everything, name):
    harness, source = str(folder / name), os.path.join(TESTS, "fuzz", name + ".c")
    with open(source, encoding="utf-8") as file:
        assert len(file.readlines()) < 70, "a harness is short"
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-std=c11", "-D_GNU_SOURCE", "-DRESIL_VERSION=\"\"", "-O1",
                    f"-I{TOP}", f"-I{TOP}/src", "-o", harness, source, os.path.join(TESTS, "fuzz", "replay", "main.c"),
                    everything, "-lpthread"], check=True, timeout=60)
    ok, said = fuzz.replay(str(folder), name)
    assert ok, said
    inputs = len(os.listdir(fuzz.corpus(name)))
    assert inputs > 0 and said == f"ok {inputs} runs"
