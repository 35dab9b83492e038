# SPDX-License-Identifier: MIT
"""contender.py HOST PORT TURNS: holds a connection TURNS times for some milliseconds, trying again while refused.
Prints "CONNECTED CLOSING" for each turn, in seconds of the monotonic clock, and how often it was refused at the end."""

import socket
import sys
import time

host, port, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
refused = 0
for _ in range(turns):
    while True:
        try:
            connection = socket.create_connection((host, port))
            break
        except ConnectionRefusedError:
            refused += 1
            time.sleep(0.001)
    connected = time.monotonic()
    connection.sendall(b"x")
    assert connection.recv(1) == b"x"
    time.sleep(0.004)
    print(f"{connected:.9f} {time.monotonic():.9f}")
    connection.close()
print("refused", refused)
