# SPDX-License-Identifier: MIT
"""Goal: the agent's page in a real browser: it shows within a second that a breaker opened, leads to what is known of one
endpoint, fits a desk and a phone, complains of nothing, and asks nobody but its agent."""

import os
import re
import struct
import time
import zlib

import pytest

import browser as chromium
from agents import active, agent, log_of  # noqa: F401
from helper import UPPER, wait_until
from servers import HOST

pytestmark = pytest.mark.skipif(not chromium.COMMAND, reason="chromium is not here")
SIZES = {"desk": (1280, 800), "phone": (360, 740)}
FIRST = 'document.querySelector("#cards .card")'


@pytest.fixture(scope="module")
def browser():
    page = chromium.Browser()
    yield page
    page.close()


@pytest.fixture
def shown(resil, agent, browser, dead, hold):  # noqa: F811
    """The page of a running agent; what it asked for and complained of is judged afterwards."""
    resil.config(f"[destination backend]\nmatch = {HOST}:{dead.port}\nbreaker.failures = 3\nbreaker.open_time = 60s\n"
                 f"[destination a-destination-with-a-name-that-is-longer-than-others]\nmatch = {HOST}:{hold.port}\nbulkhead.limit = 5\n"
                 + "".join(f"[destination idle-{number}]\nmatch = 192.0.2.{number}\n" for number in range(1, 12)))
    child = agent("--listen", f"{HOST}:0")
    active(resil, child)
    port = int(re.search(r"answers at http://127\.0\.0\.1:(\d+)/", log_of(resil))[1])
    del browser.requests[:], browser.complaints[:]
    browser.size(*SIZES["desk"])
    browser.open(f"http://{HOST}:{port}/")
    browser.wait("document.querySelectorAll('#cards .card').length === 13")
    yield browser
    assert browser.get("document.querySelector('#trouble').textContent") == ""
    origin = f"http://{HOST}:{port}/"
    assert browser.requests and [one for one in browser.requests if not one.startswith((origin, "data:"))] == []
    assert browser.complaints == []
    browser.open("about:blank")  # or it would complain of the agent that goes


def picture_of(png):
    """The size of a picture, and how many different bytes it is made of."""
    data, at = b"", 8
    while at < len(png):
        length, = struct.unpack_from(">I", png, at)
        if png[at + 4:at + 8] == b"IDAT":
            data += png[at + 8:at + 8 + length]
        at += 12 + length
    return struct.unpack_from(">II", png, 16), len(set(zlib.decompress(data)))


@pytest.mark.parametrize("size", SIZES)
def test_it_fits(resil, shown, dead, size):
    """Also with everything unfolded: no line is wider than the window, on a desk or a phone."""
    puppet = resil.puppet(dead.port)
    for _ in range(3):
        assert puppet.do("connect()") == "ECONNREFUSED"
    shown.size(*SIZES[size])
    shown.wait(f"{FIRST}.dataset.state === 'open'")
    shown.click("#cards .card summary")
    shown.click("#cards .card button")
    shown.wait("document.querySelector('.detail dd')")
    width, height = SIZES[size]
    assert shown.get("document.documentElement.scrollWidth === document.documentElement.clientWidth")  # a scroll bar may take its part
    outside = shown.get("""[...document.querySelectorAll("body *")].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width && box.right > innerWidth + 0.5 && !one.closest(".wide, .skip");
      }).map((one) => one.outerHTML.slice(0, 80))""")
    assert outside == []
    columns = shown.get("new Set([...document.querySelectorAll('.card')].map((one) => one.getBoundingClientRect().left)).size")
    assert columns == 1 if size == "phone" else columns >= 3
    picture = shown.screenshot()
    if os.environ.get("SCREENSHOTS"):
        with open(os.path.join(os.environ["SCREENSHOTS"], f"page-{size}.png"), "wb") as file:
            file.write(picture)
    found, different = picture_of(picture)
    assert found == (width, height) and different > 50  # a blank page has a few


