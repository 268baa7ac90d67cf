"""Row 9: more than 200 hostile pictures through the decoder, `predict`, `train` and the service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pawsight.data.reading import PICTURE_ENDINGS

SECONDS, MIB, OFF = 5.0, 512, 25
REASONS = ("empty", "not a picture", "too large", "truncated", "unreadable")
HERE = Path(__file__).parent


def decoded(folder):
    """What decode_each.py says of each file, by name."""
    done = subprocess.run([sys.executable, HERE / "decode_each.py", folder], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr  # libtiff writes there what it thinks of a file
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def fault(one, told):
    """What is wrong with what came of a picture, or nothing."""
    outcome = told["outcome"]
    is_named = outcome in REASONS or re.search(r" is not read$|^nothing but zeros|allowed: --max-megapixels", outcome)
    if outcome != "picture" and not is_named:
        return f"ended otherwise: {outcome}"
    if told["seconds"] >= SECONDS or told["mib"] >= MIB:
        return f"took {told['seconds']} s and {told['mib']} MiB"
    if one.refused and (outcome == "picture" or not re.search(one.refused, outcome)):
        return f"was to be refused as {one.refused!r}: {outcome}"
    if one.shows and outcome != "picture":
        return f"was to be seen: {outcome}"
    off = max(
        (
            abs(a - b)
            for seen, due in zip(told.get("corners", ()), one.shows or (), strict=False)
            for a, b in zip(seen, due, strict=True)
        ),
        default=0,
    )
    return f"shows {told['corners']}" if off > OFF else ""


def faults(pictures, told):
    assert told.keys() == {picture.name for picture in pictures}
    return {picture.name: wrong for picture in pictures if (wrong := fault(picture, told[picture.name]))}


def test_there_are_more_than_200_and_every_type_is_among_them(light):
    _, pictures = light
    assert len(pictures) > 600
    assert {name: count for name, count in Counter(picture.name for picture in pictures).items() if count > 1} == {}
    kinds = Counter(re.split(r"[-.]", picture.name)[0] for picture in pictures)
    assert all(kinds[kind] >= 20 for kind in ("jpeg", "png", "gif", "bmp", "tiff", "webp"))


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_each_is_a_picture_or_a_named_refusal_within_5_seconds_and_512_mib(light, tmp_path, every):
    folder, pictures = light
    some = pictures[::every]
    for item in some:
        shutil.copy(folder / item.name, tmp_path / item.name)
    assert faults(some, decoded(tmp_path)) == {}


@pytest.mark.slow
def test_so_are_those_that_take_their_time(tmp_path):
    from hostile_pictures import all_pictures

    heavy = []
    for picture in all_pictures():
        if picture.heavy:
            (tmp_path / picture.name).write_bytes(picture.content())
            heavy.append(picture)
    assert len(heavy) > 20
    assert faults(heavy, decoded(tmp_path)) == {}


def test_predict_answers_every_file_of_a_folder_of_them(light, colour_bundle, tmp_path):
    folder, pictures = light
    command = [sys.executable, "-m", "pawsight", "predict", str(colour_bundle), str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    skipped = {picture.name for picture in pictures} - {Path(answer["path"]).name for answer in answers}
    assert [name for name in skipped if Path(name).suffix in PICTURE_ENDINGS] == []  # other files, and counted
    assert f"Skipped  {len(skipped)} files that are no pictures" in done.stderr
    assert all(bool(answer["error"]) != bool(answer["label"]) for answer in answers)
    assert list(tmp_path.iterdir()) == []  # no canary: nothing in them was run


def test_the_service_answers_every_one_of_them_and_lives_on(light, serving, colour_bundle, tmp_path):
    folder, pictures = light
    answers = []
    with serving.Process(colour_bundle, "--files", 64, "--body-mib", 16, log=tmp_path / "log") as process:
        for batch in batches(sorted(folder.iterdir())):
            body, kind = serving.form(*((path.name, path.read_bytes()) for path in batch))
            status, values, _ = process.ask("POST", "/api/v1/predict", body, **{"Content-Type": kind})
            if len(batch) == 1 and status == 422:  # what cannot be read and came alone
                answers.append({"label": None, "error": values["detail"]})
                continue
            assert status == 200, (status, values, [path.name for path in batch])
            answers += values["predictions"]
        assert process.ask("GET", "/livez")[0] == 200
    assert len(answers) == len(pictures)
    assert all(bool(answer["error"]) != bool(answer["label"]) for answer in answers)
    assert [answer for answer in answers if "broke" in str(answer["error"]) or "longer" in str(answer["error"])] == []


def batches(paths):
    """Files in groups that one request may carry: 30 of them, 9 MiB together or one that is larger."""
    group, size = [], 0
    for path in paths:
        length = path.stat().st_size
        if group and (len(group) == 30 or size + length > 9 * 2**20):
            yield group
            group, size = [], 0
        group, size = [*group, path], size + length
    if group:
        yield group


@pytest.mark.slow
def test_training_leaves_them_out_by_name_and_trains_on_the_rest(light, drawings, cache_folder, tmp_path):
    from pawsight.commands.train import train
    from pawsight.core.runs import read_table

    folder, pictures = light
    data = tmp_path / "data"
    for place in ("train", "validation"):
        for label in ("cats", "dogs"):
            shutil.copytree(drawings / place / label, data / place / label)
    refused = [picture for picture in pictures if picture.refused]
    for number, entry in enumerate(refused):
        shutil.copy(folder / entry.name, data / "train" / ("cats", "dogs")[number % 2] / entry.name)
    report = train(data, image_px=96, out=tmp_path / "runs", allow_missing=1)
    left = {
        Path(row["path"]).name: row["left_out"] for row in read_table(report.run / "catalog.csv") if row["left_out"]
    }
    assert {item.name for item in refused} - left.keys() == set()
    assert all(left.values())
