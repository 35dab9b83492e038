# SPDX-License-Identifier: MIT
"""Goal: the library is ready before anybody needs it, beside whatever else is loaded: calls from .preinit_array and from
constructors of other libraries, replacements of malloc, the address sanitizer, plugins bound to libc alone (RTLD_DEEPBIND),
other preloads before and after it, and a program that has locked itself up with seccomp.

Without the early forms of src/real/early.c the calls before our constructor end in a null pointer; without RTLD_NEXT the other
preload is skipped; one system call more than the README lists kills the sandboxed program."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from helper import BUILD, LIBRARY, PYTHON, TOP, program
from servers import HOST

CONFIG = """[destination backend]
match = {host}:{port}
timeout.connect = 3s
timeout.response = 3s
bulkhead.limit = 20
"""


def find(pattern):
    found = sorted(glob.glob(f"/usr/lib/*/{pattern}"))
    if not found:
        pytest.skip(f"{pattern} is not installed")
    return found[0]


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """shared(name): a library made of tests/programs/NAME.c."""

    def build(name):
        path = str(tmp_path_factory.mktemp("shared") / f"{name}.so")
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", path,
                        program(f"{name}.c"), "-ldl"], check=True, timeout=60)
        return path

    return build


def run(resil, hold, command, preloads, **extra):
    resil.config(CONFIG.format(host=HOST, port=hold.port))
    env = {"LD_PRELOAD": ":".join(preloads), "EARLY_PORT": str(hold.port), **extra}
    result = resil.run(command, env=env)
    assert result.status == 0, result
    return result


def exchanges(resil):
    counters = resil.counters("backend")
    assert counters["connects_ok"] == counters["attempts"] and resil.row("backend")["connections"] == 0
    return counters["exchanges_ok"]


@pytest.mark.parametrize("first", [True, False])
def test_calls_before_main(resil, hold, compiled, shared, first):
    """-z initfirst is honoured for one library: the last preload that asks for it. Before or after, the calls work."""
    early = shared("early_library")
    preloads = [LIBRARY, early] if first else [early, LIBRARY]
    result = run(resil, hold, [compiled("early.c"), str(hold.port)], preloads, EARLY_CONSTRUCTOR="1", EARLY_PREINIT="1")
    assert (result.out, result.err) == (b"preinit exchanged\nmain exchanged \n", b"exchanged \n")
    assert exchanges(resil) >= 2  # all but what ran before any constructor


def test_a_connection_from_before_the_constructor_passes(resil, hold, compiled):
    result = run(resil, hold, [compiled("early.c"), str(hold.port)], [LIBRARY], EARLY_PREINIT="1")
    assert result.out == b"preinit exchanged\nmain exchanged \n" and exchanges(resil) in (1, 2)


ALLOCATORS = ["libjemalloc.so.2", "libtcmalloc_minimal.so.4"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_malloc_replacements(resil, hold, compiled, shared, allocator, first):
    found = find(allocator)
    preloads = [LIBRARY, found] if first else [found, LIBRARY]
    command = [compiled("early.c"), str(hold.port)]
    result = run(resil, hold, command, [*preloads, shared("early_library")], EARLY_CONSTRUCTOR="1", EARLY_PREINIT="1")
    assert (result.out, result.err) == (b"preinit exchanged\nmain exchanged \n", b"exchanged \n")
    assert exchanges(resil) >= 2
    script = f"import socket; s = socket.create_connection(('{HOST}', {hold.port})); s.sendall(b'x'); print(s.recv(1))"
    assert run(resil, hold, [PYTHON, "-c", script], preloads).out == b"b'x'\n"


def test_linked_to_a_malloc_replacement(resil, hold, compiled):
    found = find(ALLOCATORS[0])
    result = run(resil, hold, [compiled("early.c", "-Wl,--no-as-needed", found), str(hold.port)], [LIBRARY])
    assert result.out == b"main exchanged \n" and exchanges(resil) == 1


@pytest.mark.parametrize("how", ["first", "unchecked", "static", "undefined"])
def test_sanitized(resil, hold, compiled, how):
    """gcc's runtime wants to be first among the libraries, or be told not to look."""
    flags = {"static": ["-fsanitize=address", "-static-libasan"], "undefined": ["-fsanitize=undefined"]}
    command = [compiled("early.c", *flags.get(how, ["-fsanitize=address"])), str(hold.port)]
    preloads = [find("libasan.so.[0-9]"), LIBRARY] if how == "first" else [LIBRARY]
    options = "verify_asan_link_order=0" if how == "unchecked" else ""
    result = run(resil, hold, command, preloads, ASAN_OPTIONS=options + ":detect_leaks=0")
    assert (result.out, result.err) == (b"main exchanged \n", b"") and exchanges(resil) == 1


def test_sanitized_by_clang(resil, hold, compiled):
    if not shutil.which("clang"):
        pytest.skip("clang is not installed")
    result = run(resil, hold, [compiled("early.c", "-fsanitize=address", cc=("clang",)), str(hold.port)], [LIBRARY],
                 ASAN_OPTIONS="detect_leaks=0")
    assert (result.out, result.err) == (b"main exchanged \n", b"") and exchanges(resil) == 1


