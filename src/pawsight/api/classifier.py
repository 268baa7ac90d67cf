"""A trained classifier, as a Python program holds it; which pictures it takes is in inputs.py."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pawsight.api.inputs import InputPicture, Pictures, read_pictures
from pawsight.classifier.engine import Outputs
from pawsight.classifier.predictor import Prediction, Predictor, load_predictor
from pawsight.classifier.trust import UNFAMILIAR
from pawsight.core.errors import UnreadablePicture, WrongUsage
from pawsight.core.text import plural
from pawsight.models.graph import FEATURES, PROBABILITIES

if TYPE_CHECKING:
    from pawsight.commands.evaluate import EvaluateReport
    from pawsight.commands.export import ExportReport

Errors = Literal["keep", "raise"]
_log = logging.getLogger("pawsight")
_NAMED = 8  # classes in a repr


class Classifier:
    """A trained classifier: pictures in, names, probabilities and decisions out. `pawsight.load` opens one.

    `X` is one picture or several: paths, folders, patterns, addresses, bytes, file objects, PIL images, arrays (H, W),
    (H, W, 3) or (N, H, W, 3) of uint8 or of floats from 0 to 1, in RGB, tensors, and tables with a column of any of
    these. A picture that cannot be read has an error in its place: None as its label, NaN as its numbers. With
    `errors="raise"` it raises `UnreadablePicture`.

    One classifier serves any number of threads.

    Attributes:
        classes_: (C,) names of the classes, in the order of the probabilities.
        path: the run or bundle folder it was loaded from.

    Examples:
        >>> classifier = pawsight.load("runs/latest")
        >>> classifier.predict("cat.jpg")
        array(['cats'], dtype=object)
        >>> classifier.predict_proba("cat.jpg").shape
        (1, 2)
    """

    def __init__(self, predictor: Predictor, path: Path, *, max_megapixels: int | None = None) -> None:
        self._predictor = predictor
        self._max_megapixels = max_megapixels
        self.path = path
        self.classes_: NDArray[np.object_] = np.array(predictor.classes, dtype=object)

    def predict(self, X: Pictures, *, errors: Errors = "keep") -> NDArray[np.object_]:  # noqa: N803
        """Classify pictures.

        Returns:
            (N,) the name of a class for each; `unsure` or `unfamiliar` where the classifier does not answer; None for
            a picture that cannot be read.

        Raises:
            WrongUsage: something in X is no picture. NoPictures: a folder or a pattern has none.
            UnreadablePicture: one cannot be read, with `errors="raise"`.
        """
        labels = [_label(answer) for answer in self.stream(X, errors=errors)]
        return np.array([*labels, None], dtype=object)[:-1]  # with None, or NumPy would look into what is alike

    def predict_proba(self, X: Pictures, *, errors: Errors = "keep") -> NDArray[np.float32]:  # noqa: N803
        """Return the calibrated probabilities (N, C) of all classes; a row of NaN for a picture that cannot be read.

        Raises:
            As `predict`.
        """
        return self._table(X, PROBABILITIES, len(self.classes_), errors)

    def answers(self, X: Pictures, *, errors: Errors = "keep") -> list[Prediction]:  # noqa: N803
        """Return all that is known of each picture: label, probabilities, decision, error.

        A `Prediction` has the picture's path or address; `[3]` is the one at index 3 of the answers, where it is in
        memory.

        Raises:
            As `predict`.
        """
        return list(self.stream(X, errors=errors))

    def stream(self, X: Pictures, *, errors: Errors = "keep") -> Iterator[Prediction]:  # noqa: N803
        """Answer any number of pictures in order and in constant memory; X may be an iterator.

        Raises:
            As `predict`: at once, and for the items of an iterator when they are reached.
        """
        answered = self._outputs(X, errors)
        return (self._predictor.prediction(read.name, outputs, problem=read.problem) for read, outputs in answered)

    def score(self, X: Pictures, y: Iterable[str], *, errors: Errors = "keep") -> float:  # noqa: N803
        """Return the share of pictures whose likeliest class is the one in y, as `evaluate` counts it.

        A picture that is not answered counts by its likeliest class, one that cannot be read as wrong. For intervals,
        calibration and what must not be measured twice there is `evaluate`.

        Args:
            X: N pictures, at least one.
            y: (N,) names of classes.
            errors: as for `predict`.

        Raises:
            WrongUsage: y has another length than X, or names an unknown class.
        """
        true, known = [str(label) for label in y], set(self.classes_)
        if unknown := sorted(set(true) - known):
            raise WrongUsage(
                f"y names classes that the classifier does not know: {', '.join(map(repr, unknown[:5]))}.",
                f"It knows {', '.join(map(repr, self.classes_[:20]))}.",
            )
        likeliest = [
            None if answer.probabilities is None else max(answer.probabilities.items(), key=lambda pair: pair[1])[0]
            for answer in self.stream(X, errors=errors)
        ]
        if len(likeliest) != len(true) or not true:
            raise WrongUsage(f"X has {plural(len(likeliest), 'picture')} and y has {plural(len(true), 'label')}.")
        return float(np.mean([label == answer for label, answer in zip(true, likeliest, strict=True)]))

    def embed(self, X: Pictures, *, errors: Errors = "keep") -> NDArray[np.float32]:  # noqa: N803
        """Return the features (N, D) that the classifier decides by; a row of NaN for a picture that cannot be read.

        Raises:
            As `predict`.
        """
        return self._table(X, FEATURES, self._predictor.features, errors)

    def evaluate(self, data: str | os.PathLike[str] | None = None, **options: Any) -> EvaluateReport:
        """Measure the classifier on labelled pictures, as `pawsight.evaluate` does with the same options."""
        from pawsight.commands.evaluate import evaluate

        return evaluate(self.path, data, **{"max_megapixels": self._max_megapixels, **options})

    def export(self, to: str | Sequence[str], **options: Any) -> ExportReport:
        """Write the classifier in other formats, as `pawsight.export` does with the same options."""
        from pawsight.commands.export import export

        return export(self.path, to, **options)

    def serve(self, **options: Any) -> None:
        """Serve the classifier over HTTP until SIGTERM or SIGINT, as `pawsight serve` does with the same options."""
        from pawsight.commands.serve import serve

        serve(self.path, **options)

    def close(self) -> None:
        """Let go of the network's memory; nothing can be predicted afterwards."""
        del self._predictor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by folder: what opens it opens the bundle there, with its checks."""
        return _reopen, (os.fspath(self.path.absolute()), self._max_megapixels)

    def __repr__(self) -> str:
        names = ", ".join(self.classes_[:_NAMED]) + (", ..." if len(self.classes_) > _NAMED else "")
        return f"Classifier({os.fspath(self.path)!r}, {plural(len(self.classes_), 'class', 'classes')}: {names})"

    def _table(self, X: Pictures, output: str, width: int, errors: Errors) -> NDArray[np.float32]:  # noqa: N803
        rows = [None if outputs is None else outputs[output] for _, outputs in self._outputs(X, errors)]
        table = np.full((len(rows), width), np.nan, np.float32)
        for index, row in enumerate(rows):
            if row is not None:
                table[index] = row
        return table

    def _outputs(self, X: Pictures, errors: Errors) -> Iterator[tuple[InputPicture, Outputs | None]]:  # noqa: N803
        """Check X now, and compute the outputs of its pictures when they are asked for."""
        if errors not in ("keep", "raise"):
            raise WrongUsage(f"errors cannot be {errors!r}.", "", 'It is "keep" or "raise".')
        predictor = self._predictor
        pictures = read_pictures(X, predictor.bundle.card.decode, threads=predictor.threads)
        return self._computed(predictor, pictures, errors)

    @staticmethod
    def _computed(
        predictor: Predictor, pictures: Iterator[InputPicture], errors: Errors
    ) -> Iterator[tuple[InputPicture, Outputs | None]]:
        count, problems = 0, []
        for picture, outputs in predictor.outputs_of(pictures):
            count += 1
            if outputs is None:
                if errors == "raise":
                    raise UnreadablePicture(f"Could not read {picture.name} as a picture.", picture.problem)
                problems.append(picture.name)
                _log.debug("%s could not be read: %s", picture.name, picture.problem)
            yield picture, outputs
        if problems:
            _log.warning("%d of %d pictures could not be read; the first is %s", len(problems), count, problems[0])


def _label(answer: Prediction) -> str | None:
    """Return the label as `predict` gives it: files say `unlike anything seen` where it says `unfamiliar`."""
    return "unfamiliar" if answer.decision == UNFAMILIAR else answer.label


def load(run: str | os.PathLike[str], *, max_megapixels: int | None = None) -> Classifier:
    """Open a run or bundle folder, check every file against its digest, and run its self-test on this machine.

    Args:
        run: the folder. Load once and keep the classifier.
        max_megapixels: width x height of a picture, in millions; larger ones are not read. None is the bundle's limit.

    Raises:
        WrongUsage: it is no run or bundle.
        BundleRefused: it is broken or altered, or computes other probabilities than when it was made.
    """
    return Classifier(load_predictor(run, max_megapixels=max_megapixels), Path(run), max_megapixels=max_megapixels)


def _reopen(path: str, max_megapixels: int | None) -> Classifier:
    return load(path, max_megapixels=max_megapixels)
