# SPDX-License-Identifier: MIT
"""A headless Chromium, steered by its DevTools protocol over two pipes: no driver, no port, no further package."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

COMMAND = shutil.which("chromium") or shutil.which("chromium-browser")
NETWORK = ("Network.requestWillBeSent", "Network.webSocketCreated")
COMPLAINTS = ("Runtime.exceptionThrown", "Log.entryAdded")


class Browser:
    """One page. Whatever it asked the network for, and whatever it complained of, is kept."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="resil-chromium-")
        self.requests, self.complaints = [], []
        self.number, self.rest, self.session = 0, b"", None
        theirs_in, self.out = os.pipe()
        self.input, theirs_out = os.pipe()

        def hand_over():  # Chromium reads from descriptor 3 and writes to 4
            high = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (theirs_in, theirs_out)]
            for number, one in enumerate(high):
                os.dup2(one, 3 + number)

        # Its own sandbox needs rights that a container's root has not; what it opens here is our own page.
        self.child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", COMMAND, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
             "--remote-debugging-pipe", "--user-data-dir=" + self.dir, "about:blank"],
            preexec_fn=hand_over, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": self.dir, "LC_ALL": "C.UTF-8"}, start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            target = self.do("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.do(domain + ".enable")
        except BaseException:
            self.close()
            raise

    def _note(self, message):
        method, what = message.get("method"), message.get("params", {})
        if method in NETWORK:
            self.requests.append(what["request"]["url"] if "request" in what else what["url"])
        elif method in COMPLAINTS or method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.complaints.append(what)

    def _read(self, deadline):
        """The next message; what is not an answer is noted on the way."""
        while b"\0" not in self.rest:
            left = deadline - time.monotonic()
            assert left > 0 and self.child.poll() is None, "chromium does not answer"
            if select.select([self.input], [], [], left)[0]:
                self.rest += os.read(self.input, 1 << 20)
        text, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(text)
        self._note(message)
        return message

    def do(self, method, deadline=30.0, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + deadline
        while True:
            answer = self._read(end)
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def open(self, url):
        assert "errorText" not in self.do("Page.navigate", url=url)

    def get(self, script):
        """The value of an expression of JavaScript; promises are waited for."""
        result = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition, deadline=10.0):
        """Until the expression is true."""
        end = time.monotonic() + deadline
        while not self.get(f"Boolean({condition})"):
            assert time.monotonic() < end, f"{condition} did not come true; the page shows {self.get('document.body.innerText')!r}"
            time.sleep(0.02)

    def size(self, width, height):
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def click(self, selector):
        """As a finger or a mouse does it: at the middle of the element, which has to be the one that is hit there."""
        where = self.get(f"""(() => {{ const one = document.querySelector({json.dumps(selector)});
            one.scrollIntoView({{block: "center"}}); const box = one.getBoundingClientRect();
            const x = box.left + box.width / 2, y = box.top + box.height / 2, hit = document.elementFromPoint(x, y);
            return {{x, y, hit: one === hit || one.contains(hit)}}; }})()""")
        assert where["hit"], f"{selector} is covered"
        for kind in ("mousePressed", "mouseReleased"):
            self.do("Input.dispatchMouseEvent", type=kind, x=where["x"], y=where["y"], button="left", clickCount=1)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, text="\r" if key == "Enter" and kind == "keyDown" else "",
                    windowsVirtualKeyCode={"Enter": 13, "Tab": 9}[key])

    def screenshot(self):
        """PNG of what is visible."""
        return base64.b64decode(self.do("Page.captureScreenshot", format="png")["data"])

    def close(self):
        if self.child.poll() is None:
            self.child.kill()  # its own children end with the pipes
        self.child.wait(timeout=10)
        os.close(self.out)
        os.close(self.input)
        shutil.rmtree(self.dir, ignore_errors=True)
