# SPDX-License-Identifier: MIT
"""A program on strings: puppet.py HOST PORT executes each line of its input as Python and answers with one JSON line,
{"value": VALUE} or {"error": "ERRNO or exception", "value": null}. It says {"value": "ready"} first."""

import errno
import json
import os
import socket
import sys

HOST, PORT = sys.argv[1], int(sys.argv[2])


def become_another():
    """exec: the descriptors of Python close on exec."""
    os.execv(sys.executable, [sys.executable, *sys.argv])


def connect(port=PORT):
    return socket.create_connection((HOST, port))


def answer(error=None, value=None):
    print(json.dumps({"error": error, "value": value}), flush=True)


names = dict(globals())
answer(value="ready")
while line := sys.stdin.readline():
    try:
        try:
            code = compile(line.strip(), "<line>", "eval")
        except SyntaxError:
            exec(line.strip(), names)
            value = None
        else:
            value = eval(code, names)
            value = value if isinstance(value, (int, float, str, bool, list, type(None))) else repr(value)
        answer(value=value)
    except Exception as error:
        answer(error=errno.errorcode.get(getattr(error, "errno", None), repr(error)))
