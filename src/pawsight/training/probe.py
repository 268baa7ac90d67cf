"""The linear probe: logistic regression on frozen features, their depth and its strength chosen in the training subset.

Here the two are chosen; one fit is in `logistic`, which features matter in `relevance`, where they come from in
`features`. The majority vote, the baseline of every other recipe, is here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.backbone import frozen_backbone
from pawsight.classifier.trust import GREATEST, LEAST
from pawsight.core.machine import CPU
from pawsight.core.progress import SILENT, Progress, Step
from pawsight.models.efficientnet_lite import Channels
from pawsight.models.graph import append_head, mean_colour_graph
from pawsight.models.recipes import AUTO, LAST, SELECTED, Recipe
from pawsight.training.context import TrainedModel, TrainingContext
from pawsight.training.cross_validation import cross_validate
from pawsight.training.features import FeatureTable
from pawsight.training.folds import folds_for_fits, stratified_sample
from pawsight.training.logistic import blas_threads_for, class_weights, fit_logistic
from pawsight.training.relevance import SELECTED_FEATURES, Relevance, standardised

# Inverse strengths of the L2 penalty on standardised features, from strong to weak.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Pictures x classes; with more the strength is chosen on a stratified sample, so that it costs no more than the fit.
MOST_CHOSEN_ON = 400_000
Z95 = 1.96  # standard errors either side of a mean that make a 95 % interval
_SHIFT = 2.0  # nats: standard deviation of the prior of `balancing_shift`
# In nats: what is as sure as on the photographs (0.03) gains less by any depth, and was right no more often.
_LEAST_GAIN = 0.01
MOST_COMPARED = 6000  # pictures on which depths are compared; more would cost more than the network's pass
# Training pictures x classes up to which each fold chooses depth and strength again, in a few seconds. Beyond that the
# choice flatters little, unless a class has too few pictures for all folds.
_MOST_WHOLE, _MOST_WHOLE_OF_RARE = 1000, 6000

BALANCED_NOTE = (
    "each class counts the same in the fit, however few pictures it has; probabilities are those among pictures of"
    " which each class is equally frequent"
)

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


def train_majority(context: TrainingContext) -> TrainedModel:
    """Predict the shares of the classes in the training subset, whatever the picture shows."""
    counts = np.bincount(context.labels("train"), minlength=len(context.classes))
    bias = np.log(np.maximum(counts, 1e-9) / counts.sum()).astype(np.float32)
    weights = np.zeros((3, len(bias)), np.float32)
    return TrainedModel(
        graph=append_head(mean_colour_graph(context.recipe.image_px), weights, bias, classes=context.classes),
        # The weights are 0, so any features have these answers.
        features={subset: np.zeros((len(context.split.part(subset)), 3), np.float32) for subset in context.held_out},
        parameters=(len(bias), 0),
    )


def train_probe(context: TrainingContext) -> TrainedModel:
    """Fit a head on the features of the frozen backbone, and return both as one graph."""
    recipe, classes = context.recipe, len(context.classes)
    backbone = frozen_backbone(recipe)
    features, labels, groups = context.features("train"), context.labels("train"), context.split.numbers("train")
    fit = partial(fit_head, folds=recipe.folds, seed=recipe.seed, depth=recipe.depth, is_balanced=recipe.class_weights)
    with context.env.stopwatch.stage("fitting"):
        head = fit(features, labels, classes=classes, groups=groups, progress=context.env.progress)
    folds, logits = head.folds, head.logits_of_all(len(labels))
    most = _MOST_WHOLE if folds == recipe.folds else _MOST_WHOLE_OF_RARE
    is_whole = context.folds is not None or len(labels) * classes <= most
    if is_whole:
        folds = min(context.folds or recipe.folds, len(np.unique(groups)))
        with context.env.stopwatch.stage("cross-validating"):
            logits = cross_validate(
                lambda *pictures, **options: fit(*pictures, **options).logits,
                features,
                labels,
                groups,
                classes=classes,
                folds=folds,
                seed=recipe.seed,
                progress=context.env.progress,
            )
    with context.env.stopwatch.stage("writing"):
        graph = append_head(
            backbone.write(head.columns),
            head.weights,
            head.bias,
            classes=context.classes,
        )
    trainable = (len(head.columns) + 1) * classes
    return TrainedModel(
        graph=graph,
        features={subset: context.features(subset).read(head.columns) for subset in context.held_out},
        parameters=(backbone.parameters + trainable, trainable),
        layers=(
            (recipe.backbone, "frozen backbone", str(len(head.columns)), backbone.parameters),
            ("head", "logistic regression", str(classes), trainable),
        ),
        notes=(
            *([] if context.env.device == CPU else [f"features computed on the device {context.env.device}"]),
            *([licence_note(recipe)] if recipe.backbone_sha256 else []),
            depth_note(head),
            regularisation_note(head, labels, groups, context.classes),
            *([BALANCED_NOTE] if recipe.class_weights else []),
        ),
        precision=context.precision,
        computed=context.sink.computed if context.sink else 0,
        logits_out_of_fold=None if logits is None or np.isnan(logits).all() else logits,
        folds=folds,
        is_whole=is_whole,
        depth=head.depth_json(),
        columns=head.columns,
    )


def licence_note(recipe: Recipe) -> str:
    """Say which file the backbone comes from and under which licence."""
    licence = recipe.backbone_licence or "not known; --backbone-licence NAME says it"
    return f"backbone {recipe.backbone}, SHA-256 {recipe.backbone_sha256[:12]}, licence {licence}"


def depth_note(head: Head) -> str:
    """Say at which depth the network is read, and what that gains."""
    read = f"{len(head.columns):,} features of depth '{head.depth}'"
    losses = {name: loss for name, _, loss in head.tried}
    if head.gain is not None:
        gained, low, high = head.gain
        return (
            f"{read}, chosen by {head.folds} folds in training: log loss {losses[head.depth]:.3f} against"
            f" {losses[LAST]:.3f} with the last layer alone, {gained:.3f} less (95 % interval {low:.3f} to {high:.3f})"
        )
    if len(losses) > 1:
        others = ", ".join(f"{loss:.3f} '{name}'" for name, loss in losses.items())
        return f"{read}: by {head.folds} folds in training no deeper choice is clearly better (log loss {others})"
    return read


def regularisation_note(head: Head, labels: Labels, groups: Labels, classes: Sequence[str]) -> str:
    """Say which strength was taken, and that it was chosen by cross-validation or why not."""
    strength = f"strength of the regularisation C = {head.strength:g}"
    if head.folds:
        return f"{strength}, chosen by {head.folds} folds in training"
    # Near-duplicates share a fold, so they count as one picture.
    least = min(range(len(classes)), key=lambda label: len(np.unique(groups[labels == label])))
    return f"{strength}, the default: class '{classes[least]}' has too few pictures in training to choose it by folds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A linear layer over raw features: logits = features @ weights + bias."""

    weights: Floats  # (D, C)
    bias: Floats  # (C,)
    strength: float  # the inverse strength that was chosen
    folds: int  # of the cross-validation that chose it; 0 where a class had too few pictures for any
    depth: str = LAST  # where the network is read
    columns: Channels  # (D,) of the features of every depth
    tried: tuple[tuple[str, float, float], ...] = ()  # depth, best strength and its out-of-fold log loss, in nats
    gain: tuple[float, float, float] | None = None  # in that log loss over the last layer alone, and its 95 % interval
    log_losses: tuple[tuple[float, float], ...] = ()  # strength -> log loss at the depth that was chosen
    out_of_fold: tuple[Labels, Floats] | None = None  # rows (M,) and their logits (M, C) by heads fitted without them

    def depth_json(self) -> dict[str, Any]:
        """Return how the depth was chosen as plain JSON values."""
        tried = [{"depth": name, "strength": strength, "log_loss": loss} for name, strength, loss in self.tried]
        return {
            "chosen": self.depth,
            "features": len(self.columns),
            "tried": tried,
            "gain": self.gain and {"log_loss": self.gain[0], "interval": list(self.gain[1:])},
        }

    def logits_of_all(self, pictures: int) -> Floats | None:
        """Return the logits out of fold (N, C) of all N training pictures, NaN for those that are in no fold."""
        if self.out_of_fold is None:
            return None
        rows, logits = self.out_of_fold
        table = np.full((pictures, logits.shape[1]), np.nan, np.float32)
        table[rows] = logits
        return table

    def logits(self, features: FeatureTable) -> Floats:
        """Return logits (N, C)."""
        found: Floats = features.read(self.columns) @ self.weights + self.bias
        return found

    def probabilities(self, features: FeatureTable) -> Floats:
        """Return softmax probabilities (N, C)."""
        from scipy.special import softmax

        shares: Floats = softmax(self.logits(features), axis=1)
        return shares


