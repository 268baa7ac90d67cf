"""The labelling page as a browser shows it, driven by keys alone: what they name is in the table."""

from __future__ import annotations

import importlib.util
import time

import pytest

from pawsight.web.label_page import serve_label

from ..exports import browser as exported
from .label_server import ENOUGH, Four, kept, make_session
from .review_server import served

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("selenium") is None, reason="needs selenium, of pawsight[dev]"),
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))), reason="needs pawsight[serve]"
    ),
]
ENTER, ESCAPE, RIGHT = "\ue007", "\ue00c", "\ue014"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    driver = exported.chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium, tmp_path):
    """The page of ten pictures, which shows four of them at a time; `page.adviser` says what comes next."""
    adviser = Four()
    with served(make_session(tmp_path, adviser=adviser), serve_label) as address:
        yield Page(chromium, address, tmp_path, adviser)
        assert chromium.get_log("browser") == []
        chromium.get("about:blank")


class Page:
    """What a person does and sees."""

    def __init__(self, driver, address, place, adviser):
        self.driver, self.address, self.place, self.adviser = driver, address, place, adviser
        metrics = {"width": 1280, "height": 860, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get("about:blank")
        driver.get_log("browser")
        self.open()

    def open(self):
        self.driver.get(self.address)
        self.until(lambda: self.text("question") or self.text("done-title"))

    def text(self, name):
        return self.driver.find_element("id", name).text

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def until(self, condition, seconds=15):
        last = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < last, (self.text("count"), self.text("question"), self.text("alert"))
            time.sleep(0.03)

    def named(self, count):
        self.until(lambda: self.text("count").startswith(f"{count} of 10 pictures named"))


def test_keys_name_many_pictures_at_a_time(page):
    assert page.text("question") == "What are these?"
    page.press("n", "cat", ENTER)
    page.named(4)
    assert set(kept(page.place).values()) == {"cat"}
    assert len(kept(page.place)) == 5  # with the copy
    page.press(RIGHT, " ", RIGHT, " ", "n", "dog", ENTER)  # the second and the third are taken out
    page.named(6)
    assert [path for path, label in kept(page.place).items() if label == "dog"] == ["data/4.png", "data/7.png"]
    assert page.text("question") == "What are these?"  # the two that were taken out
    page.press("1")
    page.named(8)
    assert [path for path, label in kept(page.place).items() if label == "cat"][-2:] == ["data/5.png", "data/6.png"]
    assert page.text("question") == "Are these dog?"
    page.press(ENTER)
    page.named(10)
    page.until(lambda: page.text("done-title") == "Every picture has a name")
    page.press("f")
    page.until(lambda: page.text("command") == "pawsight train labels.csv")


def test_undo_shows_again_what_was_named_last_and_a_later_visit_goes_on(page):
    page.press("n", "cat", ENTER)
    page.named(4)
    page.press("x")
    page.until(lambda: "4 not usable" in page.text("count"))
    page.press("u", "u")
    page.named(0)
    assert kept(page.place) == {}
    assert page.text("grid-selected") == "4 selected"
    page.press("u", "s")  # nothing is left to undo; the first four come later
    page.until(lambda: "data/4.png" in page.driver.page_source)
    page.press("n", "dog", ENTER)
    page.named(4)
    page.open()
    page.named(4)
    page.press("n", "cat", ENTER)
    page.named(8)
    assert {path for path, label in kept(page.place).items() if label == "dog"} == {
        f"data/{n}.png" for n in range(4, 8)
    }


def test_a_name_that_cannot_be_is_refused_where_it_was_typed(page):
    page.press("n", "cat", ENTER)
    page.named(4)
    page.press("n", "CAT", ENTER)
    page.until(lambda: "looks like 'cat'" in page.text("wrong"))
    page.press(ESCAPE, "a", "a", "1")
    page.named(8)
    assert page.text("wrong") == ""
    assert ["400" in line["message"] for line in page.driver.get_log("browser")] == [True]


def test_named_pictures_are_looked_at_again_and_get_another_name(page):
    page.press("n", "cat", ENTER)
    page.named(4)
    page.press("n", "dog", ENTER)
    page.named(8)
    page.press("[")  # from the first tab to the last
    page.until(lambda: page.text("question") == "Called cat")
    assert page.text("grid-selected") == "None selected"
    page.press(RIGHT, " ", "2")
    page.until(lambda: sorted(kept(page.place).values()).count("dog") == 5)
    page.press("u")
    page.until(lambda: sorted(kept(page.place).values()).count("dog") == 4)
    page.press("]")
    page.until(lambda: page.text("question") == "Are these dog?")


def test_the_page_says_when_more_names_would_hardly_pay_and_shows_full_size(page):
    assert page.text("curve") == ""
    page.adviser.curve = ENOUGH
    page.open()
    page.until(lambda: "More names would hardly pay: the last ones changed 0.2" in page.text("curve"))
    assert "right for 97.5" in page.text("curve")
    assert "44 named pictures" in page.text("curve")
    assert "commonest name is right for 60.0" in page.text("curve")
    page.adviser.curve = {**ENOUGH, "commonest": 0.94}  # within the interval
    page.open()
    page.until(lambda: "no better" in page.text("curve"))
    assert "hardly pay" not in page.text("curve")
    page.adviser.curve = {
        **ENOUGH,
        "stable": False,
        "pays": True,
        "interval": None,
        "gain": 3.04,
        "gain_interval": [1.0, 5.0],
    }
    page.open()
    page.until(lambda: "would gain 3.0 points (1.0 to 5.0)" in page.text("curve"))
    page.press(RIGHT, "z")
    page.until(lambda: page.text("zoom-name") == "data/1.png")
