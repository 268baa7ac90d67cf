"""Pawsight: from folders of photographs to a classifier you can trust, on the machine you have.

    import pawsight
    report = pawsight.train("photos/")
    answers = pawsight.load(report.run).predict(["cat.jpg"])

Enters: what the caller names. Leaves: the public names below; each is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "EvaluateReport",
    "InspectReport",
    "LadderOutcome",
    "LadderReport",
    "PawsightError",
    "Prediction",
    "Predictor",
    "PreviewReport",
    "Recipe",
    "TrainReport",
    "evaluate",
    "inspect",
    "ladder",
    "load",
    "preview",
    "report",
    "train",
]

if TYPE_CHECKING:
    from pawsight.errors import PawsightError
    from pawsight.evaluation.ladder_report import LadderReport
    from pawsight.inference import Prediction, Predictor
    from pawsight.inference import load_predictor as load
    from pawsight.jobs.evaluate import EvaluateReport, evaluate
    from pawsight.jobs.inspect import InspectReport, inspect
    from pawsight.jobs.ladder import LadderOutcome, ladder
    from pawsight.jobs.preview import PreviewReport, preview
    from pawsight.jobs.report import report
    from pawsight.jobs.train import train
    from pawsight.jobs.train_report import TrainReport
    from pawsight.models.recipe import Recipe

_HOMES = {
    "EvaluateReport": ("pawsight.jobs.evaluate", "EvaluateReport"),
    "InspectReport": ("pawsight.jobs.inspect", "InspectReport"),
    "LadderOutcome": ("pawsight.jobs.ladder", "LadderOutcome"),
    "LadderReport": ("pawsight.evaluation.ladder_report", "LadderReport"),
    "PawsightError": ("pawsight.errors", "PawsightError"),
    "Prediction": ("pawsight.inference", "Prediction"),
    "Predictor": ("pawsight.inference", "Predictor"),
    "PreviewReport": ("pawsight.jobs.preview", "PreviewReport"),
    "Recipe": ("pawsight.models.recipe", "Recipe"),
    "TrainReport": ("pawsight.jobs.train_report", "TrainReport"),
    "evaluate": ("pawsight.jobs.evaluate", "evaluate"),
    "inspect": ("pawsight.jobs.inspect", "inspect"),
    "ladder": ("pawsight.jobs.ladder", "ladder"),
    "load": ("pawsight.inference", "load_predictor"),
    "preview": ("pawsight.jobs.preview", "preview"),
    "report": ("pawsight.jobs.report", "report"),
    "train": ("pawsight.jobs.train", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pawsight' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
