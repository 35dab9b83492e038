# SPDX-License-Identifier: MIT
"""Goal: a stub answers in the place of a backend: a fixed answer, the last good one, or `kept for later`; what it said it
has kept is delivered in order, once each, whenever either side is killed."""

import glob
import os
import re
import signal
import socket
import threading
import time

import pytest

from clients import BY_NAME
from helper import RESCTL, wait_until
from servers import HOST, PAGE, Scripted, http_answer, read_request

CURL = ["curl", "-q", "-sS", "-i", "--noproxy", "*"]


def start(resil, *args, listen=f"{HOST}:0", prefix=(), ready=True):
    """A stub and the port that it got."""
    child = resil.spawn([*prefix, RESCTL, "stub", "--listen", listen, *args], preload=False)
    if ready:
        line = child.stdout.readline().decode()
        assert line.startswith("listening on "), (line, child.stderr.read())
        child.port = line.strip().rpartition(":")[2]
    return child


def kill(child):
    """SIGKILL for it and, where it is strace, for what it traces."""
    with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as file:
        pids = [int(pid) for pid in file.read().split()]
    child.kill()
    if "strace" in child.args:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    child.wait(timeout=10)


def post(resil, port, body="x", *options):
    return resil.run([*CURL, *options, "--data-binary", body, f"http://{HOST}:{port}/orders"], preload=False)


def replay(resil, port, *args):
    return resil.resctl("replay", os.path.join(resil.dir, "spool"), "--to", f"{HOST}:{port}", *args)


def waiting(resil):
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(resil.dir, "spool", "[0-9]*")))


