"""The page in Debian's Chromium, on a service as people start it."""

from __future__ import annotations

import base64
import csv
import importlib.util
import json
import shutil
import time
from pathlib import Path

import pytest

from . import axe

PHONE, DESK = (390, 844), (1280, 860)
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
SCRIPTED_DROP = """
const [names, contents, how, done] = arguments;
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
names.forEach((name, place) => transfer.items.add(new File([bytes(contents[place])], name, {type: "image/png"})));
if (how === "paste") document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
else for (const kind of ["dragenter", "dragover", "drop"]) {
  document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}
done();
"""


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory, downloads):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    for word in (*quiet, *fake, "--disable-background-networking", f"--user-data-dir={profile}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_script_timeout(30)
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """The page as somebody uses it."""

    def __init__(self, driver, port: int, *, size=DESK, dark=False) -> None:
        self.driver = driver
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, still]})
        driver.get_log("browser")
        driver.get(f"http://127.0.0.1:{port}/")

    def all(self, selector: str):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        # What the browser leaves out while it is far from the screen has no innerText.
        read = "(one) => one.innerText.trim() || one.textContent.trim()"
        return self.driver.execute_script(f"return [...document.querySelectorAll(arguments[0])].map({read})", selector)

    def chips(self) -> list[str]:
        return [" ".join(text.split()) for text in self.texts(".chip")]

    def run(self, script: str, *given):
        """A script that ends by calling done(value)."""
        return self.driver.execute_async_script(f"const done = arguments[arguments.length - 1]; {script}", *given)

    def until(self, true, seconds: float = 20.0):
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            if value := true():
                return value
            time.sleep(0.03)
        raise AssertionError(f"never so; the cards: {self.texts('.card')}, the log: {self.complaints()}")

    def ready(self) -> Page:
        self.until(lambda: self.texts("#facts") != ["The classifier is being opened…"] and self.texts("#facts"))
        return self

    def choose(self, *paths: Path) -> None:
        self.one("#files").send_keys("\n".join(str(path) for path in paths))

    def give(self, files: dict[str, bytes], how: str) -> None:
        contents = [base64.b64encode(data).decode() for data in files.values()]
        self.driver.execute_async_script(SCRIPTED_DROP, list(files), contents, how)

    def answers(self, number: int) -> list[str]:
        """What so many cards say first, once none is waiting."""
        self.until(lambda: len(self.all(".card")) == number and not self.all(".card.waiting"))
        return [text.splitlines()[0] for text in self.texts(".card h3")]

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.driver)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def focused(self) -> str:
        return self.driver.execute_script("return document.activeElement.id || document.activeElement.tagName")

    def complaints(self) -> list[str]:
        return [line["message"] for line in self.driver.get_log("browser")]


@pytest.fixture
def page(chromium, process):
    one = Page(chromium, process.port).ready()
    yield one
    refusals = [line for line in one.complaints() if "status of 422" not in line]  # told by Chromium, meant by us
    assert refusals == []


