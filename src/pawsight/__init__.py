"""Pawsight: from folders of photographs to a classifier you can trust, on the machine you have.

    import pawsight
    run = pawsight.train("photos/")
    labels = run.classifier.predict(["cat.jpg"])

The public names are below; each is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
_NAMES = {  # module -> public names that it defines
    "pawsight.api.classifier": ("Classifier", "load"),
    "pawsight.api.dataset": ("Dataset",),
    "pawsight.api.predictions": ("Explanation", "Predictions"),
    "pawsight.api.run": ("Run", "open_run"),
    "pawsight.api.train": ("train",),
    "pawsight.classifier.predictor": ("Prediction",),
    "pawsight.commands.compare": ("CompareReport", "compare"),
    "pawsight.commands.embed": ("EmbedReport", "embed"),
    "pawsight.commands.evaluate": ("EvaluateReport", "evaluate"),
    "pawsight.commands.explain": ("Explained", "explain"),
    "pawsight.commands.export": ("ExportReport", "export"),
    "pawsight.commands.inspect": ("InspectReport", "inspect"),
    "pawsight.commands.label": ("LabelReport", "label"),
    "pawsight.commands.ladder": ("LadderOutcome", "ladder"),
    "pawsight.commands.preview": ("PreviewReport", "preview"),
    "pawsight.commands.report": ("report",),
    "pawsight.commands.review": ("ReviewReport", "review"),
    "pawsight.commands.train_options": ("TrainOptions",),
    "pawsight.core.errors": ("PawsightError",),
    "pawsight.data.reading": ("FolderReading",),
    "pawsight.evaluation.deployment": ("Deployment",),
    "pawsight.explanation.heatmap": ("HeatMap",),
    "pawsight.models.recipes": ("Recipe",),
    "pawsight.reports.ladder_report": ("LadderReport",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_MODULES)  # noqa: PLE0605 - of the one list above

if TYPE_CHECKING:  # the same names for type checkers, which run nothing
    from pawsight.api.classifier import Classifier as Classifier
    from pawsight.api.classifier import load as load
    from pawsight.api.dataset import Dataset as Dataset
    from pawsight.api.predictions import Explanation as Explanation
    from pawsight.api.predictions import Predictions as Predictions
    from pawsight.api.run import Run as Run
    from pawsight.api.run import open_run as open_run
    from pawsight.api.train import train as train
    from pawsight.classifier.predictor import Prediction as Prediction
    from pawsight.commands.compare import CompareReport as CompareReport
    from pawsight.commands.compare import compare as compare
    from pawsight.commands.embed import EmbedReport as EmbedReport
    from pawsight.commands.embed import embed as embed
    from pawsight.commands.evaluate import EvaluateReport as EvaluateReport
    from pawsight.commands.evaluate import evaluate as evaluate
    from pawsight.commands.explain import Explained as Explained
    from pawsight.commands.explain import explain as explain
    from pawsight.commands.export import ExportReport as ExportReport
    from pawsight.commands.export import export as export
    from pawsight.commands.inspect import InspectReport as InspectReport
    from pawsight.commands.inspect import inspect as inspect
    from pawsight.commands.label import LabelReport as LabelReport
    from pawsight.commands.label import label as label
    from pawsight.commands.ladder import LadderOutcome as LadderOutcome
    from pawsight.commands.ladder import ladder as ladder
    from pawsight.commands.preview import PreviewReport as PreviewReport
    from pawsight.commands.preview import preview as preview
    from pawsight.commands.report import report as report
    from pawsight.commands.review import ReviewReport as ReviewReport
    from pawsight.commands.review import review as review
    from pawsight.commands.train_options import TrainOptions as TrainOptions
    from pawsight.core.errors import PawsightError as PawsightError
    from pawsight.data.reading import FolderReading as FolderReading
    from pawsight.evaluation.deployment import Deployment as Deployment
    from pawsight.explanation.heatmap import HeatMap as HeatMap
    from pawsight.models.recipes import Recipe as Recipe
    from pawsight.reports.ladder_report import LadderReport as LadderReport


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'pawsight' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
