# SPDX-License-Identifier: MIT
"""Goal: endpoints are found by DNS (a real dnsmasq), and by the APIs of Consul and Kubernetes, of which there are no
servers in Debian: their answers are played back in the shape that their manuals give."""

import http.server
import json
import os
import ssl
import subprocess
import threading
import urllib.parse

import pytest

import servers
from agents import active, agent, log_of  # noqa: F401
from helper import RESCTL, wait_until
from test_66_discover import attempts, backends, configure, failures, found, names, puppet, wait_found  # noqa: F401

ZONE = "example.test"


# ---- DNS


class Dnsmasq(servers.Server):
    """Answers for example.test: host names from a file that it reads anew at SIGHUP, SRV from its command line."""

    def __init__(self, hosts, *options):
        self.hosts, self.options = hosts, options
        super().__init__()

    def prepare(self):
        self.write(self.hosts)

    def write(self, hosts):
        with open(self.path("hosts"), "w", encoding="utf-8") as file:
            file.write(hosts)

    def change(self, hosts):
        self.write(hosts)
        self.process.send_signal(1)

    def command(self):
        return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", f"--port={self.port}",
                f"--listen-address={servers.HOST}", "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=",
                f"--addn-hosts={self.path('hosts')}", f"--local=/{ZONE}/", "--log-facility=-", *self.options]