@pytest.fixture
def colours(serving, tmp_path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.png" for name in ("red", "green", "blue")}
    for name, path in paths.items():
        path.write_bytes(serving.picture(name))
    return paths


@pytest.fixture(scope="module")
def fifty(serving, colour_backbone, tmp_path_factory):
    """A service with fifty classes, three of them likely, that answers what is surer than 0.6 alone.

    It keeps the pictures that are labelled, and its run has a test set.
    """
    import numpy as np

    from pawsight.classifier.bundle import Card, GoldenOutputs, write_bundle
    from pawsight.classifier.prediction_sets import PredictionSets
    from pawsight.classifier.trust import RiskGuarantee, Trust
    from pawsight.images.decode import DecodeSettings
    from pawsight.models.graph import append_head

    classes = ("red", "green", "blue", "a class whose name is longer than anybody has room for", "<b>bold</b>")
    classes += tuple(f"shade {number}" for number in range(45))
    weights = np.zeros((3, 50), np.float32)
    weights[:, :3] = np.eye(3) / 16
    colours = np.array([[250, 5, 5], [100, 100, 90]], np.uint8)
    powers = np.exp(colours.astype(np.float32) @ weights)
    promise = RiskGuarantee(
        max_error=0.01,
        confidence=0.9,
        threshold=0.6,
        pictures=800,
        answered=700,
        errors=2,
        coverage=0.875,
        coverage_interval=(0.85, 0.9),
        expected_risk=0.004,
    )
    card = Card(
        classes=classes,
        decode=DecodeSettings(image_px=8),
        recipe={"name": "probe"},
        precision="f32",
        split_digest="5" * 64,
        data_fingerprint="f" * 64,
        created="2026-11-22T18:00:00+00:00",
        versions={"python": "3.11"},
        trust=Trust(
            guarantee=promise,
            sets=PredictionSets(
                coverage=0.9, thresholds=(0.3,) * 50, pictures=(9,) * 50, shared=(), measured_on="validation"
            ),
        ),
    )
    place = tmp_path_factory.mktemp("fifty")
    write_bundle(
        place / "run" / "bundle",
        card,
        model=append_head(colour_backbone, weights, np.zeros(50, np.float32), classes=classes),
        golden=GoldenOutputs(np.tile(colours[:, None, None], (1, 8, 8, 1)), powers / powers.sum(axis=1, keepdims=True)),
        trained=frozenset({"a" * 64}),
    )
    test = {"pictures": 192, "accuracy": 191 / 192, "interval": [0.971, 0.999]}
    (place / "run" / "metrics.json").write_text(json.dumps({"split": {"digest": "5" * 64}, "test": test}))
    options = ("--decoders", 1, "--feedback", place / "feedback")
    with serving.Process(place / "run", *options, log=place / "log") as one:
        one.feedback = place / "feedback"
        yield one


def test_two_chosen_pictures_get_two_labels_and_are_read_out(page, colours):
    assert page.texts("h1") == ["Red, green or blue?"]
    page.choose(colours["red"], colours["blue"])
    assert page.answers(2) == ["red", "blue"]
    assert page.texts(".card .sure") == ["> 99.9\u00a0%"] * 2
    (spoken,) = page.until(lambda: page.texts("#spoken") != [""] and page.texts("#spoken"))
    assert [part.split(", ")[0] for part in spoken.split(". ")] == ["red.png: red", "blue.png: blue"]
    assert spoken.count("> 99.9\u00a0%") == 2
    assert page.texts(".card:first-child :is(.sure, .share)") == ["> 99.9\u00a0%"], "one number a card"
    page.until(lambda: len(page.all(".picture img")) == 2)


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_pictures_may_be_dropped_and_pasted(page, serving, how):
    page.give({"one.png": serving.picture("green"), "two.png": serving.picture("blue")}, how)
    assert page.answers(2) == ["green", "blue"]
    assert not page.all(".over.shown")


def test_the_newest_stand_first(page, colours):
    page.choose(colours["red"])
    page.answers(1)
    page.choose(colours["green"])
    assert page.answers(2) == ["green", "red"]


HEIC = Path(__file__).parents[1] / "images" / "files" / "turned-p3.heic"


@pytest.mark.parametrize(
    "kind",
    [
        "TIFF",
        pytest.param(
            "HEIC",
            marks=pytest.mark.skipif(importlib.util.find_spec("pi_heif") is None, reason="needs pawsight[heif]"),
        ),
    ],
)
def test_what_the_browser_cannot_show_is_shown_by_the_server(page, serving, kind):
    data = HEIC.read_bytes() if kind == "HEIC" else serving.picture("green", kind, 200)
    page.give({f"photo.{kind.lower()}": data, "none.heic": data[:300]}, "drop")
    page.answers(2)
    shown = "return document.querySelector(arguments[0])?.naturalWidth ?? 0"
    page.until(lambda: page.driver.execute_script(shown, ".card.answer .picture img") > 0)
    assert page.texts(".card.error .picture .kind") == ["HEIC"], "a neutral tile"
    page.one(".card.answer .picture").click()
    page.until(lambda: page.driver.execute_script(shown, "#whole img") > 0)
    page.one("#lightbox-close").click()


def test_a_hostile_file_shows_its_reason_and_does_not_harm_the_others(page, serving):
    name = "<img src=x onerror=document.title='owned'>\u202egnp.png"
    page.give({name: serving.picture("red", "JPEG", 200)[:400], "good.png": serving.picture("blue")}, "drop")
    assert page.answers(2)[0] == "No answer"
    assert page.texts(".card.error .why") == ["This file is not a picture, or it is damaged."]
    assert page.texts(".card.answer .file") == ["good.png"]
    assert page.one(".card.error .file").get_attribute("title") == name.replace("\u202e", "\ufffd")
    assert page.driver.title == "Pawsight"


def test_the_only_picture_being_none_is_told_and_not_offered_again(page):
    page.give({"milk.txt": b"milk"}, "drop")
    assert page.answers(1) == ["No answer"]
    assert page.texts(".card .why") == ["This file is not a picture."]
    assert not page.all(".card .quiet"), "trying again is no use"
    assert page.texts(".picture .kind") == ["TXT"]


def test_a_file_beyond_the_limit_is_told_before_it_is_sent(page, process):
    def sent() -> int:
        return sum(event["route"] == "/api/v1/predict" for event in process.events("request"))

    before = sent()
    page.give({"large.png": b"x" * 1_100_000}, "drop")
    assert page.answers(1) == ["No answer"]
    assert page.texts(".card .why") == ["Has 1.0\u00a0MiB; at most 1.0\u00a0MiB are taken."]
    assert not page.all(".card .quiet"), "trying again is no use"
    assert sent() == before


def test_more_pictures_than_one_request_holds_are_sent_in_several(page, serving):
    page.give({f"{number}.png": serving.picture("green", side=200) for number in range(11)}, "drop")
    assert set(page.answers(11)) == {"green"}
    assert page.until(lambda: "11" in page.texts("#spoken")[0] and page.texts("#spoken")) == [
        "11\u00a0pictures: 11 green."
    ]


def test_the_camera_takes_pictures_and_is_off_when_closed(page):
    page.one("#photograph").click()
    page.until(lambda: page.one("#shoot").is_enabled())
    live = "return document.getElementById('video').srcObject?.active ?? false"
    assert page.driver.execute_script(live)
    page.one("#shoot").click()
    page.until(lambda: page.all(".card"))
    page.until(lambda: "camera-1.jpg: green" in page.texts("#camera-told")[0])  # Chromium's fake camera is green
    page.one("#shoot").click()
    page.one("#camera-close").click()
    assert set(page.answers(2)) == {"green"}
    assert page.texts(".card .file") == ["camera-2.jpg", "camera-1.jpg"]
    assert not page.driver.execute_script(live)


def test_the_camera_answers_live_one_frame_at_a_time_until_it_is_stopped(page):
    """Frames are counted as they are sent; what is on the network is never more than one."""
    page.run("""
      window.frames = {now: 0, most: 0, all: 0, watched: 0};
      const real = fetch;
      window.fetch = async (address, options) => {
        if (!String(address).includes("/predict")) return real(address, options);
        window.frames.now += 1;
        window.frames.all += 1;
        window.frames.watched += !String(address).endsWith("?window=false");
        window.frames.most = Math.max(window.frames.most, window.frames.now);
        try { return await real(address, options); } finally { window.frames.now -= 1; }
      };
      done()
    """)

    def sent() -> int:
        return page.driver.execute_script("return window.frames.all")

    def stays() -> bool:
        before = sent()
        time.sleep(0.6)  # three frames' time
        return sent() == before

    page.one("#photograph").click()
    page.until(lambda: page.one("#watch").is_enabled())
    page.one("#watch").click()
    page.until(lambda: page.texts("#live")[0].startswith("green"))
    page.until(lambda: "green" in page.texts("#live-told")[0])
    hide = "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
    page.driver.execute_script(hide, True)
    page.until(stays)
    seen = sent()
    page.driver.execute_script(hide + "document.dispatchEvent(new Event('visibilitychange'))", False)
    page.until(lambda: sent() > seen)
    page.one("#watch").click()
    page.one("#watch").click()
    page.until(lambda: page.one("#live").is_displayed())
    page.one("#watch").click()
    assert not page.one("#live").is_displayed()
    page.until(stays)
    page.one("#watch").click()
    page.one("#camera-close").click()
    page.until(stays)
    frames = page.driver.execute_script("return window.frames")
    assert (frames["most"], frames["watched"]) == (1, 0)
    assert not page.all(".card")


def test_everything_can_be_done_with_the_keyboard_alone(page):
    from selenium.webdriver import Keys

    order = []
    for _ in range(4):
        page.press(Keys.TAB)
        order.append(page.focused())
    assert order[-2:] == ["choose", "photograph"]
    page.driver.execute_script("document.getElementById('photograph').focus()")
    page.press(Keys.ENTER)
    page.until(lambda: page.focused() == "shoot")
    page.press(Keys.ENTER)
    page.until(lambda: len(page.all(".card")) == 1)
    page.press(Keys.SPACE)
    page.until(lambda: len(page.all(".card")) == 2)
    page.press(Keys.ESCAPE)
    page.answers(2)
    assert page.focused() == "photograph"
    for _ in range(8):
        page.press(Keys.TAB)
        if page.focused() == "ARTICLE":
            break
    place = "return [...document.querySelectorAll('.card')].indexOf(document.activeElement.closest('.card'))"
    assert page.driver.execute_script(place) == 0
    page.press(Keys.ARROW_RIGHT)
    assert page.driver.execute_script(place) == 1
    page.press(Keys.ENTER)
    page.until(lambda: page.focused() == "lightbox-title")
    shown = page.texts("#lightbox-file")
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: page.texts("#lightbox-file") != shown)
    page.press(Keys.ESCAPE)
    assert page.driver.execute_script(place) == 1, "the focus is back on the card that was opened"
    page.press(Keys.DELETE)
    assert len(page.all(".card")) == 1
    assert page.driver.execute_script(place) == 0, "the focus went to the card that is left"
    page.one("#undo").send_keys(Keys.ENTER)
    assert len(page.all(".card")) == 2
    assert page.driver.execute_script(place) == 1, "the focus went to the card that came back"


