# SPDX-License-Identifier: MIT
"""A program under a pseudo-terminal, and what a person would see on its screen (pyte)."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pyte


class Terminal:
    """Starts cmd with a terminal of so many lines and columns as its controlling one."""

    def __init__(self, cmd, env, lines=24, columns=80):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.written = []  # what came, one item a read
        self.master, slave = pty.openpty()
        self.resize(lines, columns, tell=False)
        self.before = termios.tcgetattr(slave)
        self.child = subprocess.Popen(cmd, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave = slave

    @property
    def pid(self):
        return self.child.pid

    def resize(self, lines, columns, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if tell:
            self.screen.resize(lines, columns)

    def feed(self, seconds):
        """Shows what comes within this time; returns at once when something did."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        data = os.read(self.master, 1 << 20)
        self.written.append(data)
        self.stream.feed(data)
        return True

    def see(self, predicate, what, deadline=10.0):
        """The lines of the screen, once predicate(lines) holds."""
        end = time.monotonic() + deadline
        while True:
            lines = [line.rstrip() for line in self.screen.display]
            if predicate(lines):
                return lines
            rest = end - time.monotonic()
            assert rest > 0, "{} was not seen:\n{}".format(what, "\n".join(lines))
            self.feed(min(rest, 0.1))

    def find(self, text, deadline=10.0):
        """The first line that contains text, once there is one."""
        lines = self.see(lambda lines: any(text in line for line in lines), repr(text), deadline)
        return next(line for line in lines if text in line)

    def type(self, keys):
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def ended(self, deadline=10.0):
        """The exit status, once the program is over; what it still wrote is shown."""
        end = time.monotonic() + deadline
        while self.child.poll() is None:
            assert time.monotonic() < end, "it still runs"
            self.feed(0.02)
        while self.feed(0.0):
            pass
        return self.child.returncode

    def is_given_back(self):
        """Whether modes and screen are as they were before."""
        output = b"".join(self.written)
        shown = output.rfind(b"\x1b[?25h") > output.rfind(b"\x1b[?25l")
        main = output.rfind(b"\x1b[?1049l") > output.rfind(b"\x1b[?1049h")
        return termios.tcgetattr(self.slave) == self.before and shown and main

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(timeout=10)
        os.close(self.master)
        os.close(self.slave)
