"""Firefox, asked through WebDriver BiDi over a WebSocket: Debian has Firefox as a package and no geckodriver."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

FIREFOX = next((found for name in ("firefox-esr", "firefox") if (found := shutil.which(name))), "")
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_SECONDS = 60  # that an answer may take


class Firefox:
    """A headless Firefox with one tab and a profile of its own.

    Reference: https://www.w3.org/TR/webdriver-bidi/
    """

    def __init__(self, profile: Path) -> None:
        if not FIREFOX:
            pytest.skip("no Firefox here (Debian: firefox-esr)")
        websocket = pytest.importorskip("websocket", reason="needs websocket-client, of pawsight[dev]")
        words = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
        self.log = profile / "stderr.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=log)
        self.number = 0
        try:
            address = self.until(lambda: _LISTENS.search(self.log.read_text()))[1]
            self.socket = websocket.create_connection(f"{address}/session", suppress_origin=True, timeout=_SECONDS)
            self.ask("session.new", capabilities={})
            self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def close(self) -> None:
        self.ask("browser.close")
        self.socket.close()
        self.process.wait(_SECONDS)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:  # events may come between
            answer: dict[str, Any] = json.loads(self.socket.recv())
            if answer.get("id") == self.number:
                assert answer["type"] == "success", f"{method}: {answer}"
                return answer["result"]

    def open(self, address: str) -> None:
        self.ask("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def run(self, expression: str) -> Any:
        """The value of an expression, awaited where it is a promise; it must be one that JSON can hold."""
        wrapped = f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))"
        answer = self.ask("script.evaluate", expression=wrapped, target={"context": self.tab}, awaitPromise=True)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    def texts(self, selector: str) -> list[str]:
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((found) => found.textContent)")

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, selector: str, *paths: Path) -> None:
        """Choose files in a field, as somebody would in the dialog."""
        locator = {"type": "css", "value": selector}
        (field,) = self.ask("browsingContext.locateNodes", context=self.tab, locator=locator)["nodes"]
        names = [str(path) for path in paths]
        self.ask("input.setFiles", context=self.tab, element={"sharedId": field["sharedId"]}, files=names)

    def until(self, true, seconds: float = _SECONDS):
        """What `true` returns once it is something."""
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            assert self.process.poll() is None, f"Firefox ended: {self.log.read_text()}"
            if found := true():
                return found
            time.sleep(0.05)
        raise AssertionError("never so in Firefox")