def test_answers_are_filtered_removed_cleared_and_brought_back(page, colours):
    page.choose(*colours.values())
    page.answers(3)
    page.until(lambda: page.chips() == ["All 3", "red 1", "green 1", "blue 1"])
    page.all(".chip")[2].click()
    page.until(lambda: [card.is_displayed() for card in page.all(".card")] == [False, True, False])
    page.one(".card.answer:not([hidden]) .remove").click()
    page.until(lambda: page.texts("#answers-title") == ["2\u00a0pictures"])
    assert page.chips()[0] == "All 2"
    page.one("#clear").click()
    assert not page.all(".card")
    page.until(lambda: not page.one("#answers").is_displayed())
    page.one("#undo").click()
    assert len(page.all(".card")) == 2


def test_answers_are_sorted_and_a_threshold_makes_them_unsure(page):
    """On answers of the queue's own kind, whose probabilities are known."""
    page.run("""
      Promise.all([import("/static/page.js"), import("/static/dom.js")]).then(([, {at}]) => {
        const shares = {"b.png": 0.9, "a.png": 0.6, "c.png": 0.8};
        const predictions = (names) => names.map((file) => ({
          file, label: "red", probability: shares[file], verdict: "answered", set: null, error: null, code: null,
          probabilities: {red: shares[file], blue: 1 - shares[file]}}));
        const real = fetch;
        window.fetch = async (address, options) => !String(address).endsWith("/predict") ? real(address, options)
          : new Response(JSON.stringify({predictions: predictions(options.body.getAll("files").map(({name}) => name))}));
        done(at("sort").value);
      });
    """)
    page.give(dict.fromkeys(("b.png", "a.png", "c.png"), b"."), "drop")
    page.answers(3)
    assert page.texts(".card .file") == ["b.png", "a.png", "c.png"]
    for order, names in (("unsure", "acb"), ("sure", "bca"), ("name", "abc"), ("newest", "bac")):
        page.one(f"#sort option[value={order}]").click()
        assert "".join(name[0] for name in page.texts(".card .file")) == names
    move = "const s = document.getElementById('threshold'); s.value = 85; s.dispatchEvent(new Event('input'))"
    page.driver.execute_script(move)
    page.until(lambda: page.texts(".card.unsure .file") == ["a.png", "c.png"])
    assert page.texts(".card.answer .file") == ["b.png"]


