"""Fixtures for all rooms: a cache of each test's own, drawn pictures, and what is slow to make made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

if TYPE_CHECKING:
    from pawsight.jobs.train import TrainReport

BACKBONE, BACKBONE_PX = "efficientnet-lite0", 96
PHOTOGRAPHS = Path(__file__).parents[2] / "shared" / "data" / "cats_and_dogs_filtered.zip"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test alone, empty at first and beside `tmp_path`: nobody touches the user's."""
    folder = tmp_path.with_name(f"{tmp_path.name}-cache")
    monkeypatch.setenv("PAWSIGHT_CACHE", str(folder))
    return folder


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
    from pawsight.data.sample import SamplePlan, write_sample

    plan = SamplePlan(train=16, validation=10, least_side=96, greatest_side=144)
    return write_sample(tmp_path_factory.mktemp("drawn") / "drawings", plan=plan, seed=7)


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
def backbone_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with efficientnet-lite0 at 96 px in it, exported once for all workers. Read, never write."""
    from filelock import FileLock

    from pawsight.errors import MissingExtra
    from pawsight.models.export_backbone import backbone_onnx

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = shared / "backbone-cache"
    folder.mkdir(exist_ok=True)
    with FileLock(shared / "backbone-cache.lock"):
        try:
            backbone_onnx(BACKBONE, BACKBONE_PX, folder)
        except MissingExtra as error:
            pytest.skip(f"no backbone to test with: {error}")
    return folder


@pytest.fixture
def warm_cache_folder(cache_folder: Path, backbone_cache: Path) -> Path:
    """This test's cache folder, with the backbone of `backbone_cache` in it."""
    shutil.copytree(backbone_cache / "backbones", cache_folder / "backbones")
    return cache_folder


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

    from pawsight.models.head_graph import append_head

    head = np.eye(3, dtype=np.float32) / 16
    return append_head(colour_backbone, head, np.zeros(3, np.float32), classes=("red", "green", "blue"))


@pytest.fixture(scope="session")
def colour_bundle(colour_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of `colour_model`, made without Keras in no time. Read, never write: copy it first."""
    import numpy as np

    from pawsight.bundle import Card, Exam, write_bundle
    from pawsight.images.decode import DecodeSettings

    colours = np.array([[250, 5, 5], [5, 250, 5], [5, 5, 250], [120, 100, 90]], np.uint8)
    powers = np.exp(colours.astype(np.float32) / 16)
    exam = Exam(np.tile(colours[:, None, None], (1, 8, 8, 1)), powers / powers.sum(axis=1, keepdims=True))
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
    return write_bundle(folder, card, model=colour_model, exam=exam, trained=frozenset({"a" * 64}))


@dataclass(frozen=True)
class Trained:
    """A finished training run, and what is needed to make another like it at once."""

    report: TrainReport
    data: Path
    cache: Path  # with the backbone and all features in it
    lines: tuple[str, ...]  # said on the way

    def again(self, data: Path, runs: Path, **options: Any) -> TrainReport:
        """Train the same recipe on other data, or the same."""
        from pawsight.jobs.train import train

        return train(data, backbone=BACKBONE, image_px=BACKBONE_PX, runs=runs, **options)

    def typed(self, data: Path, runs: Path, *more: str) -> list[str]:
        """Return what to type for the same."""
        recipe = ["--backbone", BACKBONE, "--image-px", str(BACKBONE_PX), "--runs", str(runs)]
        return ["train", str(data), *recipe, *more]


@pytest.fixture(scope="session")
def trained(drawings: Path, backbone_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A probe trained on the drawings, once for the session. Read, never write."""
    from pawsight.jobs.train import train
    from pawsight.progress import Silent

    class Listener(Silent):
        lines: ClassVar[list[str]] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    place = tmp_path_factory.mktemp("trained")
    shutil.copytree(backbone_cache / "backbones", place / "cache" / "backbones")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
        report = train(
            drawings, backbone=BACKBONE, image_px=BACKBONE_PX, runs=place / "runs", progress=(listener := Listener())
        )
    made = written_in(report.run)
    yield Trained(report, drawings, place / "cache", tuple(listener.lines))
    assert written_in(report.run) == made, "a test wrote into the run that all share: let it copy the run first"


def written_in(folder: Path) -> dict[str, int]:
    """Return every file below a folder with when it was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def warm(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """`trained`, with its cache as the cache of this test."""
    monkeypatch.setenv("PAWSIGHT_CACHE", str(trained.cache))
    return trained
