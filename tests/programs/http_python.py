# SPDX-License-Identifier: MIT
"""GET by one of Python's HTTP engines: http_python.py ENGINE HOST PORT PATH. Prints the body, or why there is none."""

import sys
import time


def by_http_client(host, port, path):
    import http.client
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("GET", path)
    return connection.getresponse().read()


def by_requests(host, port, path):
    import requests
    session = requests.Session()
    session.trust_env = False
    return session.get(f"http://{host}:{port}{path}").content


def by_aiohttp(host, port, path):
    import asyncio

    import aiohttp

    async def get():
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as answer:
            return await answer.read()

    return asyncio.run(get())


def by_pycurl(host, port, path):
    import io

    import pycurl
    body = io.BytesIO()
    multi, one = pycurl.CurlMulti(), pycurl.Curl()
    one.setopt(pycurl.URL, f"http://{host}:{port}{path}")
    one.setopt(pycurl.PROXY, "")
    one.setopt(pycurl.WRITEDATA, body)
    multi.add_handle(one)
    while multi.perform()[1]:
        multi.select(1.0)
    for _, number, text in multi.info_read()[2]:
        raise OSError(number, text)
    return body.getvalue()


def by_tornado(host, port, path):
    import tornado.ioloop
    from tornado.httpclient import AsyncHTTPClient
    get = AsyncHTTPClient().fetch
    return tornado.ioloop.IOLoop.current().run_sync(lambda: get(f"http://{host}:{port}{path}")).body


def by_gevent(host, port, path):
    from gevent import monkey
    monkey.patch_all()
    import gevent
    return gevent.spawn(by_http_client, host, port, path).get()


def by_threads(host, port, path):
    """Three at once; the answer is that of all of them."""
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: by_http_client(host, port, path), range(3)))
    assert len(set(answers)) == 1
    return answers[0]


def by_fork(host, port, path):
    """A child process asks, and hands the answer over."""
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(by_http_client, (host, port, path))


def by_select(host, port, path):
    return _by_waiting(host, port, path, "SelectSelector")


def by_poll(host, port, path):
    return _by_waiting(host, port, path, "PollSelector")


def by_epoll(host, port, path):
    return _by_waiting(host, port, path, "EpollSelector")


def _by_waiting(host, port, path, kind):
    """A socket that never blocks, and one way to wait for it."""
    import errno
    import os
    import selectors
    import socket
    one, waiter = socket.socket(), getattr(selectors, kind)()
    one.setblocking(False)
    code = one.connect_ex((host, int(port)))
    if code == errno.EINPROGRESS:
        waiter.register(one, selectors.EVENT_WRITE)
        waiter.select()
        waiter.unregister(one)
        code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    one.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    waiter.register(one, selectors.EVENT_READ)
    answer = b""
    while waiter.select():
        more = one.recv(65536)
        if not more:
            return answer.split(b"\r\n\r\n", 1)[1]
        answer += more


status = 0
engine, *where = sys.argv[1:5]
ENGINE = globals()["by_" + engine]
start = time.monotonic()
try:
    sys.stdout.buffer.write(ENGINE(*where))
except Exception as error:
    print("failed:", type(error).__name__, str(error).split(" at 0x")[0], file=sys.stderr)
    status = 1
print(f"elapsed={time.monotonic() - start:.6f}", file=sys.stderr)
sys.exit(status)
