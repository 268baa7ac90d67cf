"""Fixtures for all rooms: a cache of each test's own, drawn pictures, and what is slow to make made once."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pawsight.commands.train import TrainReport
    from pawsight.models.graph import OodScore

# oneDNN then computes as an older processor does, without bfloat16, while TensorFlow and OpenVINO ask the processor
# itself and give it bfloat16 all the same. On a processor that is older both take kernels of their own.
PLAYS_OLDER = os.environ.get("ONEDNN_MAX_CPU_ISA", "").startswith(("SSE", "AVX2"))
if PLAYS_OLDER:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

settings.register_profile("pawsight", deadline=None)  # no test asserts a time
settings.load_profile("pawsight")

BACKBONE, BACKBONE_PX = "efficientnet-lite0", 96
PHOTOGRAPHS = Path(__file__).parents[2] / "shared" / "data" / "cats_and_dogs_filtered.zip"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave such tests out where OpenVINO would be refused bfloat16."""
    if PLAYS_OLDER and item.get_closest_marker("bfloat16"):
        pytest.skip("OpenVINO is refused bfloat16 where ONEDNN_MAX_CPU_ISA names an older processor")


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and not among the tests: of a file that traces networks that took a fourteenth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test alone, empty at first and beside `tmp_path`: nobody touches the user's."""
    folder = tmp_path.with_name(f"{tmp_path.name}-cache")
    monkeypatch.setenv("PAWSIGHT_CACHE", str(folder))
    return folder


def _http_server() -> Any:
    name = "pawsight_tests_http_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "data" / "http_server.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running `Site`, reached directly whatever proxy this machine is set to."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with _http_server().running_site() as running:
        yield running


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The exercise's photographs, as an archive or a folder; skips where there are none."""
    named = os.environ.get("PAWSIGHT_PHOTOGRAPHS")
    place = Path(named).expanduser() if named else PHOTOGRAPHS
    if not place.exists():
        how = "as PAWSIGHT_PHOTOGRAPHS says" if named else "and PAWSIGHT_PHOTOGRAPHS names no other place"
        pytest.skip(f"the exercise's photographs are not at {place}, {how}")
    return place.resolve()


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn cats and dogs, 16 + 10 of each, in train/ and validation/. Read, never write."""
    from pawsight.sample import write_sample

    folder = tmp_path_factory.mktemp("drawn") / "drawings"
    return write_sample(folder, train=16, validation=10, sides=(96, 144), seed=7)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """`once(name, make)`: a place that all workers share; the first to ask lets `make` write it. Read, never write."""
    from filelock import FileLock

    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "once"

    def place(name: str, make: Callable[[Path], object]) -> Path:
        target = shared / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists():
                try:
                    make(target)
                except BaseException:  # what is half made is nobody's
                    shutil.rmtree(target, ignore_errors=True)
                    raise
        return target

    return place


@pytest.fixture(scope="session")
def colour_backbone() -> bytes:
    """ONNX: `pictures` (N, 8, 8, 3) uint8 in, their mean colour out, as `features` (N, 3) in 0..255."""
    from onnx import TensorProto, helper

    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", 8, 8, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 3])
    nodes = [
        helper.make_node("Cast", ["pictures"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["features"], axes=[1, 2], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "colour", [pictures], [features])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture(scope="session")
def colour_model(colour_backbone: bytes) -> bytes:
    """ONNX that tells mostly red, green and blue pictures of 8 x 8 apart."""
    import numpy as np

    from pawsight.models.graph import append_head

    head = np.eye(3, dtype=np.float32) / 16
    return append_head(colour_backbone, head, np.zeros(3, np.float32), classes=("red", "green", "blue"))


@pytest.fixture(scope="session")
def red_score() -> OodScore:
    """The score of mean colours to which those are familiar that differ from grey only in red."""
    import numpy as np

    from pawsight.models.graph import OodScore

    grey, across = np.full(3, 128, np.float32), np.array([[0, 0], [0.1, 0], [0, 0.1]], np.float32)
    return OodScore(np.zeros(3, np.float32), np.zeros((3, 1), np.float32), grey, across, across[:1], (0.0, 1.0))


@pytest.fixture(scope="session")
def colour_bundle(colour_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of `colour_model`, made without Keras in no time. Read, never write: copy it first."""
    import numpy as np

    from pawsight.classifier.bundle import Card, GoldenOutputs, write_bundle
    from pawsight.images.decode import DecodeSettings

    colours = np.array([[250, 5, 5], [5, 250, 5], [5, 5, 250], [120, 100, 90]], np.uint8)
    powers = np.exp(colours.astype(np.float32) / 16)
    exam = GoldenOutputs(np.tile(colours[:, None, None], (1, 8, 8, 1)), powers / powers.sum(axis=1, keepdims=True))
    card = Card(
        classes=("red", "green", "blue"),
        decode=DecodeSettings(image_px=8),
        recipe={"name": "probe"},
        precision="f32",
        split_digest="5" * 64,
        data_fingerprint="f" * 64,
        created="2026-11-22T18:00:00+00:00",
        versions={"python": "3.11"},
    )
    folder = tmp_path_factory.mktemp("colours") / "bundle"
    return write_bundle(folder, card, model=colour_model, golden=exam, trained=frozenset({"a" * 64}))


