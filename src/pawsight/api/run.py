"""A finished training run, as a Python program holds it: figures, findings, answers, plots, and the classifier.

What the folder of a run holds is read in reports/run_record.py; how a notebook shows it is in reports/notebook.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pawsight.api.classifier import Classifier, load
from pawsight.api.predictions import frame
from pawsight.core.errors import WrongUsage
from pawsight.core.runs import Epoch
from pawsight.core.storage import as_path
from pawsight.core.text import plural
from pawsight.data.audit import Findings
from pawsight.data.split import Split
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.cross_validation import CrossValidation
from pawsight.evaluation.metrics import Metrics
from pawsight.evaluation.several_labels import SeveralLabelsMetrics
from pawsight.reports.growth import GrowthRecord
from pawsight.reports.run_record import AnswerTable, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Subset = Literal["validation", "test"]
_SHOWN = 10  # answers in a notebook
_DPI = 80  # of plots, which a notebook keeps as PNG


class Run:
    """A finished training run. `pawsight.train` returns it, `pawsight.open_run` opens it again.

    Wherever the path of a run is taken, the run itself is too.

    Attributes:
        path: the folder of the run.
        recipe: its name.
        classes: names of the classes, in the order of the probabilities.
        validation, test: the metrics on the two subsets; None where one has no pictures or was not measured, or where
            a picture may have several labels.
        several_labels: then the metrics of each subset that was measured, by its name.

    Examples:
        >>> run = pawsight.train("photos/")
        >>> run.validation.accuracy > run.validation.baseline
        True
        >>> run.classifier.predict("cat.jpg")
        array(['cats'], dtype=object)
    """

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self.path = record.folder
        self.recipe = record.recipe
        self.classes = record.classes
        self.validation: Metrics | None = record.validation
        self.cross_validation: CrossValidation | None = record.cross_validation
        self.test: Metrics | None = record.test
        self.several_labels: Mapping[str, SeveralLabelsMetrics] = record.several_labels

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier, opened and checked when it is first asked for.

        Raises:
            BundleRefused: it is broken or altered, or computes other probabilities than when it was made.
        """
        return load(self.path)

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs of the training; none for recipes that do not train by gradients."""
        return self._record.history

    @property
    def growth(self) -> GrowthRecord | None:
        """What the run grew by, and what it gained and forgot; None where it was not trained with `from_run`."""
        return self._record.growth

    @property
    def findings(self) -> Findings:
        """What the audit of the data found, the most severe first."""
        return self._record.findings or Findings()

    @cached_property
    def split(self) -> Split:
        """Which picture lies in which subset."""
        return Split(self._record.split, self._record.how)

    @cached_property
    def predictions(self) -> RunPredictions:
        """The answers to the pictures of validation and test that the run was measured on.

        With `folds`, those to training pictures by classifiers that were not fitted to them.
        """
        return RunPredictions(self._record)

    def report(self, *, out: str | os.PathLike[str] | None = None, quick: bool = False, **options: Any) -> Path:
        """Write the report of the run, as `pawsight.report` does, and return the path of its page.

        Args:
            out: folder for report.html, report.md and report.json; None for the run's own.
            quick: leave out what takes some seconds to compute.
            options: others of `pawsight.report`.

        Raises:
            PawsightError: the disk refused.
        """
        from pawsight.commands.report import report

        return report([self.path], out=out, quick=quick, **options).report

    def plot_confusion(self, *, subset: Subset = "validation", ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix: rows are the truth.

        Args:
            subset: "validation" or "test".
            ax: axes to draw on; None for those of a new figure of pyplot.

        Raises:
            WrongUsage: the subset was not measured.
        """
        from pawsight.reports.confusion_matrix import draw_confusion, side_of

        metrics = self._metrics(subset)
        axes = _axes(ax, side_of(len(self.classes)), side_of(len(self.classes)))
        draw_confusion(axes, metrics.confusion, self.classes)
        return axes

    def plot_history(self, *, figure: Literal["accuracy", "loss"] = "accuracy", ax: Axes | None = None) -> Axes:
        """Draw accuracy or loss against epoch.

        Args:
            figure: "accuracy" or "loss".
            ax: axes to draw on; None for those of a new figure of pyplot.

        Raises:
            WrongUsage: the recipe has no epochs.
        """
        from pawsight.reports.charts import draw_accuracy, draw_loss

        if not self.history:
            raise WrongUsage(
                f"The run {self._record.shown} has no history.",
                f"The recipe {self._record.recipe} does not train by epochs.",
                "To see how it answers, type run.plot_confusion() or run.plot_reliability()",
            )
        axes = _axes(ax, 4.6, 3.2)
        if figure == "accuracy":
            draw_accuracy(axes, self.history, self._record.baseline)
        else:
            draw_loss(axes, self.history, len(self.classes))
        axes.legend()
        return axes

    def plot_reliability(self, *, subset: Subset = "validation", ax: Axes | None = None) -> Axes:
        """Draw the share of right answers against their confidence, with 95 % intervals.

        Args:
            subset: "validation" or "test".
            ax: axes to draw on; None for those of a new figure of pyplot.

        Raises:
            WrongUsage: the subset was not measured.
        """
        from pawsight.evaluation.calibration import reliability
        from pawsight.reports.charts import draw_reliability

        self._metrics(subset)
        table = self._record.answer_table(subset)
        axes = _axes(ax, 3.4, 2.7)
        draw_reliability(axes, (), reliability(table.true, table.probabilities, groups=table.groups))
        axes.legend(["perfectly calibrated", "answers"], frameon=False)
        return axes

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `pawsight train --json` prints them."""
        return self._record.to_json()

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return repr(self._record)

    def _repr_html_(self) -> str:
        from pawsight.reports.notebook import run_html

        return run_html(self._record)

    def _metrics(self, subset: str) -> Metrics:
        if self.several_labels:
            raise WrongUsage(
                f"The run {self._record.shown} has no such figure.",
                "Its pictures may have several labels, and this is drawn for one class a picture.",
                "Its figures are in run.several_labels, and on the page of run.report()",
            )
        known = {"validation": self.validation, "test": self.test}
        metrics = known.get(subset)
        if metrics is None:
            measured = [name for name, value in known.items() if value is not None]
            raise WrongUsage(
                f"The run {self._record.shown} has no figures of {subset!r}.",
                f"It was measured on {' and '.join(measured) or 'nothing'}.",
                f"Type for example subset={measured[0]!r}" if measured else "Train with validation pictures.",
            )
        return metrics


class RunPredictions(Sequence[Answer]):
    """Answers of a run to the pictures that it was measured on, in the order of the split.

    Args:
        record: of the run.
        rows: (M,) which of the answers; None for all of them.
    """

    def __init__(self, record: RunRecord, rows: Sequence[int] | None = None) -> None:
        self._record, self._subset_rows = record, rows

    @cached_property
    def _tables(self) -> Mapping[str, AnswerTable]:
        return {subset: self._record.answer_table(subset) for subset in ("train", "validation", "test")}

    @cached_property
    def _rows(self) -> list[tuple[str, Answer, NDArray[np.float32]]]:
        """The subset, the answer and the probabilities (C,) of each picture."""
        rows = [
            (subset, answer, probabilities)
            for subset, table in self._tables.items()
            for answer, probabilities in zip(table.answered, table.probabilities, strict=True)
        ]
        return rows if self._subset_rows is None else [rows[index] for index in self._subset_rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        chosen = self._rows[index]
        return [answer for _, answer, _ in chosen] if isinstance(index, slice) else chosen[1]

    @property
    def mistakes(self) -> RunPredictions:
        """The wrong answers, the most confident first."""
        wrong = [index for index, answer in enumerate(self) if not answer.is_right]
        given = range(len(self)) if self._subset_rows is None else self._subset_rows
        return RunPredictions(
            self._record, [given[index] for index in sorted(wrong, key=lambda index: -self[index].probability)]
        )

    def to_frame(self) -> Any:
        """Return a DataFrame of pandas, or of polars where that alone is installed, with one row a picture.

        Its columns are path, part, label, predicted, probability, right, and `p(NAME)` for each class.

        Raises:
            MissingExtra: neither is installed.
        """
        columns: dict[str, Any] = {
            "path": [answer.path for answer in self],
            "part": [subset for subset, _, _ in self._rows],
            "label": [answer.label for answer in self],
            "predicted": [answer.predicted for answer in self],
            "probability": [answer.probability for answer in self],
            "right": [answer.is_right for answer in self],
        }
        for index, name in enumerate(self._record.classes):
            columns[f"p({name})"] = [float(probabilities[index]) for _, _, probabilities in self._rows]
        return frame(columns)

    def __repr__(self) -> str:
        return f"RunPredictions({self._counted()})"

    def _repr_html_(self) -> str:
        from pawsight.reports.notebook import answers_html

        first = [answer for answer in self if not answer.is_right][:_SHOWN] + list(self[:_SHOWN])
        return answers_html(self._counted(), list(dict.fromkeys(first)), self._record)

    def _counted(self) -> str:
        wrong = sum(not answer.is_right for answer in self)
        return f"{plural(len(self), 'answer')}, {wrong:,} wrong"


def open_run(run: str | os.PathLike[str]) -> Run:
    """Open a finished run.

    Args:
        run: its folder, e.g. "runs/latest".

    Raises:
        WrongUsage: the folder holds no finished run, or one of a later version of Pawsight.
    """
    return Run(RunRecord.read(as_path(run)))


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on, else those of a new figure, which a notebook shows."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained", dpi=_DPI)[1]
