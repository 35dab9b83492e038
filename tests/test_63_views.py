# SPDX-License-Identifier: MIT
"""Goal: what the operator reads of a segment is what is there: `conns`, `ps` and `dump` show each connection, each
process and each word, change nothing, and survive whatever bytes they find."""

import json
import os
import re
import signal

import pytest

from clients import BY_NAME
from helper import RESCTL, TOP, wait_until
from servers import HOST

VIEWS = ("conns", "ps", "dump", "status", "audit")


def data(resil, *args):
    result = resil.resctl(*args, "--json")
    assert (result.status, result.err) == (0, b""), result
    return json.loads(result.out)


def connections(resil, *args):
    return data(resil, "conns", *args)["connections"]


def rules(port, keys=""):
    return f"[destination backend]\nmatch = {HOST}:{port}\n{keys}"


def test_conns(resil, hold):
    resil.config(rules(hold.port) + "[destination idle]\nmatch = 192.0.2.1\n")
    first, second = resil.puppet(hold.port), resil.puppet(hold.port)
    assert first.do("a = connect(); b = connect()") == "ok" and second.do("c = connect()") == "ok"
    shown = connections(resil)
    assert [(one["destination"], one["endpoint"], one["state"], one["program"][:7]) for one in shown] == [
        ("backend", f"{HOST}:{hold.port}", "held", "python3")] * 3, shown
    assert sorted((one["pid"], one["fd"]) for one in shown) == sorted(
        [(first.pid, first.get("a.fileno()")), (first.pid, first.get("b.fileno()")), (second.pid, second.get("c.fileno()"))])
    assert all(one["place"] is None and one["cookie"] > 0 and not one["lent"] for one in shown)
    ages = [one["age_ms"] for one in shown]
    assert ages == sorted(ages, reverse=True) and ages[0] < 60000
    wait_until(lambda: connections(resil)[0]["age_ms"] > ages[0], what="growing age")
    assert first.do("a.close()") == "ok" and len(connections(resil)) == 2
    assert connections(resil, "idle") == [] and len(connections(resil, "backend")) == 2
    unknown = resil.resctl("conns", "bakend")
    assert unknown.status == 1 and b"backend" in unknown.err
    text = resil.resctl("conns").out.decode()
    assert re.search(rf"^backend +{HOST}:{hold.port} +held +{second.pid} +python3\S* +\d+ +\S+ +- +-$", text, re.MULTILINE), text


def test_conns_in_line(resil, hold):
    """Who waits, and in which place: a higher priority first, then first come."""
    resil.config(rules(hold.port, "bulkhead.limit = 1\nbulkhead.queue = 5\nbulkhead.queue_timeout = 60s\n"))
    holder = resil.puppet(hold.port)
    assert holder.do("s = connect()") == "ok"
    waiters = []
    for priority in ("0", "0", "9"):
        waiters.append(resil.puppet(hold.port, env={"RESIL_PRIORITY": priority}))
        waiters[-1].tell("s = connect()")
        wait_until(lambda: len(connections(resil)) == 1 + len(waiters), what="a waiter")
    shown = connections(resil)
    assert [(one["pid"], one["state"], one["place"], one["priority"]) for one in shown] == [
        (holder.pid, "held", None, 0), (waiters[2].pid, "queued", 1, 9), (waiters[0].pid, "queued", 2, 0),
        (waiters[1].pid, "queued", 3, 0)]
    assert all(50000 < one["gives_up_in_ms"] <= 60000 and one["unit"] == "connection" for one in shown[1:]), shown
    assert resil.row("backend")["queued"] == 3
    waiters[2].kill()
    assert [one["pid"] for one in connections(resil)] == [holder.pid, waiters[0].pid, waiters[1].pid]
    assert holder.do("s.close()") == "ok" and waiters[0].answer() == "ok"
    assert [(one["pid"], one["state"]) for one in connections(resil)] == [(waiters[0].pid, "held"),
                                                                         (waiters[1].pid, "queued")]


