"""Lets the browser export and the command line answer the same photographs, and counts where they differ.

usage: python benchmarks/in_browser.py RUN FOLDER RUNTIME [--pictures 200] [--shots FOLDER]
    RUN is a finished run, FOLDER has photographs below it, RUNTIME is a folder of the npm package onnxruntime-web.
    Needs Chromium with chromedriver.

The export lies on a static host on a loopback address that stops before the first picture is chosen; Chromium finds no
other host. The page's own JSON is compared with `pawsight predict` (in the machine's best precision) and with the bundle
in float32. Times are those of the page: from the choice of all pictures to the last answer, small pictures drawn too.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import Predictor
from pawsight.commands.export import export
from pawsight.core.machine import this_machine

TESTS = Path(__file__).parents[1] / "tests" / "exports" / "browser.py"


def main() -> None:
    options = parser().parse_args()
    spec = importlib.util.spec_from_file_location("browser", TESTS)
    browser = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(browser)
    every = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = every[:: max(1, len(every) // options.pictures)][: options.pictures]
    machine = this_machine()
    told = {name: answers(options.run, pictures, one) for name, one in {
        "command line": machine, "float32": replace(machine, bfloat16="")}.items()}  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        export(options.run, "web", out=place, browser_runtime=options.runtime)
        found, times = asked(browser, Path(place), pictures, options.shots)
    figures = {"pictures": len(found), **times}
    for name, expected in told.items():
        figures[name] = compared(found, expected)
    print(json.dumps(figures, indent=2))


def answers(run: Path, pictures: list[Path], machine) -> list:
    return list(Predictor(read_bundle(run), machine=machine).stream(pictures))


def asked(browser, place: Path, pictures: list[Path], shots: Path | None):
    driver = browser.chromium(place / "profile")
    try:
        with browser.Host(place / "web") as host:
            begun = time.perf_counter()
            page = browser.Page(driver, host.address).ready()
            opened = time.perf_counter() - begun
        begun = time.perf_counter()
        page.choose(*pictures)
        found = page.answers(len(pictures), seconds=600)
        each = (time.perf_counter() - begun) / len(pictures)
        assert page.complaints() == [], page.complaints()
        if shots:
            photographed(driver, shots)
        return found, {"seconds to open": round(opened, 2), "ms a picture": round(1000 * each, 1)}
    finally:
        driver.quit()


def photographed(driver, shots: Path) -> None:
    shots.mkdir(parents=True, exist_ok=True)
    for width in (390, 1280):
        metrics = {"width": width, "height": 1400, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        time.sleep(0.5)
        driver.save_screenshot(str(shots / f"{width}.png"))


def compared(found: list[dict], expected: list) -> dict:
    pairs = list(zip(found, expected, strict=True))
    assert all(one["file"] == Path(other.path).name for one, other in pairs)
    off = sorted(
        max(abs(one["probabilities"][name] - value) for name, value in other.probabilities.items())
        for one, other in pairs
    )
    return {
        "labels equal": sum(one["label"] == other.label for one, other in pairs),
        "best class equal": sum(best(one["probabilities"]) == best(other.probabilities) for one, other in pairs),
        "largest difference": off[-1],
        "median difference": off[len(off) // 2],
        "differences": [
            Path(other.path).name + f": {one['label']} for {other.label}"
            for one, other in pairs
            if one["label"] != other.label
        ],
    }


def best(probabilities: dict[str, float]) -> str:
    return max(probabilities, key=probabilities.get)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("run", type=Path)
    made.add_argument("folder", type=Path)
    made.add_argument("runtime", type=Path)
    made.add_argument("--pictures", type=int, default=200)
    made.add_argument("--shots", type=Path)
    return made


if __name__ == "__main__":
    main()
