# SPDX-License-Identifier: MIT
"""Goal: tests/distros says what it lacks before it does anything, and takes no bad call for a good one. What it checks takes
too long for here."""

import os
import shutil
import subprocess

import pytest

from helper import PYTHON, TESTS
from servers import HOST


@pytest.fixture
def distros(resil):
    """distros(*args, prefix=[]): the script, from a place that every user may read, in a build of its own."""
    os.chmod(resil.dir, 0o755)
    script = resil.file("distros", open(os.path.join(TESTS, "distros"), encoding="utf-8").read())
    build = os.path.join(resil.dir, "build")

    def run(*args, prefix=()):
        result = subprocess.run([*prefix, PYTHON, script, *args], capture_output=True, text=True, check=False, timeout=60, cwd="/",
                                env={"PATH": os.environ["PATH"], "RESIL_BUILD": build})
        return result.returncode, result.stdout, result.stderr

    run.build = build
    return run


@pytest.mark.parametrize("args, complaint", [
    (["--mirror"], "expected one argument"),
    (["--mirror", "nowhere"], "'nowhere' is no http:, https: or file: URL"),
    (["--nonsense"], "unrecognized arguments: --nonsense"),
    (["../trixie"], "'../trixie' is no name of a release"),
    ([""], "'' is no name of a release"),
])
def test_bad_call(distros, args, complaint):
    status, out, err = distros(*args)
    assert (status, out) == (2, "") and complaint in err and "usage:" in err
    assert not os.path.exists(distros.build)


def test_without_root(distros):
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    assert distros(prefix=prefix) == (77, "distros: skipped: needs root, for debootstrap and chroot\n", "")


def test_without_a_mirror(distros, dead):
    status, out, err = distros("--mirror", f"http://{HOST}:{dead.port}/debian", "trixie")
    assert (status, err) == (77, "")
    if os.geteuid() == 0 and shutil.which("debootstrap", path=os.environ["PATH"] + ":/usr/sbin"):
        assert "no mount namespace" in out or "trixie: skipped" in out and "refused" in out
        assert not os.path.exists(os.path.join(distros.build, "distros", "trixie"))
    else:
        assert "skipped: needs" in out
