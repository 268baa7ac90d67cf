"""What must travel with a model so that somebody without Pawsight can use it: pawsight.json, and metadata inside.

Enters: an `Order`. Leaves: plain JSON values. Does not know: formats, how they keep metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pawsight.classifier.bundle import EXAM
from pawsight.core.storage import sha256_of_file
from pawsight.exports.target import EXACT, Order
from pawsight.models.trust_graph import UNLIKENESS

FACTS = "pawsight.json"
FACTS_FORMAT = 1
DECODING = (
    "turn the picture upright as its EXIF orientation says",
    "resize to the square, without keeping the ratio of its sides, with an antialiasing bilinear filter",
    "show transparency on white, convert to RGB, 8 bits a channel",
    "hand over the numbers 0 to 255 as they are: scaling is in the model",
)


def facts_of(order: Order) -> dict[str, Any]:
    """Return what a user of the model has to know, as plain JSON values."""
    card, trust = order.bundle.card, order.bundle.card.trust
    side = card.decode.image_px
    return {
        "format": FACTS_FORMAT,
        "made_by": "Pawsight",
        "classes": list(card.classes),
        "input": {"name": "pictures", "type": "uint8", "shape": ["N", side, side, 3], "axes": "NHWC", "colours": "RGB"},
        "outputs": {
            "probabilities": ["N", len(card.classes)],
            "features": ["N", "D"],
            **({} if trust.guard is None else {UNLIKENESS: ["N"]}),
        },
        "decode": {**asdict(card.decode), "steps": list(DECODING)},
        "temperature": {"value": trust.temperature, "where": "in the model already"},
        "answer_from_probability": None if trust.promise is None else trust.promise.threshold,
        "unlike_anything_seen_above": None if trust.guard is None else trust.guard.threshold,
        "precision": order.precision,
        "licence": order.licence,
        "recipe": dict(card.recipe),
        "split_digest": card.split_digest,
        "exam": {
            "sha256": sha256_of_file(order.bundle.folder / EXAM),
            "pictures": len(order.bundle.golden.pictures),
            "precision": EXACT,
        },
        "created": card.created,
        "versions": dict(card.versions),
    }


def as_metadata(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return facts as formats keep metadata: text to text, in printable ASCII so that no name trips a reader."""
    return {
        name: value if isinstance(value, str) and value.isascii() and value.isprintable() else json.dumps(value)
        for name, value in facts.items()
    }
