"""The verb `review`: which labels of a run are likely wrong, and a page on which a person decides.

The ranking is computed in evaluation/label_errors.py, the page is served by web/review_page.py. No file of the test
set is opened; a file that is gone, or no longer what the run was trained on, is listed and left out.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import read_bundle
from pawsight.commands.run_split import held_out, root_of
from pawsight.core.cache import Cache
from pawsight.core.errors import BadDataset, WrongUsage, require_extra
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Progress, ProgressLike, Stopwatch, progress_of
from pawsight.core.runs import APPLIED_PATCH, PATCH, named_run
from pawsight.core.storage import as_path
from pawsight.core.text import plural, typed
from pawsight.data.dataset import Dataset, Picture, read_dataset
from pawsight.data.found import Found, LeftOut
from pawsight.data.label_patch import DROP, KEEP, RELABEL, Decision, read_patch
from pawsight.data.label_sets import NO_LABELS, joined, labels_in, truth_of
from pawsight.data.split import split_into
from pawsight.evaluation.label_errors import Neighbours, Suspect, nearest, oddness, rank, rank_labels
from pawsight.images.decode import DECODER_VERSION
from pawsight.reports.run_record import RunRecord
from pawsight.training.features import FeatureTable, depth_of, feature_sink, probe_recipe, recipe_of
from pawsight.training.folds import rarest_labels
from pawsight.training.out_of_fold import out_of_fold, out_of_fold_labels
from pawsight.training.relevance import columns_at

_PAST = {RELABEL: "relabelled", DROP: "dropped", KEEP: "kept"}
_MOST_SUSPECTS = 2_000
_AFTER_SUSPECTS = 24  # pictures shown after the last suspect, so that a reader sees where suspicion ends
_MOST_DUPLICATES = 2_000
_ODD_SHARE, _LEAST_ODD, _MOST_ODD = 0.01, 12, 200
_NEIGHBOURS = 6  # shown, of the ten that were computed

Item = dict[str, Any]
File = tuple[Path, str, str]  # path, SHA-256, name below the root


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ReviewReport:
    """Every train and validation picture of a run, ranked by how likely its label is wrong."""

    run: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]  # with labels and subsets of the run's split
    labels: NDArray[np.int64]  # (N,) class indices, in the order of the pictures
    duplicates: tuple[tuple[int, ...], ...]  # rows; all of a group were compared with its first
    left_out: tuple[LeftOut, ...]
    near: Neighbours
    ranking: tuple[Suspect, ...]  # the most suspicious first

    def __repr__(self) -> str:
        pictures = plural(len(self.pictures), "picture")
        return f"ReviewReport({str(self.run)!r}: {pictures}, {self.suspects:,} labels are likely wrong)"

    @property
    def suspects(self) -> int:
        """Pictures with more evidence against their label than for it."""
        return sum(suspect.is_suspect for suspect in self.ranking)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one JSON object a picture, as `review --json` prints them."""
        for suspect in self.ranking:
            picture = self.pictures[suspect.row]
            yield {
                "path": picture.name,
                "given": self.classes[suspect.given],
                "suggested": self.classes[suspect.suggested],
                "score": suspect.score,
                "suspect": suspect.is_suspect,
                "reason": suspect.reason,
                "part": picture.part,
                "sha256": picture.sha256,
            }


