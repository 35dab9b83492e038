# SPDX-License-Identifier: MIT
"""Goal: a name that only the configuration knows works in any program, on its endpoints or its fallback; names that DNS
knows, and lookups that nobody configured, are as without the library.

covers: getaddrinfo gethostbyname gethostbyname2 gethostbyname_r gethostbyname2_r getnameinfo
"""

import json
import shutil
import subprocess

import pytest

from clients import BY_NAME, CLIENTS
from helper import PYTHON, Puppet, program
from servers import HOST, PAGE

NAME = "payments.test"
QUICK = {"RES_OPTIONS": "timeout:1 attempts:1"}  # where no name server answers
NOBODY = "198.18.0.1"

PROGRAMS = {
    "php": ["php", "-r", f"echo file_get_contents('http://{NAME}/page');"],
    "ruby": ["ruby", "-rnet/http", "-e", f"print Net::HTTP.get(URI('http://{NAME}/page'))"],
    "perl-lwp": ["perl", "-MLWP::Simple", "-e", f"print get('http://{NAME}/page')"],
    "busybox": ["busybox", "wget", "-q", "-O-", f"http://{NAME}/page"],
    "lua": ["lua5.4", "-e", f"io.write((require('socket.http').request('http://{NAME}/page')))"],
}


def configure(resil, *lines):
    text = "\n".join(lines)
    resil.config(f"[destination pay]\nmatch = {NAME}\n{text}\n")


def puppet(resil, port=80):
    child = resil.spawn([PYTHON, program("puppet.py"), NAME, str(port)], env=QUICK, stdin=subprocess.PIPE)
    return Puppet(child)


def look(one, *more):
    """The addresses that a lookup answers, or the error's number."""
    arguments = ", ".join((repr(NAME), *more))
    code = f"try: r = socket.getaddrinfo({arguments})\nexcept socket.gaierror as e: r = e.errno"
    assert one.do(f"exec({code!r})") == "ok"
    return json.loads(one.get("json.dumps(r if isinstance(r, int) else [[a[0], a[1], a[3], a[4][0], a[4][1]] for a in r])"))


# ---- real programs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_programs_reach_it(resil, healthy, client):
    configure(resil, f"endpoints = {HOST}:{healthy[client.kind]}")
    native = resil.run(client.command(HOST, healthy[client.kind]), preload=False)
    result = resil.run(client.command(NAME, 80), env=QUICK)
    assert (result.status, result.out) == (0, native.out), result
    assert resil.counters("pay", f"{HOST}:{healthy[client.kind]}")["connects_ok"] >= 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_more_programs(resil, healthy, name):
    if not shutil.which(PROGRAMS[name][0]):
        pytest.skip(f"no {name}")
    configure(resil, f"endpoints = {HOST}:{healthy['http']}")
    result = resil.run(PROGRAMS[name], env=QUICK)
    assert (result.status, result.out) == (0, PAGE), result


# ---- the answer ---------------------------------------------------------------------------------------------------


def test_the_answer_is_whole(resil, counting):
    """Family, kind, port, canonical name: as the resolver would for a host with this one address."""
    configure(resil, f"endpoints = {HOST}:{counting.port}")
    one = puppet(resil)
    (inet, inet6), (stream, dgram) = (one.get("[int(socket.AF_INET), int(socket.AF_INET6)]"),
                                      one.get("[int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)]"))
    address = look(one, "'http'", "0", "socket.SOCK_STREAM")[0][3]
    assert address.startswith(("198.18.", "198.19."))
    assert look(one, "'http'", "0", "socket.SOCK_STREAM") == [[inet, stream, "", address, 80]]
    assert look(one, "8080", "0", "0", "0", "socket.AI_CANONNAME | socket.AI_ADDRCONFIG")[0] == \
        [inet, stream, NAME, address, 8080]
    assert {row[1] for row in look(one, "80")} >= {stream, dgram}
    v6 = look(one, "80", "socket.AF_INET6", "socket.SOCK_STREAM")
    assert len(v6) == 1 and v6[0][0] == inet6 and v6[0][3].startswith("2001:2::")
    assert one.get(f"socket.gethostbyname('{NAME.upper()}.')") == address
    assert one.get(f"list(socket.gethostbyname_ex('{NAME}'))") == [NAME, [], [address]]
    other = puppet(resil)
    assert look(other, "80")[0][3] == address, "another process gets the same"