@pytest.fixture(scope="session")
def label_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with several labels a picture, red, green and blue: yellow has two of them. Read, never write.

    Red is always sure, green where its probability is beyond 0.9 or below 0.1, and blue is never sure to be there.
    """
    import numpy as np

    from pawsight.classifier.bundle import Card, GoldenOutputs, write_bundle
    from pawsight.classifier.trust import LabelRule, RiskGuarantee, Trust
    from pawsight.images.decode import DecodeSettings
    from pawsight.models.graph import append_head, mean_colour_graph

    names = ("red", "green", "blue")
    weights, bias = np.eye(3, dtype=np.float32) / 16, np.full(3, -8, np.float32)
    model = append_head(mean_colour_graph(8), weights, bias, classes=names, several_labels=True)
    colours = np.array([[250, 5, 5], [250, 250, 5], [5, 5, 250], [120, 100, 90]], np.uint8)
    shares = 1 / (1 + np.exp(8 - colours.astype(np.float32) / 16))
    sure = RiskGuarantee(
        max_error=0.1,
        confidence=0.9,
        threshold=0.9,
        pictures=90,
        answered=80,
        errors=1,
        coverage=8 / 9,
        coverage_interval=(0.8, 0.95),
        expected_risk=0.03,
    )
    rules = (
        LabelRule(threshold=0.5),
        LabelRule(threshold=0.5, max_error=0.1, has=sure, has_not=sure),
        LabelRule(threshold=0.5, max_error=0.1, has_not=replace(sure, threshold=0.5)),
    )
    card = Card(
        classes=names,
        decode=DecodeSettings(image_px=8),
        recipe={"name": "probe"},
        precision="f32",
        split_digest="5" * 64,
        data_fingerprint="f" * 64,
        created="2026-11-29T18:00:00+00:00",
        versions={"python": "3.11"},
        trust=Trust(labels=rules),
    )
    golden = GoldenOutputs(np.tile(colours[:, None, None], (1, 8, 8, 1)), shares)
    folder = tmp_path_factory.mktemp("labels") / "bundle"
    return write_bundle(folder, card, model=model, golden=golden, trained=frozenset({"a" * 64}))


@pytest.fixture(scope="session")
def watched_bundle(colour_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The colour bundle with a reference: ten reds, greens and blues, each a little different. Read, never write."""
    import numpy as np

    from pawsight.classifier.bundle import read_bundle, write_bundle
    from pawsight.classifier.reference import Reference

    bundle, rng = read_bundle(colour_bundle), np.random.default_rng(0)
    predicted = np.arange(30, dtype=np.int32) % 3
    colours = np.array([[240, 10, 10], [10, 240, 10], [10, 10, 240]])[predicted]
    features = (colours + rng.integers(-10, 11, (30, 3))).astype(np.float32)
    powers = np.exp(features / 16)
    made = Reference(
        mean=features.mean(axis=0),
        spread=features.std(axis=0),
        directions=np.eye(3, 2, dtype=np.float32),
        rows=np.zeros((0, 0), np.float32),
        predicted=predicted,
        right=np.ones(30, bool),
        classes=3,
    )
    rows = made.rows_of(features, powers / powers.sum(axis=1, keepdims=True))
    folder = tmp_path_factory.mktemp("watched") / "bundle"
    files = {"model": bundle.model, "golden": bundle.golden, "trained": bundle.trained}
    return write_bundle(folder, bundle.card, **files, reference=replace(made, rows=rows))


