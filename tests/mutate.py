# SPDX-License-Identifier: MIT
"""Changes one operator or constant of src/policy at a time and looks whether a test notices: first the unit test that
is nearest, then all of them, then the scenarios of `resctl simulate` and the reference model. N=40 mutants, drawn by
SEED=1. A survivor gets a test, or a line in EXPLAINED that says why nobody can notice. Exits 1 when one has neither."""

import concurrent.futures
import glob
import os
import random
import re
import shlex
import shutil
import subprocess
import sys

from helper import BUILD, TESTS, TOP

SCRATCH = os.path.join(TOP, "build", "mutants")
# Begins with an operator between blanks, so that no pointer, comment or include is taken for one.
OPERATORS = [
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r" \+ ", " - "), (r" - ", " + "), (r" / ", " * "), (r" % ", " / "),
    (r" \+= ", " -= "), (r" << ", " >> "), (r" & ", " | "),
    (r"\bif \((?!!)([^()]+)\)$", r"if (!(\1))"), (r"\breturn (true|false);", None), (r"(?<![\w.])([1-9]\d{0,5})(?![\w.])", None),
]
UNITS = {"adaptive": "adaptive", "balance": "balance", "balance_order": "balance", "replay": "replay", "sniff": "sniff",
         "sniff_http": "sniff", "timeout": "timeout"}

# (file, the line as it is, what it becomes): why no test can see it.
EXPLAINED = {
}


def replacement(pattern, text, found):
    if text is not None:
        return found.expand(text)
    if found[0].startswith("return"):
        return "return false;" if found[1] == "true" else "return true;"
    return str(int(found[1]) + 1)


def mutants_of(path):
    """(file, line number, line, changed line): every change of one place."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    in_comment = False
    for number, line in enumerate(lines):
        code = line.strip()
        in_comment |= code.startswith("/*")
        skipped = in_comment or code.startswith(("#", "//", "_Static_assert", "static const char"))
        in_comment &= "*/" not in code
        if skipped:
            continue
        end = line.find("/*") if "/*" in line else len(line)
        for pattern, text in OPERATORS:
            for found in re.finditer(pattern, line[:end]):
                changed = line[:found.start()] + replacement(pattern, text, found) + line[found.end():]
                yield os.path.basename(path), number, code, changed


def run(command, seconds=120, env=None):
    try:
        return subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                              env={**os.environ, **(env or {})}).returncode
    except subprocess.TimeoutExpired:
        return -1


def flags():
    with open(os.path.join(BUILD, "flags"), encoding="utf-8") as file:
        return [word for word in shlex.split(file.read()) if word not in ("-MMD", "-MP")]


def objects(folder):
    rooms = ("real", "base", "segment", "policy", "config")
    return [path for room in rooms for path in glob.glob(os.path.join(folder, "src", room, "*.o"))]


def prepare(mutant, folder):
    """A build of its own with this one object changed; False when it does not compile."""
    name, number, _, changed = mutant
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("src", "tools"):
        shutil.copytree(os.path.join(BUILD, part), os.path.join(folder, part), copy_function=os.link)
    for part in ("resctl", "libresil.so"):
        os.link(os.path.join(BUILD, part), os.path.join(folder, part))
    with open(os.path.join(TOP, "src", "policy", name), encoding="utf-8") as file:
        lines = file.read().splitlines()
    lines[number] = changed
    source, target = os.path.join(folder, name), os.path.join(folder, "src", "policy", name[:-2] + ".o")
    with open(source, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.unlink(target)
    return run([*flags(), "-w", "-Isrc/policy", "-c", "-o", target, source]) == 0


def unit_kills(folder, name):
    program = os.path.join(folder, "unit-" + name)
    if run([*flags(), "-w", "-I.", "-pthread", "-o", program, os.path.join(TESTS, "unit", f"test_{name}.c"),
            *objects(folder)]) != 0:
        return True
    return run([program], 60) != 0


def killed_by(mutant, folder):
    """Who notices, or None."""
    near = UNITS.get(mutant[0][:-2], "policy")
    for name in dict.fromkeys((near, "policy")):
        if unit_kills(folder, name):
            return f"unit test_{name}"
    tools = glob.glob(os.path.join(folder, "tools", "**", "*.o"), recursive=True)
    os.unlink(os.path.join(folder, "resctl"))
    if run([*flags(), "-o", os.path.join(folder, "resctl"), *tools, *objects(folder)]) != 0:
        return "the linker"
    for test in ("test_90_simulate.py", "test_91_model.py", "test_92_adaptive.py", "test_92_budget.py"):
        if run(["/usr/bin/python3", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", os.path.join(TESTS, test)], 180,
               {"RESIL_BUILD": folder, "MODEL_EVENTS": "100000"}) != 0:
            return test
    return None


def judge(job):
    place, mutant = job
    folder = os.path.join(SCRATCH, str(place))
    try:
        if not prepare(mutant, folder):
            return mutant, "does not compile"
        return mutant, killed_by(mutant, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    count, seed = int(os.environ.get("N", 40)), int(os.environ.get("SEED", 1))
    everything = [mutant for path in sorted(glob.glob(os.path.join(TOP, "src", "policy", "*.c"))) for mutant in mutants_of(path)]
    drawn = random.Random(seed).sample(everything, min(count, len(everything)))
    killed = explained = survived = invalid = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for (name, number, line, changed), by in pool.map(judge, enumerate(drawn)):
            why = EXPLAINED.get((name, line, changed.strip()))
            if by == "does not compile":
                invalid += 1
            elif by:
                killed += 1
            elif why:
                explained += 1
            else:
                survived += 1
            if by != "does not compile":
                print(f"{name}:{number + 1}: {line}  ->  {changed.strip()}\n    "
                      f"{'killed by ' + by if by else 'explained: ' + why if why else 'SURVIVED'}", flush=True)
    print(f"mutate: of {len(everything)} possible, {len(drawn)} drawn (seed {seed}): {killed} killed, {explained} explained, "
          f"{survived} survived, {invalid} do not compile")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
