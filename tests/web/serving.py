"""What the tests of the service share: drawn colours as pictures, and a real process to talk to."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

COLOURS = {
    "red": (250, 5, 5),
    "green": (5, 250, 5),
    "blue": (5, 5, 250),
    "yellow": (250, 250, 5),
    "black": (5, 5, 5),
    "orange": (250, 130, 5),
}


def picture(colour: str, kind: str = "PNG", side: int = 20) -> bytes:
    """A square of one colour, as a file."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), COLOURS[colour]).save(out, kind)
    return out.getvalue()


def form(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    """A body and its Content-Type."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def figure(text: str, name: str, **labels: str) -> float:
    """One figure of what /metrics says."""
    from prometheus_client.parser import text_string_to_metric_families

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    (value,) = [sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)]
    return value


class Process:
    """`pawsight serve` as people start it, on a free port, waited for until it is ready; `limits` go into a --config."""

    def __init__(
        self, run: Path, *options: object, ready: bool = True, log: Path, limits: Mapping[str, float] | None = None
    ) -> None:
        self.log = log
        if limits:
            config = log.with_suffix(".toml")
            config.write_text("".join(f"{name} = {value}\n" for name, value in limits.items()))
            options = (*options, "--config", config)
        words = [sys.executable, "-m", "pawsight", "serve", str(run), "--port", "0", "--json", *map(str, options)]
        with log.open("w") as err:
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=err, text=True)
        self.told = json.loads(self.process.stdout.readline() or "{}")
        self.port = self.told.get("port", 0)
        if ready:
            self.until(lambda: self.ask("GET", "/readyz")[0] == 200)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """Return status, values (or text) and headers."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            text = answer.read()
            is_json = "json" in answer.headers.get("content-type", "")
            return answer.status, json.loads(text) if is_json else text.decode(), answer.headers
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def until(self, true, seconds: float = 30.0) -> None:
        """Wait until something is so."""
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            try:
                if true():
                    return
            except OSError:
                pass
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def events(self, name: str) -> list[dict]:
        whole = self.log.read_text().rpartition("\n")[0]  # the last line may be half-written yet
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(35)


def children(pid: int) -> list[int]:
    """The processes below one, on Linux."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
