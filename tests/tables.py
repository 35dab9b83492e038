"""Reads the project's tables (src/tables/*.tbl.h), and keeps the lists in README.md equal to them.

`tables.py` prints what is out of date and exits 1; `tables.py --write` rewrites the marked blocks.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def rows(table, macro):
    """The rows of a table as lists of strings: quoted arguments without their quotes, others as they are."""
    text = (ROOT / "src/tables" / f"{table}.tbl.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = []
    for match in re.finditer(rf"^{macro}\((.*?)\)$", text, flags=re.S | re.M):
        arguments = re.findall(r'(?:"(?:[^"\\]|\\.)*"\s*)+|[^,"]+', match.group(1))
        arguments = [argument.strip() for argument in arguments if argument.strip()]
        found.append(
            ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', a)) if a.startswith('"') else a for a in arguments]
        )
    return found


def keys_block():
    lines = ["| key | default | legal | meaning |", "|---|---|---|---|"]
    for _, name, kind, default, low, high, words, text in rows("keys", "KEY"):
        if kind == "WORD":
            legal = ", ".join(f"`{word}`" for word in words.split())
        elif kind == "SET":
            legal = "any of " + ", ".join(f"`{word}`" for word in words.split())
        elif kind in ("TEXT", "JITTER", "BUDGET"):
            legal = {"TEXT": "text", "JITTER": "`off` `full` `equal` `decorrelated` `20%` `+100ms` `+100%` `x0.5..1.5`",
                     "BUDGET": "share, rate, time; `off`"}[kind]
        else:
            legal = f"`{low}` to `{high}`" + (", `off`" if words == "off" else "")
            legal += ", `auto(...)`" if kind == "TIMEOUT" else ""
        shown = f"`{default}`" if default else "none"
        lines.append(f"| `{name}` | {shown} | {legal} | {text} |")
    return lines


def counters_block():
    lines = ["| counter | meaning |", "|---|---|"]
    return lines + [f"| `{name}` | {text} |" for name, _, text in rows("counters", "COUNTER")]


def symbols_block():
    families = {}
    for name, family, _ in rows("symbols", "SYMBOL"):
        families.setdefault(family, []).append(f"`{name}`")
    return [f"- {family}: {' '.join(names)}" for family, names in families.items()]


def commands_block():
    text = (ROOT / "tools/commands.tbl.h").read_text()
    lines = ["| command | does |", "|---|---|"]
    for row in re.findall(r"^COMMAND\((.*?)\)$", text, flags=re.S | re.M):
        name, synopsis, does = re.match(r'"(.*?)", \w+, "(.*?)",\s*"(.*?)"$', row, flags=re.S).groups()
        call = f"resctl {name} {synopsis}".strip().replace("|", "or")
        lines.append(f"| `{call}` | {does} |")
    return lines


BLOCKS = {"keys": keys_block, "counters": counters_block, "symbols": symbols_block, "commands": commands_block}


def rewritten(text):
    for name, block in BLOCKS.items():
        begin, end = f"<!-- {name}: kept by tests/tables.py -->\n", f"<!-- end of {name} -->"
        head, rest = text.split(begin)
        _, tail = rest.split(end)
        text = head + begin + "\n".join(block()) + "\n" + end + tail
    return text


def main():
    path = ROOT / "README.md"
    old = path.read_text()
    new = rewritten(old)
    if "--write" in sys.argv[1:]:
        path.write_text(new)
    elif new != old:
        print("README.md: a list differs from its table; run tests/tables.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
