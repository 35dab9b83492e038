"""fault_client.py MODE HOST PORT UP [RECEIVE_TIMEOUT]: connects, sends UP bytes, reads to the end of file, and says as JSON
what it saw and when, in seconds from its start. MODE: block, epoll (level-triggered), edge (edge-triggered), poll."""

import errno
import hashlib
import json
import select
import socket
import struct
import sys
import time

mode, host, port, up = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
seen = {"got": 0, "reads": 0, "most": 0, "wakes": 0}
digest = hashlib.sha256()
start = time.monotonic()


def mark(name):
    seen.setdefault(name, time.monotonic() - start)


def took(data):
    digest.update(data)
    mark("first")
    seen["last"] = time.monotonic() - start
    seen["got"] += len(data)
    seen["reads"] += 1
    seen["most"] = max(seen["most"], len(data))


def request():
    return bytes(i % 251 for i in range(up))


def blocking(client):
    if len(sys.argv) > 5:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(float(sys.argv[5]) * 1e6)))
    client.connect((host, port))
    mark("connected")
    client.sendall(request())
    mark("sent")
    while data := client.recv(65536):
        took(data)


class Loop:
    """One descriptor in an epoll set or a poll array."""

    def __init__(self, client):
        self.client = client
        self.set = select.epoll() if mode != "poll" else select.poll()
        self.edge = select.EPOLLET | select.EPOLLRDHUP if mode == "edge" else 0
        self.ending = False
        self.set.register(client, select.POLLOUT | self.edge)

    def want(self, events):
        self.set.modify(self.client, events | self.edge)

    def wait(self):
        ready = self.set.poll(20 if mode != "poll" else 20000)
        seen["wakes"] += 1
        if not ready:
            raise TimeoutError(errno.ETIME, "no event")
        self.ending = self.edge and ready[0][1] & select.EPOLLRDHUP


def event_loop(client):
    client.setblocking(False)
    result = client.connect_ex((host, port))
    if result not in (0, errno.EINPROGRESS):
        raise OSError(result, "at once")
    loop = Loop(client)
    loop.wait()
    result = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if result:
        raise OSError(result, "later")
    mark("connected")
    rest = request()
    while rest:
        try:
            rest = rest[client.send(rest):]
            # An edge-triggered program takes a short call as a full buffer, and waits for the next edge.
            if rest and mode == "edge":
                loop.wait()
        except BlockingIOError:
            loop.wait()
    mark("sent")
    loop.want(select.POLLIN)
    while True:
        try:
            data = client.recv(65536)
            if not data:
                return
            took(data)
            if mode == "edge" and len(data) < 65536 and not loop.ending:
                loop.wait()
        except BlockingIOError:
            loop.wait()


try:
    with socket.socket() as one:
        try:
            (blocking if mode == "block" else event_loop)(one)
            mark("end")
        finally:
            mark("over")
except OSError as error:
    seen["error"] = errno.errorcode.get(error.errno, str(error))
seen["sha256"] = digest.hexdigest()
print(json.dumps(seen))
