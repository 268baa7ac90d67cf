"""Pawsight: from folders of photographs to a classifier you can trust, on the machine you have.

    import pawsight
    report = pawsight.train("photos/")
    labels = pawsight.load(report.run).predict(["cat.jpg"])

The public names are below; each is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = [
    "Classifier",
    "CompareReport",
    "EmbedReport",
    "EvaluateReport",
    "Explained",
    "ExportReport",
    "InspectReport",
    "LadderOutcome",
    "LadderReport",
    "PawsightError",
    "Prediction",
    "PreviewReport",
    "Recipe",
    "ReviewReport",
    "TrainReport",
    "compare",
    "embed",
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
    from pawsight.api.classifier import Classifier, load
    from pawsight.classifier.predictor import Prediction
    from pawsight.commands.compare import CompareReport, compare
    from pawsight.commands.embed import EmbedReport, embed
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

_NAMES = {  # module -> public names that it defines
    "pawsight.api.classifier": ("Classifier", "load"),
    "pawsight.classifier.predictor": ("Prediction",),
    "pawsight.commands.compare": ("CompareReport", "compare"),
    "pawsight.commands.embed": ("EmbedReport", "embed"),
    "pawsight.commands.evaluate": ("EvaluateReport", "evaluate"),
    "pawsight.commands.explain": ("Explained", "explain"),
    "pawsight.commands.export": ("ExportReport", "export"),
    "pawsight.commands.inspect": ("InspectReport", "inspect"),
    "pawsight.commands.ladder": ("LadderOutcome", "ladder"),
    "pawsight.commands.preview": ("PreviewReport", "preview"),
    "pawsight.commands.report": ("report",),
    "pawsight.commands.review": ("ReviewReport", "review"),
    "pawsight.commands.train": ("train",),
    "pawsight.commands.train_report": ("TrainReport",),
    "pawsight.core.errors": ("PawsightError",),
    "pawsight.models.recipes": ("Recipe",),
    "pawsight.reports.ladder_report": ("LadderReport",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'pawsight' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