@pytest.mark.parametrize("how", ["plain", "deep"])
def test_plugins(resil, hold, compiled, shared, how):
    """A plugin that is bound to libc alone is not seen, and disturbs nothing: its descriptors, too, are closed unseen."""
    command = [compiled("early.c"), str(hold.port), shared("early_library"), how]
    result = run(resil, hold, command, [LIBRARY])
    assert result.out == b"plugin exchanged \nmain exchanged \n"
    assert exchanges(resil) == (2 if how == "plain" else 1)


@pytest.mark.parametrize("first", [True, False])
def test_another_preload_of_the_same_symbols(resil, hold, compiled, shared, first):
    other = shared("other_preload")
    preloads = [LIBRARY, other] if first else [other, LIBRARY]
    result = run(resil, hold, [compiled("early.c"), str(hold.port)], preloads)
    assert (result.out, result.err) == (b"main exchanged \n", b"passed 1 1 1\n") and exchanges(resil) == 1


@pytest.mark.parametrize("first", [True, False])
def test_libfiu(resil, hold, compiled, first):
    """Its failure of every second connect: before us it is the program's own, behind us it is the backend's."""
    if not shutil.which("fiu-run"):
        pytest.skip("fiu-run is not installed")
    preloads = [find("fiu_posix_preload.so") if glob.glob("/usr/lib/*/fiu_posix_preload.so") else
                find("fiu/fiu_posix_preload.so"), find("fiu/fiu_run_preload.so")
                if glob.glob("/usr/lib/*/fiu/fiu_run_preload.so") else find("fiu_run_preload.so")]
    preloads = [LIBRARY, *preloads] if first else [*preloads, LIBRARY]
    enable = "enable name=posix/io/net/connect,failinfo=111"
    for env, word in (({}, b"main exchanged \n"), ({"FIU_ENABLE": enable}, b"main connect ECONNREFUSED\n")):
        result = run(resil, hold, [compiled("early.c"), str(hold.port)], preloads, **env)
        assert result.out == word
    counters = resil.counters("backend")
    assert (counters["exchanges_ok"], counters["connects_failed"]) == (1, 1 if first else 0)


@pytest.mark.parametrize("first", [True, False])
def test_proxychains(resil, hold, first):
    """It replaces connect: behind us we see where the program wants to go. Local addresses go past its proxies."""
    found = find("libproxychains.so.4")
    config = resil.file("proxychains.conf", f"strict_chain\nquiet_mode\nlocalnet 127.0.0.0/8\n[ProxyList]\nsocks5 127.0.0.1 {hold.port}\n")
    preloads = [LIBRARY, found] if first else [found, LIBRARY]
    script = f"import socket; s = socket.create_connection(('{HOST}', {hold.port})); s.sendall(b'x'); print(s.recv(1)); s.close()"
    result = run(resil, hold, [PYTHON, "-c", script], preloads, PROXYCHAINS_CONF_FILE=config, PROXYCHAINS_QUIET_MODE="1")
    assert result.out == b"b'x'\n" and exchanges(resil) == 1


# ---- seccomp --------------------------------------------------------------------------------------------------------


def listed(which):
    """The system calls that the README lists: of a process that is attached, or of the first connect."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        text = file.read()
    return re.search(rf"^\| {which} \| (.*) \|$", text, re.MULTILINE)[1].replace("`", "").split()


def numbers(names):
    script = "#include <sys/syscall.h>\n" + "\n".join(f"RESIL_NUMBER SYS_{name}" for name in names)
    text = subprocess.run(["gcc", "-E", "-P", "-"], input=script.encode(), capture_output=True, check=True).stdout.decode()
    return re.findall(r"RESIL_NUMBER (\d+)", text)


EVERYTHING = """timeout.connect = 600ms
timeout.response = 600ms
timeout.idle = 1s
timeout.total = 5s
timeout.write = 5s
retry.attempts = 2
retry.base = 20ms
retry.budget = off
breaker.failures = 3
breaker.slow_time = 300ms
bulkhead.limit = 10
bulkhead.queue = 5
rate.limit = 1000/s
rate.max_wait = 1s
sniff = http
"""


@pytest.mark.parametrize("when", ["first", "later"])
@pytest.mark.parametrize("how", ["block", "poll", "select", "epoll"])
def test_sandboxed(resil, hold, dead, hang, compiled, how, when):
    resil.config(f"[destination backend]\nmatch = {HOST}\n{EVERYTHING}")
    names = listed("attached") + (listed("first connect") if when == "later" else [])
    sandboxed = compiled("sandboxed.c")
    for server, times, words in ((hold, 5, {b"exchanged"}), (dead, 5, {b"connect"}), (hang, 2, {b"recv", b"connect"})):
        result = resil.run([sandboxed, str(server.port), str(times), how, when, *numbers(names)])
        assert (result.status, result.err) == (0, b"") and set(result.out.split(b"\n")) - {b""} <= words, (server, result)
    counters = resil.counters("backend")
    assert counters["exchanges_ok"] >= 5 and counters["response_timeouts"] >= 1 and counters["rejected_breaker"] >= 1


def test_a_sandbox_without_them_kills(resil, hold, compiled):
    """What the test above would see."""
    resil.config(f"[destination backend]\nmatch = {HOST}\n{EVERYTHING}")
    names = [name for name in listed("attached") if name != "fcntl"]
    result = resil.run([compiled("sandboxed.c"), str(hold.port), "2", "block", "first", *numbers(names)])
    assert result.status == -31
    assert resil.run([compiled("sandboxed.c"), str(hold.port), "2", "block", "first"], preload=False).out == b"exchanged\n" * 2
