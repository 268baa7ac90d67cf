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
    from pawsight.core.errors import PawsightError
    from pawsight.jobs.compare import CompareReport, compare
    from pawsight.jobs.evaluate import EvaluateReport, evaluate
    from pawsight.jobs.explain import Explained, explain
    from pawsight.jobs.export import ExportReport, export
    from pawsight.jobs.inspect import InspectReport, inspect
    from pawsight.jobs.ladder import LadderOutcome, ladder
    from pawsight.jobs.preview import PreviewReport, preview
    from pawsight.jobs.report import report
    from pawsight.jobs.review import ReviewReport, review
    from pawsight.jobs.train import train
    from pawsight.jobs.train_report import TrainReport
    from pawsight.models.recipe import Recipe
    from pawsight.reports.ladder_report import LadderReport

_HOMES = {
    "CompareReport": ("pawsight.jobs.compare", "CompareReport"),
    "EvaluateReport": ("pawsight.jobs.evaluate", "EvaluateReport"),
    "Explained": ("pawsight.jobs.explain", "Explained"),
    "ExportReport": ("pawsight.jobs.export", "ExportReport"),
    "InspectReport": ("pawsight.jobs.inspect", "InspectReport"),
    "LadderOutcome": ("pawsight.jobs.ladder", "LadderOutcome"),
    "LadderReport": ("pawsight.reports.ladder_report", "LadderReport"),
    "PawsightError": ("pawsight.core.errors", "PawsightError"),
    "Prediction": ("pawsight.classifier.predictor", "Prediction"),
    "Predictor": ("pawsight.classifier.predictor", "Predictor"),
    "PreviewReport": ("pawsight.jobs.preview", "PreviewReport"),
    "Recipe": ("pawsight.models.recipe", "Recipe"),
    "ReviewReport": ("pawsight.jobs.review", "ReviewReport"),
    "TrainReport": ("pawsight.jobs.train_report", "TrainReport"),
    "compare": ("pawsight.jobs.compare", "compare"),
    "evaluate": ("pawsight.jobs.evaluate", "evaluate"),
    "explain": ("pawsight.jobs.explain", "explain"),
    "export": ("pawsight.jobs.export", "export"),
    "inspect": ("pawsight.jobs.inspect", "inspect"),
    "ladder": ("pawsight.jobs.ladder", "ladder"),
    "load": ("pawsight.classifier.predictor", "load_predictor"),
    "preview": ("pawsight.jobs.preview", "preview"),
    "report": ("pawsight.jobs.report", "report"),
    "review": ("pawsight.jobs.review", "review"),
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
