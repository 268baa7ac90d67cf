"""Every page that Pawsight makes, by two laws: axe-core finds nothing in four modes, and Tab reaches everything.

A new page needs a fixture that returns what opens it, and its name in PAGES. What a page does has tests of its own.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pawsight.commands.inspect import inspect
from pawsight.reports.ladder_report import build_report
from pawsight.web.label_page import serve_label

from ..exports import browser as exported
from ..reports.conftest import comparison, labelled, whole  # noqa: F401 - fixtures
from . import axe, label_server
from .review_server import make_session, served

PAGES = (
    "start_page",
    "api_reference",
    "review",
    "label_page",
    "report",
    "comparison_report",
    "report_of_labels",
    "audit",
    "browser_export",
)
MODES = {
    "desktop, light": (1280, 860, False),
    "phone, light": (390, 844, False),
    "phone, dark": (390, 844, True),
    "desktop, dark": (1280, 860, True),
}
FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']"
# What Tab has to reach: shown, enabled, and of radio buttons one.
REACHABLE = f"""
return [...document.querySelectorAll("{FOCUSABLE}")].filter((element) =>
  !element.disabled && element.tabIndex >= 0 && element.type !== "radio"
  && element.checkVisibility({{visibilityProperty: true, contentVisibilityAuto: false}})).length
