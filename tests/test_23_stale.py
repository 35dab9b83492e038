# SPDX-License-Identifier: MIT
"""Goal: the race of a client with its server's keep-alive timeout is not a failure (scenario 6.75). A request on a reused
connection that its server closes at once, without an answer, is a stale connection; the same on the first request of a
connection, or later than the grace, is a failure of the backend."""

import socket
import struct

import pytest

from helper import PYTHON, Resil
from servers import HOST, PAGE, Scripted, http_answer, read_request

GRACE = 0.1

CONFIG = """
[destination backend]
match = {host}:{port}
breaker.failures = 1
breaker.ratio = off
breaker.open_time = 1h
breaker.open_max = 1h
"""


class Impatient(Scripted):
    """Answers `answers` requests of a connection with keep-alive, waits `pause` seconds after the next one, and closes:
    by FIN, or with `reset` by RST."""

    def __init__(self, answers, pause=0.0, reset=False):
        self.answers, self.pause, self.reset = answers, pause, reset
        super().__init__()

    def handle(self, connection):
        for _ in range(self.answers):
            if not read_request(connection):
                return
            connection.sendall(http_answer(PAGE).replace(b"HTTP/1.0", b"HTTP/1.1"))
        read_request(connection)
        self.stopping.wait(self.pause)
        if self.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


CLIENTS = {
    "http.client": """
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    connection.request("GET", "/")
    connection.getresponse().read()
start = time.monotonic()
try:
    connection.request("GET", "/")
    connection.getresponse()
except (http.client.RemoteDisconnected, ConnectionError) as error:
    print(type(error).__name__, time.monotonic() - start)
""",
    "blocking": """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for _ in range(int(sys.argv[2])):
    s.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
    while not s.recv(65536).endswith(b"backend\\n"):
        pass
start = time.monotonic()
try:
    s.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
    print("end" if s.recv(65536) == b"" else "answer", time.monotonic() - start)
except ConnectionError as error:
    print(type(error).__name__, time.monotonic() - start)
""",
    "asyncio": """
import asyncio, sys, time
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        writer.write(b"GET / HTTP/1.1\\r\\n\\r\\n")
        await reader.readuntil(b"backend\\n")
    start = time.monotonic()
    try:
        writer.write(b"GET / HTTP/1.1\\r\\n\\r\\n")
        print("end" if await reader.read(65536) == b"" else "answer", time.monotonic() - start)
    except ConnectionError as error:
        print(type(error).__name__, time.monotonic() - start)
asyncio.run(main())
""",
}
ENDS = {False: {"http.client": b"RemoteDisconnected", "blocking": b"end", "asyncio": b"end"},
        True: dict.fromkeys(CLIENTS, b"ConnectionResetError")}


def ask(client, reset=False, answers=0, pause=0.0):
    """The state and the counters of the destination after a client whose last request gets no answer. Where the server
    closes at once, a try in which that took longer than half of the grace proves nothing, and is made again."""
    for _ in range(10):
        resil, server = Resil(), Impatient(answers, pause, reset)
        try:
            resil.config(CONFIG.format(host=HOST, port=server.port))
            result = resil.run([PYTHON, "-c", CLIENTS[client], str(server.port), str(answers)])
            row = resil.row("backend")
        finally:
            server.stop()
            resil.remove()
        end, seconds = result.out.split()
        assert (result.status, end) == (0, ENDS[reset][client]), result
        assert row["counters"]["exchanges_ok"] == answers
        if pause or float(seconds) < GRACE / 2:
            return row["state"], *(row["counters"][name] for name in ("stale", "empty_responses", "resets"))
    raise AssertionError("the machine is too slow to close a connection in time")


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_reused_connection_is_stale(client, reset):
    assert ask(client, reset, answers=2) == ("closed", 1, 0, 0)


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("client", CLIENTS)
def test_the_first_request_of_a_connection_is_a_failure(client, reset):
    assert ask(client, reset) == ("open", 0, int(not reset), int(reset))


@pytest.mark.parametrize("client", CLIENTS)
def test_after_the_grace_it_is_a_failure(client):
    """100 ms: who has worked on a request for so long has not closed an idle connection."""
    assert ask(client, answers=2, pause=1.5 * GRACE) == ("open", 0, 1, 0)
