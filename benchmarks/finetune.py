"""Trains the upper half of the backbone further, starting from the probe of every depth: what does it gain?

usage: python benchmarks/finetune.py DATA [EPOCHS] [--seeds 0] [--flip] [--rate 5e-5] [--dropout 0.5]
    DATA is what `pawsight train` takes. Needs torch 2.13, which nothing else of Pawsight does, and pawsight[train].
    --flip also shows mirrored pictures in training; leave it out where they belong to another class.

The probe is the default one. Its head reads averages and maxima of the whole network, so the logits of epoch 0 are the probe's. The
upper half of the blocks, their weights with the batch norms folded in, and the head then learn from pictures that are
turned, moved, scaled and lit differently at every epoch, under a rate that rises for a tenth of the steps and falls with
a cosine. Depthwise kernels stay: they are 4 % of the weights, and their gradients a third of the time. The lower half
stays as well and is run without gradients; to keep its outputs would save nothing, as no picture looks the same twice.

For each seed, of the split and of everything random, prints one JSON object an epoch: {"epoch": 1, "seconds": 61.2,
"right": {"validation": 305, "test": 300}, "log_loss": {...}}, as peers_finetune.py does; then the gain over the probe
with the 95 % interval of the paired difference, over validation and test.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.data.given_split import cut
from pawsight.data.sources import resolve
from pawsight.images.decode import DecodeSettings
from pawsight.images.loader import load
from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_lite import AVERAGE, Convolution, Tap, convolutions, published_weights, taps
from pawsight.models.recipes import RECIPES
from pawsight.training.features import FeatureTable, feature_sink
from pawsight.training.probe import Head, fit_head

UPPER = "block11"  # of 21: the first of the upper half, which has two thirds of the weights
BATCH, HELD_OUT = 32, ("validation", "test")

Tensor = torch.Tensor
Parameters = Mapping[str, tuple[Tensor, Tensor]]


def layer(maps: Tensor, row: Convolution, kernel: Tensor, bias: Tensor) -> Tensor:
    """Return the output (N, C, H, W) of one convolution, padded as TensorFlow does."""
    if row.kernel > 1:
        side = maps.shape[-1]
        pad = max((math.ceil(side / row.stride) - 1) * row.stride + row.kernel - side, 0)
        maps = functional.pad(maps, (pad // 2, pad - pad // 2) * 2)
    groups = row.channels if row.depthwise else 1
    maps = functional.conv2d(maps, kernel, bias, stride=row.stride, groups=groups)
    return functional.relu6(maps) if row.relu else maps


def forward(
    maps: Tensor, entered: str, rows: Sequence[Convolution], parameters: Parameters, read: Sequence[Tap]
) -> tuple[Tensor, Tensor]:
    """Run some of the convolutions one after the other.

    Args:
        maps: (N, C, H, W), the output of the convolution `entered`.
        rows: convolutions that follow it.
        read: what the probe may read, in the order of computation.

    Returns:
        the last output, and the averages and maxima (N, W) over positions of all outputs that the probe may read.
    """
    outputs, numbers = {entered: maps}, []
    for row in rows:
        maps = layer(maps, row, *parameters[row.name])
        if row.shortcut:
            maps = maps + outputs[row.shortcut]
        outputs[row.name] = maps
        kinds = [tap.kind for tap in read if tap.name == row.name]
        numbers += [maps.mean((2, 3)) if kind == AVERAGE else maps.amax((2, 3)) for kind in kinds]
    return maps, torch.cat(numbers, 1)


def augmented(pictures: Tensor, flip: bool, generator: torch.Generator) -> Tensor:
    """Return scaled pictures (N, 3, H, W): turned by up to 15 degrees, moved by 4 %, 5 % smaller to 25 % larger."""

    def draw(low: float, high: float) -> Tensor:
        return torch.rand(len(pictures), generator=generator) * (high - low) + low

    turn, scale = draw(-15, 15) * math.pi / 180, draw(0.8, 1.05)
    mirror = torch.where(draw(0, 1) < 0.5, -1.0, 1.0) if flip else torch.ones(len(pictures))
    cosine, sine = scale * torch.cos(turn), scale * torch.sin(turn)
    rows = torch.stack([mirror * cosine, -sine, draw(-0.08, 0.08), mirror * sine, cosine, draw(-0.08, 0.08)], 1)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(pictures.shape), align_corners=False)
    moved = functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    contrast, light = draw(0.8, 1.25), draw(-0.15, 0.15)
    return (moved * contrast[:, None, None, None] + light[:, None, None, None]).clamp(-1, 1)


class Finetuned(torch.nn.Module):
    """The backbone with its upper half free, and the probe's head on standardised features of every depth."""

    def __init__(self, head: Head, backbone: str, features: FeatureTable, dropout: float) -> None:
        super().__init__()
        found = find_backbone(backbone)
        rows, weights = convolutions(found), published_weights(found)
        start = next(number for number, row in enumerate(rows) if row.name.startswith(UPPER))
        self.read, self.lower, self.upper, self.columns = (
            taps(found),
            rows[:start],
            rows[start:],
            torch.from_numpy(head.columns),
        )
        as_tensors = {
            name: tuple(torch.tensor(np.array(array)) for array in arrays) for name, arrays in weights.items()
        }
        self.kernels = {
            name: (kernel.to(memory_format=torch.channels_last), bias) for name, (kernel, bias) in as_tensors.items()
        }
        table = features.read(head.columns)
        self.centre, spread = torch.tensor(table.mean(axis=0)), np.maximum(table.std(axis=0), 1e-6)
        self.spread, self.dropout = torch.tensor(spread), torch.nn.Dropout(dropout)
        self.weights = torch.nn.Parameter(torch.tensor(head.weights * spread[:, None]))
        self.bias = torch.nn.Parameter(torch.tensor(head.bias + table.mean(axis=0) @ head.weights))
        moving = [row.name for row in self.upper if not row.depthwise]
        self.moving = [tensor.requires_grad_() for name in moving for tensor in self.kernels[name]]

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (N, C) of scaled pictures (N, 3, H, W)."""
        with torch.no_grad():
            entering = pictures.contiguous(memory_format=torch.channels_last)
            maps, below = forward(entering, "", self.lower, self.kernels, self.read)
        above = forward(maps, self.lower[-1].name, self.upper, self.kernels, self.read)[1]
        read = (torch.cat([below, above], 1)[:, self.columns] - self.centre) / self.spread
        return self.dropout(read) @ self.weights + self.bias


def scaled(pictures: np.ndarray) -> Tensor:
    """Return pictures (N, H, W, 3) uint8 as the network is fed."""
    return (torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) - 127) / 128


def train(
    model: Finetuned,
    pixels: np.ndarray,
    labels: Tensor,
    rows: Mapping[str, np.ndarray],
    typed: argparse.Namespace,
    seed: int,
    before: float,
) -> None:
    """Train, printing a line before the first epoch and after each; `before` are the seconds spent until now."""
    generator, order = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(
        [{"params": model.moving}, {"params": [model.weights, model.bias]}], lr=typed.rate, weight_decay=0
    )
    steps = typed.epochs * math.ceil(len(rows["train"]) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / (0.1 * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    probe = None
    for epoch in range(typed.epochs + 1):
        start = time.process_time()
        if epoch:
            model.train()
            for batch in np.array_split(order.permutation(rows["train"]), steps // typed.epochs):
                pictures = augmented(scaled(pixels[batch]), typed.flip, generator)
                loss = functional.cross_entropy(model(pictures), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        before += time.process_time() - start
        right, losses = answers(model, pixels, labels, rows)
        probe = right if probe is None else probe
        line: dict[str, Any] = {"epoch": epoch, "seconds": round(before, 1)}
        line["right"] = {part: int(own.sum()) for part, own in right.items()}
        print(json.dumps(line | {"log_loss": losses, "seed": seed}), flush=True)
    gains = np.concatenate([right[part].astype(int) - probe[part] for part in HELD_OUT])
    error = 1.96 * gains.std() / math.sqrt(len(gains))
    print(
        f"seed {seed}: {100 * gains.mean():+.2f} points (95 % interval +-{100 * error:.2f}),"
        f" {(gains > 0).sum()} won and {(gains < 0).sum()} lost of {len(gains)}",
        flush=True,
    )


def answers(
    model: Finetuned, pixels: np.ndarray, labels: Tensor, rows: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return which pictures of each held-out part are right, and the part's log loss in nats."""
    model.eval()
    right, losses = {}, {}
    with torch.no_grad():
        for part in HELD_OUT:
            pieces = np.array_split(rows[part], math.ceil(len(rows[part]) / BATCH))
            logits = torch.cat([model(scaled(pixels[piece])) for piece in pieces])
            right[part] = (logits.argmax(1) == labels[rows[part]]).numpy()
            losses[part] = round(float(functional.cross_entropy(logits, labels[rows[part]])), 4)
    return right, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("epochs", type=int, nargs="?", default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--flip", action="store_true")
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--dropout", type=float, default=0.5)
    typed = parser.parse_args()
    torch.set_num_threads(1)  # threads that wait for each other spend processor time, which is what is measured
    recipe, machine = RECIPES["probe"].recipe, this_machine()
    settings = DecodeSettings(image_px=recipe.image_px)
    source = resolve(typed.data, cache=cache_folder(), progress=SILENT)
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        dataset = read_dataset(find(source.root), settings, cache=cache, threads=machine.feeders, sink=sink)
        features = sink.features_of([picture.sha256 for picture in dataset.pictures])
    files = load((picture.path for picture in dataset.pictures), settings, threads=machine.cores)
    pixels = np.stack([loaded.decoded.pixels for loaded in files])
    number = {picture.name: row for row, picture in enumerate(dataset.pictures)}
    labels = np.array([dataset.classes.index(picture.label) for picture in dataset.pictures])
    read = time.process_time()
    for seed in typed.seeds:
        start = time.process_time()
        split, groups = cut(dataset, seed=seed, given=None, progress=SILENT), np.arange(len(labels))
        for alike in split.alike:
            members = [number[assigned.name] for assigned in alike]
            groups[members] = min(members)
        rows = {
            part: np.array([number[assigned.name] for assigned in split.part(part)]) for part in ("train", *HELD_OUT)
        }
        own = features.part(rows["train"])
        head = fit_head(
            own, labels[rows["train"]], classes=len(dataset.classes), folds=5, seed=seed, groups=groups[rows["train"]]
        )
        model = Finetuned(head, recipe.backbone, own, typed.dropout)
        before = read + time.process_time() - start
        train(model, pixels, torch.from_numpy(labels), rows, typed, seed, before)


if __name__ == "__main__":
    main()