def review(run: str | os.PathLike[str], *, progress: ProgressLike = None) -> ReviewReport:
    """Rank the train and validation pictures of a run by how likely their label is wrong.

    Features are those of the run's own backbone where its recipe has a frozen one, at the depth that the run chose,
    else of the default probe's; they come from the cache, or go there.

    Args:
        run: a run folder; its test set is not read.
        progress: as for `train`.

    Raises:
        WrongUsage: the folder holds no run. StorageError: a file of it cannot be read. DataError: too few pictures are
        still there. ModelError: the backbone is missing.
    """
    progress = progress_of(progress)
    folder = named_run(as_path(run)).resolve()
    parts = [held_out(folder, part, progress=progress) for part in ("train", "validation")]
    candidates = sorted((file for part in parts for file in part.candidates), key=lambda file: file.name)
    contents = {name: sha256 for part in parts for name, sha256 in part.contents.items()}
    recipe, machine, cache = probe_recipe(recipe_of(folder)), this_machine(), cache_folder()
    card = read_bundle(folder).card
    texts = {file.label for file in candidates}
    names = {name for text in texts for name in labels_in(text)} if card.several_labels else texts
    found = Found(root_of(folder), tuple(candidates), (), (), tuple(sorted(names)), several_labels=card.several_labels)
    decode = card.decode
    settings = replace(decode, image_px=recipe.image_px, version=DECODER_VERSION)
    with Cache(cache / "cache", refused=progress.say) as store:
        sink = feature_sink(recipe, store, machine, Stopwatch(), grey_range=settings.grey_range)
        with sink.kept():
            dataset = read_dataset(
                found,
                settings,
                cache=store,
                threads=machine.feeders,
                sink=sink,
                progress=progress,
                allow_missing=1.0,
            )
        dataset, left_out = _unchanged(dataset, contents)
        features = sink.features_of([picture.sha256 for picture in dataset.pictures])
    pictures = dataset.pictures
    split = split_into(dataset, [picture.part or "train" for picture in pictures], how="as the run's split says")
    rows = {picture.name: row for row, picture in enumerate(pictures)}
    groups = split.numbers()
    duplicates = tuple(tuple(rows[picture.name] for picture in group) for group in split.duplicates)
    near = nearest(features.last, groups)
    ranked = _ranked_labels if dataset.several_labels else _ranked
    classes, labels, ranking = ranked(dataset, features, depth_of(folder), groups, near, progress)
    return ReviewReport(
        run=folder,
        classes=classes,
        pictures=pictures,
        labels=labels,
        duplicates=duplicates,
        left_out=left_out,
        near=near,
        ranking=ranking,
    )


Ranked = tuple[tuple[str, ...], NDArray[np.int64], tuple[Suspect, ...]]  # classes, that of each picture (N,), ranking


def _ranked(
    dataset: Dataset,
    features: FeatureTable,
    depth: str,
    groups: NDArray[np.int64],
    near: Neighbours,
    progress: Progress,
) -> Ranked:
    classes = dataset.classes
    labels = np.array([classes.index(picture.label) for picture in dataset.pictures], dtype=np.int64)
    read = features.read(columns_at(depth, features, labels))
    probabilities = out_of_fold(read, labels, groups, classes=len(classes), progress=progress)
    return classes, labels, rank(probabilities, labels, near, classes)


def _ranked_labels(
    dataset: Dataset,
    features: FeatureTable,
    depth: str,
    groups: NDArray[np.int64],
    near: Neighbours,
    progress: Progress,
) -> Ranked:
    """Rank pictures by their most doubtful label; classes are sets of labels, as they are and as they are suggested."""
    names, texts = dataset.classes, [picture.label for picture in dataset.pictures]
    truth = truth_of(texts, names)
    read = features.read(columns_at(depth, features, rarest_labels(truth), truth=truth))
    ranking = rank_labels(out_of_fold_labels(read, truth, groups, progress=progress), truth, near, names)
    suggested = {suspect.row: joined({*labels_in(texts[suspect.row])} ^ {names[column]}) for suspect, column in ranking}
    index = {text: number for number, text in enumerate(sorted({*texts, *suggested.values()}))}
    suspects = tuple(
        replace(suspect, given=index[texts[suspect.row]], suggested=index[suggested[suspect.row]])
        for suspect, _ in ranking
    )
    labels = np.array([index[text] for text in texts], dtype=np.int64)
    return tuple(text or NO_LABELS for text in index), labels, suspects


def _unchanged(dataset: Dataset, contents: dict[str, str]) -> tuple[Dataset, tuple[LeftOut, ...]]:
    """Return the dataset without the files that hold something else now."""
    same = tuple(picture for picture in dataset.pictures if contents.get(picture.name) == picture.sha256)
    kept = {picture.name for picture in same}
    changed = [
        LeftOut(picture.name, "changed since the run") for picture in dataset.pictures if picture.name not in kept
    ]
    left_out = tuple(sorted([*dataset.left_out, *changed], key=lambda file: file.name))
    if len({picture.label for picture in same}) < 2:
        raise BadDataset(
            f"Too few of the run's pictures are still in {dataset.root} for a review.",
            f"{len(left_out):,} of {len(contents):,} are gone or were changed; the others show fewer than 2 classes.",
            "Put the pictures back, or train again on those that are there: pawsight train DATA",
        )
    return replace(dataset, pictures=same), left_out


def summary(report: ReviewReport) -> list[str]:
    """Return what was found as lines of text."""
    count, (verb, them) = report.suspects, ("has", "it") if report.suspects == 1 else ("have", "them")
    lines = [
        f"{count:,} of {len(report.pictures):,} labels {verb} more evidence against {them} than for {them};"
        f" {most_shown(report.ranking):,} are shown, the most suspicious first."
    ]
    if report.left_out:
        first = report.left_out[0]
        lines.append(f"{len(report.left_out):,} pictures are left out, the first: {first.name} ({first.reason}).")
    return lines


