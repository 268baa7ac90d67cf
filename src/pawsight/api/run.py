"""A finished training run, as a Python program holds it: figures, findings, answers, plots, and the classifier.

What the folder of a run holds is read in reports/run_record.py; how a notebook shows it is in reports/notebook.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pawsight.api.classifier import Classifier, load
from pawsight.core.errors import MissingExtra, WrongUsage
from pawsight.core.runs import Epoch
from pawsight.core.text import html_table, plural
from pawsight.data.audit import Findings
from pawsight.data.split import Split
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.metrics import Metrics
from pawsight.reports.run_record import AnswerTable, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Subset = Literal["validation", "test"]
_SHOWN = 20  # answers in a notebook's table


class Run:
    """A finished training run. `pawsight.train` returns it, `pawsight.open_run` opens it again.

    Wherever the path of a run is taken, the run itself is too.

    Attributes:
        path: the folder of the run.
        classes: names of the classes, in the order of the probabilities.
        validation, test: the metrics on the two subsets; None where one has no pictures or was not measured.

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
        self.classes = record.classes
        self.validation: Metrics | None = record.validation
        self.test: Metrics | None = record.test

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
    def findings(self) -> Findings:
        """What the audit of the data found, the most severe first."""
        return self._record.findings or Findings()

    @cached_property
    def split(self) -> Split:
        """Which picture lies in which subset."""
        return Split(self._record.split, self._record.how)

    @cached_property
    def predictions(self) -> RunPredictions:
        """The answers to the pictures of validation and test that the run was measured on."""
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
        axes = _axes(ax, 4.2, 3.8)
        draw_reliability(axes, (), reliability(table.true, table.probabilities))
        axes.legend()
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
    """The answers of a run to the pictures of validation and test, in the order of the split."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record

    @cached_property
    def _tables(self) -> Mapping[str, AnswerTable]:
        return {subset: self._record.answer_table(subset) for subset in ("validation", "test")}

    @cached_property
    def _answers(self) -> tuple[Answer, ...]:
        return tuple(answer for table in self._tables.values() for answer in table.answered)

    def __len__(self) -> int:
        return len(self._answers)

    def __getitem__(self, index: Any) -> Any:
        return self._answers[index]

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._answers)

    @property
    def mistakes(self) -> tuple[Answer, ...]:
        """The wrong answers, the most confident first."""
        return tuple(
            sorted((answer for answer in self._answers if not answer.is_right), key=lambda answer: -answer.probability)
        )

    def to_frame(self) -> Any:
        """Return a DataFrame of pandas, or of polars where that alone is installed, with one row a picture.

        Its columns are path, part, label, predicted, probability, right, and `p(NAME)` for each class.

        Raises:
            MissingExtra: neither is installed.
        """
        parts = [subset for subset, table in self._tables.items() for _ in table.answered]
        columns: dict[str, Any] = {
            "path": [answer.path for answer in self],
            "part": parts,
            "label": [answer.label for answer in self],
            "predicted": [answer.predicted for answer in self],
            "probability": [answer.probability for answer in self],
            "right": [answer.is_right for answer in self],
        }
        for index, name in enumerate(self._record.classes):
            values = [float(value) for table in self._tables.values() for value in table.probabilities[:, index]]
            columns[f"p({name})"] = values
        return frame(columns)

    def __repr__(self) -> str:
        return f"RunPredictions({plural(len(self), 'answer')}, {len(self.mistakes):,} wrong)"

    def _repr_html_(self) -> str:
        first = [*self.mistakes, *(answer for answer in self if answer.is_right)][:_SHOWN]
        rows = [[answer.path, answer.label, answer.predicted, answer.probability] for answer in first]
        caption = f"{plural(len(self), 'answer')}, {len(self.mistakes):,} wrong; wrong ones first"
        return html_table(["path", "label", "predicted", "probability"], rows, caption=caption)


def open_run(run: str | os.PathLike[str]) -> Run:
    """Open a finished run.

    Args:
        run: its folder, e.g. "runs/latest".

    Raises:
        WrongUsage: the folder holds no finished run, or one of a later version of Pawsight.
    """
    return Run(RunRecord.read(Path(run)))


def frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return a DataFrame of pandas, or of polars where that alone is installed.

    Raises:
        MissingExtra: neither is installed.
    """
    for library in ("pandas", "polars"):
        with suppress(ImportError):
            return import_module(library).DataFrame(columns)
    raise MissingExtra(
        "There is no library for tables here.",
        "to_frame() makes a DataFrame of pandas or polars, and neither is installed.",
        "Type: pip install pandas",
    )


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on, else those of a new figure, which a notebook shows."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]
