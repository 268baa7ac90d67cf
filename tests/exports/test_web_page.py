"""The browser export in Debian's Chromium, from a static host, with no other network."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import re
import shutil
import zipfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.classifier.bundle import read_bundle, write_bundle
from pawsight.classifier.costs import Costs
from pawsight.classifier.prediction_sets import PredictionSets
from pawsight.classifier.predictor import Predictor
from pawsight.classifier.trust import HAS, NOT_SURE, OodDetector, RiskGuarantee, Trust
from pawsight.commands.export import export
from pawsight.core.errors import ExportRefused, WrongUsage
from pawsight.core.machine import this_machine
from pawsight.explanation.heatmap import Explainer
from pawsight.explanation.overlay import LARGEST_PX, overlay
from pawsight.exports import web_page
from pawsight.exports.export_context import ExportContext, metadata_of
from pawsight.images.decode import WEB_PAGE, decode

from ..conftest import says
from ..web import axe
from . import browser

pytestmark = pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="needs pawsight[export]")

DRAWINGS, PHOTOGRAPHS = 20, 20
AGREES = 0.02  # of a probability: what decoders differ by


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    driver = browser.chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def colours(colour_bundle, tmp_path_factory) -> Path:
    """The colour bundle as a page. Read, never write."""
    out = tmp_path_factory.mktemp("colours")
    export(colour_bundle, "web", out=out, browser_runtime=browser.runtime())
    return out / "web"


@pytest.fixture(scope="module")
def drawn(trained, tmp_path_factory) -> Path:
    """A probe of drawings as a page. Read, never write."""
    out = tmp_path_factory.mktemp("drawn")
    export(trained.report.run, "web", out=out, browser_runtime=browser.runtime())
    return out / "web"


def altered(page: Path, place: Path, **facts) -> Path:
    shutil.copytree(page, place)
    told = json.loads((page / "pawsight.json").read_text())
    (place / "pawsight.json").write_text(json.dumps(told | facts))
    return place


def picture(place: Path, colour: tuple[int, int, int], name: str = "one.png") -> Path:
    Image.new("RGB", (20, 20), colour).save(place / name)
    return place / name


# ---- What is written ----


def test_the_page_and_its_files_are_those_of_the_service_and_nothing_is_missing(colour_bundle, tmp_path):
    export(colour_bundle, "web", out=tmp_path)
    page = tmp_path / "web"
    static = files("pawsight") / "web" / "static"
    own = {path.name for path in (page / "static").iterdir()}
    assert {
        "start.js",
        "browser_backend.js",
        "worker.js",
        "resize.js",
        "page.js",
        "cards.css",
        "tokens.css",
        "thumbnail_worker.js",
    } <= own
    assert not own & {"rest_backend.js", "token.js", "review.js", "docs.js"}
    shared = [name for name in own - {"start.js"} if (static / name).is_file()]
    assert len(shared) > 12
    assert all((page / "static" / name).read_bytes() == (static / name).read_bytes() for name in shared)
    for script in (page / "static").glob("*.js"):
        assert set(web_page.IMPORTED.findall(script.read_text())) <= own


def test_a_classifier_that_scales_16_bit_pictures_gets_no_page_and_other_formats_say_how(colour_bundle, tmp_path):
    bundle = read_bundle(colour_bundle)
    card = replace(bundle.card, decode=replace(bundle.card.decode, grey_range=(0.0, 4095.0)))
    values = {"model": bundle.model, "golden": bundle.golden, "trained": bundle.trained}
    scaled = write_bundle(tmp_path / "scaled", card, **values)
    with pytest.raises(ExportRefused) as error:
        export(scaled, "web", out=tmp_path / "page")
    assert says(error.value, "16-bit", "4,095", "--to")
    export(scaled, "onnx", out=tmp_path / "model")
    decode = json.loads((tmp_path / "model" / "onnx" / "pawsight.json").read_text())["decode"]
    assert decode["grey_range"] == [0.0, 4095.0]
    assert says(decode["steps"][0], "4095")


def test_without_a_runtime_its_address_is_pinned_and_its_hash_is_checked(colour_bundle, tmp_path):
    export(colour_bundle, "web", out=tmp_path)
    public = f"https://cdn.jsdelivr.net/npm/{web_page.PACKAGE}@{web_page.VERSION}/dist/"
    names = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
    told = json.loads((tmp_path / "web" / "web.json").read_text())
    assert [part["address"] for part in told["runtime"]] == [public + name for name in names]
    assert all(part["integrity"].startswith("sha384-") for part in told["runtime"])
    page = (tmp_path / "web" / "index.html").read_text()
    assert f"connect-src 'self' {public};" in page
    assert not (tmp_path / "web" / "runtime").exists()


@pytest.mark.parametrize("page", ["no place", "here and here"])
def test_a_page_that_is_not_the_one_it_was_written_for_is_not_filled_in(page):
    with pytest.raises(ValueError, match="does not have 'here' exactly once"):
        web_page.inserted(page, "here", "there")
    assert web_page.inserted("it is here", "here", "there") == "it is there"


def test_with_a_runtime_the_policy_allows_no_address_elsewhere(colours):
    page = (colours / "index.html").read_text()
    policy = page.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    assert "http" not in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert sorted(path.name for path in (colours / "runtime").iterdir()) == [
        "ort-wasm-simd-threaded.wasm",
        "ort.wasm.bundle.min.js",
    ]


def test_a_folder_that_is_not_the_runtime_is_refused_in_words(colour_bundle, tmp_path):
    with pytest.raises(WrongUsage) as error:
        export(colour_bundle, "web", out=tmp_path, browser_runtime="elsewhere")
    assert error.value.what.startswith("--runtime elsewhere ")
    assert f"onnxruntime-web in version {web_page.VERSION}" in error.value.what
    assert error.value.why.startswith("dist/ort.wasm.bundle.min.mjs ")
    assert f"npm install onnxruntime-web@{web_page.VERSION}" in error.value.fix
    assert "--runtime node_modules/onnxruntime-web" in error.value.fix


def test_a_runtime_of_another_version_is_refused(colour_bundle, tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "ort.wasm.bundle.min.mjs").write_text("// 1.29.0")
    with pytest.raises(WrongUsage, match=r"bundle.min.mjs .* version 1\.30\.0"):
        export(colour_bundle, "web", out=tmp_path / "out", browser_runtime=tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_verb_copies_the_runtime_and_names_the_page(colour_bundle, tmp_path):
    from click.testing import CliRunner

    from pawsight.cli import cli

    words = ["export", str(colour_bundle), "--to", "web", "--out", str(tmp_path), "--runtime", str(browser.runtime())]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "web/index.html" in done.output
    assert (tmp_path / "web" / "runtime" / "ort.wasm.bundle.min.js").is_file()


def test_one_version_is_pinned_everywhere():
    root = Path(__file__).parents[2]
    wanted = f"{web_page.PACKAGE}@{web_page.VERSION}"
    for name in ("Makefile", "docs/export/web.md"):
        assert set(re.findall(r"onnxruntime-web@[\w.]*\w", (root / name).read_text("utf-8"))) == {wanted}


# ---- What it answers ----


def exactly(place: Path) -> Predictor:
    """The command line's predictor in float32, as a browser computes."""
    return Predictor(read_bundle(place), machine=replace(this_machine(), bfloat16=""))


