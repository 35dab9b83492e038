# SPDX-License-Identifier: MIT
"""What no compiler checks: the order of the rooms, the tables, unfinished places, the length of files, the format, and how
old a libc may be.
Prints each offence as FILE:LINE: TEXT and exits 1 when there is one."""

import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
LONGEST = 500
OLDEST_LIBC = (2, 17)

# Each room may include those named beside it, and itself.
BELOW = {
    "src/tables": (),
    "src/real": ("src/tables",),
    "src/base": ("src/tables",),
}
BELOW["src/policy"] = ("src/tables", "src/real", "src/base")
BELOW["src/config"] = (*BELOW["src/policy"], "src/policy")
BELOW["src/segment"] = (*BELOW["src/config"], "src/config")
BELOW["src/conn"] = (*BELOW["src/segment"], "src/segment")
BELOW["src/hooks"] = (*BELOW["src/conn"], "src/conn")
BELOW["tools"] = (*BELOW["src/segment"], "src/segment")

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
offences = []


def offend(path, line, text):
    offences.append(f"{os.path.relpath(path, TOP)}:{line}: {text}")


def files(*tops, ends=(".c", ".h")):
    for top in tops:
        for folder, _, names in sorted(os.walk(os.path.join(TOP, top))):
            if "__pycache__" not in folder:
                yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(ends))


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def room_of(path):
    relative = os.path.relpath(path, TOP)
    fitting = [room for room in BELOW if relative.startswith(room + os.sep)]
    return max(fitting, key=len, default=None)


def check_rooms():
    for path in files("src", "tools"):
        room = room_of(path)
        if room is None:
            offend(path, 1, "stands in no known room")
            continue
        for number, line in enumerate(lines_of(path), 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            beside = os.path.normpath(os.path.join(os.path.dirname(path), found[1]))
            target = beside if os.path.exists(beside) else os.path.join(TOP, "src", found[1])
            other = room_of(target)
            if not os.path.exists(target):
                offend(path, number, f"includes {found[1]}, which does not exist")
            elif other != room and other not in BELOW[room]:
                offend(path, number, f"{room} includes {found[1]}: that is a higher floor")


def check_tables():
    for path in files("src", "tools", ends=(".tbl.h",)):
        lines = lines_of(path)
        rows = [line for line in lines if re.match(r"[A-Z]+\(", line)]
        macro = rows[0].split("(")[0] if rows else "?"
        if not rows:
            offend(path, 1, "a table without rows")
        elif lines[-1] != f"#undef {macro}":
            offend(path, len(lines), f"a table ends with #undef {macro}")


def check_texts():
    for path in files("src", "tools"):
        lines = lines_of(path)
        if len(lines) > LONGEST:
            offend(path, len(lines), f"{len(lines)} lines, {LONGEST} are the limit")
        if "SPDX-License-Identifier: MIT" not in lines[0]:
            offend(path, 1, "no licence in the first line")
        for number, line in enumerate(lines, 1):
            if re.search(r"\bdlv?sym\s*\(", line) and room_of(path) != "src/real":
                offend(path, number, "dlsym outside src/real")
    for path in files("src", "tools", "config", "tests", ends=(".c", ".h", ".py", ".conf", ".js", ".pl", ".sh")):
        for number, line in enumerate(lines_of(path), 1):
            if UNFINISHED.search(line):
                offend(path, number, "unfinished place")


def check_format():
    """The rules of .clang-format mean something else in other versions of the program."""
    tool = next((name for name in ("clang-format-14", "clang-format") if shutil.which(name)), None)
    if not tool:
        return "not checked, no clang-format"
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    if not re.search(r"version 14\.", version):
        return f"not checked, {version.strip()} is not version 14"
    sources = [path for path in files("src", "tools") if not path.endswith(".tbl.h")]
    result = subprocess.run([tool, "--dry-run", "-Werror", *sources], capture_output=True, text=True, cwd=TOP)
    for line in result.stderr.splitlines():
        found = re.match(r"(.*?):(\d+):\d+: error: (.*)", line)
        if found:
            offend(os.path.join(TOP, found[1]), found[2], "not as clang-format 14 writes it")
    return "checked"


def check_needs():
    """The versions of libc's symbols that the libraries which have been built ask for."""
    needed = set()
    for library in (os.path.join(BUILD, "libresil.so"), os.path.join(BUILD, "32", "libresil.so")):
        if os.path.exists(library):
            table = subprocess.run(["readelf", "-W", "--dyn-syms", library], capture_output=True, text=True, check=True).stdout
            for name, version in set(re.findall(r" UND (\w+)@GLIBC_([\d.]+)", table)):
                numbers = tuple(map(int, version.split(".")))
                needed.add(numbers)
                if numbers > OLDEST_LIBC:
                    offend(library, 1, f"{name} is of GLIBC_{version}")
    return ".".join(map(str, max(needed))) if needed else "nothing"


def main():
    check_rooms()
    check_tables()
    check_texts()
    needs = check_needs()
    form = check_format()
    unique = list(dict.fromkeys(offences))
    for offence in unique:
        print(offence)
    print(f"lint: {len(unique)} offences; format {form}; needs GLIBC_{needs}")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