@dataclass(frozen=True)
class Trained:
    """A finished training run, and what is needed to make another like it at once."""

    report: TrainReport
    data: Path
    cache: Path  # with all features in it
    lines: tuple[str, ...]  # said on the way

    def again(self, data: Path, runs: Path, **options: Any) -> TrainReport:
        """Train the same recipe on other data, or the same, its depth not chosen anew, which takes half the time."""
        from pawsight.commands.train import train

        options = {"depth": "last"} | options
        return train(data, backbone=BACKBONE, image_px=BACKBONE_PX, out=runs, **options)

    def typed(self, data: Path, runs: Path, *more: str) -> list[str]:
        """Return what to type for the same."""
        recipe = ["--backbone", BACKBONE, "--image-px", str(BACKBONE_PX), "--depth", "last", "--out", str(runs)]
        return ["train", str(data), *recipe, *more]


@contextmanager
def small_default() -> Iterator[None]:
    """Let the default recipe take small pictures, the smallest backbone, three folds: the same steps in less time."""
    from pawsight.models import recipes

    probe = recipes.RECIPES["probe"]
    recipe = replace(probe.recipe, backbone=BACKBONE, image_px=BACKBONE_PX, folds=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "RECIPES", {**recipes.RECIPES, "probe": replace(probe, recipe=recipe)})
        yield