"""
# Where the focus is among all elements, whether it can be seen, and whether it is drawn.
FOCUSED = """
const element = document.activeElement;
if (!element || element === document.body) return null;
const box = element.getBoundingClientRect(), style = getComputedStyle(element);
return {
  place: [...document.querySelectorAll("*")].indexOf(element),
  name: element.outerHTML.slice(0, 90),
  isInside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  isDrawn: element.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
};
"""
Open = Callable[[object], None]

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("selenium") is None, reason="needs selenium, of pawsight[dev]"),
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))), reason="needs pawsight[serve]"
    ),
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator:
    driver = exported.chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def until(driver, selector: str, seconds: float = 20) -> None:
    """Wait until an element is there."""
    last = time.monotonic() + seconds
    while not driver.find_elements("css selector", selector):
        assert time.monotonic() < last, f"there is no {selector}; the page says: {driver.page_source[:2000]}"
        time.sleep(0.03)


def unfolded(driver, address: str) -> None:
    """Open a page that stands still, with all that is folded."""
    driver.get(address)
    driver.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


@pytest.fixture(scope="module")
def start_page(process, serving, tmp_path_factory) -> Open:
    picture = tmp_path_factory.mktemp("pictures") / "red.png"
    picture.write_bytes(serving.picture("red"))

    def opens(driver) -> None:
        driver.get(f"http://127.0.0.1:{process.port}/")
        until(driver, "#facts button")
        driver.find_element("id", "files").send_keys(str(picture))
        until(driver, ".card.answer")

    return opens


@pytest.fixture(scope="module")
def api_reference(process) -> Open:
    def opens(driver) -> None:
        driver.get(f"http://127.0.0.1:{process.port}/docs")
        until(driver, "#limits tr")
        driver.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    return opens


@pytest.fixture(scope="module")
def review(tmp_path_factory) -> Iterator[Open]:
    session = make_session(tmp_path_factory.mktemp("review"), classes=("cats", "dogs", "geese"))
    with served(session) as address:

        def opens(driver) -> None:
            driver.get(address)
            until(driver, "#film button, #film li")

        yield opens


@pytest.fixture(scope="module")
def label_page(tmp_path_factory) -> Iterator[Open]:
    adviser = label_server.Four()
    adviser.curve = label_server.ENOUGH
    session = label_server.make_session(tmp_path_factory.mktemp("label"), offered=("cats",), adviser=adviser)
    with served(session, serve_label) as address:
        label_server.name(address, "cats", 0)
        label_server.name(address, "dogs", 1, 2)

        def opens(driver) -> None:
            driver.get(address)
            until(driver, "#curve:not([hidden])")

        yield opens


@pytest.fixture(scope="module")
def report(whole: Path, tmp_path_factory) -> Open:  # noqa: F811
    page = build_report([whole], tmp_path_factory.mktemp("report")).report
    return lambda driver: unfolded(driver, page.as_uri())


@pytest.fixture(scope="module")
def comparison_report(comparison: Path) -> Open:  # noqa: F811
    return lambda driver: unfolded(driver, comparison.as_uri())


@pytest.fixture(scope="module")
def report_of_labels(labelled: Path, tmp_path_factory) -> Open:  # noqa: F811
    page = build_report([labelled], tmp_path_factory.mktemp("labels")).report
    return lambda driver: unfolded(driver, page.as_uri())


@pytest.fixture(scope="module")
def audit(drawings: Path, tmp_path_factory) -> Open:
    place = tmp_path_factory.mktemp("audit")
    folder = shutil.copytree(drawings, place / "photos")
    shutil.copy(min((folder / "train" / "cats").iterdir()), folder / "train" / "dogs" / "twin.png")
    (folder / "train" / "dogs" / "note.txt").write_text("hello")
    page = inspect(folder, out=place / "audit").page
    assert page is not None
    return lambda driver: unfolded(driver, page.as_uri())


@pytest.fixture(scope="module")
def browser_export(colour_bundle, tmp_path_factory) -> Iterator[Open]:
    pytest.importorskip("onnxruntime", reason="needs pawsight[export]")
    from pawsight.commands.export import export

    place = tmp_path_factory.mktemp("export")
    export(colour_bundle, "web", out=place, browser_runtime=exported.runtime())
    with exported.Host(place / "web") as host:

        def opens(driver) -> None:
            driver.get(host.address)
            until(driver, "#facts button")

        yield opens


def shown(driver, width: int, height: int, dark: bool) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    still = {"name": "prefers-reduced-motion", "value": "reduce"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme, still]})


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_in_four_modes(chromium, request, page):
    opens = request.getfixturevalue(page)
    chromium.get("about:blank")
    chromium.get_log("browser")
    shown(chromium, *MODES["desktop, light"])
    opens(chromium)
    found = {}
    for mode, (width, height, dark) in MODES.items():
        shown(chromium, width, height, dark)
        # The dark page differs by its colours alone.
        found[mode] = axe.violations(chromium, only=["color-contrast"] if dark else [])
        beyond = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert chromium.execute_script(beyond) <= 0, mode
    assert {mode: list(dict.fromkeys(found[mode])) for mode in MODES} == {mode: [] for mode in MODES}
    assert chromium.get_log("browser") == []


@pytest.mark.parametrize("page", PAGES)
def test_tab_reaches_everything_in_order_and_shows_where_it_is(chromium, request, page):
    from selenium.webdriver import ActionChains, Keys

    shown(chromium, *MODES["desktop, light"])
    request.getfixturevalue(page)(chromium)
    chromium.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    expected, reached = chromium.execute_script(REACHABLE), []
    for _ in range(2 * expected + 5):
        ActionChains(chromium).send_keys(Keys.TAB).perform()
        focused = chromium.execute_script(FOCUSED)
        if focused is None or (reached and focused["place"] == reached[0]["place"]):
            break
        reached.append(focused)
    assert len(reached) >= expected > 1
    places = [focused["place"] for focused in reached]
    assert places == sorted(places), "the order of the keyboard is not that of the page"
    assert [focused["name"] for focused in reached if not focused["isInside"]] == []
    assert [focused["name"] for focused in reached if not focused["isDrawn"]] == []


@pytest.mark.parametrize(
    ("page", "opener"),
    [("review", "#finish-button"), ("label_page", "#finish-button"), ("start_page", ".card.answer .picture")],
)
def test_a_dialog_keeps_the_keyboard_until_escape_and_gives_it_back(chromium, request, page, opener):
    from selenium.webdriver import ActionChains, Keys

    def press(key: str) -> None:
        ActionChains(chromium).send_keys(key).perform()

    shown(chromium, *MODES["desktop, light"])
    request.getfixturevalue(page)(chromium)
    chromium.execute_script("document.querySelector(arguments[0]).focus()", opener)
    press(Keys.ENTER)
    until(chromium, "dialog[open]")
    inside = (
        "return document.activeElement === document.body || Boolean(document.activeElement.closest('dialog[open]'))"
    )
    for _ in range(8):
        press(Keys.TAB)
        assert chromium.execute_script(inside), chromium.execute_script(FOCUSED)
    press(Keys.ESCAPE)
    until(chromium, "body:not(:has(dialog[open]))")
    until(chromium, f"{opener}:focus")