def test_what_is_not_answered(resil, counting):
    configure(resil, f"endpoints = {HOST}:{counting.port}")
    one = puppet(resil)
    for arguments in (("80", "0", "0", "0", "socket.AI_NUMERICHOST"), ("80", "0", "socket.SOCK_DGRAM"),
                      ("'no-such-port'",)):
        assert isinstance(look(one, *arguments), int), arguments
    assert one.do("socket.getaddrinfo('other.test', 80)") != "ok"
    assert one.do("socket.getaddrinfo('below.payments.test', 80)") != "ok"


def test_functions_without_the_list(resil, counting):
    """gethostbyname() and its kin fill what they are given, and say when that is too small."""
    configure(resil, f"endpoints = {HOST}:{counting.port}")
    script = f"""
import ctypes, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
class Host(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("aliases", ctypes.POINTER(ctypes.c_char_p)), ("type", ctypes.c_int),
                ("length", ctypes.c_int), ("list", ctypes.POINTER(ctypes.c_void_p))]
libc.gethostbyname.restype = libc.gethostbyname2.restype = ctypes.POINTER(Host)
def show(host):
    return (host.name.decode(), bool(host.aliases[0]), host.type,
            socket.inet_ntop(host.type, ctypes.string_at(host.list[0], host.length)), bool(host.list[1]))
name = b"{NAME}"
print(show(libc.gethostbyname(name).contents))
print(show(libc.gethostbyname2(name, socket.AF_INET6).contents)[2:4])
print(bool(libc.gethostbyname(b"other.test")))
for size in (0, 20, 40, 200, 320):
    for shift in (0, 1, 5):
        entry, found, error = Host(), ctypes.POINTER(Host)(), ctypes.c_int(-9)
        room = ctypes.create_string_buffer(b"\\xee" * 400, 400)
        at = ctypes.c_char_p(ctypes.addressof(room) + shift)
        result = libc.gethostbyname_r(name, ctypes.byref(entry), at, size, ctypes.byref(found), ctypes.byref(error))
        beyond = room.raw[shift + size:400]
        assert set(beyond) <= {{0xee}}, (size, shift)
        if size == 320:
            print(result, error.value, show(found.contents))
        else:
            print(result, bool(found))
entry, found, error = Host(), ctypes.POINTER(Host)(), ctypes.c_int(-9)
room = ctypes.create_string_buffer(512)
result = libc.gethostbyname2_r(name, socket.AF_INET6, ctypes.byref(entry), room, 512, ctypes.byref(found), ctypes.byref(error))
print(result, show(found.contents)[2:4])
"""
    result = resil.run([PYTHON, "-c", script], env=QUICK)
    assert result.status == 0, result
    lines = result.out.decode().splitlines()
    host, found6, other = lines[:3]
    assert host.startswith(f"('{NAME}', False, 2, '198.1") and "2001:2::" in found6 and other == "False"
    assert lines[3:15] == ["34 False"] * 12  # ERANGE
    assert lines[15:18] == [f"0 0 {host}"] * 3
    assert lines[18].startswith("0 (10, '2001:2::")


def test_the_way_back(resil, counting):
    """getnameinfo() names the service; everything else, and what it was asked for by number, is the resolver's."""
    configure(resil, f"endpoints = {HOST}:{counting.port}")
    one = puppet(resil)
    for family in ("AF_INET", "AF_INET6"):
        address = look(one, "80", f"socket.{family}")[0][3]
        assert one.get(f"list(socket.getnameinfo(('{address}', 80), 0))") == [NAME, "http"]
        assert one.get(f"list(socket.getnameinfo(('{address}', 8080), socket.NI_NAMEREQD | socket.NI_NUMERICSERV))") == \
            [NAME, "8080"]
        assert one.get(f"list(socket.getnameinfo(('{address}', 80), socket.NI_NUMERICHOST))") == [address, "http"]
    assert one.get("list(socket.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST))") == ["127.0.0.1", "http"]
    script = f"""
import ctypes, socket, struct
libc = ctypes.CDLL(None)
addr = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 80) + socket.inet_aton("{{address}}") + bytes(8)
for size in (0, 5, {len(NAME)}, {len(NAME) + 1}):
    room = ctypes.create_string_buffer(b"\\xee" * 64, 64)
    result = libc.getnameinfo(addr, 16, room, size, None, 0, 8)
    assert set(room.raw[size:]) == {{{{0xee}}}}
    print(result, room.raw[:size])
print(libc.getnameinfo(None, 16, room, 64, None, 0, 0) != 0, libc.getnameinfo(addr, 2, room, 64, None, 0, 0))
""".format(address=look(one, "80")[0][3])
    lines = resil.run([PYTHON, "-c", script], env=QUICK).out.decode().splitlines()
    assert [line.split()[0] for line in lines[:3]][1:] == ["-12", "-12"]  # EAI_OVERFLOW
    assert lines[3] == f"0 {NAME.encode() + bytes(1)!r}" and lines[4].endswith("-6")  # EAI_FAMILY


