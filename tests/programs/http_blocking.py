# SPDX-License-Identifier: MIT
"""GET by urllib on blocking sockets: http_blocking.py HOST PORT PATH. Prints the body, or why there is none."""

import errno
import sys
import time
import urllib.error
import urllib.request

host, port, path = sys.argv[1:4]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
status = 0
start = time.monotonic()
try:
    with opener.open(f"http://{host}:{port}{path}") as answer:
        sys.stdout.buffer.write(answer.read())
except Exception as error:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    print("failed:", errno.errorcode.get(getattr(error, "errno", None), type(error).__name__), error, file=sys.stderr)
    status = 1
print(f"elapsed={time.monotonic() - start:.6f}", file=sys.stderr)
sys.exit(status)