def test_what_the_user_says_becomes_a_label_patch(page, colours, downloads):
    from hashlib import sha256

    from pawsight.data.label_patch import read_patch

    page.choose(colours["red"], colours["blue"])
    page.answers(2)
    page.one(".card .picture").click()
    page.one("#right").click()
    page.one("#next").click()
    page.one("#truth option[value=none]").click()
    page.one("#lightbox-close").click()
    page.until(lambda: page.one("#patch").is_displayed())
    page.one("#patch").click()
    page.until((downloads / "patch.csv").exists)
    decisions = {decision.path: decision for decision in read_patch(downloads / "patch.csv").decisions}
    assert [(decisions[f"{name}.png"].action, decisions[f"{name}.png"].label) for name in ("red", "blue")] == [
        ("relabel", "red"),
        ("drop", ""),
    ]
    assert decisions["red.png"].sha256 == sha256(colours["red"].read_bytes()).hexdigest()


def test_what_still_waits_can_be_cancelled(page, colours):
    page.run("window.fetch = () => new Promise(() => {}); done()")
    page.choose(*colours.values())
    page.until(lambda: page.one("#working").is_displayed())
    assert page.texts("#left") == ["0 of 3"]
    page.one("#cancel").click()
    page.until(lambda: not page.all(".card"))
    assert page.one("#undo").is_displayed()


