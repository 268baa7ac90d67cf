"""Imports Keras for the recipes that need it; what keeps libraries quiet is in cli/process.py."""

from __future__ import annotations

import importlib

from pawsight.core.errors import MissingExtra, PawsightError


def import_keras() -> None:
    """Import Keras on TensorFlow.

    Raises:
        MissingExtra: Keras or TensorFlow is not installed.
        PawsightError: Keras runs on another backend in this process.
    """
    try:
        keras = importlib.import_module("keras")
    except ModuleNotFoundError as error:
        raise needs_keras_extra(str(error.name)) from error
    if (backend := keras.backend.backend()) != "tensorflow":
        raise PawsightError(
            f"Keras runs on {backend} in this process.",
            "The recipes with gradients are trained on TensorFlow.",
            "Set KERAS_BACKEND=tensorflow before Keras is imported.",
        )


def needs_keras_extra(module: str) -> MissingExtra:
    """Say that a part of `pawsight[keras]` is missing."""
    return MissingExtra(
        f"This recipe needs {module}, which is not installed.",
        "The recipes probe and majority need neither Keras nor TensorFlow; the others do.",
        'Type: pip install "pawsight[keras]"',
    )