class Receiver(Scripted):
    """Answers POSTs with `status` (or what `answers` says, one after the other), notes (key, body) in order."""

    status = 200
    extra = b""

    def __init__(self):
        self.answers = []
        self.got = []
        super().__init__()

    def handle(self, connection):
        data = read_request(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        while found and len(body) < int(found[1]):
            body += connection.recv(65536)
        key = re.search(rb"Idempotency-Key: (\S+)", head)
        if not key:
            return
        with self.lock:
            self.got.append((key[1].decode(), body.decode()))
            status = self.answers.pop(0) if self.answers else self.status
        connection.sendall(b"HTTP/1.1 %d Said\r\n%sContent-Length: 0\r\n\r\n" % (status, self.extra))

    def bodies(self):
        return [body for _, body in self.got]

    def once(self):
        """Without the repetitions of a key, as a receiver that knows keys has them."""
        return list(dict.fromkeys(self.got))


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def stub(resil):
    return start(resil, "--spool", "spool")


# ---- a fixed answer ---------------------------------------------------------------------------------------------


def test_a_file_and_its_headers(resil):
    page = resil.file("page.html", "<p>back soon</p>")
    one = start(resil, "--file", page, "--type", "text/html", "--header", "X-From: stub")
    result = resil.run([*CURL, f"http://{HOST}:{one.port}/any/path"], preload=False)
    head, _, body = result.out.partition(b"\r\n\r\n")
    assert body == b"<p>back soon</p>" and head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: text/html\r\n" in head and b"X-From: stub" in head and b"Retry-After" not in head
    head = resil.run([*CURL, "--head", f"http://{HOST}:{one.port}/"], preload=False).out
    assert b"Content-Length: 16" in head and head.endswith(b"\r\n\r\n")
    one.terminate()
    assert one.wait(timeout=10) == 0


def test_a_status_with_retry_after(resil):
    one = start(resil, "--status", "429", "--retry-after", "1500ms")
    result = resil.run([*CURL, f"http://{HOST}:{one.port}/"], preload=False)
    assert result.out.startswith(b"HTTP/1.1 429 Too Many Requests\r\n") and b"Retry-After: 2\r\n" in result.out
    plain = start(resil)
    assert b" 503 " in resil.run([*CURL, f"http://{HOST}:{plain.port}/"], preload=False).out


def test_the_stub_of_a_fallback(resil, dead):
    one = start(resil, "--file", resil.file("page", PAGE))
    resil.config(f"[destination a]\nmatch = {HOST}:{dead.port}\nfallback = {HOST}:{one.port}\n")
    for name in ("curl", "asyncio", "node"):
        assert resil.run(BY_NAME[name].command(HOST, dead.port)).out == PAGE


def test_an_end_at_once(resil):
    """An idle stub that is told to end does not go on accepting, and its place is free for the next one."""
    one = start(resil)
    assert b" 503 " in post(resil, one.port).out  # it waits for the next one
    began = time.monotonic()
    one.terminate()
    assert one.wait(timeout=10) == 0 and time.monotonic() - began < 0.5
    start(resil, listen=f"{HOST}:{one.port}")


def test_a_unix_socket(resil):
    path = os.path.join(resil.dir, "socket")
    for _ in range(2):  # the second one finds what the first one left
        one = start(resil, listen=f"unix:{path}")
        assert b" 503 " in resil.run([*CURL, "--unix-socket", path, "http://a/"], preload=False).out
        kill(one)


BAD = {
    "nonsense": (b"nonsense\r\n\r\n", b" 400 "),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b" 400 "),
    "length and chunks": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b" 400 "),
    "folded": (b"POST / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", b" 400 "),
    "negative": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b" 400 "),
    "bad chunk": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b" 400 "),
    "overlong chunk": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", b" 400 "),
    "nul": (b"POST / HTTP/1.1\r\nA: \0\r\n\r\n", b" 400 "),
    "http2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b" 400 "),
    "large": (b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", b" 413 "),
    "large head": (b"POST / HTTP/1.1\r\nA: " + b"x" * 70000 + b"\r\n\r\n", b" 413 "),
    "slow": (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx", b" 408 "),
}


def test_bad_requests(resil):
    """Each is refused, none is kept, and the stub goes on."""
    one = start(resil, "--spool", "spool", "--max-bytes", "90KB", "--timeout", "300ms")
    for name, (request, want) in BAD.items():
        with socket.create_connection((HOST, int(one.port)), timeout=5) as client:
            client.sendall(request)
            answer = b""
            while more := client.recv(65536):
                answer += more
            assert want in answer.split(b"\r\n")[0], (name, answer)
    with socket.create_connection((HOST, int(one.port)), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx")  # and is gone
    assert b" 202 " in post(resil, one.port).out
    assert len(waiting(resil)) == 1


@pytest.mark.parametrize("args", [(), ("--listen", "nowhere"), ("--listen", "127.0.0.1:0", "--status", "99"),
                                  ("--listen", "127.0.0.1:0", "--retry-after", "5"),
                                  ("--listen", "127.0.0.1:0", "--header", "no colon"),
                                  ("--listen", "127.0.0.1:0", "--cache", "dir"),
                                  ("--listen", "127.0.0.1:0", "--max-bytes", "10")])
def test_usage(resil, args):
    result = resil.resctl("stub", *args)
    assert result.status in (2, 4) and result.err and not result.out


# ---- the last good answer -------------------------------------------------------------------------------------------


class Origin(Scripted):
    extra = b""

    def __init__(self):
        self.requests = []
        super().__init__()

    def handle(self, connection):
        data = read_request(connection)
        self.requests.append(data)
        path = data.split(b" ")[1]
        connection.sendall(http_answer(b"page " + path).replace(b"\r\n\r\n", b"\r\n" + self.extra + b"\r\n", 1))


def test_the_last_good_answer(resil):
    origin = Origin()
    one = start(resil, "--cache", "copies", "--upstream", f"{HOST}:{origin.port}", "--timeout", "2s")
    try:
        for path in ("/a", "/b?c=d"):
            fresh = resil.run([*CURL, f"http://{HOST}:{one.port}{path}"], preload=False).out
            assert fresh.endswith(b"page " + path.encode()) and b"Warning" not in fresh
        resil.run([*CURL, "-u", "me:secret", f"http://{HOST}:{one.port}/mine"], preload=False)
        origin.extra = b"Cache-Control: private\r\n"
        resil.run([*CURL, f"http://{HOST}:{one.port}/private"], preload=False)
    finally:
        origin.stop()
    kill(one)
    one = start(resil, "--cache", "copies", "--upstream", f"{HOST}:{origin.port}", "--timeout", "2s")
    for path in ("/a", "/b?c=d"):
        copy = resil.run([*CURL, f"http://{HOST}:{one.port}{path}"], preload=False).out
        assert copy.endswith(b"page " + path.encode()) and b"Warning: 110" in copy and b"\r\nAge: " in copy
    for path in ("/mine", "/private", "/c"):
        assert b" 503 " in resil.run([*CURL, f"http://{HOST}:{one.port}{path}"], preload=False).out.split(b"\r\n")[0]


def test_pages_that_are_fetched_before_they_are_asked_for(resil):
    origin = Origin()
    one = start(resil, "--cache", "copies", "--upstream", f"{HOST}:{origin.port}", "--page", "/menu", "--refresh", "50ms")
    try:
        wait_until(lambda: len(origin.requests) >= 3, what="the refreshes")
    finally:
        origin.stop()
    assert b"page /menu" in resil.run([*CURL, f"http://{HOST}:{one.port}/menu"], preload=False).out


# ---- kept for later ---------------------------------------------------------------------------------------------------


def test_in_order_once_each(resil, stub, receiver):
    for number in range(12):
        assert b" 202 Accepted" in post(resil, stub.port, f"order {number}").out
    result = replay(resil, receiver.port)
    assert (result.status, result.out) == (0, b"delivered 12, refused 0, left 0\n"), result
    assert receiver.bodies() == [f"order {number}" for number in range(12)]
    assert len({key for key, _ in receiver.got}) == 12
    assert replay(resil, receiver.port, "--json").out.startswith(b'{"delivered":0,') and waiting(resil) == []


def test_every_byte_arrives(resil, stub, receiver):
    """Chunks, a question before the body, a key of the client's own; what is about the connection alone does not go on."""
    body = resil.file("body", "".join(f"{number}," for number in range(100000)))
    with open(body, "rb") as file:
        content = file.read()
    result = resil.run([*CURL, "-H", "Expect: 100-continue", "-H", "Idempotency-Key: mine", "-H", "X-Odd:  a  b ", "--data-binary",
                        f"@{body}", f"http://{HOST}:{stub.port}/x?y=z"], preload=False)
    assert b" 202 " in result.out
    with open(os.path.join(resil.dir, "spool", waiting(resil)[0]), "rb") as file:
        head, _, kept = file.read().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert kept == content and lines[0] == b"POST /x?y=z HTTP/1.1" and b"X-Odd:  a  b " in lines
    assert b"Idempotency-Key: mine" in lines and b"Connection: close" in lines
    assert not [line for line in lines if line.startswith(b"Expect")]
    assert replay(resil, receiver.port).status == 0
    assert receiver.got == [("mine", content.decode())]
    result = resil.run([*CURL, "-T", "-", f"http://{HOST}:{stub.port}/put"], preload=False, stdin=content)
    assert b" 202 " in result.out
    with open(os.path.join(resil.dir, "spool", waiting(resil)[0]), "rb") as file:
        assert file.read().endswith(b"\r\n0\r\n\r\n")


def test_bare_line_feeds(resil, stub, receiver):
    """Every line of the head grows by a byte when it is kept."""
    lines = b"".join(b"A%d:\n" % number for number in range(8000))
    with socket.create_connection((HOST, int(stub.port)), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\n" + lines + b"Content-Length: 2\n\nok")
        assert b" 202 " in client.recv(1000)
    with open(os.path.join(resil.dir, "spool", waiting(resil)[0]), "rb") as file:
        head, _, body = file.read().partition(b"\r\n\r\n")
    assert body == b"ok" and head.count(b"\r\n") == 8003


def test_reads_are_not_kept(resil, stub):
    assert b" 503 " in resil.run([*CURL, f"http://{HOST}:{stub.port}/"], preload=False).out and waiting(resil) == []


def test_the_receiver_that_cannot_take_it(resil, stub, receiver):
    """503: nothing behind it is sent; 422: put aside, and the others go on."""
    for number in range(4):
        post(resil, stub.port, str(number))
    receiver.answers = [200, 503]
    result = replay(resil, receiver.port)
    assert (result.status, result.out) == (1, b"delivered 1, refused 0, left 3\n"), result
    receiver.answers = [200, 422, 200]
    result = replay(resil, receiver.port)
    assert (result.status, result.out) == (1, b"delivered 2, refused 1, left 0\n") and b"422" in result.err
    assert receiver.bodies() == ["0", "1", "1", "2", "3"]
    assert len(os.listdir(os.path.join(resil.dir, "spool", "refused"))) == 1


def test_one_that_follows(resil, stub, receiver):
    """Waits for its receiver, keeps the order, delivers what comes meanwhile, ends by SIGTERM."""
    receiver.answers = [503, 503]
    child = resil.spawn([RESCTL, "replay", "spool", "--to", f"{HOST}:{receiver.port}", "--follow"], preload=False)
    for number in range(5):
        post(resil, stub.port, str(number))
    wait_until(lambda: len(receiver.got) == 7, what="the deliveries")
    assert receiver.bodies() == ["0", "0", "0", "1", "2", "3", "4"]
    post(resil, stub.port, "5")
    wait_until(lambda: receiver.bodies()[-1] == "5", what="a later one")
    wait_until(lambda: waiting(resil) == [], what="its record")
    child.terminate()
    result = resil.finish(child)
    assert (result.status, result.out) == (0, b"delivered 6, refused 0, left 0\n")


def test_only_one_of_a_kind(resil, stub, receiver):
    result = resil.resctl("stub", "--listen", f"{HOST}:0", "--spool", "spool")
    assert result.status == 1 and b"another stub" in result.err
    resil.spawn([RESCTL, "replay", "spool", "--to", f"{HOST}:{receiver.port}", "--follow"], preload=False)
    wait_until(lambda: os.path.exists(os.path.join(resil.dir, "spool", "replay.lock")))
    wait_until(lambda: replay(resil, receiver.port).status == 1, what="the lock")


def test_a_spool_that_cannot_be_written(resil, stub):
    """The client is told, so that nothing is lost."""
    os.rename(os.path.join(resil.dir, "spool", "tmp"), os.path.join(resil.dir, "spool", "gone"))
    assert b" 503 " in post(resil, stub.port).out.split(b"\r\n")[0]


# ---- killed at any time -------------------------------------------------------------------------------------------------


def killed_at(call, number):
    """The program dies by SIGKILL at the number-th such system call."""
    return ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
            f"inject={call}:signal=KILL:when={number}")


STEPS = [("write", 1), ("fsync", 1), ("flock", 1), ("flock", 2), ("renameat", 1), ("fsync", 2), ("fsync", 3), ("sendto", 1),
         ("close", 3), ("openat", 2)]


@pytest.mark.parametrize("call, number", STEPS)
def test_a_stub_that_is_killed(resil, receiver, call, number):
    """Whatever the client was told is kept is there, whole and once; what it was not told may be there, or not."""
    first = start(resil, "--spool", "spool")
    assert b" 202 " in post(resil, first.port, "before").out
    kill(first)
    one = start(resil, "--spool", "spool", prefix=killed_at(call, number), ready=False)
    line = one.stdout.readline().decode()
    told = False
    if line:
        result = resil.run([*CURL, "--data-binary", "doubtful", f"http://{HOST}:{line.strip().rpartition(':')[2]}/"],
                           preload=False)
        told = b" 202 " in result.out
    kill(one)
    last = start(resil, "--spool", "spool")
    assert b" 202 " in post(resil, last.port, "after").out
    assert os.listdir(os.path.join(resil.dir, "spool", "tmp")) == []
    assert replay(resil, receiver.port).status == 0
    assert receiver.bodies() in ([["before", "doubtful", "after"]] if told else
                                 [["before", "after"], ["before", "doubtful", "after"]])
    assert len(receiver.once()) == len(receiver.got)


def test_a_stub_that_is_killed_again_and_again(resil, receiver):
    """A thousand requests of four clients at once, and SIGKILL at odd moments: all that was acknowledged, each client's in its
    order, once each."""
    told, stopping, port, lock = {name: [] for name in "abcd"}, threading.Event(), [0], threading.Lock()

    def client(name):
        number = 0
        while not stopping.is_set():
            number += 1
            body = f"{name}{number}".encode()
            try:
                with socket.create_connection((HOST, port[0]), timeout=2) as link:
                    link.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    answer = link.recv(100)
            except OSError:
                continue
            if b" 202 " in answer:
                with lock:
                    told[name].append(body.decode())

    threads = [threading.Thread(target=client, args=(name,)) for name in told]
    for round_number in range(12):
        one = start(resil, "--spool", "spool")
        port[0] = int(one.port)
        if round_number == 0:
            for thread in threads:
                thread.start()
        before = sum(map(len, told.values()))
        wait_until(lambda: sum(map(len, told.values())) >= before + 70 + round_number * 3, 20.0, "requests")
        kill(one)
    stopping.set()
    for thread in threads:
        thread.join(timeout=20)
    assert replay(resil, receiver.port).status == 0
    bodies = receiver.bodies()
    assert len(set(bodies)) == len(bodies) >= 1000, "once each"
    for name, sent in told.items():
        mine = [body for body in bodies if body[0] == name]
        assert mine == sorted(mine, key=lambda body: int(body[1:])), "in order"
        assert set(sent) <= set(mine), "nothing is lost"


@pytest.mark.parametrize("call, number", [("renameat", 1), ("fsync", 1), ("sendto", 1), ("recvfrom", 1), ("unlinkat", 1),
                                          ("renameat", 2), ("fsync", 2), ("sendto", 2), ("unlinkat", 2), ("fsync", 4),
                                          ("connect", 2), ("openat", 6)])
def test_a_replay_that_is_killed(resil, receiver, call, number):
    """The next run goes on where it was: in order, nothing lost; at most the one that was on its way is sent twice, with the
    key by which its receiver can tell."""
    one = start(resil, "--spool", "spool")
    for body in "abc":
        post(resil, one.port, body)
    command = [*killed_at(call, number), RESCTL, "replay", "spool", "--to", f"{HOST}:{receiver.port}"]
    assert resil.run(command, preload=False).status != 0
    doubtful = [name for name in waiting(resil) if name.endswith(".sent")]
    assert len(doubtful) <= 1
    result = replay(resil, receiver.port)
    assert result.status == 0, result
    assert [body for _, body in receiver.once()] == ["a", "b", "c"]
    assert receiver.bodies() == sorted(receiver.bodies()) and len(receiver.got) <= 3 + len(doubtful)


@pytest.mark.parametrize("word, status, bodies", [("skip", 1, ["b"]), ("stop", 1, []), ("again", 0, ["a", "b"])])
def test_what_is_in_doubt(resil, receiver, word, status, bodies):
    one = start(resil, "--spool", "spool")
    for body in "ab":
        post(resil, one.port, body)
    spool = os.path.join(resil.dir, "spool")
    os.rename(os.path.join(spool, waiting(resil)[0]), os.path.join(spool, waiting(resil)[0].replace(".req", ".sent")))
    result = replay(resil, receiver.port, "--in-doubt", word)
    assert result.status == status and receiver.bodies() == bodies, result


def test_numbers_of_refused_requests_stay_theirs(resil, receiver):
    """Also after a restart with an empty spool: nothing is overwritten."""
    receiver.status = 422
    for body in "ab":
        one = start(resil, "--spool", "spool")
        post(resil, one.port, body)
        kill(one)
        replay(resil, receiver.port)
    assert len(os.listdir(os.path.join(resil.dir, "spool", "refused"))) == 2
