# SPDX-License-Identifier: MIT
"""Goal: three real web servers behind one address that the program knows: what each of them saw, by its own log, of ten
thousand connections from several processes is what the balancer promises."""

import os
import shutil

import pytest

import servers
from helper import wait_until

ASKED = "192.0.2.1"  # nobody is there (RFC 5737)
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
PROCESSES, EACH = 4, 2500
pytestmark = pytest.mark.skipif(not shutil.which("ab") or not os.path.exists("/usr/sbin/nginx"), reason="needs ab and nginx")


class Three(servers.Server):
    """One nginx as three: an answer and a log for each address."""

    def command(self):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {self.path(kind)};\n" for kind in kinds)
        hosts = "".join(f"server {{ listen {host}:{self.port}; access_log {self.path(host)}; return 200 '{host}\\n'; }}\n"
                        for host in (*HOSTS, servers.HOST))
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(f"daemon off; master_process off; pid {self.path('pid')};\nevents {{ worker_connections 512; }}\n"
                       f"http {{ default_type text/plain; {temporary}{hosts}}}\n")
        return ["/usr/sbin/nginx", "-e", self.path("error"), "-p", self.dir, "-c", self.path("nginx.conf")]

    def seen(self):
        counts = []
        for host in HOSTS:
            with open(self.path(host), encoding="utf-8") as file:
                counts.append(sum(1 for _ in file))
        return counts


@pytest.fixture
def three():
    server = Three()
    yield server
    server.stop()


def shares(resil, three, at_once):
    command = ["ab", "-q", "-n", str(EACH), "-c", "1", f"http://{ASKED}/"]
    for group in ([PROCESSES] if at_once else [1] * PROCESSES):
        children = [resil.spawn(command) for _ in range(group)]
        for child in children:
            result = resil.finish(child, timeout=100)
            assert result.status == 0 and b"Complete requests:      %d\n" % EACH in result.out, result
    wait_until(lambda: sum(three.seen()) >= PROCESSES * EACH, what="the logs")
    return three.seen()


@pytest.mark.parametrize("strategy, weights, ideal", [
    ("first", (1, 1, 1), (1, 0, 0)),
    ("round_robin", (1, 1, 1), (1, 1, 1)),
    ("weighted", (5, 3, 2), (5, 3, 2)),
    ("least_conn", (1, 1, 1), (1, 1, 1)),
    ("random", (2, 1, 1), (2, 1, 1)),
    ("p2c", (1, 1, 1), (1, 1, 1)),
])
def test_ten_thousand(resil, three, strategy, weights, ideal):
    """Within 2 % of all. Where open connections decide, the processes take turns (see test_33_balance.py)."""
    points = ", ".join(f"{host}:{three.port} weight={weight}" for host, weight in zip(HOSTS, weights))
    resil.config(f"[destination vip]\nmatch = {ASKED}\nendpoints = {points}\nbalance = {strategy}\n")
    counts = shares(resil, three, strategy not in ("least_conn", "p2c"))
    assert sum(counts) == PROCESSES * EACH
    assert max(abs(count / sum(counts) - part / sum(ideal)) for count, part in zip(counts, ideal)) <= 0.02, counts


@pytest.mark.parametrize("strategy", ["ip_hash", "maglev"])
def test_a_process_stays_where_its_hash_leads(resil, three, strategy):
    """Its sockets are not bound to an address: then it is the process that is hashed."""
    points = ", ".join(f"{host}:{three.port}" for host in HOSTS)
    resil.config(f"[destination vip]\nmatch = {ASKED}\nendpoints = {points}\nbalance = {strategy}\n")
    counts = shares(resil, three, True)
    assert sum(counts) == PROCESSES * EACH and all(count % EACH == 0 for count in counts), counts


def test_the_quick_ones_get_more_by_least_time(resil, three):
    """Nobody can say how much; but who answers as quickly as the others is not left out."""
    points = ", ".join(f"{host}:{three.port}" for host in HOSTS)
    resil.config(f"[destination vip]\nmatch = {ASKED}\nendpoints = {points}\nbalance = least_time\n")
    counts = shares(resil, three, False)
    assert sum(counts) == PROCESSES * EACH and min(counts) > 0, counts