def fit_head(
    features: FeatureTable,
    labels: Labels,
    *,
    classes: int,
    folds: int,
    seed: int,
    depth: str = AUTO,
    groups: Labels | None = None,
    is_balanced: bool = False,
    progress: Progress = SILENT,
) -> Head:
    """Fit a regularised logistic regression on frozen features, its strength and their depth chosen together.

    Args:
        features: of the training subset (N, W).
        labels: class indices (N,), each class present.
        classes: how many there are.
        folds: of the stratified cross-validation; fewer are used where a class has fewer pictures, none where a
            class has a single one (then the middle strength is taken, and the last layer). Where pictures x classes
            exceed 400,000, or depths are compared on more than 6,000 pictures, both are chosen on a stratified sample.
        seed: of the folds and the sample.
        depth: "last", "selected", "blocks", or "auto" for the first of them that none of the later ones beats, in
            out-of-fold log loss, beyond the 95 % interval of the paired difference and by 0.01 nats.
        groups: numbers (N,) of the groups of pictures that look the same, which share a fold; None where no two do.
        is_balanced: pictures have weights inverse to the size of their class, in fits and in the losses that choose.

    Source: scikit-learn's LogisticRegression (lbfgs; class_weight="balanced") and StratifiedKFold; Head2Toe for depths,
    as in `relevance`.
    """
    depths = depths_to_compare(features) if depth == AUTO else (depth,)
    most = min(MOST_CHOSEN_ON // classes, MOST_COMPARED if len(depths) > 1 else MOST_CHOSEN_ON)
    rows = stratified_sample(labels, most=max(most, 2 * classes), seed=seed)
    weights = class_weights(labels, classes=classes) if is_balanced else np.ones(len(labels), np.float32)
    own, own_groups = labels[rows], np.arange(len(rows)) if groups is None else groups[rows]
    fold = folds_for_fits(own, own_groups, folds, seed)

    def fit(scaled: Floats, fitted: Flags, **options: Any) -> tuple[Floats, Floats]:
        return fit_logistic(scaled, own[fitted], weights=weights[rows][fitted] if is_balanced else None, **options)

    with blas_threads_for(len(labels), classes):
        relevance = Relevance(features.part(rows), own, seed=seed)
        logits = {}  # depth -> strength -> (M, C): of each of the rows by the head fitted without it
        if fold is not None:
            with progress.stage("Choosing the regularisation", len(depths) * (int(fold.max()) + 1), "folds") as step:
                for name in depths:
                    logits[name] = logits_by_folds(features.part(rows), fit, fold, name, relevance, step)
        losses = {
            name: {strength: log_losses(table, own) * weights[rows] for strength, table in tables.items()}
            for name, tables in logits.items()
        }
        best = {name: min(own, key=lambda strength: own[strength].mean()) for name, own in losses.items()}
        least = {name: losses[name][strength] for name, strength in best.items()}
        chosen, gain = choose_depth(depths[0], least, own_groups)
        strength = best.get(chosen, STRENGTHS[len(STRENGTHS) // 2])
        columns = features.depths[chosen] if chosen in features.depths else relevance.most_relevant()
        scaled, centre, spread = standardised(features.read(columns))
        table, bias = fit_logistic(scaled, labels, strength=strength, weights=weights if is_balanced else None)
    table = table / spread[:, None]
    bias = bias - centre @ table
    out_of_fold = logits[chosen][strength] if logits else None
    if is_balanced and out_of_fold is not None:
        shift = balancing_shift(own, out_of_fold, weights[rows])
        bias, out_of_fold = bias + shift, out_of_fold + shift
    return Head(
        weights=table.astype(np.float32),
        bias=bias.astype(np.float32),
        strength=strength,
        folds=0 if fold is None else int(fold.max()) + 1,
        depth=chosen,
        columns=columns,
        tried=tuple((name, best[name], float(own.mean())) for name, own in least.items()),
        gain=gain,
        log_losses=tuple((other, float(own.mean())) for other, own in losses.get(chosen, {}).items()),
        out_of_fold=None if out_of_fold is None else (rows, out_of_fold),
    )


def depths_to_compare(features: FeatureTable) -> tuple[str, ...]:
    """Return the depths to choose from: the last layer, then those with more to read, the fewest features first."""
    last = len(features.depths[LAST])
    sizes = {name: len(columns) for name, columns in features.depths.items() if len(columns) > last}
    if features.width > max(SELECTED_FEATURES, last):
        sizes[SELECTED] = SELECTED_FEATURES
    return (LAST, *sorted(sizes, key=lambda name: sizes[name]))


def logits_by_folds(
    features: FeatureTable,
    fit: Callable[..., tuple[Floats, Floats]],
    fold: Labels,
    depth: str,
    relevance: Relevance,
    step: Step,
    *,
    in_span: bool = False,
) -> dict[float, Floats]:
    """Return the logits (N, C) that heads give the folds they were not fitted to, for each strength.

    Args:
        features: of the pictures (N, W).
        fit: takes standardised features (M, D), which of the N pictures they are (N,), `strength` and where to `start`,
            and returns coefficients (D, C) and biases (C,).
        fold: number (N,) of each picture's fold, from 0.
        depth: where the network is read.
        relevance: of the features of these pictures.
        step: is advanced with each fold.
        in_span: fit coefficients of the M pictures in place of D features, where there are fewer of them. The penalty
            keeps coefficients in the span of the pictures, so the heads are the same; with many logits it is quicker.
    """
    logits: dict[float, Floats] = {}
    is_fixed = depth in features.depths
    if is_fixed:
        scaled = standardised(features.read(features.depths[depth]))[0]
    for number in range(int(fold.max()) + 1):
        fitted, held_out, start = fold != number, fold == number, None
        if not is_fixed:  # features are selected inside the fold, else the losses of the others would flatter
            scaled = standardised(features.read(relevance.most_relevant(fitted)))[0]
        inside, outside = scaled[fitted], scaled[held_out]
        if in_span and len(inside) < inside.shape[1]:
            basis, triangle = np.linalg.qr(inside.T)
            inside, outside = np.ascontiguousarray(triangle.T), outside @ basis
        for strength in STRENGTHS:  # each fit starts where the one before ended
            start = table, bias = fit(inside, fitted, strength=strength, start=start)
            logits.setdefault(strength, np.empty((len(fold), len(bias)), np.float32))[held_out] = outside @ table + bias
        step.advance()
    return logits


def choose_depth(
    first: str, losses: Mapping[str, Floats], groups: Labels
) -> tuple[str, tuple[float, float, float] | None]:
    """Return the depth to read, and what it gains over the last layer alone with its 95 % interval.

    Args:
        first: the depth that is taken unless another is clearly better.
        losses: of each picture out of fold (N,), by depth, the fewest features first.
        groups: numbers (N,) of the groups of pictures that look the same, which count as one.
    """
    chosen = first
    for name, own in losses.items():
        gained, error = paired_difference(losses[chosen] - own, groups)
        chosen = name if gained > max(Z95 * error, _LEAST_GAIN) else chosen
    if chosen == first:
        return chosen, None
    gained, error = paired_difference(losses[LAST] - losses[chosen], groups)
    return chosen, (gained, gained - Z95 * error, gained + Z95 * error)


def balancing_shift(labels: Labels, logits: Floats, weights: Floats) -> Floats:
    """Return what to add to the logits of each class (C,) so that out of fold each class is found as often.

    A head of many features fits its few pictures of a rare class exactly, whatever they weigh, and leaves the others of
    that class to the common ones. Only answers out of fold show by how much. Shift and temperature are fitted together;
    the shift has a prior of two nats, so that a few pictures do not move it far.

    Source: A. Alexandari, A. Kundaje, A. Shrikumar, "Maximum likelihood with bias-corrected calibration is hard-to-beat
    at label shift adaptation", ICML 2020.

    Args:
        labels: class indices (N,).
        logits: (N, C), out of fold.
        weights: of the pictures (N,), 1 on average.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    scores = logits.astype(np.float64) - logits.mean(axis=1, keepdims=True)
    truths, shares = np.eye(logits.shape[1])[labels], weights[:, None] / len(labels)
    penalty = 1 / (_SHIFT**2 * np.bincount(labels).min())

    def value_and_gradient(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logs = log_softmax(values[0] * scores + values[1:], axis=1)
        slopes = (np.exp(logs) - truths) * shares
        gradient = np.append((slopes * scores).sum(), slopes.sum(axis=0) + penalty * values[1:])
        return float(-(logs * truths * shares).sum() + penalty * (values[1:] ** 2).sum() / 2), gradient

    start = np.append(1.0, np.zeros(logits.shape[1]))
    bounds = [(1 / GREATEST, 1 / LEAST), *[(None, None)] * logits.shape[1]]
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(found[1:] / found[0], np.float32)


def paired_difference(differences: Floats, groups: Labels) -> tuple[float, float]:
    """Return the mean of differences (N,) and its standard error; pictures that look the same count as one."""
    mean = differences.mean()
    _, which = np.unique(groups, return_inverse=True)
    return float(mean), float(np.linalg.norm(np.bincount(which, differences - mean)) / len(differences))


def log_losses(logits: Floats, labels: Labels) -> Floats:
    """Return the log loss of each row (N,)."""
    from scipy.special import log_softmax

    losses: Floats = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return losses
