"""Bundles of every kind of graph that training makes, with random weights; one exported to every format.

All are made once for all workers of a session: TensorFlow takes seconds to load.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

NEEDED = ("keras", "tensorflow", "onnxruntime", "ai_edge_litert")
HOSTILE = ("cats | <b>&amp;", 'dogs" --- {{ 7*7 }} `x` [y](javascript:z)', "\u202ebirds: #1")
KINDS = ("majority", "several-labels", "cnn", "cnn-normalised", "mobilenet", "probe")
RULES = (0.5, 0.3, 0.2)  # thresholds of the labels of the kind that has several
# MobileNetV2 takes seconds to build; what it is made of, the probe's EfficientNet-Lite has as well.
EVERY_KIND = [pytest.param(kind, marks=pytest.mark.slow) if kind == "mobilenet" else kind for kind in KINDS]
PX = 32


@pytest.fixture(scope="session")
def everything_installed():
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip("needs pawsight[keras,export]")


@pytest.fixture(scope="session")
def graph_of(everything_installed, once):
    """ONNX bytes of a kind of graph, with as many classes as `HOSTILE` has names."""

    def graph(kind):
        return once(f"graphs/{kind}.onnx", lambda target: target.write_bytes(_graph(kind))).read_bytes()

    return graph


def _graph(kind):
    from pawsight.models.graph import append_head, mean_colour_graph

    rng, count = np.random.default_rng(3), len(HOSTILE)
    if kind == "majority":
        head = np.zeros((3, count), np.float32), np.log(np.array([0.5, 0.3, 0.2], np.float32))
        return append_head(mean_colour_graph(PX), *head, classes=HOSTILE)
    if kind == "several-labels":
        head = rng.normal(0, 0.02, (3, count)).astype(np.float32), rng.normal(0, 1, count).astype(np.float32)
        return append_head(mean_colour_graph(PX), *head, classes=HOSTILE, several_labels=True)
    if kind == "probe":
        return _guarded_probe(rng, count)
    return _network(kind, count)


def _guarded_probe(rng, count):
    from pawsight.models.efficientnet_lite import backbone_onnx
    from pawsight.models.graph import OodScore, append_head, with_ood_score, with_temperature

    # Of every depth: a part of most layers' averages, and all of one layer's.
    channels = np.unique(np.concatenate([rng.permutation(np.arange(40, 12_080))[:1240], np.arange(40)]))
    backbone, width = backbone_onnx("efficientnet-lite0", 96, channels), len(channels)
    weights, bias = rng.normal(0, 0.2, (width, count)), rng.normal(0, 1, count)
    model = append_head(backbone, weights.astype(np.float32), bias.astype(np.float32), classes=HOSTILE)
    directions, _ = np.linalg.qr(rng.normal(size=(1280, 16)))
    near = rng.normal(0, 0.05, (width, 2))
    parts = rng.uniform(0, 0.05, 1280), 0.9 * directions, rng.uniform(0, 1, width), near, rng.normal(size=(count, 2))
    score = OodScore(*(part.astype(np.float32) for part in parts), scales=(1.0, 0.5))
    return with_ood_score(with_temperature(model, 0.7), score)


def _network(kind, count):
    from pawsight.models.keras_networks import import_keras
    from pawsight.models.recipes import RECIPES

    import_keras()
    from dataclasses import replace

    import keras

    from pawsight.models.keras_networks import answer, build_network, network_onnx, scale

    keras.utils.set_random_seed(4)
    if kind == "mobilenet":
        base = keras.applications.MobileNetV2(input_shape=(PX, PX, 3), include_top=False, weights=None)
        pictures = keras.Input((PX, PX, 3), dtype="uint8", name="pictures")
        seen = base(scale(pictures, "signed"), training=False)
        model = keras.Model(pictures, answer(seen, classes=count, policy="float32"))
    else:
        recipe = replace(RECIPES[kind].recipe, image_px=PX)
        model = build_network(recipe, classes=count, precision="f32")
    return network_onnx(model, image_px=PX, classes=HOSTILE)


@pytest.fixture(scope="session")
def bundle_of(graph_of, once):
    """The folder of a bundle of a kind of graph. Read, never write."""
    from pawsight.classifier.bundle import Card, GoldenOutputs, write_bundle
    from pawsight.classifier.engine import Engine
    from pawsight.classifier.trust import LabelRule, OodDetector, Trust
    from pawsight.images.decode import DecodeSettings

    def write(kind, folder):
        side = 96 if kind == "probe" else PX
        model = graph_of(kind)
        squares = np.random.default_rng(5).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
        answers = Engine(model, image_px=side, precision="f32", streams=1).run_all(squares)["probabilities"]
        guard = OodDetector(threshold=0.9, false_alarms=0.01, pictures=9, components=16, caught=())
        trusts = {
            "probe": Trust(temperature=0.7, fitted_on="nothing", detector=guard),
            "several-labels": Trust(labels=tuple(LabelRule(threshold=threshold) for threshold in RULES)),
        }
        card = Card(
            classes=HOSTILE,
            decode=DecodeSettings(image_px=side),
            recipe={"name": kind},
            precision="f32",
            split_digest="5" * 64,
            data_fingerprint="f" * 64,
            created="2026-11-22T18:00:00+00:00",
            versions={"python": "3.11"},
            trust=trusts.get(kind, Trust()),
        )
        write_bundle(folder, card, model=model, golden=GoldenOutputs(squares, answers), trained=frozenset())

    return lambda kind: once(f"bundles/{kind}", lambda folder: write(kind, folder))


@pytest.fixture(scope="session")
def exported(bundle_of, once):
    """The folders of the guarded probe in every format, by format. Read, never write."""
    from pawsight.commands.export import export
    from pawsight.exports.targets import TARGETS

    formats = [name for name in TARGETS if name != "web"]
    out = once("formats", lambda folder: export(bundle_of("probe"), formats, out=folder, licence="CC0-1.0"))
    return {name: out / name for name in formats}
