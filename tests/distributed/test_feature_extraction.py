"""`train --engine ray`: facts, features and problems are those of `--engine local`, and so is the classifier."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from shutil import copyfile

import numpy as np
import pytest
from click.testing import CliRunner

from pawsight.classifier.engine import Engine
from pawsight.cli import cli
from pawsight.commands.train import train
from pawsight.core.cache import Cache
from pawsight.core.errors import MissingExtra, WrongUsage
from pawsight.data.dataset import read_files, store_facts
from pawsight.data.facts import facts_from_bytes, known_facts
from pawsight.data.found import Candidate
from pawsight.distributed.feature_extraction import Extracted, extract_by_pool, read_files_by_pool, taken
from pawsight.distributed.ray_actors import Pool
from pawsight.images.decode import DecodeSettings
from pawsight.training.features import FeatureSink

from .conftest import actors, classifier, says, write_pictures

SETTINGS, SPACE, WIDTH = DecodeSettings(image_px=8), "features/colours", 3


@pytest.fixture
def candidates(tmp_path):
    """Twelve pictures under 300 names, with what is no picture, what is empty and what is not there among them."""
    folder = tmp_path / "pictures"
    originals = write_pictures(folder)
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no picture")
    paths = [*originals, folder / "empty.jpg", folder / "text.png", folder / "missing.png"]
    return [Candidate(path, path.name, "any", None) for path in (paths[(7 * at) % len(paths)] for at in range(300))]


@pytest.fixture
def sink_on(colour_backbone):
    def make(cache):
        def engine():
            return Engine(colour_backbone, image_px=8, precision="f32", streams=2)

        return FeatureSink(engine, cache=cache, space=SPACE, width=WIDTH)

    return make


def seen_here(candidates, cache, sink):
    """Hash, facts and problem of each file, as this process sees them; features go to the sink."""
    rows = []
    for seen in read_files(candidates, SETTINGS, cache=cache, threads=2, sink=sink):
        if seen.pixels is not None:
            sink.take(seen.sha256, seen.pixels)
        rows.append((seen.sha256, seen.facts, seen.problem))
    return rows


def extracted(candidates, backbone, cache, **options):
    known = {"cache": cache.folder, "space": SPACE, "size": 4 * WIDTH}
    paths = [str(candidate.path) for candidate in candidates]
    return extract_by_pool(backbone, SETTINGS, "f32", paths, **known, pool=Pool(actors=2, **options))


def test_a_pool_sees_what_this_process_sees_in_the_same_order_and_nothing_twice(
    ray_of_two, candidates, colour_backbone, sink_on, tmp_path
):
    with Cache(tmp_path / "one") as here, Cache(tmp_path / "other") as there:
        sink, before = sink_on(here), sink_on(there)
        known = {sha256 for sha256, _, problem in seen_here(candidates[:4], there, before) if not problem}
        before.features_of([])  # writes what is computed
        expected = seen_here(candidates, here, sink)
        assert {problem for _, _, problem in expected} == {"", "empty", "not a picture", "no such file or directory"}
        found = list(extracted(candidates, colour_backbone, there))
        facts = [
            facts_from_bytes(item.facts) if item.facts else known_facts(there, item.sha256, SETTINGS) for item in found
        ]
        assert [(item.sha256, had, item.problem) for item, had in zip(found, facts, strict=True)] == expected
        for entry in found:
            assert (entry.facts is None) == (entry.features is None) == (bool(entry.problem) or entry.sha256 in known)
        fresh = [item for item in found if item.features is not None]
        features = sink.features_of([item.sha256 for item in fresh]).last
        assert np.array_equal([np.frombuffer(item.features, "<f4") for item in fresh], features)


@pytest.mark.slow
def test_a_worker_killed_mid_way_is_replaced_and_nothing_is_lost(ray_of_two, candidates, colour_backbone, tmp_path):
    with Cache(tmp_path / "one") as cache:
        undisturbed = list(extracted(4 * candidates, colour_backbone, cache))
        disturbed = extracted(4 * candidates, colour_backbone, cache)
        found = [next(disturbed)]
        os.kill(actors()[0], signal.SIGKILL)
        found += disturbed
    assert found == undisturbed


def test_what_the_cache_has_lost_since_is_seen_here(candidates, sink_on, tmp_path):
    with Cache(tmp_path / "one") as cache:
        sink = sink_on(cache)
        rows = seen_here(candidates[:6], Cache(tmp_path / "other"), sink_on(Cache(tmp_path / "third")))
        claimed = [Extracted(sha256, None, None, problem) for sha256, _, problem in rows]
        seen = list(taken(candidates[:6], claimed, SETTINGS, cache, sink, ExitStack()))
    assert [(picture.sha256, picture.facts, picture.problem) for picture in seen] == rows
    assert [picture.pixels is not None for picture in seen] == [not problem for _, _, problem in rows]


def test_a_pool_has_nothing_to_do_where_nobody_takes_features(candidates, tmp_path):
    run = {"recipe": None, "machine": None, "stopwatch": None, "pool": Pool(), "until": ExitStack()}
    with Cache(tmp_path / "one") as cache, pytest.raises(ValueError, match="this sink takes none"):
        read_files_by_pool(candidates, SETTINGS, cache=cache, threads=1, sink=None, **run)


def test_what_a_worker_found_known_is_taken_from_the_cache_or_seen_again(candidates, tmp_path):
    class Sink:
        received, wanted = [], False

        def receive(self, sha256, features):
            self.received.append((sha256, features))

        def wants(self, sha256):
            return self.wanted

    sink, one = Sink(), candidates[0]

    def taken_from(found):
        (row,) = taken([one], [found], SETTINGS, cache, sink, ExitStack())
        return row

    with Cache(tmp_path / "one") as cache:
        (seen,) = read_files([one], SETTINGS, cache=cache, threads=1)
        list(store_facts([seen], cache, SETTINGS))
        known, strange = Extracted(seen.sha256, None, None, ""), Extracted("0" * 64, None, None, "")
        row = taken_from(known)
        assert (row.sha256, row.facts, row.fresh, row.pixels) == (seen.sha256, seen.facts, False, None)
        assert taken_from(strange).sha256 == seen.sha256  # nothing is known of it any more, so the file was read
        assert taken_from(Extracted(seen.sha256, None, b"1234", "")).facts == seen.facts
        sink.wanted = True
        assert taken_from(known).pixels is not None  # its features are not there any more
    assert sink.received == [(seen.sha256, b"1234")]


def test_the_classifier_is_the_same_bytes_and_what_cannot_be_read_is_left_out(
    ray_of_two, trained, cache_folder, tmp_path
):
    data = tmp_path / "data"
    for path in sorted(trained.data.rglob("*.*")):
        place = data / path.relative_to(trained.data)
        place.parent.mkdir(parents=True, exist_ok=True)
        copyfile(path, place)
    (next(data.glob("train/*")) / "broken.jpg").write_bytes(b"no picture")
    report = trained.again(data, tmp_path / "runs", engine="ray", actors=2, depth="auto")
    assert report.computed == trained.report.computed == len(trained.report.dataset.pictures)
    assert [(file.name.rpartition("/")[2], file.reason) for file in report.dataset.left_out] == [
        ("broken.jpg", "not a picture")
    ]
    assert classifier(report.run) == classifier(trained.report.run)
    assert trained.again(data, tmp_path / "runs").computed == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"engine": "ray", "recipe": "cnn"},
            ("recipe cnn", "--engine ray", "--recipe probe"),
        ),
        ({"engine": "spark"}, ("'spark'", "--engine local or --engine ray")),
        (
            {"actors": 2},
            ("--actors and --ray-address", "--engine local", "Add --engine ray"),
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_read(options, told, tmp_path):
    with pytest.raises(WrongUsage) as refusal:
        train(tmp_path / "absent", out=tmp_path / "runs", **options)
    assert says(refusal.value, *told)
    assert list(tmp_path.iterdir()) == []


def test_without_ray_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("pawsight.core.errors.find_spec", lambda name: None if name == "ray" else name)
    with pytest.raises(MissingExtra) as refusal:
        train(tmp_path / "absent", out=tmp_path / "runs", engine="ray")
    assert says(refusal.value, "--engine ray", 'pip install "pawsight[ray]"')


def test_the_options_are_there_as_typed(tmp_path):
    words = ["train", str(tmp_path / "absent"), "--recipe", "majority", "--engine", "ray", "--actors", "3"]
    result = CliRunner().invoke(cli, [*words, "--ray-address", "auto"], prog_name="pawsight")
    assert result.exit_code == 2
    assert says(result.stderr, "recipe majority", "--engine ray")
