"""Reads the project's tables (src/tables/*.tbl.h, src/segment/layout.h), and keeps the lists in README.md equal to them.

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


def keys_block(table="keys", macro="KEY"):
    lines = ["| key | default | legal | meaning |", "|---|---|---|---|"]
    for _, name, kind, default, low, high, words, text in rows(table, macro):
        if kind == "WORD":
            legal = ", ".join(f"`{word}`" for word in words.split())
        elif words == "EVENT_WORDS":
            legal = "any of `none`, " + ", ".join(f"`{name}`" for _, name, _ in rows("events", "EVENT")[1:])
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


def hints_block():
    text = (ROOT / "tools/hints.tbl.h").read_text()
    lines = ["| hint | says |", "|---|---|"]
    return lines + [f"| `{name}` | {what} |" for name, what in re.findall(r'^HINT\((\w+), "(.*)"\)$', text, flags=re.M)]


def findings_block():
    text = (ROOT / "tools/gaps.tbl.h").read_text()
    lines = ["| finding | means |", "|---|---|"]
    return lines + [f"| `{name}` | {what} |" for name, what in re.findall(r'^GAP\((\w+), "(.*)"\)$', text, flags=re.M)]


LAYOUT = ROOT / "src/segment/layout.h"

# What a reader of another program needs of the first page: (field, length, what stands there).
HEADER = [
    ("magic", "8", "`RESILSEG`"),
    ("major", "4", "of the layout: readers refuse another one"),
    ("minor", "4", "grows when spare bytes get a meaning"),
    ("off", "4", "the kill switch; this offset is fixed for all versions"),
    ("off_until_ns", "8", "its end, 0 = until it is turned on; fixed, too"),
    ("total_bytes", "8", "the size of the file"),
    ("boot_id", "16", "of the boot it belongs to"),
    ("sem_id", "4", "SysV semaphore set: one unit for each live process, taken with SEM_UNDO; -1 = none"),
    ("generation", "8", "of the rules, 0 = none; the slot is generation % 2"),
    ("dropped", "8", "connections or rows that found their table full: passed through"),
    ("doubts", "8", "calls passed through because of an internal doubt"),
    ("region", "8 x 16", "offset: 8, record_bytes: 4, records: 4 of each region, in the order of the next table"),
    ("config_path", "512", "the configuration file, ended by NUL"),
    ("config_error", "1024", "why there are no rules, ended by NUL"),
    ("agent", "8", "the active agent: {its word in the registry: 32, tenths of a second when last renewed: 32}"),
    ("rings", "8", "io_uring_setup() calls that were let through"),
    ("rings_denied", "8", "likewise, refused"),
]
# (records, structure or bytes of a record, what, fields whose place in a record is told)
REGIONS = [
    ("SEG_DIRECTORY", "seg_counter", "names of the counters of a row", ["unit", "help"]),
    ("SEG_RULES_SLOTS", "SEG_RULES_BYTES", "compiled rules", []),
    ("SEG_ROWS", "seg_row", "destinations, endpoints, accounts",
     ["name", "label", "breaker", "counter", "connect", "response", "coverage"]),
    ("SEG_PROCESSES", "seg_process", "processes", ["pid", "program", "coverage"]),
    ("SEG_LEDGER", "seg_entry", "open connections", ["row", "endpoint", "pid"]),
    ("SEG_UNMATCHED", "seg_unmatched", "addresses that no destination matched", ["count", "label"]),
    ("SEG_EVENTS_LIFE", "seg_event", "events: state changes, loads, reclaims", ["kind", "name", "label"]),
    ("SEG_EVENTS_REFUSAL", "seg_event", "events: refusals and failures", []),
    ("SEG_LOOKUPS", "seg_lookup", "last good answers to lookups (not in the header's table)", ["count", "name", "addr"]),
]


def layout():
    """The offsets and sizes that layout.h asserts, and its constants."""
    text = LAYOUT.read_text()
    offsets = {(kind, field): int(at) for kind, field, at in re.findall(r"^AT\((\w+), (\w+), (\d+)\);", text, re.M)}
    sizes = {kind: int(size) for kind, size in re.findall(r"^SIZE\((\w+), (\d+)\);", text, re.M)}
    numbers = {}
    for name, value in re.findall(r"^ +(SEG_\w+) = ([\d <]+)", text, re.M):
        base, _, shift = value.partition("<<")
        numbers[name] = int(base) << int(shift or 0)
    return offsets, sizes, numbers


def segment_block():
    offsets, sizes, numbers = layout()
    lines = ["| offset | length | of the first page |", "|---|---|---|"]
    lines += [f"| {offsets['seg_header', field]} | {length} | `{field}`: {text} |" for field, length, text in HEADER]
    lines += ["", "| offset | records x bytes | region, and the offsets of some fields in a record |", "|---|---|---|"]
    at = numbers["SEG_ALIGN"]
    for records, record, text, fields in REGIONS:
        size = sizes.get(record) or numbers[record]
        places = ", ".join(f"`{field}` {offsets[record, field]}" for field in fields)
        lines.append(f"| {at} | {numbers[records]} x {size} | {text}{': ' if places else ''}{places} |")
        at = -(-(at + numbers[records] * size) // numbers["SEG_ALIGN"]) * numbers["SEG_ALIGN"]
    return lines + ["", f"In all {at} bytes, layout {numbers_of_version()}."]


def numbers_of_version():
    major, minor = re.findall(r"^#define SEG_M(?:AJOR|INOR) (\d+)u", LAYOUT.read_text(), re.M)
    return f"{major}.{minor}"


def check_keys_block():
    return keys_block("check_keys", "CHECKKEY")


def event_keys_block():
    return keys_block("event_keys", "EVENTKEY")


BLOCKS = {"keys": keys_block, "check keys": check_keys_block, "event keys": event_keys_block, "counters": counters_block,
          "symbols": symbols_block, "commands": commands_block, "hints": hints_block,
          "findings": findings_block, "segment": segment_block}


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