@pytest.fixture(scope="session")
def trained(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A probe trained on the drawings, once for the session. Read, never write."""
    from pawsight.commands.train import train
    from pawsight.core.progress import Silent

    class Listener(Silent):
        lines: ClassVar[list[str]] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
        report = train(
            drawings, backbone=BACKBONE, image_px=BACKBONE_PX, out=place / "runs", progress=(listener := Listener())
        )
    made = written_in(report.run)
    yield Trained(report, drawings, place / "cache", tuple(listener.lines))
    assert written_in(report.run) == made, "a test wrote into the run that all share: let it copy the run first"


@pytest.fixture(scope="session")
def label_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 90 drawings with several labels each, `large;red`, or none. Read, never write."""
    from pawsight.sample.shapes import draw_shapes

    folder = tmp_path_factory.mktemp("shapes")
    lines = ["path,label"]
    for number in range(90):
        picture, labels = draw_shapes(number, side=BACKBONE_PX)
        picture.save(folder / f"{number:02d}.png")
        lines.append(f"{number:02d}.png,{';'.join(labels)}")
    (table := folder / "labels.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return table


@pytest.fixture(scope="session")
def trained_labels(label_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A probe trained on `label_table` with a guarantee, once for the session. Read, never write."""
    from pawsight.commands.train import train
    from pawsight.data.reading import FolderReading

    place, recipe = tmp_path_factory.mktemp("labels"), {"backbone": BACKBONE, "image_px": BACKBONE_PX, "depth": "last"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
        reading = FolderReading(label_separator=";")
        report = train(label_table, reading=reading, max_error=0.2, out=place / "runs", **recipe)
    made = written_in(report.run)
    yield Trained(report, label_table, place / "cache", ())
    assert written_in(report.run) == made, "a test wrote into the run that all share: let it copy the run first"


class MadeUpGpu:
    """OpenVINO's core with a second device, which is the CPU; it may compute everything wrong by a share."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self.available_devices = ["CPU", "GPU"]
        self.wrong_by = 0.0
        self.used: list[str] = []  # devices that graphs were compiled for

    def get_property(self, device: str, name: str) -> str:
        return f"a made-up {device}"

    def read_model(self, *arguments: Any) -> Any:
        return self._core.read_model(*arguments)

    def compile_model(self, graph: Any, device: str, settings: dict[str, str]) -> Any:
        from openvino import opset13

        self.used.append(device)
        if device != "CPU" and self.wrong_by:
            for result in graph.get_results():
                computed = result.input_value(0)
                names = computed.get_names()
                computed.get_tensor().set_names(set())
                wrong = opset13.multiply(computed, opset13.constant(1 + self.wrong_by, computed.get_element_type()))
                wrong.output(0).get_tensor().set_names(names)
                result.input(0).replace_source_output(wrong.output(0))
        known = {name: value for name, value in settings.items() if device == "CPU" or name.startswith("INFERENCE_")}
        return self._core.compile_model(graph, "CPU", known)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> MadeUpGpu:
    """A machine with a GPU."""
    from pawsight.classifier import engine

    made_up = MadeUpGpu(engine.openvino_core())
    monkeypatch.setattr(engine, "openvino_core", lambda: made_up)
    return made_up


def says(message: object, *words: object) -> bool:
    """Whether a message names all of these: files, numbers, kinds, what to type."""
    return all(str(word) in str(message) for word in words)


def written_in(folder: Path) -> dict[str, int]:
    """Return every file below a folder with when it was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def warm(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """`trained`, with its cache as the cache of this test."""
    monkeypatch.setenv("PAWSIGHT_CACHE", str(trained.cache))
    return trained


@pytest.fixture(scope="session")
def mobilenet_weights(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A file like Keras's download of MobileNetV2, with random weights, made once for all workers. Read, never write."""
    from pawsight.models.keras_networks import import_keras

    def make(path: Path) -> None:
        import_keras()
        import keras

        keras.utils.set_random_seed(5)
        keras.applications.MobileNetV2(input_shape=(32, 32, 3), include_top=False, weights=None).save_weights(path)

    return once("mobilenet.weights.h5", make)


@pytest.fixture
def own_run(warm: Trained, tmp_path: Path) -> Path:
    """A copy of the trained run, over a copy of its data at `tmp_path / "data"`: both may be written in and spoilt."""
    data = shutil.copytree(warm.data, tmp_path / "data")
    run = shutil.copytree(warm.report.run, tmp_path / "runs" / "001")
    source = json.loads((run / "source.json").read_text(encoding="utf-8"))
    (run / "source.json").write_text(
        json.dumps(source | {"root": str(data), "from_run": "../../data"}), encoding="utf-8"
    )
    return run


@pytest.fixture(scope="session")
def fake_runs() -> Any:
    """The module `reports/fake_runs.py`, which writes made-up run folders."""
    place = Path(__file__).with_name("reports") / "fake_runs.py"
    spec: Any = importlib.util.spec_from_file_location("pawsight_tests_fake_runs", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What a test may lack, as its reason for being left out names it, and what to do about it.
REMEDIES = {
    "photographs": f"put the exercise's archive at {PHOTOGRAPHS}, or set PAWSIGHT_PHOTOGRAPHS to where it is",
    "Chromium": "apt-get install chromium chromium-driver",
    "Firefox": "apt-get install firefox-esr",
    "onnxruntime-web": "type make test, which fetches it",
    "axe": "type make test, which fetches it",
}


@pytest.hookimpl(wrapper=True, tryfirst=True)  # so that these are the last lines
def pytest_terminal_summary(terminalreporter: Any) -> Generator[None, None, None]:
    """Say at the end, in one line for each thing that is missing, how many tests were left out and what to install."""
    yield
    counts: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.getreports("skipped"):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        lacks = next((word for word in REMEDIES if word in reason), "")
        if lacks:
            remedy = REMEDIES[lacks]
        elif extra := re.search(r"pawsight\[[a-z,]+\]", reason):
            lacks, remedy = extra[0], f'pip install "{extra[0]}"'
        else:
            lacks, remedy = reason, 'pip install "pawsight[dev]"' if reason.startswith("could not import") else ""
        counts[lacks, remedy] += 1
    for (lacks, remedy), count in sorted(counts.items()):
        tests = "test or file of tests" if count == 1 else "tests or files of tests"
        terminalreporter.write_line(f"Left out: {count} {tests}, {lacks}{remedy and ': '}{remedy}")