def test_addresses_that_were_inherited(resil, counting):
    """Looked up by one process, connected to by another."""
    configure(resil, f"endpoints = {HOST}:{counting.port}")
    one, other = puppet(resil), puppet(resil)
    for family in ("AF_INET", "AF_INET6"):
        address = look(one, "80", f"socket.{family}")[0][3]
        assert other.do(f"s = socket.create_connection(('{address}', 80))") == "ok"
        assert other.get("s.getpeername()[0]") == address
    assert resil.counters("pay")["connects_ok"] == 2


# ---- where it leads -----------------------------------------------------------------------------------------------


def test_a_name_with_a_fallback_alone(resil, counting):
    """Nobody is at its address: the call goes on at once."""
    configure(resil, f"fallback = {HOST}:{counting.port}")
    for client in (BY_NAME["curl"], BY_NAME["asyncio"]):
        result = resil.run(client.command(NAME, 80), env=QUICK)
        assert result.out == PAGE and result.seconds < 3.0, result
    assert resil.counters("pay")["fallbacks"] == 2 and resil.counters("pay")["attempts"] == 0


def test_a_name_with_a_relay(resil, counting):
    configure(resil, f"via = {HOST}:{counting.port}")
    assert resil.run(BY_NAME["curl"].command(NAME, 80), env=QUICK).out == PAGE


def test_endpoints_that_are_gone(resil, dead):
    configure(resil, f"endpoints = {HOST}:{dead.port}", "breaker.failures = 1")
    one = puppet(resil)
    assert [one.do("connect()") for _ in range(2)] == ["ECONNREFUSED"] * 2
    assert resil.counters("pay")["rejected_breaker"] == 1


def test_a_port_that_no_rule_names(resil, counting):
    """Its packets would leave for an address that nobody has: refused at once."""
    resil.config(f"[destination pay]\nmatch = {NAME}:80\nendpoints = {HOST}:{counting.port}\n")
    one = puppet(resil)
    assert one.do("connect(81)") == "ECONNREFUSED"
    assert one.do("connect(80)") == "ok"


@pytest.mark.parametrize("mode", ("observe", "off"))
def test_only_where_calls_are_moved(resil, counting, mode):
    configure(resil, f"endpoints = {HOST}:{counting.port}", f"mode = {mode}")
    assert isinstance(look(puppet(resil), "80"), int)


def test_the_kill_switch(resil, counting):
    configure(resil, f"endpoints = {HOST}:{counting.port}")
    child = resil.spawn([PYTHON, program("puppet.py"), NAME, "80"], env={**QUICK, "RESIL_DISABLE": "all"},
                        stdin=subprocess.PIPE)
    assert isinstance(look(Puppet(child), "80"), int)


def test_names_that_exist_are_untouched(resil, counting):
    resil.config(f"[destination here]\nmatch = localhost\nendpoints = {HOST}:{counting.port}\n")
    lookup = [PYTHON, "-c", "import socket; print(sorted(socket.getaddrinfo('localhost', 80)), "
              "socket.gethostbyname_ex('localhost'))"]
    assert resil.run(lookup).out == resil.run(lookup, preload=False).out
    assert resil.run(BY_NAME["python3"].command("localhost", 1)).out == PAGE


def test_another_networks_address(resil, dead):
    """198.18.0.0/15 without a service of that address is any address."""
    resil.config(f"[destination lab]\nmatch = 198.18.0.0/15\nendpoints = {HOST}:{dead.port}\n")
    one = puppet(resil)
    assert one.do(f"socket.create_connection(('{NOBODY}', 80))") == "ECONNREFUSED"
    assert resil.counters("lab")["connects_failed"] == 1