def compared(page: object, place: Path, pictures: list[Path], folder: Path) -> float:
    """Largest difference of a probability from the command line's; the labels are equal.

    This classifier has seen 32 drawings, and to some photographs the command line itself answers otherwise when the same
    pixels come as PNG, which is not shrunk while it is decoded. A browser cannot be held to what hangs on that.
    """
    predictor = exactly(place)
    expected = list(predictor.stream(pictures))
    whole = list(predictor.stream([as_png(item, folder) for item in pictures]))
    found = page.choose(*pictures).answers(len(pictures))
    assert [item["file"] for item in found] == [Path(item.path).name for item in expected]
    steady = [
        (item, other)
        for item, other, same in zip(found, expected, whole, strict=True)
        if apart(other.probabilities, same.probabilities) <= AGREES
    ]
    assert len(steady) >= 0.8 * len(pictures)
    assert [item["label"] for item, _ in steady] == [other.label for _, other in steady]
    return max(apart(item["probabilities"], other.probabilities) for item, other in steady)


def as_png(picture: Path, folder: Path) -> Path:
    """The pixels of a picture in a file that is decoded whole."""
    target = folder / f"{picture.stem}.png"
    Image.open(picture).convert("RGB").save(target)
    return target


def apart(one: dict[str, float], other: dict[str, float]) -> float:
    return max(abs(one[name] - value) for name, value in other.items())


