"""Every training diagnostic, provoked through its real cause where NumPy alone can have one, and the numbers it gives."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pawsight.core.errors import TrainingFailed
from pawsight.core.runs import Epoch
from pawsight.training.diagnostics import (
    DIVERGED_LOSS,
    OVERFIT_GAP,
    OVERFIT_RISE,
    PATIENCE,
    STUCK_WITHIN,
    Diagnostic,
    Diagnostics,
    check_epoch,
    check_inputs,
    check_labels,
    check_step,
)

Array = NDArray[np.float64]
CLASSES = ("cats", "dogs")
# The four histories the exercise prints: training loss and accuracy, validation loss and accuracy, 20 epochs each.
PRINTED = {
    "cnn": """
        43.5111 0.6849 0.6721 0.6658 0.6312 0.6162 0.5962 0.5609 0.5091 0.4859 0.4462 0.3996 0.3526 0.3260 0.3318 0.2673 0.2316 0.2146 0.1787 0.1665
        0.5235 0.5510 0.5710 0.5850 0.6320 0.6400 0.6550 0.6975 0.7290 0.7570 0.7900 0.7910 0.8325 0.8515 0.8555 0.8775 0.8995 0.9110 0.9305 0.9260
        0.6869 0.6931 0.6799 0.6705 0.6677 0.6455 0.7105 0.6671 0.6914 0.7458 0.9254 0.8203 0.9277 1.2051 1.2161 1.3145 1.2198 1.2282 1.4473 1.7126
        0.5421 0.5297 0.5495 0.5891 0.5829 0.6473 0.5681 0.6163 0.6089 0.5953 0.5978 0.6188 0.6077 0.6200 0.5829 0.5792 0.6114 0.6064 0.6064 0.6027
    """,
    "cnn-augmented": """
        14.6296 0.7072 0.6896 0.6820 0.6819 0.6802 0.6728 0.6773 0.6662 0.6658 0.6568 0.6475 0.6724 0.6600 0.6676 0.6665 0.6588 0.6459 0.6385 0.6374
        0.5070 0.5035 0.5280 0.5540 0.5385 0.5475 0.5475 0.5500 0.5800 0.5790 0.5755 0.5995 0.5685 0.5855 0.5775 0.6030 0.6110 0.6375 0.6240 0.6290
        0.6977 0.6932 0.6668 0.6741 0.6946 0.7035 0.6955 0.6581 0.6693 0.6632 0.6632 0.7965 0.6884 0.6467 0.6593 0.6719 0.6663 0.6385 0.6336 0.6190
        0.5074 0.5173 0.5681 0.5322 0.5396 0.5322 0.5483 0.5705 0.5817 0.6176 0.5743 0.5916 0.6077 0.6089 0.5965 0.5854 0.6002 0.6324 0.6300 0.6634
    """,
    "cnn-normalised": """
        0.7806 0.6885 0.6670 0.6565 0.6438 0.6587 0.6382 0.6241 0.6119 0.5938 0.5983 0.5897 0.5670 0.5622 0.5522 0.5510 0.5457 0.5359 0.5236 0.5289
        0.4935 0.5335 0.5715 0.5810 0.6050 0.5830 0.6175 0.6365 0.6555 0.6800 0.6685 0.6795 0.6955 0.7035 0.7240 0.7195 0.7295 0.7285 0.7410 0.7375
        0.6924 0.6727 0.6594 0.6403 0.6478 0.6427 0.6404 0.6343 0.6001 0.5958 0.6025 0.5945 0.5844 0.5667 0.5600 0.5609 0.5503 0.5570 0.5792 0.5704
        0.5780 0.6002 0.5594 0.6089 0.5829 0.5990 0.6361 0.6337 0.6671 0.6559 0.6720 0.6869 0.6832 0.6931 0.7153 0.6980 0.7067 0.7178 0.7129 0.7191
    """,
    "mobilenet": """
        0.4772 0.2348 0.1905 0.1958 0.1523 0.1644 0.1435 0.1314 0.1281 0.1288 0.1206 0.1079 0.0963 0.1069 0.0977 0.1002 0.0809 0.0820 0.0968 0.0873
        0.8525 0.8945 0.9210 0.9225 0.9365 0.9345 0.9505 0.9495 0.9455 0.9495 0.9465 0.9555 0.9580 0.9535 0.9630 0.9635 0.9695 0.9660 0.9615 0.9650
        0.0733 0.0605 0.0785 0.0724 0.0798 0.0705 0.0673 0.0487 0.0540 0.0541 0.0666 0.0774 0.0789 0.0681 0.0820 0.0614 0.0851 0.0749 0.0703 0.0970
        0.9752 0.9777 0.9703 0.9691 0.9678 0.9740 0.9728 0.9790 0.9752 0.9790 0.9703 0.9703 0.9678 0.9691 0.9715 0.9777 0.9752 0.9691 0.9715 0.9703
    """,
}


def epoch(
    number: int, *, loss: float, accuracy: float = 0.5, val_loss: float = 0.69, val_accuracy: float = 0.5
) -> Epoch:
    return Epoch(number, loss, accuracy, val_loss, val_accuracy, 1e-3, 1.0)


def printed(name: str) -> list[Epoch]:
    columns = [[float(figure) for figure in line.split()] for line in PRINTED[name].split("\n") if line.strip()]
    return [Epoch(number, *figures, 1e-3, 6.0) for number, figures in enumerate(zip(*columns, strict=True), 1)]


def answers(right: float, pictures: int = 808) -> Array:
    """Probabilities for pictures that are cats, then dogs, with a given share of right answers in each class."""
    half = pictures // 2
    correct = np.arange(half) < round(right * half)
    cats = np.where(correct, 0.9, 0.2)
    dogs = np.where(correct, 0.1, 0.8)
    first = np.concatenate([cats, dogs])
    return np.stack([first, 1 - first], axis=1)


def replay(history: list[Epoch], probabilities: Callable[[Epoch], Array]) -> list[tuple[int, str]]:
    diagnostics = Diagnostics()
    return [
        (entry.number, diagnostic.name)
        for entry in history
        for diagnostic in diagnostics.report(
            check_epoch(history[: entry.number], probabilities(entry), CLASSES, 0.5, entry.learning_rate)
        )
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cnn", [(11, "overfitting")]), ("cnn-augmented", []), ("cnn-normalised", []), ("mobilenet", [])],
)
def test_the_exercises_own_histories_raise_what_they_should(name: str, expected: list[tuple[int, str]]) -> None:
    assert replay(printed(name), lambda entry: answers(entry.val_accuracy)) == expected


def test_the_thresholds_keep_their_distance_from_the_exercises_healthy_models() -> None:
    healthy = [printed(name) for name in ("cnn-augmented", "cnn-normalised", "mobilenet")]
    assert max(entry.accuracy - entry.val_accuracy for history in healthy for entry in history) < OVERFIT_GAP / 5
    assert max(entry.loss for name in PRINTED for entry in printed(name)[1:]) / math.log(2) < DIVERGED_LOSS / 4
    second = printed("cnn-augmented")
    rises = [entry.val_loss / min(earlier.val_loss for earlier in second[: entry.number]) for entry in second]
    assert 1.2 < max(rises) < OVERFIT_RISE
    assert sum(abs(entry.loss / math.log(2) - 1) < STUCK_WITHIN for entry in second) == 1 < PATIENCE


def test_a_run_of_the_second_model_that_stayed_at_guessing_is_called_constant_and_stuck() -> None:
    losses = [14.6296, *[0.6932] * 19]
    history = [epoch(number, loss=loss, val_loss=0.6932, val_accuracy=0.496) for number, loss in enumerate(losses, 1)]
    everywhere = np.tile([0.501, 0.499], (808, 1))
    assert replay(history, lambda _: everywhere) == [(3, "constant"), (4, "stuck")]


class Learner:
    """One hidden layer of ReLUs and plain gradient descent, all pictures in one batch: small enough to go wrong by hand."""

    def __init__(self, inputs: Array, truths: NDArray[np.int64], *, hidden: int = 8, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.inputs, self.truths = inputs, truths
        self.first = random.normal(0, inputs.shape[1] ** -0.5, (inputs.shape[1], hidden))
        self.second = random.normal(0, hidden**-0.5, (hidden, 2))
        self.first_bias, self.bias = np.zeros(hidden), np.zeros(2)

    def probabilities(self, inputs: Array) -> Array:
        logits = np.maximum(inputs @ self.first + self.first_bias, 0) @ self.second + self.bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def figures(self, inputs: Array, truths: NDArray[np.int64]) -> tuple[float, float]:
        given = self.probabilities(inputs)
        loss = -np.log(given[np.arange(len(truths)), truths] + 1e-300).mean()
        return float(loss), float((given.argmax(axis=1) == truths).mean())

    def step(self, rate: float) -> None:
        waking = self.inputs @ self.first + self.first_bias
        shown = np.maximum(waking, 0)
        error = (self.probabilities(self.inputs) - np.eye(2)[self.truths]) / len(self.truths)
        back = error @ self.second.T * (waking > 0)
        self.second -= rate * shown.T @ error
        self.bias -= rate * error.sum(axis=0)
        self.first -= rate * self.inputs.T @ back
        self.first_bias -= rate * back.sum(axis=0)


def pictures(count: int, *, seed: int, noise: float = 1.0, width: int = 12) -> tuple[Array, NDArray[np.int64]]:
    """Return flat pictures (count, width) of raw bytes, half of each class, the second a little brighter."""
    random = np.random.default_rng(seed)
    truths = np.arange(count) % 2
    values = 110 + 30 * truths[:, None] + 60 * noise * random.normal(size=(count, width))
    return np.clip(np.round(values), 0, 255), truths


def course(
    learner: Learner, held_out: tuple[Array, NDArray[np.int64]], rate: float, epochs: int, steps: int
) -> list[str]:
    """Train, listening after every epoch, and return the remarks reported; a fatal diagnostic raises."""
    diagnostics, history = Diagnostics(), []
    for number in range(1, epochs + 1):
        losses = []
        for _ in range(steps):
            loss, accuracy = learner.figures(learner.inputs, learner.truths)
            diagnostics.report(check_step(loss, len(losses) + 1, rate))
            losses.append(loss)
            learner.step(rate)
        val_loss, val_accuracy = learner.figures(*held_out)
        history.append(Epoch(number, float(np.mean(losses)), accuracy, val_loss, val_accuracy, rate, 0.1))
        diagnostics.report(check_epoch(history, learner.probabilities(held_out[0]), CLASSES, 0.5, rate))
    return list(diagnostics.names)


def signed(values: Array) -> Array:
    return values / 127.5 - 1


def test_a_small_network_that_learns_raises_nothing() -> None:
    values, truths = pictures(400, seed=1)
    held, answer = pictures(200, seed=2)
    assert course(Learner(signed(values), truths), (signed(held), answer), rate=0.1, epochs=8, steps=40) == []


def test_raw_input_and_one_large_step_leave_dead_units_which_is_called_constant_and_stuck() -> None:
    values, truths = pictures(400, seed=1)
    learner = Learner(values, truths)
    assert course(learner, pictures(200, seed=2), rate=0.1, epochs=5, steps=20) == ["constant", "stuck"]


def test_few_pictures_and_many_weights_are_called_overfitting() -> None:
    values, truths = pictures(40, seed=1, noise=3, width=120)
    held, answer = pictures(200, seed=2, noise=3, width=120)
    learner = Learner(signed(values), truths, hidden=64)
    assert course(learner, (signed(held), answer), rate=0.5, epochs=10, steps=20) == ["overfitting"]


def stopped(learner: Learner, rate: float) -> TrainingFailed:
    with pytest.raises(TrainingFailed) as raised, np.errstate(all="ignore"):
        course(learner, (learner.inputs, learner.truths), rate, epochs=8, steps=4)
    return raised.value


def lacking(text: str, *words: str) -> list[str]:
    """Return the words that a text does not have."""
    return [word for word in words if word not in text]


def test_a_learning_rate_far_too_large_stops_the_run() -> None:
    values, truths = pictures(400, seed=1)
    error = stopped(Learner(signed(values), truths), rate=100)
    assert lacking(error.why, "learning rate of 100 ", "0.6931") == []
    assert lacking(error.fix, "--learning-rate 10,", "without --resume") == []


def test_weights_that_overflow_stop_the_run_at_that_step() -> None:
    values, truths = pictures(400, seed=1)
    error = stopped(Learner(signed(values), truths), rate=1e200)
    assert "nan at step 2." in error.what
    assert lacking(error.why, "overflowed", "1e+200") == []
    assert lacking(error.fix, "--learning-rate 1e+199,", "without --resume") == []


def names_of(losses: list[float], classes: tuple[str, ...] = CLASSES) -> list[str]:
    history = [epoch(number, loss=loss) for number, loss in enumerate(losses, 1)]
    return [diagnostic.name for diagnostic in check_epoch(history, answers(0.6), classes, 0.5, 1e-3)]


def test_only_a_loss_that_grows_or_stays_high_is_divergence() -> None:
    assert names_of([43.5]) == names_of([200, 60]) == names_of([200, 60, 20, 4]) == names_of([43.5, 0.69]) == []
    assert names_of([0.7, 0.6, 3.6]) == ["diverging"]
    assert names_of([0.7, 0.6, 3.4]) == []  # a bad epoch, below five times ln 2
    assert names_of([9.0, 8.0, 8.1, 7.9]) == []
    assert names_of([9.0, 8.0, 8.1, 8.2]) == ["diverging"]
    assert names_of([7.0, 6.9, 20.0], tuple(map(str, range(1000)))) == []  # 2.9 times ln 1000


def test_guessing_is_judged_by_the_number_of_classes() -> None:
    ten = tuple(map(str, range(10)))
    assert names_of([2.3, 2.3, 2.3], ten) == ["stuck"]
    assert names_of([0.69, 0.69, 0.69], ten) == []
    assert names_of([0.6863, 0.69, 0.70]) == ["stuck"]  # 1 % of ln 2 either way: 0.6862 to 0.7001
    assert names_of([0.6862, 0.69, 0.70]) == names_of([0.6863, 0.69, 0.7002]) == names_of([0.69, 0.69]) == []


def diagnostic_of(history: list[Epoch], probabilities: Array, baseline: float = 0.5) -> Diagnostic:
    (diagnostic,) = check_epoch(history, probabilities, CLASSES, baseline, 1e-3)
    return diagnostic


def test_stuck_names_dead_units_where_the_loss_began_high_and_the_steps_where_it_did_not() -> None:
    dead = diagnostic_of(
        [epoch(n, loss=loss) for n, loss in enumerate([14.6296, 0.6932, 0.6932, 0.6931], 1)], answers(0.6)
    )
    assert lacking(dead.what, "0.6931", "ln 2", "3 epochs") == []
    assert lacking(dead.cause, "14.63", "units") == []
    assert lacking(dead.fix, "--recipe cnn-normalised", "--seed") == []
    idle = diagnostic_of([epoch(n, loss=0.6931) for n in (1, 2, 3)], answers(0.6))
    assert lacking(idle.cause, "steps", "inputs") == []
    assert "units" not in idle.cause
    assert not dead.fatal


def test_one_answer_for_all_pictures_is_constant_from_the_third_epoch_on() -> None:
    history = [epoch(number, loss=0.6) for number in (1, 2, 3)]
    varied = np.linspace(0.6, 0.9, 100)
    one_class = np.stack([varied, 1 - varied], axis=1)
    diagnostic = diagnostic_of(history, one_class)
    assert lacking(diagnostic.what, "100 validation pictures", "answer 'cats'", "epoch 3") == []
    assert "50.0%" in diagnostic.cause
    assert lacking(diagnostic.fix, "--recipe cnn-normalised", "--seed") == []
    assert not diagnostic.fatal
    assert check_epoch(history[:2], one_class, CLASSES, 0.5, 1e-3) == []
    assert check_epoch(history, one_class[:9], CLASSES, 0.5, 1e-3) == []
    assert check_epoch(history, one_class, CLASSES, 0.9, 1e-3) == []  # nine of ten are cats: a fair guess
    assert check_epoch(history, np.empty((0, 2)), CLASSES, 0.5, 1e-3) == []


def test_equal_probabilities_are_constant_even_where_classes_are_lopsided_or_the_answer_wavers() -> None:
    wavering = 0.5 + 2e-4 * (-1.0) ** np.arange(100)
    history = [epoch(number, loss=0.6) for number in (1, 2, 3)]
    diagnostic = diagnostic_of(history, np.stack([wavering, 1 - wavering], axis=1), baseline=0.9)
    assert lacking(diagnostic.what, "100 validation pictures", "same probabilities", "epoch 3") == []


def test_overfitting_names_both_scores_and_the_epoch_to_stop_at() -> None:
    history = printed("cnn")[:11]
    diagnostic = diagnostic_of(history, answers(0.6))
    assert lacking(diagnostic.what, "79.0%", "59.8%", "epoch 11") == []
    assert lacking(diagnostic.cause, "0.6455 after epoch 6", "0.9254") == []
    assert lacking(diagnostic.fix, "--recipe cnn-normalised", "--recipe probe", "--epochs 6") == []


@pytest.mark.parametrize("broken", ["loss", "val_loss", "probabilities"])
def test_a_figure_that_is_not_finite_stops_the_run(broken: str) -> None:
    history = [epoch(1, **{"loss": 0.6, broken: math.nan})] if broken != "probabilities" else [epoch(1, loss=0.6)]
    probabilities = answers(0.6) * (math.nan if broken == "probabilities" else 1)
    with pytest.raises(TrainingFailed, match="epoch 1 are finite") as raised:
        Diagnostics().report(check_epoch(history, probabilities, CLASSES, 0.5, 1e-3))
    assert lacking(raised.value.fix, "--learning-rate 0.0001,", "without --resume") == []
    assert check_step(0.7, 1) == []


def test_remarks_are_reported_once_and_a_resumed_run_knows_them() -> None:
    remark = Diagnostic("stuck", "What.", "Cause.", "Fix.", fatal=False)
    diagnostics = Diagnostics()
    assert diagnostics.report([remark]) == [remark]
    resumed = Diagnostics()
    resumed.remember(diagnostics.remarks)
    assert diagnostics.report([remark]) == resumed.report([remark]) == []
    assert resumed.remarks == diagnostics.remarks == ("stuck: What. Cause.",)
    with pytest.raises(TrainingFailed, match=r"What\.\nCause\.\nFix\."):
        diagnostics.report([Diagnostic("labels", "What.", "Cause.", "Fix.", fatal=True)])


def cause_of(values: Array, scaling: str) -> str:
    diagnostics = check_inputs(float(values.min()), float(values.max()), float(values.mean()), scaling)
    assert all(diagnostic.fatal and diagnostic.name == "scaling" for diagnostic in diagnostics)
    return diagnostics[0].cause if diagnostics else ""


BYTES, _ = pictures(32, seed=3, width=300)
TWICE, OTHER = "applied twice", "another rule"


def test_inputs_scaled_as_the_recipe_means_raise_nothing() -> None:
    for values in (BYTES, BYTES * 0, BYTES * 0 + 255, np.clip(BYTES, 100, 140)):
        assert cause_of(signed(values), "signed") == cause_of(values, "raw") == ""
    assert cause_of(signed(np.maximum(BYTES, 128)), "signed") == ""  # pale pictures are no unscaled ones


@pytest.mark.parametrize("values", [BYTES, np.maximum(BYTES, 110), np.maximum(BYTES, 140)], ids=["all", "grey", "pale"])
def test_double_scaling_is_named_however_light_the_pictures(values: Array) -> None:
    assert TWICE in cause_of(signed(signed(values)), "signed")


@pytest.mark.parametrize(
    ("values", "scaling", "cause"),
    [
        (BYTES, "signed", "scaling is missing"),
        (BYTES / 255, "signed", "divided by 255"),
        ((BYTES - 124) / 58, "signed", OTHER),
        (signed(BYTES), "raw", "scaled to -1..1 before"),
        (signed(signed(BYTES)), "raw", "scaled to -1..1 before"),
        (BYTES / 255, "raw", "divided by 255 before"),
        (BYTES - 124, "raw", OTHER),
        (BYTES * 255, "raw", OTHER),
        (BYTES * math.nan, "raw", "not finite"),
    ],
)
def test_other_and_missing_scaling_are_named(values: Array, scaling: str, cause: str) -> None:
    assert cause in cause_of(values, scaling)


def test_wrong_scaling_says_what_arrived_and_what_to_type() -> None:
    with pytest.raises(TrainingFailed) as raised:
        Diagnostics().report(check_inputs(-1.0078, -0.9922, -1.0004, "signed"))
    assert lacking(raised.value.what, "-1.008 to -0.9922", "mean -1", "-1 to 1 is meant") == []
    assert TWICE in raised.value.why
    assert lacking(raised.value.fix, "--recipe cnn-normalised", "--recipe cnn ") == []


FOLDERS = ["cats"] * 50 + ["dogs"] * 30 + ["owls"] * 20


def test_labels_that_are_the_folders_raise_nothing() -> None:
    assert check_labels(FOLDERS, FOLDERS) == check_labels([], []) == []


def test_shuffled_labels_stop_the_run_and_name_a_picture() -> None:
    shuffled = list(np.random.default_rng(0).permutation(FOLDERS))
    wrong = sum(label != folder for label, folder in zip(shuffled, FOLDERS, strict=True))
    row = next(row for row in range(100) if shuffled[row] != FOLDERS[row])
    with pytest.raises(TrainingFailed) as raised:
        Diagnostics().report(
            check_labels([str(label) for label in shuffled], FOLDERS, [f"cats/{n}.jpg" for n in range(100)])
        )
    assert raised.value.what.startswith(f"{wrong} of 100 ")
    assert lacking(raised.value.what, f"cats/{row}.jpg is in 'cats'", f"'{shuffled[row]}'") == []
    assert "shuffled apart" in raised.value.why
    assert lacking(raised.value.fix, "without --resume", "pawsight inspect DATA") == []


@pytest.mark.parametrize("step", [1, -1, 7, -64])
def test_labels_shifted_against_their_pictures_are_named(step: int) -> None:
    random = np.random.default_rng(0)
    mixed = [str(label) for label in random.permutation(FOLDERS)]
    (diagnostic,) = check_labels([mixed[(row - step) % 100] for row in range(100)], mixed)
    distance = min(abs(step), 100 - abs(step))
    rows = "1 row" if distance == 1 else f"{distance} rows"
    assert diagnostic.cause.endswith(f" shifted against the pictures by {rows}.")


def test_class_names_in_another_order_are_named() -> None:
    order = {"cats": "dogs", "dogs": "cats", "owls": "owls"}
    (diagnostic,) = check_labels([order[folder] for folder in FOLDERS], FOLDERS)
    assert diagnostic.what.startswith("80 of 100 training pictures")
    assert lacking(diagnostic.what, "row 1 is in 'cats'", "taught as 'dogs'") == []
    assert lacking(diagnostic.cause, "another order", "'cats' is called 'dogs'", "'dogs' is called 'cats'") == []


def test_more_pictures_than_labels_stop_the_run() -> None:
    (diagnostic,) = check_labels(FOLDERS[1:], FOLDERS)
    assert lacking(diagnostic.what, "99 labels", "100 training pictures") == []
    assert diagnostic.fatal
