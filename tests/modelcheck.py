# SPDX-License-Identifier: MIT
"""Goes through every state of the models of tests/model with Spin, and shows that each model bites: every BROKEN_x
variant, in which one step of the protocol is left out, must be refused. Prints the states of each run; exits 1 when a
model has an error, a variant has none, or a search was cut short."""

import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time

from helper import TESTS

# model, its definitions; then each variant with the definitions that it needs beside its own
MODELS = [
    ("ledger", ["CRASHES=2"]),
    ("ledger", ["QUEUE", "CRASHES=1"]),
    ("lease", []),
    ("publish", []),
    ("create", []),
    ("deadline", []),
]
VARIANTS = [
    ("ledger", ["CRASHES=1", "BROKEN_HELP"]), ("ledger", ["CRASHES=1", "BROKEN_TAG"]),
    ("ledger", ["CRASHES=1", "BROKEN_REAP"]), ("ledger", ["CRASHES=1", "BROKEN_LIMIT"]),
    ("ledger", ["CRASHES=1", "QUEUE", "BROKEN_KEPT"]),
    ("lease", ["BROKEN_COUNT"]), ("lease", ["BROKEN_ORDER"]), ("lease", ["BROKEN_RECLAIM"]),
    ("publish", ["BROKEN_EARLY"]), ("publish", ["BROKEN_ONE_SLOT"]), ("publish", ["BROKEN_RECHECK"]),
    ("publish", ["BROKEN_DEAD"]),
    ("create", ["BROKEN_RENAME"]), ("create", ["BROKEN_REPLACE"]), ("create", ["BROKEN_MAGIC"]), ("create", ["BROKEN_LOCK"]),
    ("deadline", ["BROKEN_UNTOLD"]), ("deadline", ["BROKEN_NO_GUARD"]), ("deadline", ["BROKEN_UNNAMED"]),
]
SECONDS = 900  # a search that takes longer is a mistake in its model
MEMORY_MB = 3000


def search(job):
    """(model, definitions, verdict, states, seconds): verdict is "ok", "refused: ..." or what went wrong."""
    model, definitions = job
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="resil-model-") as folder:
        source = os.path.join(TESTS, "model", model + ".pml")
        subprocess.run(["spin", *(f"-D{word}" for word in definitions), "-a", source], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["gcc", "-O0", "-w", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"],
                       cwd=folder, check=True)
        try:
            said = subprocess.run(["./pan", "-m1000000"], cwd=folder, capture_output=True, text=True,
                                  timeout=SECONDS).stdout
        except subprocess.TimeoutExpired:
            said = ""
    states = re.search(r"([0-9.e+]+) states, stored", said)
    errors = re.search(r"errors: (\d+)", said)
    why = re.search(r"pan:1: (.*?)(?: \(at depth|$)", said, re.M)
    if not states or not errors or re.search(r"too small|out of memory|max search depth|resource", said):
        verdict = "search cut short"
    elif errors[1] == "0":
        verdict = "ok" if "Search not completed" not in said else "search cut short"
    else:
        verdict = "refused: " + (why[1] if why else "?")
    return model, definitions, verdict, int(float(states[1])) if states else 0, time.monotonic() - begun


def main():
    failed, total = 0, 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for (model, definitions, verdict, states, seconds), whole in zip(pool.map(search, MODELS + VARIANTS),
                                                                         [True] * len(MODELS) + [False] * len(VARIANTS)):
            good = verdict == "ok" if whole else verdict.startswith("refused")
            failed += not good
            total += states
            print(f"{model:<9} {' '.join(definitions):<28} {states:>10} states {seconds:>6.1f} s  {verdict[:70]}"
                  f"{'' if good else '  <-- WRONG'}", flush=True)
    print(f"model: {total} states explored, {len(MODELS)} models hold, {len(VARIANTS)} broken variants tried, {failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
