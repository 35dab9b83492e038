"""Faults for the programs that a pytest starts: copy this file beside your conftest.py.

    from resil_chaos import chaos            # conftest.py, or the test itself

    def test_orders_survive_a_slow_database(chaos):
        chaos("latency=2s@read 50%", seed=7)
        result = subprocess.run(["./orders", "--import", "file.csv"], timeout=30)
        assert result.returncode == 0
        assert chaos.injected() > 0          # it was really struck

The program is not changed and knows nothing: what is started in a test after chaos(SPEC) has the faults, and each test has a
segment of its own, so that tests run side by side. RESIL_LIBRARY and RESCTL name what is not installed in the usual place."""

import json
import os
import subprocess
import tempfile

import pytest

LIBRARY = os.environ.get("RESIL_LIBRARY", "/usr/local/$LIB/libresil.so")
RESCTL = os.environ.get("RESCTL", "resctl")


class Chaos:
    """chaos(SPEC): the faults for what is started from now on; chaos(""): none any more."""

    def __init__(self, monkeypatch, directory):
        self._set = monkeypatch.setenv
        self.segment = os.path.join(directory, "segment")
        self._set("RESIL_SEGMENT", self.segment)

    def __call__(self, spec, seed=None, rules=""):
        """rules: configuration in the language of resil.conf, lines parted by `;'; say `mode = enforce' where policies are to act."""
        checked = subprocess.run([RESCTL, "run", "--chaos", spec, "--", "true"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr  # a mistyped fault must not pass for a test that went well
        self._set("RESIL_CHAOS", spec)
        self._set("RESIL_CHAOS_SEED", str(seed) if seed is not None else "1")
        if rules:
            self._set("RESIL_RULES", rules)
        self._set("LD_PRELOAD", LIBRARY)
        return self

    def status(self):
        """What `resctl status --json' shows of the programs that were started."""
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        shown = subprocess.run([RESCTL, "status", "--json"], capture_output=True, text=True, env=environment, check=True)
        return json.loads(shown.stdout)

    def injected(self):
        """How many faults have taken effect."""
        rows = [row for row in self.status()["destinations"] if row["endpoint"] == "*"]
        return sum(row["counters"]["chaos_injected"] for row in rows)


@pytest.fixture
def chaos(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Chaos(monkeypatch, directory)
        monkeypatch.delenv("LD_PRELOAD", raising=False)
        subprocess.run([RESCTL, "gc", "--remove"], capture_output=True, check=False)
