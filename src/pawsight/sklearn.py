"""Pawsight in pipelines of scikit-learn, which is imported here and nowhere else: a transformer and an estimator.

Features are those of a probe: a frozen backbone's, each picture's computed once and kept in the cache.
"""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pawsight.api.inputs import Pictures, read_pictures
from pawsight.classifier.backbone import fetch_backbone
from pawsight.core.cache import Cache
from pawsight.core.errors import MissingExtra, UnreadablePicture, WrongUsage
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Stopwatch
from pawsight.core.storage import sha256_of
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import AUTO, BLOCKS, LAST, SELECTED, Recipe, RecipeOptions, make_recipe
from pawsight.training.features import FeatureTable, feature_sink
from pawsight.training.logistic import blas_threads_for, fit_logistic
from pawsight.training.probe import fit_head
from pawsight.training.relevance import columns_at, standardised

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.utils import check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_consistent_length, check_is_fitted
except ImportError as error:
    raise MissingExtra(
        "pawsight.sklearn needs scikit-learn, which is not installed.",
        "The rest of Pawsight does not.",
        "Type: pip install scikit-learn",
    ) from error

Floats = NDArray[np.float32]


class ImageFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn pictures into the features of a frozen backbone, for any estimator of scikit-learn.

    Args:
        backbone: pretrained network; None is the default of the recipe probe.
        image_px: side of the square that the network sees, in pixels; None is the network's own.
        depth: "last" layer, or the averages of all "blocks".

    Examples:
        >>> make_pipeline(ImageFeatures(), StandardScaler(), SVC()).fit(X, y)
    """

    def __init__(
        self, backbone: str | os.PathLike[str] | None = None, image_px: int | None = None, depth: str = LAST
    ) -> None:
        self.backbone, self.image_px, self.depth = backbone, image_px, depth

    def fit(self, X: Pictures, y: Any = None) -> Self:  # noqa: N803
        """Do nothing but check the parameters: the backbone is frozen.

        Raises:
            WrongUsage: there is no such backbone, side or depth.
        """
        if self.depth not in (LAST, BLOCKS):
            raise WrongUsage(f"The depth {self.depth!r} needs labels.", f"Without them it is {LAST!r} or {BLOCKS!r}.")
        _recipe(self.backbone, self.image_px)
        self.is_fitted_ = True
        return self

    def transform(self, X: Pictures) -> Floats:  # noqa: N803
        """Return the features (N, D) of N pictures, each as `Classifier.predict` takes it.

        Raises:
            UnreadablePicture: one cannot be read. WrongUsage: something is no picture.
        """
        check_is_fitted(self)
        table = _features(X, self.backbone, self.image_px)
        return table.read(table.depths[self.depth])

    def __sklearn_tags__(self) -> Any:
        tags = _with_picture_tags(super().__sklearn_tags__())
        tags.transformer_tags.preserves_dtype = []  # features are float32, whatever pictures are
        return tags


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The default recipe as an estimator: a frozen backbone and a regularised logistic regression on its features.

    It has no held-out pictures, no guarantee and no run folder; for these there is `pawsight.train`.

    Args:
        C: inverse strength of the L2 penalty on standardised features, as of LogisticRegression; None: chosen by
            cross-validation in `fit`.
        backbone: pretrained network; None is the default of the recipe probe.
        image_px: side of the square that the network sees, in pixels; None is the network's own.
        depth: "last", "blocks", "selected", or "auto", which needs C=None.
        folds: of the cross-validation.
        random_state: seed of the folds, a generator of NumPy that draws it, or None for a random one.

    Attributes:
        classes_: (C,) the labels, sorted, in the order of the probabilities.
        C_: the inverse strength that is used.

    Examples:
        >>> GridSearchCV(ImageClassifier(), {"C": [0.001, 0.01, 0.1]}).fit(X, y).best_params_
    """

    def __init__(
        self,
        C: float | None = None,  # noqa: N803
        backbone: str | os.PathLike[str] | None = None,
        image_px: int | None = None,
        depth: str = LAST,
        folds: int = 5,
        random_state: Any = 0,
    ) -> None:
        self.C, self.backbone, self.image_px, self.depth = C, backbone, image_px, depth
        self.folds, self.random_state = folds, random_state

    def fit(self, X: Pictures, y: Any) -> Self:  # noqa: N803
        """Fit the head.

        Args:
            X: N pictures, each as `Classifier.predict` takes it.
            y: (N,) labels of any kind that can be sorted; at least two.

        Raises:
            ValueError: X and y do not fit each other. WrongUsage: a parameter cannot be used, or something is no
            picture. UnreadablePicture: a picture cannot be read.
        """
        if self.depth not in (LAST, BLOCKS, SELECTED, AUTO) or (self.depth == AUTO and self.C is not None):
            raise WrongUsage(
                f"The depth {self.depth!r} cannot be used with C={self.C!r}.",
                f"Depths are {LAST!r}, {BLOCKS!r}, {SELECTED!r}, and {AUTO!r} with C=None.",
            )
        _check_parameters(self.C, self.folds)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        table = _features(X, self.backbone, self.image_px)
        check_consistent_length(range(len(table)), labels)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: {self.classes_}")
        seed, classes = _seed_of(self.random_state), len(self.classes_)
        if self.C is None:
            head = fit_head(table, numbers, classes=classes, folds=self.folds, seed=seed, depth=self.depth)
            self.C_, self._columns, self._weights, self._bias = head.strength, head.columns, head.weights, head.bias
            return self
        self.C_, self._columns = self.C, columns_at(self.depth, table, numbers, seed=seed)
        with blas_threads_for(len(table), classes):
            scaled, centre, spread = standardised(table.read(self._columns))
            weights, bias = fit_logistic(scaled, numbers, strength=self.C)
        self._weights = weights / spread[:, None]
        self._bias = bias - centre @ self._weights
        return self

    def predict_proba(self, X: Pictures) -> Floats:  # noqa: N803
        """Return the probabilities (N, C), in the order of `classes_`; they are not calibrated.

        Raises:
            UnreadablePicture: a picture cannot be read. WrongUsage: something is no picture.
        """
        from scipy.special import softmax

        check_is_fitted(self)
        table = _features(X, self.backbone, self.image_px)
        probabilities: Floats = softmax(table.read(self._columns) @ self._weights + self._bias, axis=1)
        return probabilities

    def predict(self, X: Pictures) -> NDArray[Any]:  # noqa: N803
        """Return the likeliest label (N,) of each picture.

        Raises:
            UnreadablePicture: a picture cannot be read. WrongUsage: something is no picture.
        """
        best = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def __sklearn_tags__(self) -> Any:
        return _with_picture_tags(super().__sklearn_tags__())


