"""Several labels a picture: are promises kept, and how good is the probe beside one of scikit-learn for each label?

    python benchmarks/several_labels.py promises [--draws 200]
    python benchmarks/several_labels.py shapes [--pictures 1000]
    python benchmarks/several_labels.py signs FOLDER

`promises` needs no pictures. In each draw 400 pictures of 12 features with four labels (50, 30, 10 and 3 %) train a probe,
whose rules come from answers out of fold, or from 300 pictures of validation; the answers to 20,000 others say whether at
most 10 % of those that are sure are wrong, for each label and each of the two answers.

`shapes` draws pictures of `sample.shapes`; `signs` takes the class folders 0 to 9 of FOLDER and asks of each hand whether
its number is odd, prime, above four, and whether it is a fist or a flat hand (0 or 5). Half of the pictures train, the
other half is measured. Beside Pawsight's probe stand scikit-learn's, one for each label (StandardScaler and
LogisticRegressionCV over the same strengths, 5 shuffled folds, threshold 0.5): on the features of the last layer, and on the
features that Pawsight chose.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.special import expit

from pawsight.classifier.trust import HAS, HAS_NOT, LabelRule
from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.evaluation.several_labels import measure_labels
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import Recipe
from pawsight.sample.shapes import LABELS, draw_shapes
from pawsight.training.features import FeatureTable, feature_sink
from pawsight.training.folds import rarest_labels, stratified_sample
from pawsight.training.probe import STRENGTHS
from pawsight.training.several_labels import cross_validate_labels, fit_labels, label_rules

SHARES = np.array([0.5, 0.3, 0.1, 0.03])
MAX_ERROR = 0.1
SIGNS = {"above four": (5, 6, 7, 8, 9), "fist or flat": (0, 5), "odd": (1, 3, 5, 7, 9), "prime": (2, 3, 5, 7)}


def world(pictures, chance):
    """Whether pictures have each of four labels, and 12 features of which each label moves one."""
    truth = chance.random((pictures, len(SHARES))) < SHARES
    features = chance.normal(size=(pictures, 12))
    features[:, : len(SHARES)] += 2.2 * truth
    return truth, features.astype(np.float32)


def promises(draws: int) -> None:
    print(f"{draws} draws; at most {MAX_ERROR:.0%} of the sure answers wrong, 90 % confidence, by label and answer")
    others, unseen = world(20_000, np.random.default_rng(10**6))
    for name in ("out of fold", "validation"):
        broken, given, kept_answers = (np.zeros((len(SHARES), 2)) for _ in range(3))
        for draw in range(draws):
            chance = np.random.default_rng(draw)
            truth, features = world(400, chance)
            held, held_features = world(300, chance)
            head = fit_labels(FeatureTable(features, {"last": np.arange(12)}), truth, folds=5, seed=draw)
            answers = [expit(table @ head.weights + head.bias) for table in (held_features, unseen)]
            crossed = truth, expit(head.logits_of_all(len(truth)))
            if name == "validation":
                rules = label_rules((held, answers[0]), None, max_error=MAX_ERROR)
            else:
                rules = label_rules((held[:0], answers[0][:0]), crossed, max_error=MAX_ERROR)
            for label, rule in enumerate(rules):
                count_sure(rule, answers[1][:, label], others[:, label], (given, kept_answers, broken), label)
        for label, share in enumerate(SHARES):
            for side, answer in enumerate(("has it", "has it not")):
                count = given[label, side]
                print(
                    f"{name}, label of {share:.0%}, '{answer}': promised in {count:.0f} draws, broken in"
                    f" {broken[label, side]:.0f} ({broken[label, side] / max(count, 1):.1%}),"
                    f" {kept_answers[label, side] / max(count, 1):.1%} of these answers sure"
                )
        print(f"{name}: broken {broken.sum() / given.sum():.1%} of {given.sum():.0f}")


def count_sure(rule: LabelRule, probabilities, truth, counts, label: int) -> None:
    """Add to (L, 2) counts of each answer: whether it is promised, which share is sure, whether too many are wrong."""
    given, sure, broken = counts
    decided, plain = rule.decide(probabilities), LabelRule(threshold=rule.threshold).decide(probabilities)
    for side, (answer, kept) in enumerate(((HAS, rule.has), (HAS_NOT, rule.has_not))):
        if kept is not None:
            own = decided == answer
            given[label, side] += 1
            sure[label, side] += own.sum() / (plain == answer).sum()
            broken[label, side] += (truth[own] != (answer == HAS)).mean() > MAX_ERROR


def features_of(folder: Path) -> tuple[FeatureTable, list[tuple[str, str]]]:
    """Return the features at every depth of the pictures in class folders, and class and file name of each."""
    recipe, machine = Recipe(depth="auto"), this_machine()
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        with sink.kept():
            settings = DecodeSettings(image_px=recipe.image_px)
            dataset = read_dataset(find(folder), settings, cache=cache, threads=machine.feeders, sink=sink)
            table = sink.features_of([picture.sha256 for picture in dataset.pictures])
    return table, [(picture.label, Path(picture.name).name) for picture in dataset.pictures]


def compare(table: FeatureTable, truth: np.ndarray, names: list[str]) -> None:
    """Print the figures of Pawsight's probe and of scikit-learn's, fitted to half of the pictures."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = stratified_sample(rarest_labels(truth), most=len(truth) // 2, seed=0)
    test = np.setdiff1d(np.arange(len(truth)), train)
    inside, outside = table.part(train), table.part(test)
    started = time.process_time()
    head = fit_labels(inside, truth[train], folds=5, seed=0)
    seconds = time.process_time() - started
    rules = label_rules((truth[:0], truth[:0] * np.float32(1)), (truth[train], expit(head.logits_of_all(len(train)))))
    print(f"{len(train)} pictures train, {len(test)} are measured; depth '{head.depth}', {len(head.columns)} features")
    print(f"strengths {', '.join(f'{strength:g}' for strength in head.strengths)}; {head.tried}; {head.gain}")
    report("Pawsight", truth[test], head.probabilities(outside), rules, names, seconds)
    whole = cross_validate_labels(inside, truth[train], np.arange(len(train)), folds=5, seed=0)
    again = label_rules((truth[:0], truth[:0] * np.float32(1)), (truth[train], expit(whole)))
    report("Pawsight, choices crossed too", truth[test], head.probabilities(outside), again, names, 0.0)
    report("Pawsight, 0.5", truth[test], head.probabilities(outside), halves(names), names, 0.0)
    for depth, columns in (("last layer", table.depths["last"]), ("the same features", head.columns)):
        started, answers = time.process_time(), []
        for own in truth[train].T:
            folds = StratifiedKFold(5, shuffle=True, random_state=0)
            probe = LogisticRegressionCV(Cs=STRENGTHS, cv=folds, scoring="neg_log_loss", max_iter=200, tol=1e-3)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                probe = make_pipeline(StandardScaler(), probe).fit(inside.read(columns), own)
            answers.append(probe.predict_proba(outside.read(columns))[:, 1])
        seconds = time.process_time() - started
        report(f"scikit-learn, {depth}", truth[test], np.stack(answers, axis=1), halves(names), names, seconds)