def test_answers_can_be_taken_away_as_csv_and_json(page, serving, downloads):
    files = {"=1+1.png": serving.picture("red"), 'a, "b".png': serving.picture("blue"), "+.txt": b"milk"}
    page.give(files, "drop")
    page.answers(3)
    for kind in ("csv", "json"):
        page.one(f"#{kind}").click()
        page.until(lambda kind=kind: (downloads / f"pawsight.{kind}").exists())
    with (downloads / "pawsight.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["'=1+1.png", 'a, "b".png', "'+.txt"]
    assert [row["label"] for row in rows] == ["red", "blue", ""]
    assert float(rows[0]["red"]) == float(rows[0]["probability"]) > 0.99
    assert rows[2]["error"] == "not a picture"
    told = json.loads((downloads / "pawsight.json").read_text(encoding="utf-8"))
    assert told["classes"] == ["red", "green", "blue"]
    assert [prediction["file"] for prediction in told["predictions"]] == list(files)
    assert told["predictions"][1]["probabilities"]["blue"] > 0.99


def test_fifty_classes_fold_away_and_unsure_is_said_as_such(chromium, fifty, serving):
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (20, 20), (100, 100, 90)).save(out, "PNG")
    page = Page(chromium, fifty.port).ready()
    assert page.texts("h1") == ["What is in the picture?"]
    page.give({"red.png": serving.picture("red"), "mud.png": out.getvalue()}, "drop")
    assert page.answers(2) == ["red", "Unsure"]
    assert page.texts(".card.unsure .sure")[0].startswith("perhaps red 38.1")
    page.one(".card.unsure .picture").click()
    assert "at most 1.0\u00a0% should be wrong" in page.texts("#lightbox-why")[0]
    assert all(name in page.texts("#lightbox .set")[0] for name in ("red", "green", "90.0\u00a0% of such lists"))
    assert page.texts("#judge-question") == ["What is it?"]
    assert len(page.all("#lightbox .bars li")) == 5
    page.one("#lightbox summary").click()
    page.until(lambda: len(page.all("#lightbox .bars li")) == 50)
    assert "<b>bold</b>" in page.texts("#lightbox .of")
    assert "a class whos…room for" in page.texts("#lightbox .of") or page.all("#lightbox .of[title^='a class']")
    assert page.complaints() == []


