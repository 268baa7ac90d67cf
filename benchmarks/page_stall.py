"""How long the start page is blocked while many pictures come in, in headless Chromium.

    python benchmarks/page_stall.py RUN [--pictures 1000] [--megapixels 2]

A service gives the page; its predictions are replaced by answers after 50 ms, which is quicker than any service, so that
only the page is measured. The pictures are JPEG noise.
Chromium's Long Tasks (50 ms or more on the main thread) are added up, and their excess over 50 ms; the main
thread's processor time is beside them, since on a busy machine tasks last longer than they work. Prints JSON.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from selenium import webdriver

OBSERVE = """
window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((task) => task.duration)))
  .observe({type: "longtask", buffered: true});
const real = window.fetch, names = arguments[0];
window.fetch = async (address, options) => {
  if (!String(address).endsWith("/predict")) return real(address, options);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const share = 1 / names.length;
  const predictions = options.body.getAll("files").map(({name}) => ({
    file: name, label: names[0], probability: share, probabilities: Object.fromEntries(names.map((one) => [one, share])),
    verdict: "answered", decision: "answered", set: null, error: null, code: null}));
  return new Response(JSON.stringify({predictions}));
};
"""
FILES = """
const [picture, number] = arguments;
const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
for (let place = 0; place < number; place += 1) {
  transfer.items.add(new File([bytes, String(place)], `${place}.jpg`, {type: "image/jpeg"}));
}
window.dropped = new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
"""
DROP = "window.tasks.length = 0; setTimeout(() => document.body.dispatchEvent(window.dropped))"
USED = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
DONE = "return document.querySelectorAll('.card').length >= arguments[0] && !document.querySelector('.card.waiting')"


def noise(megapixels: float) -> bytes:
    """Return a JPEG of so many megapixels, which costs what a photograph costs to decode."""
    width = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    coarse = np.random.default_rng(7).integers(0, 256, (width * 3 // 32, width // 8, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((width, width * 3 // 4))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def measure(url: str, pictures: int, megapixels: float, profile: str) -> dict[str, float]:
    """Return milliseconds of long tasks while pictures are answered and their thumbnails made."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    words = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}")
    for word in words:
        options.add_argument(word)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(url)
        driver.execute_script(OBSERVE, ["cats", "dogs"])
        time.sleep(2)
        driver.execute_script(FILES, base64.b64encode(noise(megapixels)).decode(), pictures)
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        before = used(driver)
        begun = time.monotonic()
        driver.execute_script(DROP)
        while not driver.execute_script(DONE, pictures):
            time.sleep(0.5)
        answered = time.monotonic() - begun
        last, thumbnails = -1, 0
        while thumbnails != last:  # until no more come
            time.sleep(3)
            last, thumbnails = thumbnails, driver.execute_script("return document.querySelectorAll('.card img').length")
        tasks = driver.execute_script("return window.tasks")
        seconds = {name: value - before[name] for name, value in used(driver).items()}
    finally:
        driver.quit()
    return {
        "pictures": pictures,
        "megapixels": megapixels,
        "answered_s": round(answered, 1),
        "thumbnails": thumbnails,
        "long_tasks": len(tasks),
        "long_task_ms": round(sum(tasks)),
        "blocking_ms": round(sum(task - 50 for task in tasks)),
        "longest_ms": round(max(tasks, default=0)),
        "processor_ms": {name: round(1000 * value) for name, value in seconds.items()},
    }


def used(driver: webdriver.Chrome) -> dict[str, float]:
    """Return seconds of processor time that the page's main thread has used, by what for."""
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics if metric["name"] in USED}


def main() -> None:
    """Serve the run, drop the pictures, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run or bundle folder")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--megapixels", type=float, default=2.0)
    given = parser.parse_args()
    command = [sys.executable, "-m", "pawsight", "serve", str(given.run), "--port", "0", "--json"]
    with TemporaryDirectory() as profile, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            url = json.loads(service.stdout.readline())["url"]
            print(json.dumps(measure(url, given.pictures, given.megapixels, profile)))
        finally:
            service.terminate()


if __name__ == "__main__":
    main()
