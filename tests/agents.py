# SPDX-License-Identifier: MIT
"""`resctl agent` for tests: start it, wait until it is the active one, read what it said."""

import json
import os

import pytest

from helper import RESCTL, wait_until


def agent_of(resil):
    """The active agent's pid, or None."""
    status = resil.resctl("status", "--json")
    agent = json.loads(status.out)["segment"]["agent"] if status.status == 0 else None
    return agent and agent["active"] and agent["pid"]


@pytest.fixture
def agent(resil):
    """agent(*options): a running agent, and whether it is the active one is waited for by the test."""

    def start(*options, env=None, preload=False):
        with open(os.path.join(resil.dir, "agent.log"), "ab") as log:
            return resil.spawn([RESCTL, "agent", *options], preload=preload, env=env, stderr=log)

    return start


def log_of(resil):
    with open(os.path.join(resil.dir, "agent.log"), encoding="utf-8") as file:
        return file.read()


def active(resil, child, deadline=5.0):
    wait_until(lambda: agent_of(resil) == child.pid, deadline, f"agent {child.pid} to be active")
