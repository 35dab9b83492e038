# SPDX-License-Identifier: MIT
"""GET through a reverse proxy that this starts: through.py nginx|haproxy HOST PORT PATH. The proxy is the client of
HOST:PORT. Prints the body, or the status that the proxy gave instead of it."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time

NGINX = """daemon off; master_process off; pid {dir}/pid; error_log /dev/null;
events {{ }}
http {{ access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
server {{ listen 127.0.0.1:{own}; location / {{ proxy_pass http://{host}:{port}; }} }} }}
"""
HAPROXY = """defaults
 mode http
 retries 0
 timeout connect 30s
 timeout client 30s
 timeout server 30s
listen one
 bind 127.0.0.1:{own}
 server upstream {host}:{port}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quiet():
    """What keeps nginx from opening its log before it has read where that is; 1.18 knows no such thing."""
    help_text = subprocess.run(["/usr/sbin/nginx", "-h"], stderr=subprocess.PIPE, check=False).stderr
    return ["-e", "/dev/null"] if b" -e filename" in help_text else []


def started(kind, host, port, where):
    own = free_port()
    config = os.path.join(where, "config")
    with open(config, "w", encoding="utf-8") as file:
        file.write({"nginx": NGINX, "haproxy": HAPROXY}[kind].format(dir=where, own=own, host=host, port=port))
    command = {"nginx": ["/usr/sbin/nginx", *quiet(), "-p", where, "-c", config],
               "haproxy": ["/usr/sbin/haproxy", "-q", "-db", "-f", config]}[kind]
    proxy = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while time.monotonic() < end and proxy.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", own)) == 0:
                return proxy, own
        time.sleep(0.01)
    sys.exit(f"{kind} does not start")


with tempfile.TemporaryDirectory(prefix="resil-through-") as directory:
    child, port_of_proxy = started(*sys.argv[1:4], directory)
    start = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", port_of_proxy, timeout=15)
    client.request("GET", sys.argv[4])
    answer = client.getresponse()
    body = answer.read()
    seconds = time.monotonic() - start
    client.close()
    child.terminate()
    child.wait()
if answer.status == 200:
    sys.stdout.buffer.write(body)
else:
    print("failed:", answer.status, file=sys.stderr)
print(f"elapsed={seconds:.6f}", file=sys.stderr)
sys.exit(answer.status != 200)
