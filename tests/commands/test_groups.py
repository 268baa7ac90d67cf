"""Groups through the verbs: in the split, in splits.csv, in intervals, in the comparison; what a random split shows."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pawsight.cli import cli
from pawsight.commands.evaluate import evaluate
from pawsight.commands.inspect import inspect, summary
from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.core.runs import read_table
from pawsight.data.reading import FolderReading
from pawsight.training.features import FeatureTable

from ..conftest import says


@pytest.fixture
def bursts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of twelve bursts of four pictures, a minute apart; a scene says nothing about its class."""
    monkeypatch.chdir(tmp_path)
    for burst in range(24):
        scene = np.random.default_rng(burst).integers(0, 256, (6, 6, 3), np.uint8)
        for shot in range(4):
            noise = np.random.default_rng(100 * burst + shot).integers(0, 256, (12, 12, 3), np.uint8)
            picture = Image.blend(
                *(Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC) for pixels in (scene, noise)), 0.3
            )
            exif = Image.Exif()
            exif[0x0110] = "Own A1"
            exif.get_ifd(0x8769)[0x9003] = f"2026:05:01 10:{burst:02}:{2 * shot:02}"
            path = tmp_path / "photos" / ("cats", "dogs")[burst % 2] / f"{burst:02}{'abcd'[shot]}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path, exif=exif, quality=95)
    return tmp_path / "photos"


def typed(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, [*words, "--json"], prog_name="pawsight")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def train(*words: str) -> dict[str, object]:
    return typed("train", "photos", "--recipe", "majority", *words)


def parts_of(run: str) -> dict[str, set[str]]:
    parts = defaultdict(set)
    for row in read_table(Path(run) / "splits.csv"):
        parts[row["group"]].add(row["part"])
    return parts


def test_bursts_are_kept_in_one_part_and_counted_as_groups(bursts: Path) -> None:
    plain = train()
    parts = parts_of("runs/001")
    assert len(parts) == 24
    assert all(name.startswith("burst: ") and len(own) == 1 for name, own in parts.items())
    assert says(plain["data_notes"], "96 pictures", "24 bursts")
    measured = plain["validation"]
    assert measured["groups"] == measured["pictures"] / 4
    assert measured["design_effect"] >= 1
    again = typed("evaluate", "runs/001")["metrics"]
    assert {name: again[name] for name in ("groups", "design_effect", "interval")} == {
        name: measured[name] for name in ("groups", "design_effect", "interval")
    }


def test_without_groups_intervals_are_those_of_pictures(bursts: Path) -> None:
    measured = train("--group-by", "none")["validation"]
    assert (measured["groups"], measured["design_effect"]) == (None, None)
    assert set(parts_of("runs/001")) == {""}


def test_groups_that_are_named_are_in_the_command_and_in_the_comparison(bursts: Path) -> None:
    plain = train("--group-by", r"(\d)\w\.jpg")
    assert "--group-by" in plain["command"]
    parts = parts_of("runs/001")
    assert set(parts) == set("0123456789")
    assert all(len(own) == 1 for own in parts.values())
    train("--split", "runs/001", "--seed", "1")
    assert parts_of("runs/002") == parts  # a run's split brings its groups along
    (pair,) = typed("compare", "runs/001", "runs/002")["pairs"]
    assert pair["design_effect"] >= 1
    assert (pair["points"], pair["p_value"]) == (0, 1)


def test_a_split_that_tears_named_groups_is_refused_with_the_groups(bursts: Path) -> None:
    train("--group-by", "none")
    with pytest.raises(BadDataset, match="10 groups") as caught:
        inspect("photos", split="runs/001", reading=FolderReading(group_by=r"(\d)\w\.jpg"))
    assert caught.value.why.startswith("'0': ")


def test_other_pictures_are_measured_by_their_groups_too(bursts: Path) -> None:
    train()
    found = evaluate("runs/001", "photos", including_training=True)
    assert found.metrics.groups == 24 - len(
        {row["group"] for row in read_table(Path("runs/001/splits.csv")) if row["part"] == "test"}
    )
    by_camera = FolderReading(group_by="exif-time=10m")
    with pytest.raises(WrongUsage, match="all pictures are in the group"):
        evaluate("runs/001", "photos", including_training=True, reading=by_camera)


def test_inspect_says_what_is_kept_together_and_what_a_random_split_would_show(
    bursts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features are thumbnails: what is measured is the two splits, not a network."""
    opened = []

    def features(candidates, contents, recipe, **_):
        opened.extend(candidate.name for candidate in candidates)
        table = [np.asarray(Image.open(file.path).resize((6, 6)), np.float32).ravel() for file in candidates]
        return list(range(len(table))), FeatureTable(np.stack(table), {"last": np.arange(108)})

    monkeypatch.setattr("pawsight.commands.inspect.run_features", features)
    report = inspect("photos")
    plain = json.loads(json.dumps(report.to_json()))["groups"]
    assert (plain["groups"], plain["pictures"], plain["found"], plain["across_parts"]) == (24, 96, 24, {})
    assert plain["random_split"]["interval"][0] > 10  # a scene of a burst is known again, and says nothing about others
    assert plain["random_split"]["grouped"] < 0.7 < plain["random_split"]["random"]
    sealed = {picture.name for picture in report.split.part("test")}
    assert not sealed & set(opened)
    lines = summary(report)
    assert says(lines, "24 bursts")
    assert report.random_split.sentence() in lines
    named = inspect("photos", reading=FolderReading(group_by="none"))
    assert named.to_json()["groups"] is None