def test_what_the_user_says_is_kept_where_the_owner_allows_it(chromium, fifty, serving):
    from hashlib import sha256

    from pawsight.data.label_patch import read_patch

    def kept(table="labels.csv"):
        path = fifty.feedback / table
        return {one.sha256: one.label for one in read_patch(path).decisions} if path.exists() else {}

    red = serving.picture("red", side=31)
    digest = sha256(red).hexdigest()
    page = Page(chromium, fifty.port).ready()
    page.give({"red.png": red}, "drop")
    page.answers(1)
    page.one(".card .picture").click()
    assert page.texts("#judge-told")[0], "the page says what happens before it does"
    page.one("#right").click()
    page.until(lambda: kept() == {digest: "red"})
    page.until(lambda: page.texts(".card .said bdi") == ["red"])
    page.one("#truth option[value='2']").click()
    page.until(lambda: kept() == {digest: "blue"})
    page.one("#truth option[value=none]").click()
    page.until(lambda: kept("none.csv") == {digest: ""})
    assert kept() == {}
    page.one("#truth option[value='']").click()
    page.until(lambda: kept("none.csv") == {})
    page.until(lambda: not list((fifty.feedback / "pictures").iterdir()))
    page.until(lambda: not page.all(".card .said"))
    assert not page.one("#patch").is_displayed()
    assert page.complaints() == []


def test_the_chip_quotes_the_test_set(chromium, fifty):
    page = Page(chromium, fifty.port).ready()
    assert page.texts("#facts")[0].startswith("191 of 192 ")
    page.one("#facts button").click()
    assert all(figure in page.texts("#about-test")[0] for figure in ("192", "191", "97.1", "99.9"))


def test_the_page_says_how_many_of_the_latest_answers_are_likely_right(chromium, serving, watched_bundle, tmp_path):
    shades = {f"{name}-{number}.png": serving.picture(name) for name in ("red", "blue") for number in range(6)}
    title = "<b>Ants</b> or bees?"
    with serving.Process(watched_bundle, "--decoders", 1, "--title", title, log=tmp_path / "log") as one:
        page = Page(chromium, one.port).ready()
        assert (page.texts("h1"), page.driver.title) == ([title], title)
        assert page.texts("#chips li") == ["red", "green", "blue"], "which the question does not name"
        assert not page.one("#latest").is_displayed()
        page.give(shades, "drop")
        page.answers(12)
        page.until(lambda: page.texts("#latest")[0].startswith("Of the latest 12"))
        assert page.one("#latest").is_displayed()
        assert page.complaints() == []


def test_a_token_is_asked_for_once(chromium, serving, colour_bundle, colours, downloads, tmp_path):
    shutil.copytree(colour_bundle, tmp_path / "run" / "bundle")
    (tmp_path / "run" / "report.html").write_text("<!doctype html><title>Report</title>")
    file = tmp_path / "token"
    file.write_text("a-word-that-nobody-knows")
    file.chmod(0o600)
    with serving.Process(
        tmp_path / "run", "--decoders", 1, "--token-file", file, "--with-report", log=tmp_path / "log"
    ) as one:
        page = Page(chromium, one.port)
        page.until(lambda: page.focused() == "token-word")
        page.one("#token-word").send_keys("guessed\n")
        page.until(lambda: page.texts("#token-wrong")[0].startswith("This token is wrong"))
        page.one("#token-word").send_keys("a-word-that-nobody-knows\n")
        page.ready()
        page.choose(colours["red"])
        assert page.answers(1) == ["red"]
        page.one("#links button").click()
        page.until((downloads / "report.html").exists)
        page.driver.refresh()
        page.ready()
        page.until(lambda: page.texts("h1") == ["Red, green or blue?"])
        assert not page.all("dialog[open]")


def test_a_name_is_never_read_as_markup(page):
    shown = page.run("""import("/static/dom.js").then(({named}) => done(named("<i>x</i>").outerHTML));""")
    assert shown == "<bdi>&lt;i&gt;x&lt;/i&gt;</bdi>"


