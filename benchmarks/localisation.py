"""Draws heat maps of drawings whose animals lie at known places, and measures how much of the heat lies on them.

usage: python benchmarks/localisation.py RUN [--drawings 40]
    RUN was trained on the drawn sample (pawsight train sample) or on other cats and dogs.

For each method: the mean share of the heat inside the animal's box, beside the share of the picture that the box takes
(what a map that knows nothing gets); in how many drawings the greatest heat lies inside; the median of the seconds.
Beside `cam`, where the network has it, and `occlusion`: random masks (RISE; Petsiuk et al. 2018), which Pawsight does
not have because they were no better for the same number of predictions.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from time import perf_counter

import numpy as np
from PIL import Image

from pawsight.classifier.predictor import load_predictor
from pawsight.explanation.heatmap import Explainer, HeatMap, finer
from pawsight.images.decode import decode
from pawsight.sample import CLASSES, draw_with_place

FINE = 192
CELLS, KEPT = 7, 0.5  # of a random mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--drawings", type=int, default=40)
    typed = parser.parse_args()
    predictor = load_predictor(typed.run)
    explainer = Explainer(predictor)
    found: dict[str, list[tuple[float, bool, float]]] = {}
    areas = []
    for index in range(typed.drawings):
        label = CLASSES[index % 2]
        picture, (left, top, right, bottom) = draw_with_place(label, seed=99, index=index, part="validation")
        file = io.BytesIO()
        picture.save(file, "PNG")
        square = decode(file.getvalue(), predictor.bundle.card.decode, name="drawing").pixels
        wide, high = picture.size
        box = np.zeros((FINE, FINE), bool)
        box[
            round(top / high * FINE) : round(bottom / high * FINE),
            round(left / wide * FINE) : round(right / wide * FINE),
        ] = True
        areas.append(box.mean())
        for name, way in ways(explainer).items():
            start = perf_counter()
            heat = finer(way(square), (FINE, FINE))
            seconds = perf_counter() - start
            inside = float(heat[box].sum() / max(heat.sum(), 1e-9))
            found.setdefault(name, []).append((inside, bool(box[np.unravel_index(heat.argmax(), heat.shape)]), seconds))
    print(f"{typed.drawings} drawings; boxes take {100 * np.mean(areas):.1f} % of the picture")
    for name, rows in found.items():
        inside, hits, seconds = (np.array(column, float) for column in zip(*rows, strict=True))
        print(
            f"{name:10} {100 * inside.mean():.1f} % of the heat, greatest inside {hits.mean():.0%}, {np.median(seconds):.2f} s"
        )


def ways(explainer: Explainer) -> dict[str, Callable[[np.ndarray], HeatMap]]:
    def masked(square: np.ndarray, masks: int) -> HeatMap:
        engine, _ = explainer._open()
        likeliest = int(engine.run_all(square[None])["probabilities"].argmax())
        return HeatMap(
            "", rise(square, lambda many: explainer._scores(engine, many, likeliest), masks), 0.0, "occlusion", (1, 1)
        )

    exact = {"cam": lambda square: explainer.explain(square, size=(1, 1), method="cam")}
    return {
        **(exact if explainer._open()[1] is not None else {}),
        "occlusion": lambda square: explainer.explain(square, size=(1, 1), method="occlusion"),
        "rise 100": lambda square: masked(square, 100),
        "rise 200": lambda square: masked(square, 200),
    }


def rise(square: np.ndarray, scores: Callable, masks: int) -> np.ndarray:
    """Return how the score goes with what random masks leave to be seen, (16, 16)."""
    rng = np.random.default_rng(0)
    side = len(square)
    cell = -(-side // CELLS)
    colour = square.mean(axis=(0, 1))
    drawn = []
    for _ in range(masks):
        coarse = Image.fromarray((rng.random((CELLS + 1, CELLS + 1)) < KEPT).astype(np.float32))
        down, across = rng.integers(0, cell, 2)
        large = np.asarray(coarse.resize(((CELLS + 1) * cell,) * 2, Image.Resampling.BILINEAR))
        drawn.append(large[down : down + side, across : across + side])
    seen = np.stack(drawn)
    found = scores((one[..., None] * square + (1 - one[..., None]) * colour).astype(np.uint8) for one in seen)
    worth = ((found - found.mean())[:, None, None] * (seen - seen.mean(axis=0))).mean(axis=0)
    return np.asarray(Image.fromarray(worth.astype(np.float32)).resize((16, 16), Image.Resampling.BOX))


if __name__ == "__main__":
    main()
