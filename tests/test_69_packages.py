# SPDX-License-Identifier: MIT
"""Goal: the Debian packages hold what an installation needs, say what they need, find each other's files where they are
unpacked, and are the same whenever they are made of the same build. `make deb` asks lintian, where it is installed."""

import hashlib
import os
import re
import subprocess

import pytest

import helper
from helper import TOP
from servers import HOST

PAGES = ("resctl.1", "resil.conf.5", "libresil.7", "_resctl", "resctl.bash")


def make(folder):
    """The packages of this build: {name: path}."""
    result = subprocess.run(["sh", os.path.join(TOP, "config", "debian", "package"), helper.BUILD, str(folder)], capture_output=True,
                            check=False, timeout=120)
    assert result.returncode == 0, result.stderr.decode()
    return {os.path.basename(path).split("_")[0]: path for path in result.stdout.decode().split()}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    if not all(os.path.exists(os.path.join(helper.BUILD, "man", page)) for page in PAGES):
        subprocess.run(["make", "-s", "-C", TOP, f"B={helper.BUILD}", "man"], check=True, timeout=120)
    return make(tmp_path_factory.mktemp("deb"))


def field(path, name):
    return subprocess.run(["dpkg-deb", "-f", path, name], capture_output=True, check=True, timeout=20).stdout.decode().strip()


def test_fields(packages):
    with open(os.path.join(TOP, "src", "version"), encoding="utf-8") as file:
        version = file.read().strip()
    assert set(packages) == {"libresil", "resil"}
    assert all(field(path, "Version") == version for path in packages.values())
    assert field(packages["libresil"], "Multi-Arch") == "same"
    needed = [int(number) for number in re.fullmatch(r"libc6 \(>= (\d+)\.(\d+)\)", field(packages["libresil"], "Depends")).groups()]
    assert needed <= [2, 17]
    assert f"libresil (= {version})" in field(packages["resil"], "Depends")


def test_unpacked_it_works(resil, packages, hold):
    root = os.path.join(resil.dir, "root")
    for path in packages.values():
        subprocess.run(["dpkg-deb", "-x", path, root], check=True, timeout=60)
    resctl = os.path.join(root, "usr", "bin", "resctl")
    path = resil.config(f"[destination a]\nmatch = {HOST}:{hold.port}\n")
    result = resil.run([resctl, "run", "-c", path, "--", helper.PYTHON, helper.program("connect_many.py"), HOST, str(hold.port), "1"],
                       preload=False)
    maps = resil.run([resctl, "run", "-c", path, "--", "/bin/cat", "/proc/self/maps"], preload=False).out.decode()
    assert re.search(rf"{re.escape(os.path.realpath(root))}/usr/lib/\S+/libresil\.so", maps), (result, maps)
    for file in ("share/man/man1/resctl.1.gz", "share/man/man5/resil.conf.5.gz", "share/man/man7/libresil.7.gz",
                 "share/bash-completion/completions/resctl", "share/zsh/vendor-completions/_resctl",
                 "share/doc/resil/examples/prometheus/RUNBOOKS.md", "share/doc/resil/examples/conf/api.conf",
                 "share/doc/libresil/copyright"):
        assert os.path.getsize(os.path.join(root, "usr", file)) > 0, file
    with open(os.path.join(root, "usr", "share", "doc", "libresil", "copyright"), encoding="utf-8") as file:
        assert "WITHOUT WARRANTY OF ANY KIND" in file.read()


def test_reproducible(packages, tmp_path):
    again = make(tmp_path)
    digests = [{name: hashlib.sha256(open(path, "rb").read()).hexdigest() for name, path in one.items()} for one in (packages, again)]
    assert digests[0] == digests[1]
