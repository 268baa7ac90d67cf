"""What is wrong with a data set: one finding a row, the gravest first.

Enters: a `Catalog` and its `Split`. Leaves: `Finding`s. Does not know: models, files beyond the catalog, pages.

Nothing is read and nothing is changed here: the catalog's one pass over the files has measured all that is needed.
Severities: "high" makes labels or scores wrong unless something is done; "medium" loses pictures, counts some twice or
starves a class; "low" is unusual and worth a look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from pawsight.data.audit_alike import alike_findings
from pawsight.data.audit_classes import class_findings
from pawsight.data.catalog import Catalog, Picture
from pawsight.data.facts import Facts
from pawsight.data.findings import SEVERITIES, Finding, found
from pawsight.data.split import Split
from pawsight.data.traits import USUAL, TraitLimits, traits_of

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi"),
    "MPO": (".mpo", ".jpg", ".jpeg", ".jpe"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
}
_NOT_MISSED = ("hidden", "a link to a folder that is listed already")  # reasons why nobody expects a file to be used
_COMMON = 0.5  # share of grey pictures from which they are the rule


def audit(catalog: Catalog, split: Split, *, limits: TraitLimits = USUAL) -> tuple[Finding, ...]:
    """List what is wrong.

    Args:
        catalog: all pictures with their facts.
        split: of the same catalog; its groups of pictures that look alike are judged.
        limits: what is called dark, tiny and so on.

    Returns:
        findings ordered by severity, problem, path; the same data give the same findings.
    """
    findings = [
        *_left_out(catalog),
        *_unusual(catalog, limits),
        *alike_findings(catalog, split),
        *class_findings(catalog, limits),
    ]
    return tuple(sorted(findings, key=_rank))


def _rank(one: Finding) -> tuple[int, str, str, str]:
    return SEVERITIES.index(one.severity), one.problem, one.path, str(one.value)


def _left_out(catalog: Catalog) -> Iterator[Finding]:
    for one in catalog.left_out:
        if one.reason.startswith("outside "):
            yield found(one.name, "outside-parts", one.reason)
        elif one.reason == "truncated":
            yield found(one.name, "truncated", "")
        elif one.reason not in _NOT_MISSED:
            yield found(one.name, "unreadable", one.reason)


def _unusual(catalog: Catalog, limits: TraitLimits) -> Iterator[Finding]:
    """List pictures that are unlike photographs in general; grey ones only among colour."""
    traits = {one.name: traits_of(one.facts, limits) for one in catalog.pictures}
    counted = Counter(trait for own in traits.values() for trait in own)
    grey_is_usual = counted["grey"] > _COMMON * len(catalog.pictures)
    for one in catalog.pictures:
        for trait in traits[one.name]:
            if not (trait == "grey" and grey_is_usual):
                yield found(one.name, trait, _figure(trait, one.facts))
        if _has_wrong_suffix(one):
            yield found(one.name, "wrong-extension", one.facts.format)


def _figure(trait: str, facts: Facts) -> float:
    """Return what was measured, in the unit of the limit."""
    short, long = sorted((facts.width, facts.height))
    figures = {
        "tiny": short,
        "huge": round(facts.width * facts.height / 1e6, 1),
        "odd-aspect": round(long / short, 2),
        "blurry": facts.looks.sharpness,
        "single-colour": round(facts.looks.contrast, 1),
        "grey": round(facts.looks.chroma, 1),
        "rotated": facts.orientation,
    }
    return figures.get(trait, round(facts.looks.brightness, 1))


def _has_wrong_suffix(picture: Picture) -> bool:
    """Say whether the suffix names another format; a number or nothing names none."""
    suffix = PurePosixPath(picture.name).suffix.lower()
    allowed = _SUFFIXES.get(picture.facts.format)
    return allowed is not None and any(letter.isalpha() for letter in suffix) and suffix not in allowed
