# SPDX-License-Identifier: MIT
"""System calls that fail, one at a time: strace tells which calls of a program are ours, and lets one of them fail."""

import os
import re
import signal
from dataclasses import dataclass, replace

from helper import SEM_ID_OFFSET, LIBRARY

# What a call may say on a machine that is full, locked down or old. Calls that cannot fail, or whose failure says that
# they were done (close), are not here.
ERRORS = {
    "openat": ("EMFILE", "EACCES"),
    "read": ("EIO", "EINTR"),
    "write": ("ENOSPC", "EINTR"),
    "mmap": ("ENOMEM",),
    "munmap": ("ENOMEM",),
    "mprotect": ("ENOMEM",),
    "madvise": ("EINVAL",),
    "statx": ("ENOSYS", "EACCES"),
    "newfstatat": ("EACCES",),
    "fallocate": ("ENOSPC", "EOPNOTSUPP"),
    "prlimit64": ("EPERM",),
    "renameat2": ("EINVAL", "EACCES"),
    "linkat": ("EPERM",),
    "readlinkat": ("EACCES",),
    "readlink": ("EACCES",),
    "semget": ("ENOSPC", "ENOSYS"),
    "semop": ("EIDRM", "ENOSYS"),
    "semctl": ("EACCES",),
    "getcwd": ("ERANGE",),
    "rt_sigprocmask": ("EFAULT",),
    "rt_sigaction": ("EINVAL",),
    "getsockopt": ("ENOPROTOOPT", "ENOBUFS"),
    "setsockopt": ("ENOPROTOOPT", "ENOBUFS"),
    "fcntl": ("EACCES",),
    "ioctl": ("ENOTTY",),
    "getrandom": ("ENOSYS",),
    "futex": ("ENOSYS",),
    "flock": ("ENOLCK",),
    "poll": ("EINTR", "ENOMEM"),
    "ppoll": ("EINTR", "ENOMEM"),
    "socket": ("EMFILE",),
    "getdents64": ("EIO",),
    "tgkill": ("EPERM",),
    "sched_yield": ("ENOSYS",),
    "shutdown": ("ENOTCONN",),
    "kill": ("EPERM",),
    "dup3": ("EMFILE",),
    "ftruncate": ("ENOSPC",),
    "epoll_ctl": ("ENOSPC",),
    "clock_nanosleep": ("EINTR",),
}


@dataclass(frozen=True)
class Failure:
    call: str
    number: int  # of the program's calls of this name, from 1; or as strace counts them
    error: str

    def __str__(self):
        return f"{self.call}[{self.number}] {self.error}"


def _calls(log):
    """(name, instruction address, the line) of each call of the program, in order."""
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"\[([0-9a-f]+)\] (\w+)\(", line)
            if found:
                yield found[2], int(found[1], 16), line


def _ours(log):
    """Where the library's code lies, by the mapping of it that the loader made."""
    for name, _, line in _calls(log):
        found = re.search(r"mmap\(\w+, (\d+), PROT_READ\|PROT_EXEC, .*/libresil\.so>.* = 0x([0-9a-f]+)", line)
        if name == "mmap" and found:
            start = int(found[2], 16)
            return range(start, start + int(found[1]))
    raise AssertionError("the library was not loaded")


def failures_of_library(log):
    """Each way in which one call that the library made itself could have failed."""
    code, count = _ours(log), {}
    for name, address, _ in _calls(log):
        count[name] = count.get(name, 0) + 1
        if address in code:
            yield from (Failure(name, count[name], error) for error in ERRORS.get(name, ()))


def failures_of_program(log):
    """Each way in which one call could have failed that the program made once the loader was done."""
    count, begun = {}, False
    for name, _, line in _calls(log):
        count[name] = count.get(name, 0) + 1
        if begun:
            yield from (Failure(name, count[name], error) for error in ERRORS.get(name, ()))
        begun = begun or "RLIMIT_STACK" in line


def unknown(log, excused):
    """Names of calls of the library that nothing is known of here."""
    code = _ours(log)
    return {name for name, address, _ in _calls(log) if address in code and name not in ERRORS} - set(excused)


class Tracer:
    """Runs programs of a workspace under strace."""

    def __init__(self, resil):
        self.resil = resil
        self.log = resil.file("calls", "")

    def run(self, command, failure=None, preload=True, path=None):
        """The program's result; what fails is as if the kernel had said so, of that path only if one is given."""
        tracer = ["strace", "-qq", "-i", "-y", "-e", "signal=none", "-o", self.log]
        if failure:
            tracer += ["-e", f"inject={failure.call}:error={failure.error}:when={failure.number}"]
        if path:
            tracer += ["-P", path]
        if preload:
            tracer += ["-E", f"LD_PRELOAD={LIBRARY}"]
        result = self.resil.run([*tracer, *command], preload=False)
        crashed = -result.status if result.status < 0 else 0
        assert not crashed, f"{failure}: killed by {signal.Signals(crashed).name}"
        return result

    def injected(self):
        """Whether the failure was met."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "(INJECTED)" in file.read()

    def left_behind(self):
        """Semaphore sets that the program made, did not remove, and no segment names."""
        made = set()
        with open(self.log, encoding="utf-8", errors="replace") as file:
            for line in file:
                found = re.search(r"semget\(IPC_PRIVATE.* = (\d+)$", line)
                if found:
                    made.add(int(found[1]))
                found = re.search(r"semctl\((\d+), 0, IPC_RMID.* = 0$", line)
                if found:
                    made.discard(int(found[1]))
        if os.path.exists(self.resil.segment):
            with open(self.resil.segment, "rb") as file:
                file.seek(SEM_ID_OFFSET)
                made.discard(int.from_bytes(file.read(4), "little", signed=True))
        return made


def same_but_time(expected, result):
    """What is expected, in the time that the result took."""
    return replace(expected, seconds=result.seconds)