def _check_parameters(C: Any, folds: Any) -> None:  # noqa: N803
    if C is not None and not (isinstance(C, Real) and float(C) > 0):
        raise WrongUsage(f"C cannot be {C!r}.", "It is a number above 0, or None.", "Type for example C=0.01")
    if not isinstance(folds, Integral) or int(folds) < 2:
        raise WrongUsage(f"folds cannot be {folds!r}.", "It is a whole number from 2.", "Type for example folds=5")


def _seed_of(random_state: Any) -> int:
    """Return the seed that a parameter of scikit-learn's means."""
    is_seed = isinstance(random_state, Integral)
    return int(random_state if is_seed else check_random_state(random_state).randint(2**31 - 1))


def _with_picture_tags(tags: Any) -> Any:
    tags.input_tags.two_d_array, tags.input_tags.three_d_array, tags.input_tags.string = False, True, True
    return tags


def _recipe(backbone: str | os.PathLike[str] | None, image_px: int | None) -> Recipe:
    """Return a probe of a backbone that is named."""
    if backbone == AUTO:
        raise WrongUsage(
            "backbone='auto' cannot be used here.",
            "pawsight.train chooses a backbone; scikit-learn's searches choose among values that are named.",
            "Name a backbone, or search over several of them.",
        )
    return make_recipe("probe", RecipeOptions(backbone=backbone, image_px=image_px))


def _features(X: Pictures, backbone: str | os.PathLike[str] | None, image_px: int | None) -> FeatureTable:  # noqa: N803
    """Return the features of pictures at every depth, those that the cache does not know computed."""
    recipe, machine = fetch_backbone(_recipe(backbone, image_px), backbone), this_machine()
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        contents = []
        for picture in read_pictures(X, DecodeSettings(image_px=recipe.image_px), threads=machine.feeders):
            if picture.decoded is None:
                raise UnreadablePicture(f"Could not read {picture.name} as a picture.", picture.problem)
            contents.append(sha256_of(picture.decoded.pixels.tobytes()))
            if sink.wants(contents[-1]):
                sink.take(contents[-1], picture.decoded.pixels)
        return sink.features_of(contents)