def decisions_of(run: Path) -> tuple[Decision, ...]:
    """Return what was decided about a run so far, else what it was trained with.

    Raises:
        DataError: the file of decisions cannot be read; it is not overwritten.
    """
    for name in (PATCH, APPLIED_PATCH):
        if (run / name).is_file():
            return read_patch(run / name).decisions
    return ()


def check_page() -> None:
    """Raise where the review page cannot be served.

    Raises:
        MissingExtra: pawsight[serve] is not installed.
    """
    require_extra(
        "serve",
        "starlette",
        "uvicorn",
        needed_by="The review page",
        why="The ranking alone needs no web server: pawsight review RUN --json",
    )


def open_page(
    report: ReviewReport, *, port: int = 0, ready: Callable[[str], None], stop: Event | None = None
) -> list[str]:
    """Serve the page on this machine until it is stopped, and return lines that say what was decided.

    Args:
        report: from `review`.
        port: of 127.0.0.1; 0 takes a free one.
        ready: called with the page's address once it can be opened.
        stop: ends it from another thread.

    Raises:
        MissingExtra: pawsight[serve] is not installed. WrongUsage: the port is taken.
    """
    check_page()
    from pawsight.web.review_page import ReviewSession, serve_review

    board, files = board_of(report)
    session = ReviewSession(
        board,
        files,
        report.run / PATCH,
        decisions_of(report.run),
        grey_range=read_bundle(report.run).card.decode.grey_range,
    )
    serve_review(session, port=port, ready=ready, stop=stop)
    return decision_lines(session.decisions(), report.run)


def decision_lines(decisions: Sequence[Decision], run: Path) -> list[str]:
    """Return what was decided, and the command to type next."""
    if not decisions:
        return ["Nothing was decided."]
    counted = Counter(decision.action for decision in decisions)
    counts = ", ".join(f"{counted[action]:,} {past}" for action, past in _PAST.items() if counted[action])
    file = os.path.relpath(run / PATCH)
    return [
        f"{len(decisions):,} decisions ({counts}) are in {file}.",
        f"Next: {typed('train', 'DATA', '--patch', file)}",
    ]


# What the page shows: likely wrong labels, duplicates and odd pictures, as JSON values


def board_of(report: ReviewReport) -> tuple[dict[str, Any], Mapping[int, File]]:
    """Return what the page shows as JSON values, and the file of each picture shown, by its row."""
    by_row = {suspect.row: suspect for suspect in report.ranking}
    sections: list[dict[str, Any]] = [
        {"key": "labels", "title": "Likely wrong labels", "items": _labels(report.ranking)},
        {"key": "duplicates", "title": "Duplicates", "items": _duplicates(report, by_row)},
        {"key": "odd", "title": "Odd ones", "items": _odd(report, by_row)},
    ]
    shown = set()
    for section in sections:
        for item in section["items"]:
            _add_opinion(item, by_row[item["picture"]])
            shown |= {item["picture"], *(neighbour["picture"] for neighbour in item["beside"])}
    pictures = {row: report.pictures[row] for row in sorted(shown)}
    board = {
        "name": f"{report.run.parent.name}/{report.run.name}",
        "patch": str(report.run / PATCH),
        "command": command_with_patch(report.run),
        "classes": list(report.classes),
        "total": len(report.pictures),
        "pictures": {row: _plain(picture, report.classes[report.labels[row]]) for row, picture in pictures.items()},
        "sections": sections,
        "left_out": [{"path": file.name, "reason": file.reason} for file in report.left_out],
    }
    return board, {row: (picture.path, picture.sha256, picture.name) for row, picture in pictures.items()}


def command_with_patch(run: Path) -> str:
    """Return the command that trains the same again with the decisions."""
    words: list[str] = []
    with suppress(WrongUsage, ValueError):  # no run, or a command that no shell would take
        words = shlex.split(RunRecord.read(run).command)
    if not words:
        return f"pawsight train DATA --patch {shlex.quote(str(run / PATCH))}"
    if "--patch" in words:  # what it was trained with is among the decisions
        place = words.index("--patch")
        del words[place : place + 2]
    return shlex.join([*words, "--patch", str(run / PATCH)])


def most_shown(ranking: Sequence[Suspect]) -> int:
    """Return how many labels the page shows: the suspects and some more."""
    suspects = sum(suspect.is_suspect for suspect in ranking)
    return min(suspects + _AFTER_SUSPECTS, _MOST_SUSPECTS, len(ranking))