def test_conns_of_exchanges(resil, hold):
    resil.config(rules(hold.port, "bulkhead.unit = exchange\nbulkhead.limit = 1\nbulkhead.queue = 5\nfirst_byte = client\n"
                                  "bulkhead.queue_timeout = 60s\n"))
    first, second = resil.puppet(hold.port), resil.puppet(hold.port)
    for puppet in (first, second):
        assert puppet.do("s = connect()") == "ok"
    assert [one["in_exchange"] for one in connections(resil)] == [False, False]
    assert first.do('s.sendall(b"x")') == "ok"
    assert {one["pid"]: one["in_exchange"] for one in connections(resil)} == {first.pid: True, second.pid: False}
    second.tell('s.sendall(b"y")')
    shown = wait_until(lambda: [one for one in connections(resil) if one["state"] == "queued"], what="a waiting write")
    assert [(one["pid"], one["unit"], one["place"]) for one in shown] == [(second.pid, "exchange", 1)]
    assert len(connections(resil)) == 3


def test_conns_to_a_fallback(resil, hold, dead):
    resil.config(rules(dead.port, f"fallback = {HOST}:{hold.port}\n"))
    puppet = resil.puppet(dead.port)
    assert puppet.do("a = connect()") == puppet.do("b = connect()") == "ok"
    assert [(one["destination"], one["endpoint"], one["fallback"], one["fd"]) for one in connections(resil)] == [
        ("backend", f"{HOST}:{hold.port}", True, puppet.get(f"{name}.fileno()")) for name in "ab"]
    assert f"{HOST}:{hold.port} fallback" in resil.resctl("conns").out.decode()
    assert [one["connections"] for one in data(resil, "ps")["processes"]] == [2]
    assert {row["kind_name"] for row in data(resil, "dump")["rows"]} == {"destination", "endpoint", "fallback"}


def test_conns_and_ps_of_an_heir(resil, hold):
    """A connection whose maker died is shown as that of the child that still holds it."""
    resil.config(rules(hold.port))
    puppet = resil.puppet(hold.port)
    assert puppet.do("s = connect()") == "ok"
    child = puppet.get('__import__("os").fork() or __import__("time").sleep(300)')
    try:
        wait_until(lambda: len(data(resil, "ps")["processes"]) == 2, what="the child")
        family = {one["pid"]: (one["parent"], one["connections"]) for one in data(resil, "ps")["processes"]}
        assert family == {puppet.pid: (None, 1), child: (puppet.pid, 0)}
        puppet.kill()
        assert [one["pid"] for one in connections(resil)] == [child]
        assert [(one["pid"], one["parent"], one["connections"]) for one in data(resil, "ps")["processes"]] == [
            (child, None, 1)]
    finally:
        os.kill(child, signal.SIGKILL)


def test_ps(resil, counting):
    resil.config(rules(counting.port))
    puppet = resil.puppet(counting.port)
    assert puppet.do("s = connect()") == "ok"
    one, = data(resil, "ps")["processes"]
    assert (one["pid"], one["connections"], one["queued"], one["coverage"]) == (puppet.pid, 1, 0, None)
    assert one["program"].startswith("python3") and 0 <= one["attached_ms"] < 60000
    assert one["alive_by"] in ("semaphore", "start_time")
    assert puppet.do('s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); s.recv(65536); s.close()') == "ok"
    one, = data(resil, "ps")["processes"]
    assert one["connections"] == 0 and one["coverage"]["kernel_out"] == one["coverage"]["seen_out"] == 18
    assert re.search(rf"^ *{puppet.pid} +python3\S* +- +\S+ +0 +0 +\d+\.\d% ", resil.resctl("ps").out.decode(), re.MULTILINE)
    puppet.kill()
    assert data(resil, "ps")["processes"] == []


