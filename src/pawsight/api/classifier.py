"""A trained classifier, as a Python program holds it; which pictures it takes is in inputs.py."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pawsight.api.dataset import as_data, label_sets_of, labels_of
from pawsight.api.inputs import InputPicture, Pictures, read_pictures
from pawsight.api.predictions import SHOWN, Explanation, Predictions
from pawsight.classifier.engine import Outputs
from pawsight.classifier.predictor import Prediction, Predictor, answer_texts, load_predictor
from pawsight.core.errors import UnreadablePicture, WrongUsage
from pawsight.core.machine import CPU, Device
from pawsight.core.progress import progress_of
from pawsight.core.storage import as_path
from pawsight.core.text import plural
from pawsight.data.label_sets import labels_in
from pawsight.images.decode import Decoded
from pawsight.models.graph import FEATURES, PROBABILITIES

if TYPE_CHECKING:
    from pawsight.commands.evaluate import EvaluateReport
    from pawsight.commands.export import ExportReport
    from pawsight.evaluation.deployment import Deployment
    from pawsight.explanation.heatmap import Explainer, MethodChoice

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

    def __init__(self, predictor: Predictor, path: Path, **options: Any) -> None:
        self._opened: Predictor | None = predictor
        self._options = options  # that it was loaded with
        self.path = path
        self._folder = self.path.resolve()  # `latest` may lead to another run by the time of the next call
        self.classes_: NDArray[np.object_] = np.array(predictor.classes, dtype=object)

    def predict(self, X: Pictures, *, errors: Errors = "keep") -> NDArray[np.object_]:  # noqa: N803
        """Classify pictures.

        Returns:
            (N,) the name of a class for each; `unsure` or `unfamiliar` where the classifier does not answer; None for
            a picture that cannot be read. Of a classifier with several labels a set of names for each: those that the
            picture surely has, none where it is unfamiliar; `answers` has what is unsure.

        Raises:
            WrongUsage: something in X is no picture. NoPictures: a folder or a pattern has none.
            UnreadablePicture: one cannot be read, with `errors="raise"`.
        """
        labels = [
            answer.label if answer.labels is None else set(answer.labels) for answer in self.stream(X, errors=errors)
        ]
        return np.array([*labels, None], dtype=object)[:-1]  # with None, or NumPy would look into what is alike

    def predict_proba(self, X: Pictures, *, errors: Errors = "keep") -> NDArray[np.float32]:  # noqa: N803
        """Return the calibrated probabilities (N, C) of all classes; a row of NaN for a picture that cannot be read.

        Of several labels (N, L): each from 0 to 1, whatever the others are.

        Raises:
            As `predict`.
        """
        return self._table(X, PROBABILITIES, len(self.classes_), errors)

    def answers(self, X: Pictures, *, errors: Errors = "keep") -> Predictions:  # noqa: N803
        """Return a list with all that is known of each picture: label, probabilities, decision, error.

        A `Prediction` has the picture's path or address; `[3]` is the one at index 3 of the answers, where it is in
        memory. Notebooks show the list with pictures, and `to_frame()` makes it a table.

        Raises:
            As `predict`.
        """
        predictions: list[Prediction] = []
        shown: list[Decoded | None] = []
        for picture, outputs in self._outputs(X, errors):
            predictions.append(self._predictor.prediction(picture.name, outputs, problem=picture.problem))
            if len(shown) < SHOWN:
                shown.append(picture.decoded)
        return Predictions(predictions, shown)

    def stream(self, X: Pictures, *, errors: Errors = "keep") -> Iterator[Prediction]:  # noqa: N803
        """Answer any number of pictures in order and in constant memory; X may be an iterator.

        Raises:
            As `predict`: at once, and for the items of an iterator when they are reached.
        """
        predict, answered = self._predictor.prediction, self._outputs(X, errors)
        return (predict(picture.name, outputs, problem=picture.problem) for picture, outputs in answered)

    def score(self, X: Pictures, y: Iterable[str], *, errors: Errors = "keep") -> float:  # noqa: N803
        """Return the share of pictures whose likeliest class is the one in y, as `evaluate` counts it.

        A picture that is not answered counts by its likeliest class, one that cannot be read as wrong. Of several
        labels a picture is right where every label is, by the thresholds. For intervals, calibration and what must not
        be measured twice there is `evaluate`.

        Args:
            X: N pictures, at least one.
            y: (N,) names of classes; of several labels as for `train`, with columns in the order of `classes_`.
            errors: as for `predict`.

        Raises:
            WrongUsage: y has another length than X, or names an unknown class.
        """
        trust, known = self._predictor.bundle.card.trust, set(self.classes_)
        names = list(self.classes_)
        y = list(y) if isinstance(y, Iterator) else y
        true: list[Any] = (label_sets_of(y, names) or []) if trust.labels else labels_of(y)
        if unknown := sorted({name for names in true for name in (names if trust.labels else (names,))} - known):
            raise WrongUsage(
                f"y names classes that the classifier does not know: {', '.join(map(repr, unknown[:5]))}.",
                f"It knows {', '.join(map(repr, self.classes_[:20]))}.",
            )
        likeliest: list[Any]
        if trust.labels:
            table = self.predict_proba(X, errors=errors)
            texts = answer_texts(trust, table, names)
            likeliest = [
                None if np.isnan(row).any() else labels_in(text) for row, text in zip(table, texts, strict=True)
            ]
        else:
            likeliest = [
                None if answer.probabilities is None else max(answer.probabilities.items(), key=lambda pair: pair[1])[0]
                for answer in self.stream(X, errors=errors)
            ]
        if len(likeliest) != len(true) or not true:
            raise WrongUsage(f"X has {plural(len(likeliest), 'picture')} and y has {plural(len(true), 'label')}.")
        return float(np.mean([label == answer for label, answer in zip(true, likeliest, strict=True)]))

    def expect(self, X: Pictures, *, errors: Errors = "keep") -> Deployment | None:  # noqa: N803
        """Return how many answers to unlabelled pictures are likely right, and whether they look like training's.

        None where no picture can be read.

        Raises:
            WrongUsage: the run keeps nothing to compare pictures with. As `predict`.
        """
        from pawsight.evaluation.deployment import Window

        window = Window.of(self._predictor.bundle)
        for _, outputs in self._outputs(X, errors):
            if outputs is not None:
                window.add(outputs)
        return window.deployment()

    def embed(self, X: Pictures, *, errors: Errors = "keep") -> NDArray[np.float32]:  # noqa: N803
        """Return the features (N, D) that the classifier decides by; a row of NaN for a picture that cannot be read.

        Raises:
            As `predict`.
        """
        return self._table(X, FEATURES, self._predictor.features, errors)

    def explain(
        self,
        X: Pictures,  # noqa: N803
        *,
        label: str = "",
        method: MethodChoice = "auto",
        errors: Errors = "keep",
    ) -> list[Explanation]:
        """Return where in each picture the classifier sees a class, as a heat map.

        Args:
            X: pictures.
            label: the class to explain; empty for each picture's likeliest class.
            method: "cam", exact, for networks that end in an average and a linear layer; "occlusion" for any; "auto".
            errors: as for `predict`.

        Raises:
            WrongUsage: there is no such class or method, or the network does not allow the method.
            As `predict`.
        """
        self._explainer.check(label, method)
        return [self._explained(picture, label, method) for picture in self._pictures(X, errors)]

    def _explained(self, picture: InputPicture, label: str, method: MethodChoice) -> Explanation:
        if (decoded := picture.decoded) is None:
            return Explanation(picture.name, None, None, None, picture.problem, None)
        size = decoded.width, decoded.height
        heat, probability = self._explainer.answer(decoded.pixels, size=size, label=label, method=method)
        return Explanation(picture.name, heat.label, probability, heat, None, decoded.pixels)

    def evaluate(self, data: Any = None, y: Any = None, **options: Any) -> EvaluateReport:
        """Measure the classifier on labelled pictures, as `pawsight.evaluate` does with the same options.

        Args:
            data: labelled pictures of any form that `pawsight.train` takes; None for the run's own validation set.
            y: (N,) labels of pictures in memory.
            options: of `pawsight.evaluate`.

        Raises:
            PawsightError: data is none of these, or there is no picture that may be measured.
        """
        from pawsight.commands.evaluate import evaluate

        if data is not None:
            progress = progress_of(options.get("progress"))
            several = self._predictor.bundle.card.several_labels
            classes, columns = list(self.classes_) if several else None, options.get("columns")
            data, options["columns"] = as_data(data, y, columns=columns, classes=classes, progress=progress)
        own = {name: value for name, value in self._options.items() if name != "answer_all"}  # counts unanswered ones
        return evaluate(self._folder, data, **{**own, **options})

    def export(self, to: str | Sequence[str], **options: Any) -> ExportReport:
        """Write the classifier in other formats, as `pawsight.export` does with the same options.

        Args:
            to: one or several of the formats that `pawsight export --help` lists.
            options: keywords of `pawsight.export`.

        Raises:
            PawsightError: a format is not known or needs what is not installed, or an export answers differently.
        """
        from pawsight.commands.export import export

        return export(self._folder, to, **self._answering(), **options)

    def serve(self, **options: Any) -> None:
        """Serve the classifier over HTTP until SIGTERM or SIGINT, as `pawsight serve` does with the same options."""
        from pawsight.commands.serve import serve

        serve(self._folder, **self._answering(), **options)

    def close(self) -> None:
        """Let go of the network's memory; nothing can be predicted afterwards."""
        self._opened = None
        self.__dict__.pop("_explainer", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by folder: what opens it opens the bundle there, with its checks."""
        return partial(load, **self._options), (self._folder,)

    def __repr__(self) -> str:
        names = ", ".join(self.classes_[:_NAMED]) + (", ..." if len(self.classes_) > _NAMED else "")
        several = self._opened is not None and self._opened.bundle.card.several_labels
        kind = ("label", "labels") if several else ("class", "classes")
        return f"Classifier({os.fspath(self.path)!r}, {plural(len(self.classes_), *kind)}: {names})"

    def _answering(self) -> dict[str, Any]:
        """Return --answer-all as an option of other verbs, where the classifier was loaded with it."""
        return {"answer_all": True} if self._options.get("answer_all") else {}

    def _table(self, X: Pictures, output: str, width: int, errors: Errors) -> NDArray[np.float32]:  # noqa: N803
        rows = [None if outputs is None else outputs[output] for _, outputs in self._outputs(X, errors)]
        table = np.full((len(rows), width), np.nan, np.float32)
        for index, row in enumerate(rows):
            if row is not None:
                table[index] = row
        return table

    def _outputs(self, X: Pictures, errors: Errors) -> Iterator[tuple[InputPicture, Outputs | None]]:  # noqa: N803
        """Check X now, and compute the outputs of its pictures when they are asked for."""
        return self._predictor.outputs_of(self._pictures(X, errors))

    def _pictures(self, X: Pictures, errors: Errors) -> Iterator[InputPicture]:  # noqa: N803
        if errors not in ("keep", "raise"):
            raise WrongUsage(f"errors cannot be {errors!r}.", "", 'It is "keep" or "raise".')
        predictor = self._predictor
        pictures = read_pictures(X, predictor.bundle.card.decode, threads=predictor.threads)
        return _reported(pictures, errors)

    @property
    def _predictor(self) -> Predictor:
        if self._opened is None:
            raise WrongUsage("The classifier is closed.", "", f"Load it again: pawsight.load({os.fspath(self.path)!r})")
        return self._opened

    @cached_property
    def _explainer(self) -> Explainer:
        from pawsight.explanation.heatmap import Explainer

        return Explainer(self._predictor)


def _reported(pictures: Iterable[InputPicture], errors: Errors) -> Iterator[InputPicture]:
    """Raise or log what cannot be read.

    Raises:
        UnreadablePicture: the first, where errors are to be raised.
    """
    count, unreadable, first = 0, 0, ""
    for picture in pictures:
        count += 1
        if picture.decoded is None:
            if errors == "raise":
                raise UnreadablePicture(f"Could not read {picture.name} as a picture.", picture.problem)
            unreadable, first = unreadable + 1, first or f"{picture.name}: {picture.problem}"
        yield picture
    if unreadable:
        _log.warning("%d of %d pictures could not be read; the first is %s", unreadable, count, first)


def load(
    run: str | os.PathLike[str],
    *,
    max_megapixels: int | None = None,
    answer_all: bool = False,
    device: Device = CPU,
) -> Classifier:
    """Open a run or bundle folder, check every file against its digest, and run its self-test on this machine.

    Args:
        run: the folder. Load once and keep the classifier.
        max_megapixels: width x height of a picture, in millions; larger ones are not read. None is the bundle's limit.
        answer_all: call no picture unsure or unfamiliar.
        device: "cpu", "gpu", "npu", or "auto": the first that passes the self-test.

    Raises:
        WrongUsage: it is no run or bundle, or this machine has no such device.
        BundleRefused: it is broken or altered, or computes other probabilities than when it was made.
    """
    options: dict[str, Any] = {"max_megapixels": max_megapixels, "answer_all": answer_all, "device": device}
    return Classifier(load_predictor(run, **options), as_path(run), **options)
