# SPDX-License-Identifier: MIT
"""One connect that does not block, waited for and collected in the ways that programs do:
async_connect.py PORT WAITER COLLECTOR. Prints what it saw, as JSON."""

import errno
import json
import select
import socket
import sys
import time

port, waiter, collector = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def said(call):
    try:
        value = call()
        return "ok" if value is None else value
    except OSError as error:
        return errno.errorcode[error.errno]


def wait(sock, milliseconds):
    """The flags of the first event, sorted; [] when there was none."""
    fd = sock.fileno()
    if waiter == "select":
        sets = select.select([fd], [fd], [fd], milliseconds / 1000)
        return [name for name, found in zip(("in", "out"), sets) if found]
    if waiter == "poll":
        poll = select.poll()
        poll.register(fd, select.POLLIN | select.POLLOUT)
        events = poll.poll(milliseconds)
    else:
        events = epoll.poll(milliseconds / 1000)
    names = {select.POLLIN: "in", select.POLLOUT: "out", select.POLLERR: "err", select.POLLHUP: "hup"}
    return [names[bit] for bit in sorted(names) if events and events[0][1] & bit]


COLLECT = {
    "so_error": lambda s: errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "ok"),
    "connect": lambda s: said(lambda: s.connect(("127.0.0.1", port))),
    "getpeername": lambda s: said(lambda: "ok" if s.getpeername()[1] == port else "another"),
    "send": lambda s: said(lambda: s.send(b"hello", socket.MSG_NOSIGNAL)),
    "recv": lambda s: said(lambda: len(s.recv(5))),
    "flags": lambda s: "ok" if set(wait(s, 0)) in ({"out"}, {"in", "out"}) and waiter != "select" else "unknown",
}

s = socket.socket()
s.setblocking(False)
epoll = select.epoll()
if waiter.startswith("epoll"):
    epoll.register(s, select.EPOLLIN | select.EPOLLOUT | (select.EPOLLET if waiter == "epoll-et" else 0))
    if waiter == "epoll-et":
        epoll.poll(0)  # an unconnected socket hangs up at once: the edge belongs to what comes
start = time.monotonic()
begun = said(lambda: s.connect(("127.0.0.1", port)))
seen = {"connect": begun, "flags": wait(s, 5000)}
seen["seconds"] = time.monotonic() - start
seen["collected"] = COLLECT[collector](s)
seen["again"] = COLLECT["so_error"](s)
seen["peer"] = COLLECT["getpeername"](s)
if seen["peer"] == "ok":
    s.setblocking(True)
    seen["sent"] = said(lambda: s.sendall(b"hello"))
    seen["received"] = said(lambda: len(s.recv(5, socket.MSG_WAITALL)))
print(json.dumps(seen))
