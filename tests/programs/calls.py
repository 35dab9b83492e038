# SPDX-License-Identifier: MIT
"""calls.py HOST PORT COUNT [PAUSE]: that many HTTP exchanges, each on a connection of its own, one after the other; prints as
JSON for each how it ended ("ok" or the name of the error) and how many seconds it took."""

import errno
import json
import socket
import sys
import time

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0


def call():
    with socket.create_connection((host, port)) as client:
        client.sendall(b"GET /page HTTP/1.0\r\n\r\n")
        answer = b""
        while data := client.recv(65536):
            answer += data
        return "ok" if answer.startswith(b"HTTP/1.0 200") else "empty"


ends = []
for number in range(count):
    start = time.monotonic()
    try:
        end = call()
    except socket.gaierror as error:
        end = "EAI %d" % error.errno
    except OSError as error:
        end = errno.errorcode.get(error.errno, str(error))
    ends.append([end, time.monotonic() - start])
    if number + 1 < count:
        time.sleep(pause)
print(json.dumps(ends))
