"""The report as a browser shows it: nothing to complain of, nothing to scroll sideways to, on a phone and on a desk."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from pawsight.models.recipes import RECIPES

PHONE, DESK = (390, 844), (1280, 900)
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
DRIVER = shutil.which("chromedriver") or ""
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver here (Debian: chromium and chromium-driver)"
    ),
    pytest.mark.skipif(importlib.util.find_spec("selenium") is None, reason="needs selenium, of pawsight[dev]"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    for word in (*quiet, "--disable-background-networking", f"--user-data-dir={profile}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def opened(browser, report: Path, size, *, dark=False, printed=False):
    """Open the report as on a screen of a size, whatever size the window can have."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print" if printed else "", "features": [scheme]})
    browser.get(report.as_uri())
    return browser


@pytest.mark.slow
def test_the_ladder_of_the_sample_with_all_its_epochs(browser, tmp_path):
    """`pawsight ladder` as people type it, every candidate of it; MobileNetV2 with made-up weights."""
    keras = pytest.importorskip("keras", reason="needs pawsight[train]")
    from pawsight.commands.ladder import ladder

    weights = tmp_path / "made-up.weights.h5"
    keras.utils.set_random_seed(0)
    keras.applications.MobileNetV2(input_shape=(160, 160, 3), include_top=False, weights=None).save_weights(weights)
    outcome = ladder("sample", out=tmp_path / "runs", weights=weights)
    plain = outcome.to_json()
    assert [candidate["recipe"] for candidate in plain["rungs"]] == list(RECIPES)
    assert plain["left_out"] == {}
    assert plain["chosen"] in RECIPES
    assert plain["test"]["pictures"] > 0
    for size in (PHONE, DESK):
        opened(browser, outcome.report.report, size)
        assert browser.get_log("browser") == []
        assert sideways(browser) <= 0


def sideways(browser):
    """How many pixels the page is wider than the screen."""
    return browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("size", [(320, 640), PHONE, DESK], ids=["small phone", "phone", "desk"])
def test_nothing_is_beyond_the_edge_of_the_screen(browser, comparison, size):
    opened(browser, comparison, size)
    assert browser.execute_script("return window.innerWidth") == size[0]
    assert sideways(browser) <= 0
    browser.execute_script("window.scrollTo(500, 0)")
    assert browser.execute_script("return window.scrollX") == 0


def test_title_and_headings_tell_the_story_in_order(browser, comparison, snapshot):
    opened(browser, comparison, PHONE)
    (title,) = texts(browser, "h1")
    assert title
    assert browser.title == title
    assert texts(browser, "h2") == snapshot
    candidates = [name for text in texts(browser, "h3") for name in text.split() if name in RECIPES]
    assert list(dict.fromkeys(candidates)) == list(RECIPES)


def texts(browser, tag):
    return [element.text for element in browser.find_elements("tag name", tag)]


def test_every_picture_is_inside_the_page_and_is_shown(browser, comparison):
    opened(browser, comparison, DESK)
    pictures = browser.execute_script(
        "return [...document.images].map(i => [i.src.slice(0, 5), i.complete && i.naturalWidth > 0, i.alt])"
    )
    assert len(pictures) >= 6  # the grid of three a class, and mistakes
    assert all(source == "data:" and is_shown for source, is_shown, _ in pictures)
    assert all(alt for _, _, alt in pictures)
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert not [name for name in fetched if not name.startswith("data:")]


def test_links_of_the_contents_lead_somewhere(browser, comparison):
    opened(browser, comparison, PHONE)
    lost = browser.execute_script(
        "return [...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.hash)).length"
    )
    assert lost == 0
    assert len(browser.find_elements("css selector", "nav a")) >= 6


def test_dark_and_light_are_two_looks_with_readable_text(browser, comparison):
    looks = []
    for dark in (False, True):
        opened(browser, comparison, PHONE, dark=dark)
        script = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        looks.append([brightness(colour) for colour in browser.execute_script(script)])
    (light_ground, light_text), (dark_ground, dark_text) = looks
    assert light_ground - light_text > 120
    assert dark_text - dark_ground > 120


def brightness(colour):
    """Mean of red, green and blue in what CSS calls rgb(...)."""
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(numbers) / 3


def test_it_can_be_printed_on_one_page_after_another(browser, comparison):
    opened(browser, comparison, DESK)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})["data"]
    assert printed.startswith("JVBER")  # %PDF in base 64
