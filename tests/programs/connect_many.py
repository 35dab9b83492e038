# SPDX-License-Identifier: MIT
"""connect_many.py HOST PORT COUNT: that many connections one after the other; prints one letter for each, '.' for a
connection and 'x' for a failure."""

import socket
import sys

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
letters = []
for _ in range(count):
    try:
        socket.create_connection((host, port)).close()
        letters.append(".")
    except OSError:
        letters.append("x")
print("".join(letters))