def test_twenty_drawings_get_the_command_lines_labels_with_no_network_at_all(chromium, drawn, trained, tmp_path):
    pictures = sorted(trained.data.glob("validation/*/*"))[:DRAWINGS]
    assert len(pictures) == DRAWINGS
    with browser.Host(drawn.parent) as host:
        page = browser.Page(chromium, f"{host.address}web/").ready()
        asked = page.requests()
        assert asked
        assert all(url.startswith(f"{host.address}web/") for url in asked)
    difference = compared(page, trained.report.run, pictures, tmp_path)  # the host is gone
    assert difference <= AGREES
    assert page.requests() == []
    assert page.complaints() == []


@pytest.mark.slow
def test_photographs_get_the_command_lines_labels(chromium, drawn, trained, photographs, tmp_path):
    if photographs.is_dir():
        found = sorted(path for path in photographs.rglob("*.jpg"))[:: 3000 // PHOTOGRAPHS][:PHOTOGRAPHS]
    else:
        with zipfile.ZipFile(photographs) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:: 3000 // PHOTOGRAPHS]
            found = [Path(archive.extract(name, tmp_path)) for name in names[:PHOTOGRAPHS]]
    with browser.Host(drawn) as host:
        page = browser.Page(chromium, host.address).ready()
        difference = compared(page, trained.report.run, found, tmp_path)
    assert difference <= 2 * AGREES


def test_what_is_not_sure_enough_and_what_is_unlike_anything_is_not_answered(chromium, colours, tmp_path):
    grey, red = picture(tmp_path, (120, 118, 116), "grey.png"), picture(tmp_path, (250, 5, 5), "red.png")
    unsure = altered(colours, tmp_path / "unsure", answer_from_probability=0.9)
    with browser.Host(unsure) as host:
        found = browser.Page(chromium, host.address).ready().choose(grey, red).answers(2)
    assert [item["label"] for item in found] == ["unsure", "red"]
    strange = altered(
        colours, tmp_path / "strange", unlike_anything_seen_above=0.5
    )  # its graph does not say how unlike
    with browser.Host(strange) as host:
        page = browser.Page(chromium, host.address).ready().choose(red)
        assert [answer["verdict"] for answer in page.answers(1)] == ["unfamiliar"]
        assert "Unfamiliar" in chromium.find_element("css selector", ".card").text


def test_a_page_of_several_labels_shows_each_that_a_picture_has(chromium, colours, tmp_path):
    always, never = (
        {"from": 0.5, "has_from": 0.5, "has_not_from": 0.0},
        {"from": 0.0, "has_from": None, "has_not_from": 0},
    )
    several = altered(colours, tmp_path / "several", several_labels=[always, always, never])
    with browser.Host(several) as host:
        page = browser.Page(chromium, host.address).ready().choose(picture(tmp_path, (250, 5, 5), "red.png"))
        (answer,) = page.answers(1)
        assert (answer["labels"], answer["unsure"], answer["verdict"]) == (["red"], ["blue"], "unsure")
        assert [chip.text for chip in chromium.find_elements("css selector", ".card .label")] == ["red", "blue?"]
        assert not chromium.find_element("id", "threshold-tool").is_displayed()
        chromium.find_element("css selector", ".card .picture").click()
        assert [row.text.split()[0] for row in chromium.find_elements("css selector", ".bars .chosen")] == ["red"]
        assert not chromium.find_element("id", "judge").is_displayed()
        assert axe.violations(chromium) == []


def test_the_verdict_is_that_of_the_command_line_for_every_kind_of_number(chromium, colours):
    shares = [0.0, 0.3, 0.5, 0.500001, 1.0]
    grid = [(p, u) for p in shares for u in [*shares, None]]
    settings = [(promise, guard) for promise in (None, 0.5) for guard in (None, 0.5)]
    with browser.Host(colours) as host:
        page = browser.Page(chromium, host.address)
        script = """const {decision} = await import("./static/decision.js"); const [settings, grid] = arguments_;
        return settings.map(([from, above]) => grid.map(([p, u]) => decision([p, 0, 0], u, {answer_from_probability: from, unlike_anything_seen_above: above})));"""
        found = page.run(f"const arguments_ = {json.dumps([settings, grid])}; {script}")
    assert found == [[_trust(*item).decide(np.array([p, 0.0, 0.0]), u) for p, u in grid] for item in settings]


def test_costs_thresholds_of_classes_and_sets_decide_as_on_the_command_line(chromium, colours):
    """Probabilities of float32, as a model gives them, under every mixture of what a bundle may carry."""
    rng = np.random.default_rng(0)
    tables = rng.dirichlet(np.ones(3), 40).astype(np.float32)
    kept = _trust(0.5, None).guarantee
    by_class = (replace(kept, threshold=0.4), None, replace(kept, threshold=0.7))
    sets = PredictionSets(coverage=0.9, thresholds=(0.3, 0.1, 0.6), pictures=(9, 9, 9), shared=(), measured_on="")
    costs = Costs(((0, 1, 5.0), (2, 0, 0.25), (1, 1, 0.5)))
    trusts = [Trust(by_class=each, costs=cost, sets=sets) for each in ((), by_class) for cost in (None, costs)]
    facts = [
        {
            "classes": list("abc"),
            "answer_from_probability": None,
            "answer_from_probability_by_class": [own and own.threshold for own in trust.by_class] or None,
            "unlike_anything_seen_above": None,
            "costs": trust.costs and trust.costs.to_json(),
            "sets": {"coverage": 0.9, "from_probability": list(sets.thresholds)},
        }
        for trust in trusts
    ]
    with browser.Host(colours) as host:
        page = browser.Page(chromium, host.address)
        script = """const {answer, decision, setOf} = await import("./static/decision.js"); const [settings, tables] = arguments_;
        return settings.map((facts) => tables.map((row) => [answer(row, facts), decision(row, null, facts), setOf(row, "answered", facts)]));"""
        given = json.dumps([facts, tables.astype(float).tolist()])
        found = page.run(f"const arguments_ = {given}; {script}")
    expected = [
        [
            [int(trust.answers(row[None])[0]), trust.decide(row, None), ["abc"[index] for index in sets.of(row)]]
            for row in tables
        ]
        for trust in trusts
    ]
    assert found == expected


def test_labels_are_given_denied_and_unsure_as_on_the_command_line(chromium, colours, label_bundle):
    bundle = read_bundle(label_bundle)
    trust, facts = bundle.card.trust, metadata_of(ExportContext(bundle=bundle, run=None))
    shares = np.array([0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 1.0], np.float32)
    tables = np.stack(np.meshgrid(shares, shares, shares), axis=-1).reshape(-1, 3)
    with browser.Host(colours) as host:
        page = browser.Page(chromium, host.address).ready()
        script = """const {decision, labelsOf} = await import("./static/decision.js"); const [facts, tables] = arguments_;
        return tables.map((row) => [decision(row, null, facts), labelsOf(row, facts)]);"""
        given = json.dumps([facts, tables.astype(float).tolist()])
        found = page.run(f"const arguments_ = {given}; {script}")
    expected = [
        [
            trust.decide(row, None),
            {
                kind: [name for name, decided in zip(bundle.card.classes, decisions, strict=True) if decided == wanted]
                for kind, wanted in (("labels", HAS), ("unsure", NOT_SURE))
            },
        ]
        for row, decisions in zip(tables, trust.decide_labels(tables), strict=True)
    ]
    assert found == expected


def _trust(promise: float | None, guard: float | None) -> Trust:
    some = {"pictures": 9, "answered": 9, "errors": 0, "coverage": 1.0, "coverage_interval": (0.7, 1.0)}
    return Trust(
        guarantee=promise
        and RiskGuarantee(max_error=0.01, confidence=0.9, threshold=promise, expected_risk=0.1, **some),
        detector=guard and OodDetector(threshold=guard, false_alarms=0.01, pictures=9, components=2, caught=()),
    )


def test_the_page_has_no_serious_fault_of_accessibility(chromium, colours, tmp_path):
    with browser.Host(colours) as host:
        browser.Page(chromium, host.address).ready().choose(picture(tmp_path, (250, 5, 5))).answers(1)
        assert axe.violations(chromium) == []


def test_the_example_of_the_documentation_gives_the_command_lines_answer(chromium, drawn, trained, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "export" / "web.md").read_text("utf-8")
    place = shutil.copytree(drawn, tmp_path / "web")
    (place / "mine.html").write_text(text.partition("```html\n")[2].partition("```")[0])
    one = sorted(trained.data.glob("validation/*/*"))[3]
    (expected,) = exactly(trained.report.run).predict(one)
    best = max(expected.probabilities, key=expected.probabilities.get)
    with browser.Host(place) as host:
        chromium.get(f"{host.address}mine.html")
        chromium.find_element("css selector", "input").send_keys(str(one))
        said = "return document.querySelector('output').textContent"
        browser.until(lambda: chromium.execute_script(said), lambda: chromium.get_log("browser"))
        label, _, probability = chromium.execute_script(said).rpartition(" ")
    assert label == best
    assert float(probability) == pytest.approx(expected.probabilities[best], abs=AGREES)


# ---- Heat maps, the camera, no network ----


def test_the_heat_map_is_the_one_that_the_service_draws(chromium, drawn, trained):
    drawing = sorted(trained.data.glob("validation/*/*"))[0]
    predictor = exactly(trained.report.run)
    settings = predictor.bundle.card.decode
    decoded = decode(drawing.read_bytes(), settings, name="x")
    heat = Explainer(predictor).explain(decoded.pixels, size=(decoded.width, decoded.height))
    large = decode(drawing.read_bytes(), replace(settings, image_px=LARGEST_PX), name="x").pixels
    expected = np.asarray(Image.open(io.BytesIO(overlay(large, heat))).convert("RGB"), int)
    with browser.Host(drawn) as host:
        page = browser.Page(chromium, host.address).ready().choose(drawing)
        page.answers(1)
        chromium.find_element("css selector", ".card .picture").click()
        chromium.find_element("id", "heat").click()
        page.until(lambda: chromium.find_elements("css selector", ".map"))
        url = page.run("""const map = document.querySelector(".map"); await map.decode();
            const canvas = Object.assign(document.createElement("canvas"), {width: map.naturalWidth, height: map.naturalHeight});
            canvas.getContext("2d").drawImage(map, 0, 0); return canvas.toDataURL();""")
        assert page.complaints() == []
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"), int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= 3  # of 255: the picture below is made larger by another filter
    white = [np.argwhere((pixels == 255).all(axis=2)) for pixels in (found, expected)]
    assert np.abs(white[0].mean(axis=0) - white[1].mean(axis=0)).max() <= 2


def test_a_picture_of_the_camera_is_answered(chromium, colours):
    with browser.Host(colours) as host:
        page = browser.Page(chromium, host.address).ready()
        chromium.find_element("id", "photograph").click()
        page.until(lambda: chromium.find_element("id", "shoot").is_enabled())
        chromium.find_element("id", "shoot").click()
        (found,) = page.answers(1)
        assert found["file"] == "camera-1.jpg"
        assert found["error"] is None


@pytest.mark.parametrize("patience_ms", [5000, 0])
def test_once_loaded_it_opens_and_answers_without_its_host(chromium, colours, tmp_path, patience_ms):
    """Also where the service worker comes later than the page waits for it."""
    place = altered(colours, tmp_path / "web")
    script = place / "static" / "load_model.js"
    text = script.read_text("utf-8")
    assert "PATIENCE_MS = 5000;" in text
    script.write_text(text.replace("PATIENCE_MS = 5000;", f"PATIENCE_MS = {patience_ms};"), "utf-8")
    with browser.Host(tmp_path) as host:
        page = browser.Page(chromium, f"{host.address}web/").ready()
        names = json.loads((place / "pawsight.json").read_text())["files"]
        wanted = {"", "pawsight.json", *names} - {"service_worker.js"}
        held = f"""const cache = await caches.open((await caches.keys()).find((name) => name.includes("{host.address}web/ ")));
            return (await cache.keys()).map(({{url}}) => url.slice("{host.address}web/".length));"""
        page.until(lambda: set(page.run(held)) == wanted)
    chromium.refresh()  # the host is gone
    answers = page.ready().choose(picture(tmp_path, (250, 5, 5))).answers(1)
    assert [answer["label"] for answer in answers] == ["red"]


def test_a_new_export_takes_the_place_of_the_old_one_once_no_tab_shows_that(chromium, colours, tmp_path):
    place = altered(colours, tmp_path / "web")
    marked = "return document.body.dataset.export ?? ''"
    kept = 'return (await caches.keys()).map((name) => name.split(" ")[2]).filter((digest) => digest !== undefined)'
    with browser.Host(tmp_path) as host:
        page = browser.Page(chromium, f"{host.address}web/").ready()
        (old,) = page.run(kept)
        for name, before, after in (
            ("service_worker.js", old, "another"),
            ("index.html", "<body>", '<body data-export="new">'),
        ):
            assert before in (place / name).read_text()
            (place / name).write_text((place / name).read_text().replace(before, after))
        chromium.refresh()
        page.ready()
        assert chromium.execute_script(marked) == "", "what is open stays whole"
        page.until(lambda: set(page.run(kept)) == {old, "another"})
        chromium.get(host.address)  # beside the page, which is closed
        browser.until(lambda: page.run(kept) == ["another"], lambda: page.run(kept))
        browser.Page(chromium, f"{host.address}web/").ready()
        assert chromium.execute_script(marked) == "new"


# ---- What goes wrong ----


def test_a_file_that_is_no_picture_is_told_so_and_harms_nothing(chromium, colours, tmp_path):
    good = picture(tmp_path, (5, 5, 250))
    Image.new("RGB", (64, 64)).save(tmp_path / "whole.jpg")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.tif")
    header = (tmp_path / "one.png").read_bytes()
    bomb = header[:16] + (30_000).to_bytes(4) * 2 + header[24:]
    bad = {
        "empty.jpg": b"",
        "text.jpg": b"no picture at all",
        "cut.jpg": (tmp_path / "whole.jpg").read_bytes()[:-40],
        "bomb.png": bomb,
        "a.tif": (tmp_path / "a.tif").read_bytes(),
        "apple.heic": b"\0\0\0\x18ftypheic" + bytes(40),
        "noise.png": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "scans.jpg": b"\xff\xd8\xff\xc0\x00\x0b\x08\x1b\x58\x1b\x58\x01\x01\x11\x00"
        + b"\xff\xda\x00\x02" * 30
        + b"\xff\xd9",
        "page.jpg": b"<!doctype html><script>alert(1)</script>",
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    with browser.Host(colours) as host:
        page = browser.Page(chromium, host.address).ready().choose(*(tmp_path / name for name in bad), good)
        *found, last = page.answers(len(bad) + 1)
        assert page.complaints() == []
    assert {item["file"]: item["error"] for item in found} == {
        "empty.jpg": "empty",
        "text.jpg": "not a picture",
        "cut.jpg": "truncated",
        "bomb.png": "900.0 megapixels, 50 allowed",
        "a.tif": "TIFF is not read in a browser",
        "apple.heic": "HEIC is not read",
        "noise.png": "truncated",
        "scans.jpg": "too large",
        "page.jpg": WEB_PAGE,
    }
    assert last["label"] == "blue"


def test_a_model_that_was_tampered_with_fails_its_exam_and_answers_nothing(chromium, colours, tmp_path):
    import onnx
    from onnx import numpy_helper

    place = altered(colours, tmp_path / "web")
    model = onnx.load(place / "model.onnx")
    weights = next(tensor for tensor in model.graph.initializer if numpy_helper.to_array(tensor).shape == (3, 3))
    weights.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(weights), 1, axis=0).copy(), weights.name))
    (place / "model.onnx").write_bytes(model.SerializeToString())
    told = json.loads((place / "web.json").read_text())
    told["model"]["bytes"] = (place / "model.onnx").stat().st_size
    (place / "web.json").write_text(json.dumps(told))
    with browser.Host(place) as host:
        page = browser.Page(chromium, host.address).ready("fails its self-test").choose(picture(tmp_path, (250, 5, 5)))
        assert "a probability is off" in page.facts()
        (found,) = page.answers(1)
    assert found["label"] is None
    assert "fails its self-test" in found["error"]


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing on this host"),
        (lambda folder: (folder / "exam.u8").write_bytes(b"1"), "is smaller than it was when it was exported"),
        (lambda folder: (folder / "exam.u8").write_bytes(bytes(10_000)), "is larger than it was when it was exported"),
    ],
    ids=["missing", "cut", "longer"],
)
def test_a_copy_that_is_not_whole_says_what_is_wrong(chromium, colours, tmp_path, deed, told):
    place = altered(colours, tmp_path / "web")
    deed(place)
    with browser.Host(place) as host:
        assert told in browser.Page(chromium, host.address).ready(told).facts()


