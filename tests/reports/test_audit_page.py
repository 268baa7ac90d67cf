"""audit.html and audit.csv: whole, escaped, self-contained, and readable in a browser."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from pawsight.core.storage import plain_cell, sha256_of
from pawsight.data.audit import OF_ONE_CLASS, OF_SEVERAL_LABELS, PROBLEMS, Finding
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import Facts
from pawsight.images.quality import ImageStatistics
from pawsight.reports.audit_page import EXPLAINED, SHOWN, figure, pairs_up, render_csv, render_html

CHROMIUM = next((way for name in ("chromium", "chromium-browser", "google-chrome") if (way := shutil.which(name))), "")
DRIVER = shutil.which("chromedriver") or ""
LOOKS = ImageStatistics(120.0, 60.0, 0.2, 40.0, "", 1_000)
NASTY = 'cats/<img src=x onerror="alert(1)">\u202e.png'


def picture(root, name, colour):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(file.getvalue())
    label = name.split("/")[0]
    return Picture(root / name, name, label, None, sha256_of(file.getvalue()), Facts(40, 30, "PNG", 1, 0, LOOKS))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Forty cats and four dogs; one of the cats has a name that means harm."""
    root = tmp_path_factory.mktemp("audited") / "photos"
    pictures = [picture(root, f"cats/{number}.png", (5 * number, 90, 30)) for number in range(39)]
    pictures += [picture(root, f"dogs/{number}.png", (30, 90, 5 * number)) for number in range(4)]
    pictures.append(picture(root, NASTY.replace("/>", ">"), (9, 9, 9)))
    return Dataset(root, tuple(sorted(pictures, key=lambda item: item.name)), ())


def one_of_each(dataset):
    """A finding of every problem there is."""
    names = [item.name for item in dataset.pictures]
    made = []
    for place, problem in enumerate(sorted(PROBLEMS, key=lambda item: ("high", "medium", "low").index(PROBLEMS[item]))):
        path = {"unreadable": "cats/gone.jpg", "truncated": "cats/cut.jpg", "lopsided": "dogs"}.get(
            problem, names[place]
        )
        path = "dogs" if problem.startswith(("shortcut", "rotation-")) else path
        made.append(Finding.of(path, problem, names[place + 1] if pairs_up(problem) else 12.5))
    return made


@pytest.fixture(scope="module")
def full(dataset):
    """The page with a finding of each kind, and thirty tiny pictures."""
    many = [Finding.of(f"cats/{number}.png", "tiny", 30) for number in range(30)]
    others = [item for item in one_of_each(dataset) if item.problem != "tiny"]
    findings = [*others, *many, Finding.of(NASTY, "wrong-extension", "<b>PNG</b>")]
    order = list(dict.fromkeys(finding.problem for finding in findings))
    return render_html(
        "photos/", dataset, sorted(findings, key=lambda finding: order.index(finding.problem)), again="pawsight x"
    )


def section(text, problem):
    return re.search(rf'<section id="{problem}".*?</section>', text, re.DOTALL)[0]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_problem_has_a_section_that_says_why_it_matters_and_what_to_do(full, problem):
    told, words = unescape(section(full, problem)), EXPLAINED[problem]
    assert words.title in told
    assert words.why in told
    assert words.advice in told
    assert words.test in told


def test_at_most_24_are_shown_and_the_others_are_counted(full):
    told = section(full, "tiny")
    assert told.count("<figure>") == SHOWN == 24
    assert "audit.csv" in told
    assert {"6", "30"} <= set(re.findall(r"\d+", re.sub("<[^>]*>", " ", told)))  # more than are shown, and in all


def test_of_each_problem_it_is_counted_how_many_there_are_of_each_class(full):
    assert re.search(r"\d+ of 40 cats, \w+ of 4 dogs", section(full, "tiny"))
    assert " of 40 cats" not in section(full, "unreadable")


def test_the_page_says_all_there_is_to_say(full, dataset, snapshot):
    """The whole text."""
    body = re.sub(r"<(style|head)\b.*?</\1>", "", full.replace(str(dataset.root), "PHOTOS"), flags=re.DOTALL)
    pieces = (" ".join(unescape(piece).split()) for piece in re.split(r"<[^>]*>", body))
    assert "\n".join(piece for piece in pieces if piece) == snapshot