def _labels(ranking: Sequence[Suspect]) -> list[Item]:
    return [
        {
            "picture": suspect.row,
            "suspect": suspect.is_suspect,
            "action": RELABEL if suspect.is_suspect else KEEP,
            "label": suspect.suggested,
            "reason": suspect.reason,
            "beside": _beside(suspect),
        }
        for suspect in ranking[: most_shown(ranking)]
    ]


def _beside(suspect: Suspect) -> list[Item]:
    """Return the pictures nearest to one, to be shown beside it."""
    near = zip(suspect.neighbours[:_NEIGHBOURS], suspect.similarities, strict=False)
    return [{"picture": row, "note": f"{100 * similarity:.0f} % alike"} for row, similarity in near]


def _add_opinion(item: Item, suspect: Suspect) -> None:
    """Add what a model that was not trained on the picture says of it."""
    known = np.isfinite(suspect.given_probability)
    item["score"] = round(suspect.score, 4)
    item["suggested"] = suspect.suggested
    item["given_probability"] = round(suspect.given_probability, 4) if known else None
    item["suggested_probability"] = round(suspect.suggested_probability, 4) if known else None


def _duplicates(report: ReviewReport, by_row: Mapping[int, Suspect]) -> list[Item]:
    """Return one item for each picture of a group but the one that stays; the most harmful first."""
    items = []
    for rows in report.duplicates:
        # Of two, or of exact copies, the better one stays; of others the one that all were compared with.
        comparable = len(rows) == 2 or len({report.pictures[row].sha256 for row in rows}) == 1
        first = min(rows, key=lambda row: _worth(report, by_row[row])) if comparable else rows[0]
        items += [_duplicate(report, by_row[row], first, rows) for row in sorted(rows) if row != first]
    items.sort(key=lambda item: (item.pop("harm"), item["picture"]))
    return items[:_MOST_DUPLICATES]


def _worth(report: ReviewReport, suspect: Suspect) -> tuple[float, bool, int]:
    """Order the pictures of a group: the one that stays has the most certain label and is rather in validation."""
    return round(suspect.score), report.pictures[suspect.row].part == "train", suspect.row


def _duplicate(report: ReviewReport, suspect: Suspect, first: int, rows: Sequence[int]) -> Item:
    row = suspect.row
    picture, other = report.pictures[row], report.pictures[first]
    more = [{"picture": twin, "note": "also alike"} for twin in rows if twin not in (row, first)]
    stays = report.classes[report.labels[first]]
    conflicts, leaks = picture.label != other.label, picture.part != other.part
    same = picture.sha256 == other.sha256
    reason = f"{'the same file' if same else 'may be the same picture'} as {other.name}"
    if conflicts:
        reason += f", which is labelled {stays}: one of the two labels {'is' if same else 'may be'} wrong"
    elif leaks:
        reason += f", which is in {other.part}: it {'leaks' if same else 'may leak'} between training and validation"
    else:
        reason += f": it {'counts' if same else 'may count'} more than once"
    # A label is doubted where the files are the same, or where the features doubt it as well.
    action = DROP
    if conflicts:
        action = RELABEL if same or suspect.is_suspect else KEEP
    return {
        "picture": row,
        "suspect": conflicts or leaks,
        "action": action,
        "label": int(report.labels[first]) if action == RELABEL else None,
        "reason": reason,
        "beside": [{"picture": first, "note": "stays"}, *more[: _NEIGHBOURS - 1]],
        "harm": 0 if conflicts else 1 if leaks else 2,
    }


def _odd(report: ReviewReport, by_row: Mapping[int, Suspect]) -> list[Item]:
    """Return the pictures that are least like all others."""
    odd = oddness(report.near)
    count = min(len(odd), _MOST_ODD, max(_LEAST_ODD, round(_ODD_SHARE * len(odd))))
    usual = 100 * (1 - float(np.median(odd)))
    items = []
    for row in np.argsort(-odd, kind="stable")[:count].tolist():
        reason = (
            f"it is {100 * (1 - float(odd[row])):.0f} % like the pictures nearest to it; here {usual:.0f} % is usual"
        )
        beside = _beside(by_row[row])
        items.append(
            {"picture": row, "suspect": True, "action": KEEP, "label": None, "reason": reason, "beside": beside}
        )
    return items


def _plain(picture: Picture, label: str) -> dict[str, Any]:
    facts = picture.facts
    return {
        "path": picture.name.encode("utf-8", "replace").decode(),
        "label": label,
        "part": picture.part,
        "width": facts.width,
        "height": facts.height,
    }