@pytest.fixture
def dns():
    """dns(hosts, *options): a running dnsmasq."""
    started = []

    def start(hosts, *options):
        started.append(Dnsmasq(hosts, *options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def hosts(*pairs):
    return "".join(f"{address} {name}.{ZONE}\n" for address, name in pairs)


def test_addresses(resil, agent, backends, dns):
    """More, fewer, other addresses, of both families, in any order; no such name, and no server: nothing changes."""
    port = backends[0].port
    server = dns(hosts(("127.0.0.3", "web"), ("127.0.0.2", "web"), ("2001:db8::7", "web")))
    configure(resil, f"dns:web.{ZONE}:{port}@{servers.HOST}:{server.port}", refresh="100ms")
    active(resil, agent())
    wait_found(resil, f"127.0.0.2:{port}", f"127.0.0.3:{port}", f"[2001:db8::7]:{port}")
    one = puppet(resil)
    assert [one.do("connect().close()") for _ in range(4)] == ["ok"] * 4
    assert attempts(resil, names(backends)) == [2, 2, 0]
    server.change(hosts(("127.0.0.4", "web")))
    wait_found(resil, f"127.0.0.4:{port}")
    assert one.do("connect().close()") == "ok" and attempts(resil, names(backends)) == [2, 2, 1]
    generation = resil.status()["segment"]["generation"]
    server.change(hosts(("127.0.0.9", "other")))
    wait_until(lambda: "there is no such name" in log_of(resil), what="the failure")
    server.process.terminate()
    server.process.wait(timeout=10)
    wait_until(lambda: "no name server answers" in log_of(resil), what="another failure")
    assert found(resil) == [f"127.0.0.4:{port}"] and resil.status()["segment"]["generation"] == generation
    assert one.do("connect().close()") == "ok"


def test_services(resil, agent, backends, dns):
    """Priority and weight; the last record has no address, which makes all of it useless."""
    port = backends[0].port
    known = hosts(("127.0.0.2", "a"), ("127.0.0.3", "b"), ("127.0.0.4", "c"))
    records = [f"--srv-host=_web._tcp.{ZONE},{name}.{ZONE},{port},{priority},{weight}"
               for name, priority, weight in (("a", 10, 3), ("b", 10, 1), ("c", 20, 0))]
    server = dns(known, *records)
    configure(resil, f"srv:_web._tcp.{ZONE}@{servers.HOST}:{server.port}", "balance = weighted", refresh="100ms")
    text = open(resil.config_path, encoding="utf-8").read().replace("balance = round_robin\n", "")
    resil.config(text)
    active(resil, agent())
    wait_found(resil, f"127.0.0.2:{port} weight=3", f"127.0.0.3:{port}", f"127.0.0.4:{port} backup")
    one = puppet(resil)
    assert [one.do("connect().close()") for _ in range(8)] == ["ok"] * 8
    assert attempts(resil, names(backends)) == [6, 2, 0]
    server.change(hosts(("127.0.0.2", "a"), ("127.0.0.3", "b")))
    wait_until(lambda: failures(resil), what="the failure")
    assert len(found(resil)) == 3


def test_an_answer_that_needs_tcp(resil, agent, dns):
    """Forty records are more than a datagram holds; weights of another scale."""
    names_of = [f"very-long-name-of-a-server-in-a-rack-{number:02}" for number in range(40)]
    known = hosts(*((f"127.1.0.{number + 1}", name) for number, name in enumerate(names_of)))
    records = [f"--srv-host=_many._tcp.{ZONE},{name}.{ZONE},80,0,{1000 * number}" for number, name in enumerate(names_of)]
    server = dns(known, *records)
    configure(resil, f"srv:_many._tcp.{ZONE}@{servers.HOST}:{server.port}")
    active(resil, agent())
    wait_until(lambda: len(found(resil) or ()) == 40, what="forty endpoints")
    assert found(resil)[0] == "127.1.0.1:80" and "127.1.0.40:80 weight=1000" in found(resil)
    assert "127.1.0.20:80 weight=487" in found(resil)


def test_names_of_this_host(resil, agent):
    configure(resil, "dns:localhost:80")
    active(resil, agent())
    wait_until(lambda: "127.0.0.1:80" in (found(resil) or ()), what="127.0.0.1")


def test_the_name_servers_of_this_host(resil, backends):
    """/etc/resolv.conf, in a network of the agent's own where port 53 is dnsmasq's: by libc, and by our own hand."""
    conf = resil.file("resolv.conf", "search nowhere.test\nnameserver 127.0.0.1\n")
    known = resil.file("hosts", hosts(("127.0.0.2", "a")))
    resil.config(f"[destination vip]\nmatch = 192.0.2.1\ndiscover = srv:_web._tcp.{ZONE}\n"
                 f"[destination name]\nmatch = 192.0.2.2\ndiscover = dns:a.{ZONE}:81\n")
    daemon = (f"dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --listen-address=127.0.0.1 --bind-interfaces "
              f"--no-resolv --no-hosts --user= --addn-hosts={known} --local=/test/ --srv-host=_web._tcp.{ZONE},a.{ZONE},80")
    script = f"ip link set lo up && mount --bind {conf} /etc/resolv.conf && {{ {daemon} & exec {RESCTL} agent; }}"
    unshare = ["unshare", "-mn" if os.geteuid() == 0 else "-rmn"]
    if subprocess.run([*unshare, "true"], capture_output=True, timeout=10).returncode != 0:
        pytest.skip("this kernel lets us have no namespaces")
    child = resil.spawn(["setpriv", "--pdeathsig", "KILL", *unshare, "--kill-child", "-p", "sh", "-c", script], preload=False)
    wait_until(lambda: child.poll() is not None or resil.published("vip"), 10, "the agent")
    assert child.poll() is None, child.stderr.read()
    wait_until(lambda: found(resil) == ["127.0.0.2:80"], 15, "the service")
    row = next(row for row in resil.status()["destinations"] if row["name"] == "name")
    wait_until(lambda: resil.row("name")["discovery"]["endpoints"] == ["127.0.0.2:81"], 15, f"the address, not {row}")


# ---- Consul and Kubernetes


class Api:
    """A server whose answers are those of answer(path, query, headers): (status, headers, body)."""

    def __init__(self, answer, context=None):
        api = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
                api.asked.append((url.path, query, dict(self.headers)))
                status, headers, body = answer(url.path, query, self.headers)
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                chunked = headers.pop("Transfer-Encoding", None)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
                self.end_headers()
                if chunked:
                    half = len(body) // 2
                    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((servers.HOST, 0), Handler)
        self.server.daemon_threads = True
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def api():
    started = []

    def start(answer, context=None):
        started.append(Api(answer, context))
        return started[-1]

    yield start
    for one in started:
        one.stop()


class Catalog:
    """Consul's part: a blocking query returns when the index has moved on, or after its wait."""

    def __init__(self):
        self.moved = threading.Condition()
        self.index, self.services = 7, []

    def set(self, *services, index=None):
        with self.moved:
            self.services = services
            self.index = index or self.index + 1
            self.moved.notify_all()

    def entry(self, address, port, weight=1, node="10.9.9.9"):
        return {"Node": {"ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Node": "foobar", "Address": node,
                         "Datacenter": "dc1", "TaggedAddresses": {"lan": node}, "Meta": {"instance_type": "t2.medium"}},
                "Service": {"ID": "web-1", "Service": "web", "Tags": ["v2", "caf\u00e9 \"\\\u2028"], "Address": address,
                            "Meta": {"redis_version": "4.0"}, "Port": port, "Weights": {"Passing": weight, "Warning": 1}},
                "Checks": [{"Node": "foobar", "CheckID": "serfHealth", "Status": "passing", "Output": ""}]}

    def answer(self, path, query, headers):
        assert path == "/v1/health/service/web" and "passing" in query
        with self.moved:
            if "index" in query:
                wait_s = float(query["wait"].rstrip("s"))
                self.moved.wait_for(lambda: self.index != int(query["index"]), timeout=min(wait_s, 20))
            return 200, {"X-Consul-Index": str(self.index), "Transfer-Encoding": "chunked"}, [
                self.entry(*service) for service in self.services]


def test_consul(resil, agent, backends, api):
    """With a refresh of a minute: a change arrives by the blocking query. The index goes backwards once."""
    port = backends[0].port
    catalog = Catalog()
    catalog.set(("127.0.0.3", port), ("127.0.0.2", port, 5))
    server = api(catalog.answer)
    configure(resil, "consul:web?tag=v2")
    active(resil, agent(env={"CONSUL_HTTP_ADDR": f"{servers.HOST}:{server.port}", "CONSUL_HTTP_TOKEN": "s3cret"}))
    wait_found(resil, f"127.0.0.2:{port} weight=5", f"127.0.0.3:{port}")
    assert server.asked[0][1] == {"passing": "", "tag": "v2"} and server.asked[0][2]["X-Consul-Token"] == "s3cret"
    one = puppet(resil)
    assert one.do("connect().close()") == "ok"
    wait_until(lambda: len(server.asked) > 1, what="the blocking query")
    assert server.asked[1][1] == {"passing": "", "tag": "v2", "index": "8", "wait": "60s"}
    catalog.set(("", port, 1, "127.0.0.4"))  # without an address of its own: its node's
    wait_found(resil, f"127.0.0.4:{port}")
    catalog.set(("127.0.0.2", port), index=3)
    wait_found(resil, f"127.0.0.2:{port}")
    wait_until(lambda: server.asked[-1][1].get("index") == "3", what="the index to be taken anew")
    catalog.set()  # all checks fail: nobody is left
    wait_until(lambda: failures(resil), what="the failure")
    assert found(resil) == [f"127.0.0.2:{port}"] and "no endpoint at all" in log_of(resil)
    assert one.do("connect().close()") == "ok"


def slice_of(name, port, *endpoints, port_name="http"):
    return {"metadata": {"name": f"cart-{name}", "namespace": "shop", "labels": {"kubernetes.io/service-name": "cart"}},
            "addressType": "IPv4", "endpoints": list(endpoints),
            "ports": [{"name": "metrics", "protocol": "TCP", "port": 9}, {"name": port_name, "protocol": "TCP", "port": port}]}


def pod(address, **conditions):
    return {"addresses": [address], "conditions": conditions, "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "namespace": "shop", "name": "cart-0"}}


def cluster(*slices):
    def answer(path, query, headers):
        assert path == "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        assert query == {"labelSelector": "kubernetes.io/service-name=cart"}
        if headers.get("Authorization", "Bearer t0ken") != "Bearer t0ken":
            return 401, {}, {"kind": "Status", "code": 401}
        return 200, {"Content-Type": "application/json"}, {
            "kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {"resourceVersion": "8"},
            "items": list(slices)}
    return answer


def test_kubernetes(resil, agent, backends, api):
    """Two slices that overlap; ready, not ready, and not said; the port by its name."""
    port = backends[0].port
    server = api(cluster(slice_of("a", port, pod("127.0.0.2", ready=True), pod("127.0.0.9", ready=False, serving=True)),
                         slice_of("b", port, pod("127.0.0.2", ready=True), pod("127.0.0.3"), pod("127.0.0.4", ready=None))))
    configure(resil, "k8s:shop/cart:http")
    active(resil, agent(env={"RESIL_K8S_URL": f"http://{servers.HOST}:{server.port}/"}))
    wait_found(resil, *names(backends))
    assert [puppet(resil).do("connect().close()") for _ in range(3)] == ["ok"] * 3
    assert "Authorization" not in server.asked[0][2]


def test_inside_a_pod(resil, agent, api):
    """https with the cluster's own authority and the token of the account, which are files; another token is refused."""
    key, cert, token = (os.path.join(resil.dir, name) for name in ("key", "ca.crt", "token"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=cluster", "-addext", f"subjectAltName=IP:{servers.HOST}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = api(cluster(slice_of("a", 80, pod("127.0.0.2", ready=True))), context)
    resil.file("token", "wrong\n")
    configure(resil, "k8s:shop/cart:80", refresh="1s")
    active(resil, agent(env={"KUBERNETES_SERVICE_HOST": servers.HOST, "KUBERNETES_SERVICE_PORT": str(server.port),
                             "RESIL_K8S_CA_FILE": cert, "RESIL_K8S_TOKEN_FILE": token}))
    wait_until(lambda: "HTTP 401" in log_of(resil), what="the refusal")
    resil.file("token", "t0ken\n")
    wait_found(resil, "127.0.0.2:80")


class Moody:
    """A registry in the mood: well, broken (500), or hanging until the mood changes."""

    def __init__(self, answer):
        self.answer, self.mood, self.changed, self.hung = answer, "well", threading.Condition(), 0

    def turn(self, mood):
        with self.changed:
            self.mood = mood
            self.changed.notify_all()

    def __call__(self, path, query, headers):
        with self.changed:
            if self.mood == "hangs":
                self.hung += 1
                self.changed.wait_for(lambda: self.mood != "hangs", timeout=20)
            if self.mood == "broken":
                return 500, {}, []
        return self.answer(path, {name: value for name, value in query.items() if name not in ("index", "wait")}, headers)


@pytest.mark.parametrize("source", ["consul:web", "k8s:shop/cart:http"])
def test_a_registry_that_fails_loses_no_endpoint(resil, agent, backends, api, source):
    """Well, then 500s, then it hangs, then it is well again and has moved: what was found is used all the time."""
    port, catalog = backends[0].port, Catalog()
    pods = [slice_of("a", port, pod("127.0.0.2", ready=True), pod("127.0.0.3", ready=True))]
    catalog.set(("127.0.0.2", port), ("127.0.0.3", port))
    moody = Moody(catalog.answer if source.startswith("consul") else lambda *asked: cluster(*pods)(*asked))
    url = f"http://{servers.HOST}:{api(moody).port}"
    configure(resil, source, refresh="1s")
    active(resil, agent(env={"CONSUL_HTTP_ADDR": url, "RESIL_K8S_URL": url}))
    wait_found(resil, f"127.0.0.2:{port}", f"127.0.0.3:{port}")
    one = puppet(resil)
    for mood in ("broken", "hangs"):
        before = failures(resil)
        moody.turn(mood)
        wait_until(lambda: failures(resil) >= before + 2, 15.0, f"two failures while it {mood}")
        assert found(resil) == [f"127.0.0.2:{port}", f"127.0.0.3:{port}"] and one.do("connect().close()") == "ok"
    assert moody.hung >= 2
    catalog.set(("127.0.0.4", port))
    pods[:] = [slice_of("a", port, pod("127.0.0.4", ready=True))]
    moody.turn("well")
    wait_until(lambda: found(resil) == [f"127.0.0.4:{port}"], 15.0, "the registry to be heard again")
    assert one.do("connect().close()") == "ok"


@pytest.mark.parametrize("status, headers, body, why", [
    (200, {}, b"[{]", "no JSON"), (200, {}, b"[" * 100000, "no JSON"), (200, {}, {"a": 1}, "no list of services"),
    (500, {}, [], "HTTP 500"), (200, {"Transfer-Encoding": "chunked"}, b"", "no JSON"),
    (200, {}, [{"Service": {"Address": "evil host", "Port": 80}}], "no endpoint at all"),
    (200, {}, [{"Service": {"Address": "10.0.0.1", "Port": 99999}}], "no endpoint at all"),
    (200, {}, [None, 1, "x", [], {"Service": []}, {"Service": {"Address": {}, "Port": "80"}}], "no endpoint at all"),
    (200, {}, b"[]" + b" " * (9 << 20), "too large"),
], ids=["broken", "deep", "object", "status", "empty", "address", "port", "kinds", "large"])
def test_answers_that_are_no_answers(resil, agent, api, status, headers, body, why):
    server = api(lambda path, query, given: (status, dict(headers), body))
    configure(resil, "consul:web")
    active(resil, agent(env={"CONSUL_HTTP_ADDR": f"http://{servers.HOST}:{server.port}"}))
    wait_until(lambda: resil.published("vip") and failures(resil), what="the failure")
    assert why in log_of(resil) and found(resil) == []
