"""The review page as a browser shows it: driven by keys alone, decisions on disk, nothing to complain of."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import time

import pytest

from . import axe
from .review_server import kept, make_session, served

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
DRIVER = shutil.which("chromedriver") or ""
PHONE, DESK = (390, 844), (1280, 900)
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver here (Debian: chromium and chromium-driver)"
    ),
    pytest.mark.skipif(importlib.util.find_spec("selenium") is None, reason="needs selenium, of pawsight[dev]"),
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))), reason="needs pawsight[serve]"
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    for word in (*quiet, "--disable-background-networking", f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def opened(browser, address, size=DESK, *, dark=False):
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
    browser.get("about:blank")
    browser.get_log("browser")  # what an earlier page, whose server is gone, had to say
    browser.get(address)
    soon(lambda: text(browser, "question"))


def soon(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.03)
    raise AssertionError("it did not come to that")


def text(browser, name):
    return browser.find_element("id", name).text


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def escape(browser):
    """Close the dialog that is open; the browser does so a moment after the key."""
    press(browser, "\ue00c")
    soon(lambda: not browser.find_elements("css selector", "dialog[open]"))


def tree_of(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_keys_decide_and_what_they_decide_is_on_disk(browser, tmp_path):
    with served(make_session(tmp_path)) as address:
        before = tree_of(tmp_path / "data")
        opened(browser, address)
        assert text(browser, "question") == "Labelled cats. The classifier suggests dogs."
        assert text(browser, "count").startswith("1 of 4")
        press(browser, "k", "r", "d", "2")
        soon(lambda: len(kept(tmp_path)) == 4)
        assert kept(tmp_path) == [
            ("train/cats/0.png", "keep", ""),
            ("train/cats/1.png", "relabel", "dogs"),
            ("train/cats/2.png", "drop", ""),
            ("train/cats/3.png", "relabel", "dogs"),
        ]
        assert text(browser, "done-title") == "Likely wrong labels: all decided"
        press(browser, "u")
        soon(lambda: len(kept(tmp_path)) == 3)
        assert text(browser, "count").startswith("4 of 4")
        press(browser, "]", "d", "]", "d")
        soon(lambda: len(kept(tmp_path)) == 5)
        assert kept(tmp_path)[-2:] == [("train/cats/4.png", "drop", ""), ("train/cats/5.png", "drop", "")]
        assert tree_of(tmp_path / "data") == before
        assert browser.get_log("browser") == []


def test_enter_keeps_where_keeping_is_likelier_and_nothing_else_is_preselected(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        for section in range(2):  # the label is doubted, the picture is a copy
            assert browser.find_elements("css selector", "#actions .best") == []
            press(browser, Keys.ENTER)
            assert text(browser, "count").endswith(" 0 decided"), section
            press(browser, "]")
        assert [button.get_attribute("data-do") for button in browser.find_elements("css selector", ".best")] == [
            "keep"
        ]
        press(browser, Keys.ENTER)
        soon(lambda: kept(tmp_path) == [("train/cats/5.png", "keep", "")])


def test_the_command_is_there_at_any_time_and_can_be_copied(browser, tmp_path):
    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        origin = address.rpartition("/")[0].rpartition("/")[0]
        permissions = {"origin": origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        browser.execute_cdp_cmd("Browser.grantPermissions", permissions)
        press(browser, "f")
        assert not browser.find_element("id", "command").is_displayed()
        escape(browser)
        press(browser, "d")
        browser.find_element("id", "finish-button").click()
        assert text(browser, "command") == "pawsight train DATA --patch labels.patch.csv"
        press(browser, "c")
        soon(lambda: text(browser, "copied") == "Copied")
        read = "navigator.clipboard.readText().then(arguments[0], (error) => arguments[0](String(error)))"
        assert browser.execute_async_script(read) == "pawsight train DATA --patch labels.patch.csv"
        escape(browser)
        press(browser, "d")
        soon(lambda: len(kept(tmp_path)) == 2)


def test_a_picture_is_seen_in_its_own_size_and_larger(browser, tmp_path):
    def shown():
        return browser.execute_script(
            "const i = document.getElementById('zoom-picture'); return [i.naturalWidth, i.clientWidth]"
        )

    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        press(browser, "z")
        soon(lambda: shown() == [60, 240])  # it fits, at most four times its size
        press(browser, "+")
        assert shown() == [60, 360]
        press(browser, "-", "-", "0", "d")
        assert shown() == [60, 240]
        escape(browser)
        assert kept(tmp_path) == []
        browser.find_element("id", "enlarge").click()
        press(browser, "z", "k")
        soon(lambda: kept(tmp_path) == [("train/cats/0.png", "keep", "")])
        assert browser.get_log("browser") == []


def test_many_pictures_are_decided_together_in_the_grid_and_undone_together(browser, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        press(browser, "g", "k")
        assert text(browser, "grid-selected") == "None selected"
        press(browser, Keys.SPACE)
        chain = ActionChains(browser).key_down(Keys.SHIFT)
        chain.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
        assert text(browser, "grid-selected") == "3 selected"
        press(browser, "r")
        soon(lambda: kept(tmp_path) == [(f"train/cats/{number}.png", "relabel", "dogs") for number in range(3)])
        press(browser, "a", "d")
        soon(lambda: [action for _, action, _ in kept(tmp_path)] == ["drop"] * 4)
        assert len(browser.find_elements("css selector", "#grid .decided.drop")) == 4
        press(browser, "u")
        soon(lambda: [action for _, action, _ in kept(tmp_path)] == ["relabel"] * 3)
        press(browser, "u")
        soon(lambda: kept(tmp_path) == [])
        assert browser.find_elements("css selector", "#grid .decided") == []
        browser.find_elements("css selector", "#grid button")[1].click()
        browser.find_element("css selector", "#grid-view [data-do=keep]").click()
        soon(lambda: kept(tmp_path) == [("train/cats/1.png", "keep", "")])
        press(browser, Keys.ARROW_RIGHT)
        browser.find_elements("css selector", "#grid button")[2].send_keys(Keys.ENTER)
        assert text(browser, "count").startswith("3 of 4")
        assert browser.get_log("browser") == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_in_any_view(browser, tmp_path, size, dark):
    from selenium.webdriver.common.keys import Keys

    with served(make_session(tmp_path, classes=("cats", "dogs", "geese"))) as address:
        opened(browser, address, size, dark=dark)
        soon(lambda: browser.execute_script("return document.getElementById('picture').naturalWidth") > 0)
        assert axe.violations(browser) == []
        for keys in (["d", "?"], ["f"], ["z"], ["/"]):
            press(browser, *keys)
            assert axe.violations(browser) == [], keys
            escape(browser)
        press(browser, "g", "a")
        assert axe.violations(browser) == []
        press(browser, "d", "g", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        assert text(browser, "done-title") == "Likely wrong labels: all decided"
        assert axe.violations(browser) == []


def test_undo_brings_back_what_was_decided_before(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        press(browser, "d", Keys.ARROW_LEFT, "k")
        soon(lambda: kept(tmp_path) == [("train/cats/0.png", "keep", "")])
        press(browser, "u")
        soon(lambda: kept(tmp_path) == [("train/cats/0.png", "drop", "")])
        press(browser, "u")
        soon(lambda: kept(tmp_path) == [])
        assert text(browser, "count").endswith(" 0 decided")


def test_undo_shows_and_leaves_what_another_session_decided(browser, tmp_path):
    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        press(browser, "d")
        soon(lambda: kept(tmp_path) == [("train/cats/0.png", "drop", "")])
        make_session(tmp_path).decide(0, "keep")
        press(browser, "u")
        soon(lambda: text(browser, "stamp") == "kept" and text(browser, "alert"))
        assert kept(tmp_path) == [("train/cats/0.png", "keep", "")]


def test_the_page_goes_on_where_it_was_left(browser, tmp_path):
    first = make_session(tmp_path)
    first.decide(0, "keep")
    first.decide(1, "relabel", "dogs")
    with served(make_session(tmp_path, decisions=first.decisions())) as address:
        opened(browser, address)
        assert text(browser, "count") == "3 of 4, 2 decided"
        assert len(browser.find_elements("css selector", "#film .decided")) == 2


def test_buttons_do_what_keys_do(browser, tmp_path):
    with served(make_session(tmp_path)) as address:
        opened(browser, address, PHONE)
        browser.find_element("css selector", "[data-do=drop]").click()
        soon(lambda: kept(tmp_path) == [("train/cats/0.png", "drop", "")])
        assert text(browser, "count").startswith("2 of 4")


def test_filters_choose_what_is_listed(browser, tmp_path):
    from selenium.webdriver.support.ui import Select

    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        press(browser, "k")
        show = Select(browser.find_element("id", "show"))
        show.select_by_value("open")
        assert text(browser, "count") == "1 of 3, 0 decided"
        show.select_by_value("suspect")
        assert text(browser, "count") == "2 of 3, 1 decided"
        show.select_by_value("decided")
        assert text(browser, "count") == "1 of 1, 1 decided"
        browser.find_element("css selector", "[data-do=next]").click()
        assert text(browser, "done-title") == "End of this list"
        assert text(browser, "done-told") == "Likely wrong labels: 3 pictures undecided."
        browser.find_element("id", "done-all").click()
        assert text(browser, "count") == "2 of 4, 1 decided"
        Select(browser.find_element("id", "class")).select_by_value("dogs")
        assert text(browser, "done-title") == "Nothing to show here"


def test_of_two_hundred_classes_one_is_found_by_its_name(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    classes = [f"breed {number:03d}" for number in range(200)]
    with served(make_session(tmp_path, classes=classes)) as address:
        opened(browser, address)
        assert len(browser.find_elements("css selector", "#classes button")) == 10
        press(browser, "/")
        press(browser, "137", Keys.ENTER)
        soon(lambda: kept(tmp_path) == [("train/breed 000/0.png", "relabel", "breed 137")])
        soon(lambda: text(browser, "count") == "2 of 4, 1 decided")
        press(browser, "3")
        soon(lambda: kept(tmp_path)[-1] == ("train/breed 000/1.png", "relabel", "breed 002"))
        assert browser.get_log("browser") == []


def test_the_keys_are_explained_and_do_nothing_behind_the_explanation(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    with served(make_session(tmp_path)) as address:
        opened(browser, address)
        press(browser, "?")
        soon(lambda: browser.find_element("id", "help").is_displayed())
        press(browser, "d")
        press(browser, Keys.ESCAPE)
        soon(lambda: not browser.find_element("id", "help").is_displayed())
        assert text(browser, "count") == "1 of 4, 0 decided"
        assert kept(tmp_path) == []


def test_a_decision_that_was_not_kept_is_taken_back_and_told(browser, tmp_path):
    session = make_session(tmp_path)
    with served(session) as address:
        opened(browser, address)
    press(browser, "d")
    soon(lambda: browser.find_element("id", "alert").is_displayed())
    assert "not kept" in text(browser, "alert")
    assert "ended in the terminal" in text(browser, "alert")
    assert browser.find_elements("css selector", "#film .decided") == []


@pytest.mark.parametrize(("size", "dark"), [((320, 640), True), (PHONE, False), (DESK, True)])
def test_nothing_is_beyond_the_edge_and_all_has_a_name(browser, tmp_path, size, dark):
    with served(make_session(tmp_path, classes=("cats " * 20, "dogs"))) as address:
        opened(browser, address, size, dark=dark)
        soon(lambda: browser.execute_script("return document.getElementById('picture').naturalWidth") > 0)
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.execute_script(wide) <= 0
        nameless = """return [...document.querySelectorAll('button, select, input')].filter(
            one => !(one.innerText.trim() || one.ariaLabel || one.labels?.length || one.textContent.trim())).length"""
        assert browser.execute_script(nameless) == 0
        images = browser.find_elements("tag name", "img")
        assert images
        assert all(image.get_attribute("alt") for image in images)
        assert browser.find_element("id", "spoken").get_attribute("aria-live") == "polite"
        colours = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
        ink, paper = (sum(map(int, c[c.index("(") + 1 : -1].split(",")[:3])) for c in browser.execute_script(colours))
        assert (ink > paper) is dark
        assert browser.get_log("browser") == []