def fields_of_layout():
    with open(os.path.join(TOP, "src", "segment", "layout.h"), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    found = []
    for name, body in re.findall(r"^struct (seg_\w+) \{(.*?)^\};", text, re.MULTILINE | re.DOTALL):
        if name not in ("seg_region_entry", "seg_coverage", "seg_hist"):
            names = [re.sub(r"\[.*", "", word.strip().split()[-1]) for part in body.split(";") if part.strip()
                     for word in re.sub(r"\[[^]]*\]", "", part).split(",")]
            found += [(name, field) for field in names if not re.match(r"reserved|spare", field)]
    return found


def test_dump_shows_every_field():
    with open(os.path.join(TOP, "tools", "dump_fields.tbl.h"), encoding="utf-8") as file:
        shown = re.findall(r"^FIELD\((\w+), (\w+), \w+\)", file.read(), re.MULTILINE)
    wanted = fields_of_layout()
    assert len(wanted) > 100 and sorted(shown) == sorted(wanted)


def test_dump(resil, hold, dead):
    resil.config(rules(hold.port, "bulkhead.limit = 5\n")
                 + f"[destination broken]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 1\n")
    puppet = resil.puppet(hold.port)
    assert puppet.do("s = connect()") == "ok"
    assert puppet.do(f"connect({dead.port})") == puppet.do(f"connect({dead.port})") == "ECONNREFUSED"
    assert puppet.do("connect(1)") == "ECONNREFUSED"
    dump = data(resil, "dump")
    header = dump["header"]
    assert header["magic"] == "0x4745534c49534552" and header["uid"] == os.getuid() and header["generation"] == 1
    assert header["config_path"] == resil.config_path and len(header["region"]) == 8 and len(header["boot_id"]) == 32
    assert [entry["name"] for entry in dump["counters"]][0] == "attempts"
    values = {one["name"]: one["values"] for one in dump["rules"]["destinations"]}
    assert values["backend"]["bulkhead.limit"] == "5" and values["broken"]["breaker.failures"] == "1"
    rows = {(row["name"], row["kind_name"]): row for row in dump["rows"]}
    assert rows["backend", "destination"]["slots_taken"] == 1
    broken = rows["broken", "endpoint"]
    assert broken["label"] == f"{HOST}:{dead.port}" and broken["breaker_holds"]["state"] == "open"
    assert broken["counter"]["rejected_breaker"] == 1 and broken["port"] == dead.port
    assert rows["backend", "endpoint"]["connect"]["max_us"] > 0
    assert sum(rows["backend", "endpoint"]["connect"]["from_us"].values()) == 1
    process, = dump["processes"]
    assert (process["pid"], process["alive"]) == (puppet.pid, True)
    entry, = [one for one in dump["ledger"] if one["row"] == rows["backend", "destination"]["index"]]
    assert (entry["state"], entry["owner"], entry["fd"]) == ("held", process["owner"], puppet.get("s.fileno()"))
    assert [one["label"] for one in dump["unmatched"]] == [f"{HOST}:1"]
    assert {one["kind_name"] for one in dump["events"]["life"]} >= {"loaded", "state"}
    assert [one["label"] for one in dump["events"]["refusal"] if one["kind_name"] == "rejected"] == [broken["label"]]
    assert resil.resctl("dump").out.startswith(b'{"path":')


def test_looking_changes_nothing(resil, hold):
    resil.config(rules(hold.port, "bulkhead.limit = 1\n"))
    puppet = resil.puppet(hold.port)
    assert puppet.do("s = connect()") == "ok" and puppet.do("connect()") == "ECONNREFUSED"
    puppet.kill()
    with open(resil.segment, "rb") as file:
        before = file.read()
    for view in VIEWS:
        assert resil.resctl(view).status == resil.resctl(view, "--json").status == (view == "audit")
    with open(resil.segment, "rb") as file:
        assert file.read() == before


PROBE = "exec('while True:\\n try: connect()\\n except ConnectionRefusedError: pass')"


def test_status_shows_who_waits_and_who_probes(resil, hold, black_hole):
    resil.config(rules(hold.port, "bulkhead.limit = 1\nbulkhead.queue = 5\nbulkhead.queue_timeout = 60s\n")
                 + f"[destination broken]\nmatch = {HOST}:{black_hole.port}\nbreaker.failures = 1\nbreaker.open_time = 1ms\n"
                   "breaker.jitter = off\ntimeout.connect = 100ms\ntimeout.probe = 60s\n")
    holder, waiter, prober = resil.puppet(hold.port), resil.puppet(hold.port), resil.puppet(black_hole.port)
    assert holder.do("s = connect()") == "ok" and prober.do("connect()") == "ETIMEDOUT"
    waiter.tell("s = connect()")
    prober.tell(PROBE)  # a connect within the millisecond is refused
    wait_until(lambda: resil.row("backend")["queued"] == 1 and resil.row("broken")["probes"] == 1, what="a waiter and a probe")
    text = resil.resctl("status").out.decode()
    assert re.search(r"^backend +\* +closed +- +enforce +1/1 \+1 queued ", text, re.MULTILINE), text
    assert re.search(r"^broken +\* +half_open, 1 probe ", text, re.MULTILINE), text


def test_status_shows_drift(resil, hold):
    path = resil.config(rules(hold.port))
    assert resil.puppet(hold.port).do("s = connect()") == "ok"

    def line():
        return next(one for one in resil.resctl("status").out.decode().splitlines() if one.startswith("rules "))

    assert re.search(rf"generation 1, loaded \S+ \(\S+ ago\) by pid \d+ from {path}$", line())
    with open(path, "a", encoding="utf-8") as file:
        file.write("# more\n")
    assert line().endswith(f"{path}; FILE CHANGED SINCE LOAD")
    assert resil.status()["segment"]["file_changed"] is True
    os.unlink(path)
    assert line().endswith(f"{path}; FILE IS GONE")


def test_status_shows_a_file_that_nobody_read(resil, dead):
    """Written when the segment was there: who is started anew does not obey it either, until it is loaded."""
    home = {"HOME": resil.dir, "XDG_CONFIG_HOME": "", "RESIL_CONFIG": ""}
    assert resil.run([RESCTL, "run", "--", *BY_NAME["curl"].command(HOST, dead.port)], preload=False, env=home).status == 7

    def line():
        text = resil.run([RESCTL, "status"], preload=False, env=home).out.decode()
        return next(one for one in text.splitlines() if one.startswith("rules "))

    assert line().endswith(" from the built-in text")
    os.makedirs(os.path.join(resil.dir, ".config", "resil"))
    path = resil.file(".config/resil/resil.conf", rules(dead.port))
    assert line().endswith(f" from the built-in text; NOT FROM {path}: `resctl reload' loads it")
    assert resil.run([RESCTL, "reload"], preload=False, env=home).status == 0
    assert line().endswith(f" from {path}")


REGIONS = {"header": (96, 512), "texts": (336, 2000), "directory": (65536, 12288), "rules": (131072, 65536),
           "rows": (2228224, 2646016), "processes": (4915200, 524288), "ledger": (5439488, 65536),
           "unmatched": (9633792, 32768), "events": (9699328, 700000), "lookups": (10485760, 88064)}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("byte", [b"\xff", b"\x0b", "random"])
def test_hostile_bytes(resil, hold, region, byte):
    """Whatever stands there: an answer in time that is JSON, and no byte that steers a terminal."""
    offset, length = REGIONS[region]
    resil.config(rules(hold.port))
    assert resil.puppet(hold.port).do("s = connect()") == "ok"
    resil.remember_semaphores()
    noise = (bytes(range(1, 252)) * (length // 251 + 1))[:length] if byte == "random" else byte * length
    with open(resil.segment, "r+b") as file:
        file.seek(offset)
        file.write(noise)
    for view in VIEWS:
        text, structured = resil.resctl(view), resil.resctl(view, "--json")
        assert text.status == structured.status and text.status in (0, 1, 3), (text, structured)
        assert view == "dump" or not re.search(rb"[^\n\x20-\x7e]", text.out), text
        if text.status == 0:
            json.loads(structured.out)