def halves(names: list[str]) -> tuple[LabelRule, ...]:
    return tuple(LabelRule(threshold=0.5) for _ in names)


def report(name, truth, probabilities, rules, names, seconds) -> None:
    found = measure_labels(truth, probabilities, rules, names)
    print(
        f"{name}: mean AP {100 * found.mean_average_precision:.2f} ({found.intervals['mean_average_precision']}),"
        f" F1 micro {100 * found.micro_f1:.2f} ({found.intervals['micro_f1']}) macro {100 * found.macro_f1:.2f},"
        f" exact {100 * found.exact_match:.1f}, log loss {found.log_loss:.4f}; {seconds:.1f} s"
    )
    print(
        "   "
        + "; ".join(
            f"{label.name} {label.pictures}: AP {100 * label.average_precision:.1f}, F1 {100 * label.f1:.1f} from"
            f" {label.threshold:.2f}"
            for label in found.labels
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("promises").add_argument("--draws", type=int, default=200)
    parts.add_parser("shapes").add_argument("--pictures", type=int, default=1000)
    parts.add_parser("signs").add_argument("folder", type=Path)
    typed = parser.parse_args()
    if typed.part == "promises":
        promises(typed.draws)
    elif typed.part == "shapes":
        with tempfile.TemporaryDirectory() as place:
            labels = {}
            for seed in range(typed.pictures):
                picture, own = draw_shapes(seed)
                path = Path(place) / ("even", "odd")[seed % 2] / f"{seed:05d}.png"  # folders are read, their names not
                path.parent.mkdir(exist_ok=True)
                picture.save(path)
                labels[path.name] = own
            table, found = features_of(Path(place))
            compare(table, np.array([[label in labels[name] for label in LABELS] for _, name in found]), [*LABELS])
    else:
        table, found = features_of(typed.folder)
        truth = np.array([[int(digit) in numbers for numbers in SIGNS.values()] for digit, _ in found])
        compare(table, truth, [*SIGNS])


if __name__ == "__main__":
    main()