def test_the_heat_map_of_a_class_comes_on_a_click_and_by_key(chromium, process, serving, colours):
    map_ = base64.b64encode(serving.picture("green")).decode()
    fake = """
      const real = fetch;
      window.fetch = async (address, options) => {
        if (String(address).includes("/explain?class=")) {
          window.explained = [...(window.explained ?? []), String(address).split("=").pop()];
          return new Response(Uint8Array.from(atob(MAP), (one) => one.charCodeAt(0)), {headers: {"Content-Type": "image/png"}});
        }
        const answer = await real(address, options);
        if (!String(address).endsWith("/model")) return answer;
        return new Response(JSON.stringify({...await answer.json(), heat_maps: true}));
      };""".replace("MAP", json.dumps(map_))
    script = chromium.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": fake})
    try:
        page = Page(chromium, process.port).ready()
        page.choose(colours["red"])
        page.answers(1)
        page.until(lambda: page.all(".picture img"))
        page.one(".card .picture").click()
        assert not page.all(".map"), "a heat map costs seconds: it is drawn on request"
        page.one("#heat").click()
        page.until(lambda: page.all(".map"))
        page.driver.execute_script(
            "const slider = document.getElementById('heat-strength'); slider.value = 40;"
            "slider.dispatchEvent(new Event('input'))"
        )
        assert page.one(".map").get_attribute("style") == "opacity: 0.4;"
        page.one("#heat-class option:nth-child(2)").click()
        page.until(lambda: page.all(".map") and "speak more for" in page.texts("#heat-told")[0])
        page.one("#lightbox-close").click()
        page.driver.execute_script("document.querySelector('.card article').focus()")
        page.press("h")
        page.until(lambda: page.all(".map"))
        explained = page.driver.execute_script("return window.explained")
        assert explained[0] == "red"
        assert len(explained) == len(set(explained)) == 2, "each is asked for once"
        assert page.complaints() == []
    finally:
        chromium.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_the_description_is_shown_to_people_with_every_answer_and_limit(page, process):
    told = process.ask("GET", "/openapi.json")[1]
    page.driver.get(f"http://127.0.0.1:{process.port}/docs")
    page.until(lambda: page.all("#limits tr"))
    content = "return document.querySelector(arguments[0]).textContent"
    shown = page.driver.execute_script(content, "#operations")
    paths = [element.get_attribute("textContent") for element in page.all("#operations summary code")]
    assert paths == list(told["paths"])
    assert all(answer["description"] in shown for answer in told["components"]["responses"].values())
    assert page.texts("#limits td:first-child") == list(process.ask("GET", "/api/v1/model")[1]["limits"])


@pytest.mark.parametrize(
    ("size", "dark"),
    [
        (PHONE, True),
        (DESK, False),
        *(pytest.param(*how, marks=pytest.mark.slow) for how in ((PHONE, False), (DESK, True))),
    ],
)
def test_nothing_is_out_of_place_or_out_of_reach(chromium, fifty, serving, size, dark):
    page = Page(chromium, fifty.port, size=size, dark=dark).ready()
    page.one("#classes summary").click()
    page.one("#facts button").click()
    assert axe.violations(chromium) == []
    long = f"{'a very long name ' * 12}.png"
    files = {"red.png": serving.picture("red"), long: serving.picture("blue"), "milk.txt": b"milk"}
    page.give(files | {"grey.png": serving.picture("green", "JPEG")[:-9]}, "drop")
    page.answers(4)
    assert axe.violations(chromium) == []
    page.one("#as-list").click()
    page.one(".card.answer .picture").click()
    page.one("#lightbox summary").click()
    page.one("#heat").click()
    page.until(lambda: "Drawing" not in page.texts("#heat-told")[0])
    assert axe.violations(chromium) == []
    page.one("#lightbox-close").click()
    beyond = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.driver.execute_script(beyond) == 0
    page.one("#photograph").click()
    page.until(lambda: page.one("#shoot").is_enabled())
    assert axe.violations(chromium) == []
    page.one("#camera-close").click()
    assert page.complaints() == []
