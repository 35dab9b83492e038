# SPDX-License-Identifier: MIT
"""Goal: what `resctl metrics` prints is what Prometheus accepts, tells everything that is counted under the documented
names, and stays whole whatever bytes the segment holds."""

import math
import re
import struct

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from clients import BY_NAME
from helper import table_rows
from servers import HOST

RULES = """[destination payments]
match = {host}:{port}
breaker.failures = 2
breaker.open_time = 60s
bulkhead.limit = 5
[destination idle]
match = 192.0.2.1
"""

ROWS_AT = 2228224  # of the segment: src/segment/layout.h


def scrape(resil, openmetrics=False):
    """{name: {labels: value}}, after the judgement of Prometheus' own tools."""
    result = resil.resctl("metrics", *(["--openmetrics"] if openmetrics else []))
    assert result.status == 0 and result.err == b"", result
    text = result.out.decode()
    families = list((parse_openmetrics if openmetrics else parse_text)(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)) and all(name.startswith("resil_") for name in names)
    assert all(family.documentation and family.type != "unknown" for family in families)
    if not openmetrics:
        judge = resil.run(["promtool", "check", "metrics"], preload=False, stdin=result.out)
        assert judge.status == 0 and judge.out + judge.err == b"", judge
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        series = found.setdefault(sample.name, {})
        key = tuple(sorted(sample.labels.items()))
        assert key not in series, (sample.name, key)
        series[key] = sample.value
    return found


def pick(found, name, **labels):
    """The one value of a metric whose labels contain these."""
    values = [value for key, value in found[name].items() if labels.items() <= dict(key).items()]
    assert len(values) == 1, (name, labels, found[name])
    return values[0]


def refuse_thrice(resil, port):
    resil.config(RULES.format(host=HOST, port=port))
    for _ in range(3):
        resil.run(BY_NAME["curl"].command(HOST, port))


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
def test_values(resil, dead, openmetrics):
    refuse_thrice(resil, dead.port)
    found = scrape(resil, openmetrics)
    for endpoint in ("*", f"{HOST}:{dead.port}"):
        row = {"destination": "payments", "endpoint": endpoint}
        states = {dict(key)["state"]: value for key, value in found["resil_breaker_state"].items()
                  if row.items() <= dict(key).items()}
        assert states == {"closed": 0, "open": 1, "half_open": 0, "forced_open": 0, "forced_closed": 0, "draining": 0}
        assert pick(found, "resil_breaker_state_code", **row) == 1
        assert pick(found, "resil_connects_total", result="failed", **row) == 2
        assert pick(found, "resil_connects_total", result="timeout", **row) == 0
        assert pick(found, "resil_breaker_transitions_total", to="open", **row) == 1
        assert 0 < pick(found, "resil_breaker_next_attempt_seconds", **row) <= 66
        assert math.isnan(pick(found, "resil_breaker_failure_ratio", **row))
    assert pick(found, "resil_rejected_total", destination="payments", reason="breaker_open") == 1
    assert pick(found, "resil_bulkhead_limit", destination="payments") == 5
    # a destination without traffic is there all the same
    assert pick(found, "resil_breaker_state", destination="idle", endpoint="*", state="closed") == 1
    assert math.isinf(pick(found, "resil_bulkhead_limit", destination="idle"))
    assert pick(found, "resil_config_generation") == 1 and pick(found, "resil_disabled") == 0
    assert pick(found, "resil_build_info") == 1


def test_latencies(resil, nginx):
    resil.config(RULES.format(host=HOST, port=nginx.port))
    assert resil.run(BY_NAME["curl"].command(HOST, nginx.port)).status == 0
    found = scrape(resil)
    shown = resil.row("payments")["latency_ms"]["response"]["max"] / 1000
    for endpoint in ("*", f"{HOST}:{nginx.port}"):
        buckets = sorted((math.inf if dict(key)["le"] == "+Inf" else float(dict(key)["le"]), value)
                         for key, value in found["resil_response_seconds_bucket"].items()
                         if dict(key)["endpoint"] == endpoint and dict(key)["destination"] == "payments")
        counts = [count for _, count in buckets]
        assert counts == sorted(counts) and counts[-1] == 1
        assert all((count == 1) == (bound > shown) for bound, count in buckets), (shown, buckets)
        assert buckets[0][0] < 0.001 and 60 <= buckets[-2][0] < math.inf
        assert pick(found, "resil_response_seconds_count", destination="payments", endpoint=endpoint) == 1
        assert 0 < pick(found, "resil_response_seconds_sum", destination="payments", endpoint=endpoint) < 2 * shown + 1e-4
    assert pick(found, "resil_bytes_total", destination="payments", endpoint="*", direction="in") > 0
    assert pick(found, "resil_exchanges_total", destination="payments", endpoint="*", result="ok") == 1


