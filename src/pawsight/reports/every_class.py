"""What a run says of every class: guarantees by class, prediction sets, costs; for terminal and page."""

from __future__ import annotations

from collections.abc import Sequence

from pawsight.classifier.trust import VALIDATION, RiskGuarantee
from pawsight.core.text import plural
from pawsight.reports.run_record import RunRecord

_NAMED = 6  # classes in a sentence


def source_of(guarantee: RiskGuarantee) -> str:
    """Return which pictures a guarantee was measured on, in a word or a few."""
    return _source(guarantee.measured_on)


def by_class_sentence(record: RunRecord) -> str:
    """Return the guarantees for the answers with each class; the run has at least one."""
    kept = [pair for pair in zip(record.classes, record.by_class, strict=True) if pair[1] is not None]
    shown = [
        f"{name} {own.answered:,} of {own.pictures:,} answered, from {100 * own.threshold:.2f} % on,"
        f" {own.errors:,} wrong"
        for name, own in kept[:_NAMED]
        if own is not None
    ]
    more = f"; and {plural(len(kept) - _NAMED, 'more class', 'more classes')}" if len(kept) > _NAMED else ""
    first = next(own for own in record.by_class if own is not None)
    return (
        f"at most {100 * first.max_error:.4g} % of the answers with each class wrong, with"
        f" {100 * first.confidence:.0f} % confidence for each, on {source_of(first)}: {'; '.join(shown)}{more}"
    )


def never_sentence(record: RunRecord) -> str:
    """Return which classes are never answered since no threshold keeps the guarantee; empty where there are none."""
    never = [name for name, own in zip(record.classes, record.by_class, strict=True) if own is None]
    if not never:
        return ""
    return (
        f"never answered, always unsure: {_names(never)}: too few such answers, or too many of them wrong, for this"
        " guarantee; a larger --max-error-per-class or more pictures of these classes help"
    )


def sets_sentences(record: RunRecord) -> list[str]:
    """Return the promise of the prediction sets, and how they did on the held-out subsets; nothing without sets."""
    if (sets := record.sets) is None:
        return []
    shared = [record.classes[index] for index in sets.shared]
    if not shared:
        whom = "of the pictures of each class"
    elif len(shared) == len(record.classes):
        whom = "of all pictures, but not of those of each class, of which there are too few"
    else:
        whom = f"of the pictures of each class, but of {_names(shared)} together"
    return [
        f"the true class is in the set of {100 * sets.coverage:.4g} % {whom}; measured on {_source(sets.measured_on)}",
        *(f"{subset}: {figures.sentence()}" for subset, figures in record.measured_sets.items()),
    ]


def costs_sentences(record: RunRecord) -> list[str]:
    """Return what the answers to the held-out subsets cost; nothing where all mistakes cost the same."""
    return [f"{subset}: {figures.sentence()}" for subset, figures in record.measured_costs.items()]


def _source(measured_on: str) -> str:
    return "validation" if measured_on == VALIDATION else measured_on


def _names(classes: Sequence[str]) -> str:
    return ", ".join(map(repr, classes[:_NAMED])) + (" and more" if len(classes) > _NAMED else "")