def notice(chromium) -> str:
    shown = chromium.find_element("id", "notice")
    return shown.text if shown.is_displayed() else ""


def test_opened_as_a_file_it_says_what_to_type(chromium, colours):
    chromium.get((colours / "index.html").as_uri())
    browser.until(lambda: notice(chromium) != "", lambda: chromium.get_log("browser"))
    assert "python -m http.server" in notice(chromium)
    assert not chromium.find_element("id", "choose").is_displayed()


def test_without_webassembly_or_with_a_script_missing_it_says_so(chromium, colours, tmp_path):
    gone = chromium.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete globalThis.WebAssembly"}
    )
    try:
        with browser.Host(colours) as host:
            browser.Page(chromium, host.address).ready("WebAssembly")
            assert "WebAssembly" in notice(chromium)
            assert not chromium.find_element("id", "choose").is_displayed()
            assert axe.violations(chromium) == []
    finally:
        chromium.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", gone)
    place = altered(colours, tmp_path / "web")
    (place / "static" / "decision.js").unlink()
    with browser.Host(place) as host:
        chromium.get(host.address)
        browser.until(lambda: "static/" in notice(chromium), lambda: chromium.get_log("browser"))


def test_once_loaded_neither_the_page_nor_its_worker_can_ask_for_anything(chromium, colours):
    """The same policy bars both, since the worker comes from a blob of the page."""
    with browser.Host(colours) as host:
        page = browser.Page(chromium, host.address).ready()
        page.requests()
        fetching = 'return fetch("pawsight.json").then(() => "fetched")'
        assert page.run(fetching) == "failed: TypeError: Failed to fetch"
        worker = """const script = `fetch(${JSON.stringify(new URL("pawsight.json", location).href)})
            .then(() => postMessage("fetched"), (e) => postMessage(String(e)))`;
        const worker = new Worker(URL.createObjectURL(new Blob([script], {type: "text/javascript"})), {type: "module"});
        return new Promise((resolve) => { worker.onmessage = ({data}) => resolve(data); });"""
        assert page.run(worker) == "TypeError: Failed to fetch"
        assert page.requests() == []


