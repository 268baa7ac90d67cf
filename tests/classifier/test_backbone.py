"""The frozen network of a recipe: kept by its SHA-256, downloaded once, checked, and refused where it cannot be."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from pawsight.classifier.backbone import backbone_engine, fetch_backbone, frozen_backbone, kept_digest
from pawsight.core.errors import DownloadFailed, WeightsUnavailable, WrongUsage
from pawsight.data.download import DownloadLimits
from pawsight.models.backbones import BACKBONES, PUBLISHED, PublishedFile
from pawsight.models.recipes import RecipeOptions, make_recipe

from ..conftest import BACKBONE, BACKBONE_PX, says
from ..data.http_server import running_site
from ..foreign_networks import convolutional

ONCE = DownloadLimits(silence_seconds=0.4, total_seconds=8, first_wait_seconds=0.01, tries=1)
SCALING = {"mean": "0.5,0.5,0.5", "std": "0.5,0.5,0.5"}


@pytest.fixture
def site(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with running_site() as running:
        yield running


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(convolutional())
    return tmp_path / "mine.onnx"


def of_file(file, **changes):
    options = {"backbone": str(file), "image_px": 32, **SCALING, "backbone_licence": "MIT"} | changes
    return make_recipe("probe", RecipeOptions(**options))


def published(url, content, *, knows_digest=True):
    """A made-up row, and a recipe that names it."""
    sha256 = hashlib.sha256(content).hexdigest() if knows_digest else ""
    row = PublishedFile(name="made-up", url=url, image_px=32, licence="MIT", mib=1, sha256=sha256, **SCALING)
    recipe = make_recipe("probe", RecipeOptions(backbone="dinov2-small"))
    return {"made-up": row}, replace(recipe, backbone="made-up", image_px=32, backbone_sha256=sha256, **SCALING)


def test_a_backbone_of_a_package_is_what_its_table_says():
    backbone = frozen_backbone(make_recipe("probe", RecipeOptions(backbone=BACKBONE, image_px=BACKBONE_PX)))
    other = frozen_backbone(make_recipe("probe", RecipeOptions(backbone="efficientnet-lite1")))
    assert backbone.parameters == BACKBONES[BACKBONE].parameters
    assert len({backbone.digest, other.digest, BACKBONES[BACKBONE].sha256}) == 3  # it says what is read, too
    assert len(backbone.depths["last"]) == 1280 < len(backbone.depths["blocks"]) < backbone.width


def test_a_file_is_kept_by_its_digest_and_the_recipe_names_no_folder(file):
    recipe = fetch_backbone(of_file(file), str(file))
    assert (recipe.backbone, recipe.image_px, recipe.backbone_licence) == ("mine.onnx", 32, "MIT")
    assert recipe.backbone_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()
    backbone = frozen_backbone(recipe)
    assert len(backbone.depths["last"]) == 24
    onnx.checker.check_model(backbone.write(np.arange(backbone.width)))


def test_paths_and_numbers_are_taken_as_python_has_them(file):
    recipe = of_file(file)
    of_python = {"backbone": file, "image_px": np.int64(32), "mean": (0.5, 0.5, 0.5), "std": np.full(3, 0.5)}
    same = make_recipe("probe", RecipeOptions(**of_python, backbone_licence="MIT"))
    assert same.to_dict() == recipe.to_dict()
    assert type(same.image_px) is int
    assert fetch_backbone(same, file) == recipe


def test_features_depend_on_the_file_and_on_its_scaling(file):
    recipe = fetch_backbone(of_file(file), str(file))
    digests = {frozen_backbone(recipe).digest, frozen_backbone(replace(recipe, mean="0.4,0.4,0.4")).digest}
    file.write_bytes(convolutional(outputs=3))
    digests.add(frozen_backbone(fetch_backbone(of_file(file), str(file))).digest)
    assert len(digests) == 3


def test_a_backbone_that_the_cache_has_lost_is_named_with_its_digest(file):
    recipe = of_file(file)
    with pytest.raises(WeightsUnavailable) as caught:
        frozen_backbone(recipe)
    assert says(caught.value, "mine.onnx", recipe.backbone_sha256, "--backbone")


def test_a_file_of_the_cache_that_was_damaged_is_named_and_replaced(file, cache_folder):
    recipe = fetch_backbone(of_file(file), str(file))
    kept = cache_folder / "backbones" / f"{recipe.backbone_sha256}.onnx"
    kept.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsUnavailable) as caught:
        frozen_backbone(recipe)
    command = f"pawsight train DATA --backbone mine.onnx --image-px 32 --mean {SCALING['mean']} --std {SCALING['std']}"
    assert says(caught.value, str(kept), recipe.backbone_sha256, command)
    fetch_backbone(of_file(file), str(file))
    assert kept.read_bytes() == file.read_bytes()


def test_a_file_that_changes_after_it_was_named_is_not_kept(file, cache_folder):
    recipe = of_file(file)
    file.write_bytes(convolutional(outputs=3))
    with pytest.raises(WeightsUnavailable) as caught:
        fetch_backbone(recipe, str(file))
    assert says(caught.value, "mine.onnx")
    assert list((cache_folder / "backbones").iterdir()) == []


def test_an_operator_that_no_bundle_may_have_is_refused(file):
    model = onnx.load_from_string(file.read_bytes())
    (relu,) = (node for node in model.graph.node if node.output[0] == "stem.act")
    relu.CopyFrom(helper.make_node("Bernoulli", relu.input, relu.output))
    file.write_bytes(model.SerializeToString())
    recipe = fetch_backbone(of_file(file), str(file))
    with pytest.raises(WeightsUnavailable) as caught:
        frozen_backbone(recipe).write(None)
    assert says(caught.value, "mine.onnx", "Bernoulli")
    assert len(str(caught.value).splitlines()) == 3


def test_a_graph_that_cannot_be_computed_at_this_size_names_its_file(file):
    model = onnx.load_from_string(convolutional())
    model.graph.initializer.append(helper.make_tensor("flat", onnx.TensorProto.INT64, [2], [1, 7]))
    model.graph.node.append(helper.make_node("Reshape", [model.graph.output[0].name, "flat"], ["end"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("end", onnx.TensorProto.FLOAT, [1, 7]))
    file.write_bytes(model.SerializeToString())
    recipe = fetch_backbone(of_file(file), str(file))
    with pytest.raises(WeightsUnavailable) as caught:
        backbone_engine(recipe, frozen_backbone(recipe).write(None), precision="f32", streams=1, device="cpu")
    assert says(caught.value, "mine.onnx", "32 px", "--image-px")


# Published files


@pytest.mark.parametrize("knows_digest", [True, False])
def test_a_published_file_is_downloaded_once(site, knows_digest):
    content, turns = convolutional(), []

    def answer(talk):
        turns.append(talk.turn)
        talk.serve(content)

    table, recipe = published(site.page("/model.onnx", answer), content, knows_digest=knows_digest)
    for _ in range(2):
        fetched = fetch_backbone(recipe, "made-up", published=table, limits=ONCE)
        assert fetched.backbone_sha256 == hashlib.sha256(content).hexdigest()
        assert kept_digest(table["made-up"]) == fetched.backbone_sha256
        assert len(frozen_backbone(fetched).depths["last"]) == 24
    assert turns == [0]


@pytest.mark.parametrize("knows_digest", [True, False])
def test_another_file_than_the_known_or_the_first_one_is_refused(site, cache_folder, knows_digest):
    content = convolutional()
    bodies = [content, convolutional(outputs=2)][knows_digest:]
    table, recipe = published(
        site.page("/model.onnx", lambda talk: talk.serve(bodies[talk.turn])), content, knows_digest=knows_digest
    )
    if not knows_digest:
        fetch_backbone(recipe, "made-up", published=table, limits=ONCE)
        for kept in (cache_folder / "backbones").glob("*.onnx"):
            kept.unlink()
    with pytest.raises(DownloadFailed):
        fetch_backbone(recipe, "made-up", published=table, limits=ONCE)


@pytest.mark.parametrize("first", [b"<html>Please log in.</html>", convolutional()[:300]])
def test_what_is_no_network_does_not_become_the_known_file(site, first):
    content = convolutional()
    bodies = [first, content]
    table, recipe = published(
        site.page("/model.onnx", lambda talk: talk.serve(bodies[talk.turn])), content, knows_digest=False
    )
    with pytest.raises(DownloadFailed) as caught:
        fetch_backbone(recipe, "made-up", published=table, limits=ONCE)
    assert says(caught.value, "made-up", "ONNX")
    assert kept_digest(table["made-up"]) == ""
    fetched = fetch_backbone(recipe, "made-up", published=table, limits=ONCE)
    assert fetched.backbone_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("knows_digest", [True, False])
def test_of_several_who_name_it_at_once_a_single_one_downloads(site, knows_digest):
    content, turns = convolutional(), []

    def answer(talk):
        turns.append(talk.turn)
        talk.serve(content)

    table, recipe = published(site.page("/model.onnx", answer), content, knows_digest=knows_digest)
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(fetch_backbone, recipe, "made-up", published=table, limits=ONCE) for _ in range(4)]
        assert {each.result().backbone_sha256 for each in tries} == {hashlib.sha256(content).hexdigest()}
    assert turns == [0]


def test_a_download_that_fails_says_how_to_go_on_without_it(site):
    table, recipe = published(site.page("/model.onnx", lambda talk: talk.send(b"gone", 404)), b"")
    with pytest.raises(DownloadFailed) as caught:
        fetch_backbone(recipe, "made-up", published=table, limits=ONCE)
    assert says(caught.value, "made-up", "404", "--backbone FILE.onnx", "--image-px 32", SCALING["mean"])


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_row_makes_a_recipe(name):
    row, recipe = PUBLISHED[name], make_recipe("probe", RecipeOptions(backbone=name))
    assert row.url.startswith("https://")
    assert row.url.endswith(".onnx")
    assert row.licence in ("Apache-2.0", "MIT")
    assert row.sha256 == "" or len(bytes.fromhex(row.sha256)) == 32
    assert (recipe.backbone, recipe.image_px, recipe.backbone_licence) == (name, row.image_px, row.licence)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backbone": "nowhere.onnx", "image_px": 224}, ["nowhere.onnx", "--backbone"]),
        ({"backbone": "FILE"}, ["--image-px"]),
        ({"backbone": "FILE", "image_px": 32, "mean": "1,2"}, ["--mean"]),
        ({"backbone": "FILE", "image_px": 32, "std": (1, 2)}, ["--std", "1,2"]),
        ({"backbone": "FILE", "image_px": 32.0}, ["32.0", "--image-px"]),
        ({"backbone": "FILE", "image_px": "32"}, ["'32'", "--image-px"]),
        ({"mean": "1,1,1"}, ["--mean", "--backbone FILE.onnx"]),
        ({"backbone": "dinov2-small", "std": "1,1,1"}, ["--std"]),
        ({"backbone": "auto", "image_px": 96}, ["--image-px", "auto"]),
        ({"backbone": "resnet", "image_px": 96}, ["resnet", "efficientnet-lite1"]),
        ({"backbone": "resnet"}, ["resnet", "efficientnet-lite1", "dinov2-small"]),
    ],
)
def test_options_that_do_not_fit_are_named(file, options, words):
    options = {key: str(file) if value == "FILE" else value for key, value in options.items()}
    with pytest.raises(WrongUsage) as caught:
        make_recipe("probe", RecipeOptions(**options))
    assert says(caught.value, *words)
