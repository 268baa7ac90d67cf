"""Pawsight: from folders of photographs to a classifier you can trust, on the machine you have.

    import pawsight
    report = pawsight.train("photos/")
    answers = pawsight.load(report.run).predict(["cat.jpg"])

Enters: what the caller names. Leaves: the public names below; each is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = [
    "CompareReport",
    "EvaluateReport",
    "Explained",
    "ExportReport",
    "InspectReport",
    "LadderOutcome",
    "LadderReport",
    "PawsightError",
    "Prediction",
    "Predictor",
    "PreviewReport",
    "Recipe",
    "ReviewReport",
    "TrainReport",
    "compare",
    "evaluate",
    "explain",
    "export",
    "inspect",
    "ladder",
    "load",
    "preview",
    "report",
    "review",
    "train",
]

if TYPE_CHECKING:
    from pawsight.classifier.predictor import Prediction, Predictor
    from pawsight.classifier.predictor import load_predictor as load
    from pawsight.commands.compare import CompareReport, compare
    from pawsight.commands.evaluate import EvaluateReport, evaluate
    from pawsight.commands.explain import Explained, explain
    from pawsight.commands.export import ExportReport, export
    from pawsight.commands.inspect import InspectReport, inspect
    from pawsight.commands.ladder import LadderOutcome, ladder
    from pawsight.commands.preview import PreviewReport, preview
    from pawsight.commands.report import report
    from pawsight.commands.review import ReviewReport, review
    from pawsight.commands.train import train
    from pawsight.commands.train_report import TrainReport
    from pawsight.core.errors import PawsightError
    from pawsight.models.recipes import Recipe
    from pawsight.reports.ladder_report import LadderReport

_HOMES = {
    "CompareReport": ("pawsight.commands.compare", "CompareReport"),
    "EvaluateReport": ("pawsight.commands.evaluate", "EvaluateReport"),
    "Explained": ("pawsight.commands.explain", "Explained"),
    "ExportReport": ("pawsight.commands.export", "ExportReport"),
    "InspectReport": ("pawsight.commands.inspect", "InspectReport"),
    "LadderOutcome": ("pawsight.commands.ladder", "LadderOutcome"),
    "LadderReport": ("pawsight.reports.ladder_report", "LadderReport"),
    "PawsightError": ("pawsight.core.errors", "PawsightError"),
    "Prediction": ("pawsight.classifier.predictor", "Prediction"),
    "Predictor": ("pawsight.classifier.predictor", "Predictor"),
    "PreviewReport": ("pawsight.commands.preview", "PreviewReport"),
    "Recipe": ("pawsight.models.recipes", "Recipe"),
    "ReviewReport": ("pawsight.commands.review", "ReviewReport"),
    "TrainReport": ("pawsight.commands.train_report", "TrainReport"),
    "compare": ("pawsight.commands.compare", "compare"),
    "evaluate": ("pawsight.commands.evaluate", "evaluate"),
    "explain": ("pawsight.commands.explain", "explain"),
    "export": ("pawsight.commands.export", "export"),
    "inspect": ("pawsight.commands.inspect", "inspect"),
    "ladder": ("pawsight.commands.ladder", "ladder"),
    "load": ("pawsight.classifier.predictor", "load_predictor"),
    "preview": ("pawsight.commands.preview", "preview"),
    "report": ("pawsight.commands.report", "report"),
    "review": ("pawsight.commands.review", "review"),
    "train": ("pawsight.commands.train", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pawsight' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