# ---- The runtime from elsewhere ----


def test_a_runtime_from_elsewhere_is_used_if_it_is_the_one_that_was_pinned(
    chromium, colour_bundle, tmp_path, monkeypatch
):
    elsewhere = tmp_path / "dist"
    elsewhere.mkdir()
    for name, *_ in web_page.RUNTIME:
        shutil.copy(browser.runtime() / "dist" / name, elsewhere)
    with browser.Host(tmp_path / "dist", cors=True) as other:
        monkeypatch.setattr(web_page, "PUBLIC", other.address)
        export(colour_bundle, "web", out=tmp_path)
        with browser.Host(tmp_path) as host:
            red = picture(tmp_path, (250, 5, 5))
            page = browser.Page(chromium, f"{host.address}web/").ready().choose(red)
            assert [answer["label"] for answer in page.answers(1)] == ["red"]
            assert page.complaints() == []
            script = elsewhere / "ort.wasm.bundle.min.mjs"
            script.write_bytes(script.read_bytes() + b"\n// and something more")
            chromium.execute_cdp_cmd("Network.clearBrowserCache", {})
            kept = {
                "origin": host.address.rstrip("/"),
                "storageTypes": "all",
            }  # the service worker has the right script
            chromium.execute_cdp_cmd("Storage.clearDataForOrigin", kept)
            browser.Page(chromium, f"{host.address}web/").ready("is not the file it should be")
