# SPDX-License-Identifier: MIT
"""What the library costs, beside the budget of each row; a missed budget is printed as such.

Each row compares the same program natively and with the library, in turns within one run. `difference` is the median of
the differences (or ratios) of neighbours, with the half-width of its 95 % interval; `noise` is the distance between the
quartiles of the native runs. Writes build/bench.json. Exits 1 when something broke, not when a budget is missed."""

import glob
import json
import os
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import time

from helper import BUILD, LIBRARY, TESTS, Resil
from servers import HOST, Postgres, Redis, postgres_bin

OUT = os.path.join(BUILD, "bench")
FLAGS = ("-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra")
ROW_LIMIT = 130.0  # seconds: rows that would begin later are not measured
TURN_LIMIT = 150.0  # rows that last longer make do with the turns that they had
LEAST_TURNS = 3
MANY = 10000
PROCESSES = 5
ALL_POLICIES = """[destination bench]
match = 127.0.0.1
timeout.connect = 5s
timeout.response = 1h
timeout.idle = 1h
timeout.total = 10s
breaker.errors = 40000
breaker.slow_time = 30s
breaker.open_time = 1h
breaker.open_max = 1h
bulkhead.limit = 60000
reject.errno = EHOSTUNREACH
first_byte = client
"""
HUNDRED_RULES = "".join(
    f"[destination d{i}]\nmatch = s{i}.example.com:443, 10.{i}.0.0/16:8000-8999\ntimeout.response = {i + 1}s\n"
    f"breaker.failures = {i + 1}\nbulkhead.limit = {i + 1}\n" for i in range(99)) + ALL_POLICIES

# How a budget is judged: the value that it bounds, and how it is written.
BUDGETS = {
    "more": (lambda row: row["difference"] <= row["limit"], "<= {} more"),
    "at most": (lambda row: row["with"] <= row["limit"], "<= {}"),
    "at least": (lambda row: row["difference"] >= row["limit"], ">= {} x"),
    "no more than": (lambda row: row["difference"] <= row["limit"], "<= {} x"),
}
FORMAT = "{:<43} {:>9} {:>9} {:>16} {:>8} {:<5} {:<13} {}"


class NotMeasured(Exception):
    """The row cannot be measured here: why."""


def number(value):
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"


def summary(pairs, ratio):
    """Medians of (native, with) pairs."""
    changes = sorted(other / native if ratio else other - native for native, other in pairs)
    natives = [native for native, _ in pairs]
    row = {"native": statistics.median(natives), "with": statistics.median(other for _, other in pairs),
           "difference": statistics.median(changes), "uncertain": None, "noise": None, "runs": len(pairs)}
    if len(pairs) > 3:
        reach = round(0.98 * len(changes) ** 0.5)
        low, high = max(0, len(changes) // 2 - reach), min(len(changes) - 1, len(changes) // 2 + reach)
        quartiles = statistics.quantiles(natives, n=4)
        row.update(uncertain=(changes[high] - changes[low]) / 2, noise=quartiles[2] - quartiles[0])
    return row


class Bench:
    """The rows so far."""

    def __init__(self, space):
        self.space = space
        self.rows = []
        self.notes = []
        self.broken = False
        self.start = time.monotonic()
        print(FORMAT.format("", "native", "with", "difference", "noise", "unit", "budget", ""))

    def row(self, name, unit, measure, budget=None, limit=None):
        """Measures, judges and prints one row. measure() gives (native, with) pairs; what it returns is kept."""
        row = {"name": name, "unit": unit, "budget": budget, "limit": limit}
        ratio = budget in ("at least", "no more than")
        pairs = None
        try:
            if self.seconds() > ROW_LIMIT:
                raise NotMeasured("the time is up")
            pairs = measure()
            row.update(summary(pairs, ratio))
            row["met"] = BUDGETS[budget][0](row) if budget else None
            verdict = {None: "", True: "met", False: "NOT met"}[row["met"]]
            if budget and budget != "at most" and abs(row["difference"] - limit) < (row["uncertain"] or 0):
                verdict += ", unsure"
        except NotMeasured as why:
            verdict = row["not measured"] = f"not measured: {why}"
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
            verdict = row["not measured"] = f"not measured: {' '.join(str(error).split())[-200:]}"
            self.broken = True
        self.rows.append(row)
        change = number(row.get("difference")) + (" x" if ratio and "difference" in row else "")
        if row.get("uncertain") is not None:
            change += f" +-{number(row['uncertain'])}"
        print(FORMAT.format(name, number(row.get("native")), number(row.get("with")), change, number(row.get("noise")),
                            unit, BUDGETS[budget][1].format(number(limit)) if budget else "-", verdict), flush=True)
        return pairs

    def run(self, command, preload, space=None, timeout=60.0):
        result = (space or self.space).run(command, preload=preload, timeout=timeout)
        assert result.status == 0, f"{command[0]}: status {result.status}, {result.err.decode(errors='replace')}"
        return result.out.decode()

    def turns(self, rounds, measure):
        """measure(preload) in turns."""
        pairs = []
        while len(pairs) < rounds and (len(pairs) < LEAST_TURNS or self.seconds() < TURN_LIMIT):
            pairs.append((measure(False), measure(True)))
        return pairs

    def seconds(self):
        return time.monotonic() - self.start

    def finish(self):
        missed = [row["name"] for row in self.rows if row.get("met") is False]
        silent = [row["name"] for row in self.rows if "not measured" in row]
        spreads = [100 * row["noise"] / row["native"] for row in self.rows if row.get("noise") is not None]
        seconds = self.seconds()
        for note in self.notes:
            print(note)
        print(f"{len(self.rows)} rows in {seconds:.0f} s: {len(missed)} budgets NOT met, {len(silent)} not measured")
        print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; the native runs of a row scatter by "
              f"{statistics.median(spreads or [0]):.1f} % (median of the rows), up to {max(spreads, default=0):.0f} %")
        with open(os.path.join(BUILD, "bench.json"), "w", encoding="utf-8") as file:
            json.dump({"rows": self.rows, "notes": self.notes, "seconds": round(seconds, 1), "cores": os.cpu_count(),
                       "load": os.getloadavg()[0]}, file, indent=1)
            file.write("\n")