def bucket_end(index):
    """src/segment/hist.h, in seconds."""
    return ((index + 1) if index < 4 else (5 + index % 4) << (index // 4 - 1)) / 1e6


def test_every_bucket_counts_once(resil, dead):
    """The bounds are those of the segment: nothing is counted above its bound, or below."""
    refuse_thrice(resil, dead.port)
    resil.remember_semaphores()
    with open(resil.segment, "r+b") as file:
        label = file.read().index(f"{HOST}:{dead.port}\0".encode(), ROWS_AT)
        file.seek(label - 104 + 1552)  # struct seg_row: label, response
        file.write(struct.pack("=104I", *range(1, 105)))
    found = scrape(resil)["resil_response_seconds_bucket"]
    told = {dict(key)["le"]: value for key, value in found.items()
            if dict(key)["destination"] == "payments" and dict(key)["endpoint"] != "*"}
    assert len(told) == 38 and told.pop("+Inf") == sum(range(1, 105))
    for bound, count in told.items():
        assert count == sum(i + 1 for i in range(104) if bucket_end(i) <= float(bound) * 1.0000001), bound


def test_timeouts_are_no_other_failures(resil, black_hole):
    resil.config(RULES.format(host=HOST, port=black_hole.port) + "[defaults]\ntimeout.connect = 50ms\n")
    resil.run(BY_NAME["curl"].command(HOST, black_hole.port))
    found = scrape(resil)
    results = {result: pick(found, "resil_connects_total", destination="payments", endpoint="*", result=result)
               for result in ("ok", "timeout", "failed", "local_error")}
    assert results == {"ok": 0, "timeout": 1, "failed": 0, "local_error": 0}


def test_every_counter_is_told(resil, counting):
    """A counter has a row in the table of metrics, or its own name; none is told twice."""
    resil.config(RULES.format(host=HOST, port=counting.port))
    resil.run(BY_NAME["curl"].command(HOST, counting.port))
    found = scrape(resil)
    with open(f"{__file__.rsplit('/', 2)[0]}/tools/metric_counters.tbl.h", encoding="utf-8") as file:
        named = re.findall(r'^COUNTED\("\w+",\s+\w+,\s+"\w*",\s+"\w*",\s+"(\w+)"', file.read(), re.MULTILINE)
    counters = table_rows("counters.tbl.h", "COUNTER")
    assert set(named) <= set(counters) and len(named) == len(set(named)) > 10
    for counter in set(counters) - set(named):
        assert pick(found, f"resil_{counter}_total", destination="payments", endpoint="*") >= 0
    assert pick(found, "resil_attempts_total", destination="payments", endpoint="*") == 1


def test_labels_are_escaped(resil, dead):
    """A label may hold anything: quotes, backslashes, line ends, bytes that are no text."""
    refuse_thrice(resil, dead.port)
    resil.remember_semaphores()
    name = 'back\\slash "quote" \u00fc\n'
    with open(resil.segment, "r+b") as file:
        file.seek(file.read().index(f"{HOST}:{dead.port}\0".encode(), ROWS_AT))
        file.write(name.encode() + b"\xff\x01\0")
    for openmetrics in (False, True):
        found = scrape(resil, openmetrics)
        labels = {dict(key)["endpoint"] for key in found["resil_connects_total"]}
        assert labels == {"*", name + "\\xff\\x01"}, labels


@pytest.mark.parametrize("offset,length", [(65536, 8192), (128, 16), (112, 8), (ROWS_AT, 2584 * 40), (4915200, 4096),
                                           (5439488, 4096), (131072, 65536)])
@pytest.mark.parametrize("byte", [b"\xff", b"\x01", b"r"])
def test_hostile_bytes(resil, dead, offset, length, byte):
    """Directory, header, rows, processes, ledger, rules: what is printed is still what Prometheus accepts."""
    refuse_thrice(resil, dead.port)
    resil.remember_semaphores()
    with open(resil.segment, "r+b") as file:
        file.seek(offset)
        file.write(byte * length)
    if resil.resctl("metrics").status == 0:
        scrape(resil, openmetrics=True)
        scrape(resil)


def test_looking_changes_nothing(resil, dead):
    refuse_thrice(resil, dead.port)
    with open(resil.segment, "rb") as file:
        before = file.read()
    scrape(resil)
    with open(resil.segment, "rb") as file:
        assert file.read() == before


def test_no_segment(resil):
    result = resil.resctl("metrics")
    assert result.status == 3 and resil.segment in result.err.decode() and result.out == b""
