# SPDX-License-Identifier: MIT
"""GET by asyncio streams: http_asyncio.py HOST PORT PATH. Prints the body, or why there is none."""

import asyncio
import errno
import sys
import time


async def get(host, port, path):
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split()[0])
    body = await reader.readexactly(length)
    writer.close()
    return body


status = 0
start = time.monotonic()
try:
    sys.stdout.buffer.write(asyncio.run(get(*sys.argv[1:4])))
except Exception as error:
    print("failed:", errno.errorcode.get(getattr(error, "errno", None), type(error).__name__), error, file=sys.stderr)
    status = 1
print(f"elapsed={time.monotonic() - start:.6f}", file=sys.stderr)
sys.exit(status)
