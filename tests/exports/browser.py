"""What the tests of the browser export share: a static host, Chromium without a network, the page as somebody uses it."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
DRIVER = shutil.which("chromedriver") or ""
_FETCHED = Path(__file__).parents[2] / ".venv" / "ort-web"


def runtime() -> Path:
    """The npm package's folder; skips where there is none."""
    folder = Path(os.environ.get("ORT_WEB") or _FETCHED)
    if not (folder / "dist").is_dir():
        pytest.skip(f"no onnxruntime-web at ORT_WEB or {_FETCHED}; make test fetches it")
    return folder


class Host:
    """A static host on a loopback address: a folder, no special headers but `cors`."""

    def __init__(self, folder: Path, *, cors: bool = False) -> None:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def end_headers(self) -> None:
                if cors:
                    self.send_header("Access-Control-Allow-Origin", "*")
                super().end_headers()

        handler = functools.partial(Handler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def chromium(profile: Path):
    """A driver of a Chromium that finds nothing but loopback addresses."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("no Chromium with chromedriver here (Debian: chromium and chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium, of pawsight[dev]")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    quiet += ("--unlimited-storage",)  # on a disk that is nearly full a page may keep nothing for offline use
    offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    for word in (*quiet, *camera, "--disable-background-networking", offline, f"--user-data-dir={profile}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_script_timeout(60)
    return driver


def until(true, state, seconds: float = 30.0) -> None:
    """Wait until something is so; tell the state if it never is."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"never so; {state()}")


class Page:
    """The exported page as somebody uses it."""

    def __init__(self, driver, address: str, *, size: tuple[int, int] = (1280, 860)) -> None:
        self.driver = driver
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get("about:blank")
        driver.get_log("browser"), driver.get_log("performance")
        driver.get(address)

    def facts(self) -> str:
        """What the header says, what its popover adds, and why there are no answers."""
        ids = "['facts', 'about', 'notice']"
        return self.driver.execute_script(
            f"return {ids}.map((id) => document.getElementById(id).textContent).join(' ')"
        )

    def ready(self, sign: str = "px") -> Page:
        self.until(lambda: sign in self.facts())
        return self

    def choose(self, *paths: Path) -> Page:
        self.driver.find_element("id", "files").send_keys("\n".join(map(str, paths)))
        return self

    def answers(self, number: int, seconds: float = 60.0) -> list[dict]:
        """The page's own JSON of all that is answered, once there are so many: as chosen, later choices first."""
        done = "return document.querySelectorAll('.card:not(.waiting)').length"
        self.until(lambda: self.driver.execute_script(done) >= number, seconds)
        text = self.driver.execute_async_script(
            """const done = arguments[0], make = URL.createObjectURL;
            URL.createObjectURL = (blob) => { URL.createObjectURL = make; blob.text().then(done); return "#"; };
            document.getElementById("json").click();"""
        )
        predictions: list[dict] = json.loads(text)["predictions"]
        return predictions

    def run(self, script: str, *given):
        """An asynchronous script whose value is returned."""
        wrapped = f"const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then(done, (e) => done(`failed: ${{e}}`));"
        return self.driver.execute_async_script(wrapped, *given)

    def until(self, true, seconds: float = 30.0) -> None:
        until(true, self.state, seconds)

    def state(self) -> str:
        cards = [card.text for card in self.driver.find_elements("css selector", ".card")][:5]
        return f"it says {self.facts()!r}, cards {cards}, log {self.complaints()}"

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self) -> list[str]:
        """Addresses that the page and its workers asked for, those that never left the browser excepted."""
        told = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [item["params"]["request"]["url"] for item in told if item["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("blob:", "data:", "about:"))]