def compile_programs():
    os.makedirs(OUT, exist_ok=True)
    for source in sorted(glob.glob(os.path.join(TESTS, "bench", "*.c"))):
        output = program(os.path.basename(source)[:-2])
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")), *FLAGS, "-o", output, source, "-ldl"], check=True)


def program(name):
    return os.path.join(OUT, name)


# ---- single calls -----------------------------------------------------------------------------------------------


def pairs_of(bench, case, blocks, calls, *more, preload=True):
    """Blocks of several processes: where the loader puts the code shifts a call by nanoseconds."""
    command = [program("pairs"), case, str(blocks // PROCESSES), str(calls), *map(str, more)]
    lines = [line for _ in range(PROCESSES) for line in bench.run(command, preload).splitlines()]
    return [tuple(map(float, line.split())) for line in lines]


def crowd(bench, *arguments):
    """Arguments of pairs with MANY connections, where that many descriptors are allowed."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < MANY + 100:
        raise NotMeasured(f"needs ulimit -n {MANY + 100}")
    return (bench, *arguments, MANY, MANY)


def tracked_pairs(bench, counter, *arguments):
    """pairs_of(), and proof that the library saw the calls."""
    def count():
        rows = [row for row in bench.space.status()["destinations"] if (row["name"], row["endpoint"]) == ("bench", "*")]
        return rows[0]["counters"][counter] if rows else 0
    before = count() if os.path.exists(bench.space.segment) else 0
    pairs = pairs_of(bench, *arguments)
    assert count() > before, f"{counter} did not move: the calls were not tracked"
    return pairs


def retired(bench, case, calls, preload):
    """User-space instructions of the program's whole life."""
    command = [program("pairs"), case, "0", str(calls)]
    if shutil.which("valgrind"):
        tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        result = bench.space.run([*tool, *command], preload=preload, timeout=60)
        found = re.search(rb"Collected : (\d+)", result.err)
    elif shutil.which("perf"):
        result = bench.space.run(["perf", "stat", "-x,", "-e", "instructions:u", *command], preload=preload)
        found = re.search(rb"^(\d+),", result.err, re.MULTILINE)
    else:
        found = None
    if not found:
        raise NotMeasured("needs valgrind")
    return int(found[1])


def instructions(bench, case, few=1000, many=11000):
    def each(preload):
        return (retired(bench, case, many, preload) - retired(bench, case, few, preload)) / (many - few)
    return bench.turns(1, each)


def system_calls(bench, case, calls, preload):
    if not shutil.which("strace"):
        raise NotMeasured("needs strace")
    log = os.path.join(bench.space.dir, "strace")
    bench.run(["strace", "-f", "-c", "-o", log, program("pairs"), case, "0", str(calls)], preload)
    with open(log, encoding="ascii") as file:
        lines = [line.split() for line in file if re.match(r"\s+[\d.]+\s", line) or line.startswith("100.00")]
    return {fields[-1]: int(fields[3]) for fields in lines}


def extra_calls(bench, case, few=100, many=600):
    def each(preload):
        low, high = (system_calls(bench, case, calls, preload) for calls in (few, many))
        names.append({name: (high[name] - low.get(name, 0)) / (many - few) for name in high if name != "total"})
        return (high["total"] - low["total"]) / (many - few)
    names = []
    pairs = bench.turns(1, each)
    more = {name: count - names[0].get(name, 0) for name, count in names[1].items()}
    text = ", ".join(f"{name} {count:.3g}" for name, count in sorted(more.items()) if count > 0.01)
    bench.notes.append(f"system calls that one {case} has more: {text or 'none'}")
    return pairs


def untracked(bench):
    bench.row("read, untracked, natively twice (control)", "ns",
              lambda: pairs_of(bench, "read", 1000, 500, preload=False))
    for case in ("read", "write", "poll"):
        bench.row(f"{case}, untracked", "ns", lambda: pairs_of(bench, case, 1000, 500), "more", 2)
    for case in ("read", "write"):
        bench.row(f"{case}, untracked, beside a connection", "ns",
                  lambda: pairs_of(bench, case, 1000, 500, 1), "more", 2)
    for case in ("read", "write", "poll"):
        bench.row(f"{case}, untracked, instructions", "instr", lambda: instructions(bench, case), "more", 15)


def tracked(bench):
    ok = "exchanges_ok"
    bench.row("exchange, all policies on", "ns", lambda: tracked_pairs(bench, ok, "exchange", 1000, 50), "more", 80)
    bench.row("exchange, system calls", "calls", lambda: extra_calls(bench, "exchange"), "more", 0)
    bench.row("exchange, instructions", "instr", lambda: instructions(bench, "exchange"))
    bench.row(f"exchange beside {MANY:,} connections", "ns",
              lambda: tracked_pairs(*crowd(bench, ok, "exchange", 500, 50)), "more", 80)
    bench.row("connect + close, blocking", "ns",
              lambda: tracked_pairs(bench, "connects_ok", "connect", 400, 20), "more", 2500)
    bench.row("connect + close, system calls", "calls", lambda: extra_calls(bench, "connect"), "more", 8)
    pairs = bench.row("refusal: the kernel's, an open breaker's", "ns",
                      lambda: tracked_pairs(bench, "rejected_breaker", "refuse", 500, 50), "at most", 300)
    if pairs:
        swapped = [(breaker, kernel) for kernel, breaker in pairs]
        bench.row("refusal, the breaker's beside the kernel's", "ns", lambda: swapped, "at least", 40)
    bench.row("refusal, system calls", "calls", lambda: extra_calls(bench, "refuse"))


def waits(bench):
    for case in ("poll", "epoll_wait"):
        bench.row(f"{case}, no connection", "ns", lambda: pairs_of(bench, case, 1000, 500), "more", 2)
        bench.row(f"{case}, a connection, nothing armed", "ns", lambda: pairs_of(bench, case, 1000, 500, 1), "more", 2)
        bench.row(f"{case}, 1 armed", "ns", lambda: pairs_of(bench, case, 1000, 500, 1, 1), "more", 40)
        bench.row(f"{case}, {MANY:,} armed", "ns", lambda: pairs_of(*crowd(bench, case, 1000, 500)), "more", 40)


# ---- whole programs ---------------------------------------------------------------------------------------------


def two_processes(bench):
    bench.row("two processes, two cores, one destination", "/s",
              lambda: bench.turns(12, lambda preload: float(bench.run([program("two"), "300"], preload))),
              "at least", 0.97)


def redis(bench):
    """Throughput and p99 of redis-benchmark."""
    tails = []

    def once(server, preload):
        text = bench.run(["redis-benchmark", "-h", HOST, "-p", str(server.port), "-c", "50", "-n", "100000",
                          "-t", "get", "--csv"], preload)
        fields = text.splitlines()[-1].replace('"', "").split(",")
        tails.append(float(fields[6]) * 1000)
        return float(fields[1])

    def measure():
        if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
            raise NotMeasured("needs redis-server and redis-tools")
        server = Redis()
        try:
            return bench.turns(12, lambda preload: once(server, preload))
        finally:
            server.stop()

    if bench.row("redis-benchmark -c 50 -n 100000 -t get", "/s", measure, "at least", 0.99):
        bench.row("redis-benchmark, p99", "us", lambda: list(zip(tails[::2], tails[1::2])), "no more than", 1.05)


def pgbench(bench):
    def once(server, preload, *more):
        tool = [postgres_bin("pgbench"), "-h", HOST, "-p", str(server.port), "-U", "postgres"]
        return bench.run([*tool, *more, "postgres"], preload)

    def rate(server, preload):
        return float(re.search(r"^tps = ([\d.]+)", once(server, preload, "-n", "-S", "-c", "8", "-T", "2"), re.M)[1])

    def measure():
        if not glob.glob("/usr/lib/postgresql/*/bin/pgbench"):
            raise NotMeasured("needs postgresql")
        server = Postgres()
        try:
            once(server, False, "-i", "-q")
            rate(server, False)
            return bench.turns(10, lambda preload: rate(server, preload))
        finally:
            server.stop()

    bench.row("pgbench -S -c 8", "/s", measure, "at least", 0.99)


# ---- start-up and memory ----------------------------------------------------------------------------------------


def start(bench):
    def measure():
        text = bench.run([program("start"), LIBRARY, "400", "/bin/true"], False)
        return [tuple(float(word) / 1000 for word in line.split()) for line in text.splitlines()]
    bench.row("start and end of /bin/true", "us", measure, "more", 100)


def first_connect(bench):
    joined = []

    def once(space, preload):
        return float(bench.run([program("first")], preload, space)) / 1000

    def measure():
        created = []
        for _ in range(15):
            space = Resil()
            try:
                space.config(HUNDRED_RULES)
                created.append((once(space, False), once(space, True)))
                assert len(space.status()["destinations"]) >= 2, "the rules did not load"
                joined.append((once(space, False), once(space, True)))
            finally:
                space.remove()
        return created

    if bench.row("first connect, 100 rules, makes the segment", "us", measure, "more", 1000):
        bench.row("first connect, 100 rules, joins the segment", "us", lambda: joined, "more", 1000)


def resident(pid, segment):
    """KiB of the library's file, of the segment, and of everything without a file."""
    sums = {"file": 0, "segment": 0, "anonymous": 0}
    kind = None
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                path = line.split(None, 5)[5].strip() if len(line.split()) > 5 else ""
                kind = {LIBRARY: "file", segment: "segment", "": "anonymous", "[heap]": "anonymous"}.get(path)
            elif line.startswith("Rss:") and kind:
                sums[kind] += int(line.split()[1])
    return sums


def memory(bench):
    parts = []

    def once(space, preload):
        child = space.spawn([program("first"), "hold"], preload, stdin=subprocess.PIPE)
        assert child.stdout.readline(), child.stderr.read()
        parts.append(resident(child.pid, space.segment))
        child.communicate(timeout=10)
        return float(sum(parts[-1].values()))

    def measure():
        space = Resil()
        try:
            space.config(ALL_POLICIES)
            return bench.turns(5, lambda preload: once(space, preload))
        finally:
            space.remove()

    pairs = bench.row("resident memory, one destination", "KiB", measure, "more", 300)
    if pairs:
        native, library = parts[-2:]
        kinds = [f"{kind} {library[kind] - native[kind]} KiB" for kind in native]
        bench.notes.append("resident memory: " + ", ".join(kinds))


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    compile_programs()
    space = Resil()
    try:
        space.config(ALL_POLICIES)
        bench = Bench(space)
        for part in (untracked, tracked, waits, two_processes, start, first_connect, memory, redis, pgbench):
            part(bench)
        bench.finish()
    finally:
        space.remove()
    return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
