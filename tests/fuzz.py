# SPDX-License-Identifier: MIT
"""Runs the harnesses of tests/fuzz: `replay` sends every input of tests/fuzz/corpus through its harness once, `run`
lets libFuzzer look for new ones. What `run` finds stays in the build directory; an input that once crashed belongs into
tests/fuzz/corpus, so that `replay` never lets it crash again."""

import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

from helper import TESTS, TOP, key_names

HARNESSES = sorted(os.path.basename(path)[:-2] for path in glob.glob(os.path.join(TESTS, "fuzz", "*.c")))
ENV = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"}
WORDS = ("[destination x]", "[defaults]", "[preset x]", "match = ", "include = ", "preset = ", "endpoints = ", "weight=",
         "backup", "app=", "uid=", "unix:/", "unix:@", "auto(p99 x3, 50ms..5s)", "refuse", "error=", "latency=", "reset=",
         "ECONNRESET", "@read", "@connect", "count=", "after=", "200ms", "50%", "10/s", "64KB", "exponential", "full",
         "begin", "call", "end", "kill", "force", "set", "show", "fail", "timeout", "ignore", "priority=", "HTTP/1.1 ",
         "Retry-After: ", "-LOADING ", "53300", "421 ", "SERVER_ERROR ")


def corpus(name):
    return os.path.join(TESTS, "fuzz", "corpus", name)


def replay(folder, name):
    """(ok, what it said)."""
    result = subprocess.run([os.path.join(folder, name), corpus(name)], capture_output=True, text=True, timeout=120,
                            env=ENV, errors="replace")
    lines = result.stderr.splitlines() or [""]
    ok = result.returncode == 0 and re.fullmatch(r"ok \d+ runs", lines[-1])
    return bool(ok), lines[-1] if ok else f"ended with {result.returncode}:\n" + "\n".join(lines[-40:])


def fuzz(folder, name, seconds):
    grown = os.path.join(folder, "corpus", name)
    words = os.path.join(folder, "words.dict")
    os.makedirs(grown, exist_ok=True)
    command = [os.path.join(folder, name), f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4096", "-seed=0",
               "-max_len=4096", f"-dict={words}", f"-artifact_prefix={folder}/crash-{name}-", "-print_final_stats=1",
               "-use_value_profile=1", grown, corpus(name)]
    result = subprocess.run(command, capture_output=True, text=True, env=ENV, errors="replace", timeout=seconds + 120)
    return result.returncode == 0, result.stderr


def run(folder, seconds):
    workers = os.cpu_count() or 1
    each = max(1, seconds * workers // len(HARNESSES))
    with open(os.path.join(folder, "words.dict"), "w", encoding="utf-8") as file:
        file.writelines(f'"{word}"\n' for word in (*WORDS, *(f"{key} = " for key in key_names())))
    failed = 0
    print(f"{'harness':<16} {'executions':>11} {'features':>9} {'edges':>7}")
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        results = dict(zip(HARNESSES, pool.map(lambda name: fuzz(folder, name, each), HARNESSES)))
    total = 0
    for name, (ok, said) in results.items():
        progress = re.findall(r"cov: (\d+) ft: (\d+)", said)
        edges, features = progress[-1] if progress else ("?", "?")
        done = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said) or re.findall(r"^#(\d+)", said, re.M) or ["0"]
        total += int(done[-1])
        print(f"{name:<16} {int(done[-1]):>11} {features:>9} {edges:>7}{'' if ok else '  FAILED'}")
        if not ok:
            failed += 1
            crash = re.search(r"Test unit written to (\S+)", said)
            print(said[-6000:])
            print(f"reproduce: {os.path.join(folder, name)} {crash[1] if crash else '(no input was written)'}")
    print(f"fuzz: {total} executions, {failed} of {len(HARNESSES)} harnesses failed")
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=("replay", "run"))
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    folder = os.path.join(TOP, options.folder)
    if options.action == "run":
        return 1 if run(folder, options.seconds) else 0
    failed = 0
    for name in HARNESSES:
        ok, said = replay(folder, name)
        failed += not ok
        print(f"{name:<16} {said}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