def test_a_breaker_that_opens_is_seen_within_a_second(resil, shown, dead):
    shown.wait(f"{FIRST}.dataset.state === 'closed'")
    shown.get(f"""new Promise((done) => {{ window.seen = new Promise((seen) => {{
        new MutationObserver(() => {{ if ({FIRST}.dataset.state === "open") seen(Date.now()); }})
          .observe({FIRST}, {{attributes: true, attributeFilter: ["data-state"]}}); done(true); }}); }})""")
    # The looks of each second are held back: it is the event that makes the page look.
    shown.get("""new Promise((held) => { const real = window.setTimeout;
        window.setTimeout = (call, ms) => ms === 1000 ? held(window.resume = () => { window.setTimeout = real; call(); }) : real(call, ms); }).then(() => true)""")
    puppet = resil.puppet(dead.port)
    shown.wait("[...document.querySelectorAll('#events tr')].some((row) => row.textContent.includes('loaded'))")
    looks = """new Promise((done) => setTimeout(() => done(performance.getEntriesByType("resource")
        .filter((one) => one.name.endsWith("/api/v1/status")).length), 300))"""  # three times as long as it waits after an event
    before = shown.get(looks)
    for _ in range(2):
        assert puppet.do("connect()") == "ECONNREFUSED"
    shown.wait("[...document.querySelectorAll('#events tr')].filter((row) => row.textContent.includes('ECONNREFUSED')).length === 2")
    assert shown.get(looks) == before  # not for each failure of a call: there may be thousands
    assert puppet.do("connect()") == "ECONNREFUSED"
    opened = time.time()
    seen = shown.get("window.seen") / 1000
    assert seen - opened <= 1.0 + UPPER, seen - opened
    shown.get("window.resume()")
    assert "open, next try in" in shown.get(f"{FIRST}.querySelector('.state').textContent")
    assert shown.get("document.title") == "(1) resil" and "1 not closed" in shown.get("document.querySelector('#summary').textContent")
    shown.wait("[...document.querySelectorAll('#events tr')].some((row) => row.textContent.includes('closed → open'))")
    assert shown.get(f"[...{FIRST}.querySelectorAll('.timeline rect')].at(-1).classList.contains('s-open')")
    assert resil.resctl("reset", "backend").status == 0
    shown.wait(f"{FIRST}.dataset.state === 'closed'")
    shown.wait("document.title === 'resil'")


def facts(page):
    """What the detail of the second destination says."""
    return page.get("""Object.fromEntries([...document.querySelectorAll(".card:nth-child(2) .detail dl div")]
        .map((one) => [...one.children].map((part) => part.textContent)))""")


def test_a_way_to_one_endpoint(resil, shown, hold, dead):
    """By mouse and by keyboard; and it stays open, live, while the page goes on."""
    puppet = resil.puppet(hold.port)
    assert puppet.do("s = connect()") == "ok"
    assert puppet.do("s.sendall(b'x')") == "ok" and puppet.get("len(s.recv(1))") == 1
    shown.wait("document.querySelector('.card:nth-child(2) button')")
    shown.click(".card:nth-child(2) summary")
    shown.click(".card:nth-child(2) button")
    assert shown.get("document.querySelector('.card:nth-child(2) .detail h3').textContent") == f"{HOST}:{hold.port}"
    assert shown.get("document.querySelector('.card:nth-child(2) button').getAttribute('aria-expanded')") == "true"
    wait_until(lambda: facts(shown).get("exchanges ok") == "1", what="the first exchange")
    found = facts(shown)
    assert (found["state"], found["connects ok"], found["bytes out"]) == ("closed", "1", "1") and "response p99" in found
    shown.get("window.kept = document.querySelector('.card:nth-child(2) button')")
    assert puppet.do("s.sendall(b'x')") == "ok" and puppet.get("len(s.recv(1))") == 1
    wait_until(lambda: facts(shown).get("exchanges ok") == "2", what="the second exchange")
    assert shown.get("window.kept === document.querySelector('.card:nth-child(2) button') && window.kept === document.activeElement")
    shown.press("Enter")
    shown.wait("document.querySelector('.card:nth-child(2) .detail').hidden")
    shown.press("Enter")
    shown.wait("!document.querySelector('.card:nth-child(2) .detail').hidden")
    assert shown.get("document.querySelectorAll('.detail:not([hidden])').length") == 1