def test_pairs_stand_side_by_side_and_once(dataset):
    findings = [
        Finding.of("cats/1.png", "two-labels", "dogs/1.png"),
        Finding.of("dogs/1.png", "two-labels", "cats/1.png"),
    ]
    told = section(render_html("photos", dataset, findings, again=""), "two-labels")
    assert told.count("<figure>") == 1
    assert told.count("<img ") == 2
    assert re.search(r"\b2\b", re.sub("<[^>]*>", " ", told))
    assert "audit.csv" not in told


def test_files_that_are_no_pictures_are_listed_with_their_reason(dataset):
    told = section(
        render_html("photos", dataset, [Finding.of("cats/x.jpg", "unreadable", "not a picture")], again=""),
        "unreadable",
    )
    assert "cats/x.jpg" in told
    assert "not a picture" in told
    assert "<img" not in told


def test_pictures_that_are_gone_or_changed_are_named_and_not_shown(dataset):
    elsewhere = Dataset(dataset.root / "nowhere", dataset.pictures, ())
    told = section(render_html("x", elsewhere, [Finding.of("cats/1.png", "dark", 3.0)], again=""), "dark")
    assert "cats/1.png" in told
    assert "brightness 3.0" in told
    assert "<img" not in told


def test_nothing_comes_from_elsewhere_and_nothing_runs(full):
    places = re.findall(r'<[a-z]+\b[^>]*?\b(?:src|href)="([^"]*)"', full)
    assert places
    assert all(place.startswith(("data:", "#")) for place in places)
    assert "<script" not in full
    assert "default-src 'none'" in full


def test_names_are_escaped_and_cannot_turn_a_line_round(full):
    assert "<img src=x" not in full
    assert "&lt;img src=x" in full
    assert "\u202e" not in full
    assert "<b>PNG</b>" not in full


def test_where_nothing_was_found_the_page_says_what_was_looked_for(dataset):
    told = render_html("photos", dataset, [], again="pawsight inspect photos")
    assert told.count("<dt>") == len(set(PROBLEMS) - OF_SEVERAL_LABELS)
    several = replace(dataset, pictures=(), several_labels=True)
    told_of_several = render_html("photos", several, [], again="pawsight inspect photos")
    assert told_of_several.count("<dt>") == len(set(PROBLEMS) - OF_ONE_CLASS)
    assert not any(f'<section id="{problem}"' in told for problem in PROBLEMS)


@pytest.mark.parametrize(
    ("finding", "told"),
    [
        (Finding.of("a", "tiny", 41), r".*\b41 px"),
        (Finding.of("a", "huge", 48.1), r"48\.1 \w+"),
        (Finding.of("a", "dark", 12.5), "\\w+ 12\\.5\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}255"),
        (Finding.of("a", "near-duplicate", "cats/{0}.jpg"), r"\w+ cats/\{0\}\.jpg"),
        (Finding.of("a", "truncated", ""), ""),
    ],
)
def test_figures_are_told_with_their_unit(finding, told):
    assert re.fullmatch(told, figure(finding))


def test_the_table_reads_back_whole_whatever_the_names_are():
    names = ["a,b.jpg", 'quote".jpg', "line\nbreak.jpg", "=cmd|x.jpg", "tab\t.jpg", "é.jpg", "\udcff.jpg"]
    findings = [Finding(name, "dark", 12.5, "low") for name in names]
    text = render_csv(findings)
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["path", "problem", "value", "severity"]
    assert [plain_cell(row[0]) for row in rows[1:]] == names
    assert [row[1:] for row in rows[1:]] == [["dark", "12.5", "low"]] * len(names)
    assert "'=cmd|x.jpg" in text  # no formula


# In a browser

in_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER and importlib.util.find_spec("selenium")),
    reason="no Chromium with chromedriver and selenium here (Debian: chromium, chromium-driver; pawsight[dev])",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def file(full, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "audit.html"
    path.write_text(full, encoding="utf-8")
    return path


@in_chromium
@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_complaint_and_nothing_is_beyond_the_edge(browser, file, width, scheme):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(file.as_uri())
    assert browser.get_log("browser") == []
    wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wider) <= 0
    lost = "return [...document.querySelectorAll('a')].filter(a => !document.querySelector(a.hash)).length"
    assert browser.execute_script(lost) == 0


@in_chromium
def test_every_picture_is_inside_the_page_and_named(browser, file):
    browser.get(file.as_uri())
    browser.execute_script("document.querySelectorAll('img').forEach(one => { one.loading = 'eager' })")
    shown = "return Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth > 0 && !!i.alt)))"
    states = browser.execute_script(shown)
    assert len(states) > SHOWN
    assert all(states)
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert not [name for name in fetched if not name.startswith("data:")]
