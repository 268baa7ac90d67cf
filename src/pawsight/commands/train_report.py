"""What a training run made and how good it is, for people and for programs.

Enters: the fields of a finished run. Leaves: JSON values and lines of text. Does not know: how it was trained.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.commands.patch_gain import spoken
from pawsight.commands.trust_report import TrustReport
from pawsight.core.history import Epoch
from pawsight.data.catalog import Catalog
from pawsight.data.findings import Finding
from pawsight.data.patched import PatchOutcome
from pawsight.data.split import Split
from pawsight.evaluation.comparison import Gain
from pawsight.evaluation.metrics import Metrics, sentence, to_jsonable
from pawsight.models.recipe import Recipe
from pawsight.reports.run_record import VERSION
from pawsight.reports.words import unmeasured_sentence

if TYPE_CHECKING:
    from pawsight.training.material import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a run made and how good it is."""

    run: Path
    recipe: Recipe
    catalog: Catalog
    split: Split
    validation: Metrics | None
    test: Metrics | None  # None also where the test part stayed sealed
    precision: str  # of the arithmetic that saw the pictures
    computed: int  # pictures whose features were not in the cache
    seconds: Mapping[str, float]
    machine: str
    adds: str = ""  # what the recipe adds to the one below it
    command: str = ""  # what makes the same run again
    parameters: tuple[int, int] = (0, 0)  # total and trainable
    layers: tuple[Layer, ...] = ()
    history: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()
    patch: PatchOutcome | None = None  # what decisions about labels changed
    trust: TrustReport | None = None  # how far the answers hold
    gain_from_patch: Gain | None = None  # over the run that the patch lies in
    findings: tuple[Finding, ...] = ()  # of the audit
    data: str = "DATA"  # as it is to be named to `pawsight inspect`

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean seconds of an epoch, None for recipes without epochs."""
        return sum(epoch.seconds for epoch in self.history) / len(self.history) if self.history else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `train --json` prints them."""
        return {
            "version": VERSION,
            "run": str(self.run),
            "recipe": self.recipe.name,
            "backbone": self.recipe.backbone,
            "image_px": self.recipe.image_px,
            "seed": self.recipe.seed,
            "precision": self.precision,
            "classes": list(self.catalog.classes),
            "counts": self.catalog.counts,
            "split": {
                "digest": self.split.digest,
                **self.split.sizes,
                "how": self.split.how,
                "seed": self.recipe.split_seed,
            },
            "straddling": [list(names) for names in self.split.straddling],
            "validation": to_jsonable(self.validation),
            "test": to_jsonable(self.test),
            "baseline": self.catalog.baseline,
            "left_out": [{"path": one.name, "reason": one.reason} for one in self.catalog.left_out],
            "adds": self.adds,
            "parameters": {"total": self.parameters[0], "trainable": self.parameters[1]},
            "layers": [asdict(layer) for layer in self.layers],
            "epochs": len(self.history),
            "seconds_per_epoch": self.seconds_per_epoch,
            "notes": list(self.notes),
            "patch": self.patch.to_json() if self.patch else None,
            "gain_from_patch": self.gain_from_patch.to_json() if self.gain_from_patch else None,
            "calibration": self.trust.calibration() if self.trust else None,
            "abstention": self.trust.abstention() if self.trust else None,
            "command": self.command,
            "seconds": dict(self.seconds),
            "machine": self.machine,
        }


def summary(report: TrainReport) -> list[str]:
    """Return the lines that tell a person what came out."""
    sizes = report.split.sizes
    counts = ", ".join(f"{count:,} {name}" for name, count in list(report.catalog.counts.items())[:6])
    more = f" and {len(report.catalog.classes) - 6} more classes" if len(report.catalog.classes) > 6 else ""
    lines = [
        f"Pictures    {len(report.catalog.pictures):,}: {counts}{more}",
        f"Split       {sizes['train']:,} train, {sizes['validation']:,} validation, {sizes['test']:,} test"
        f" ({report.split.how}); digest {report.split.digest[:12]}",
    ]
    lines += _warnings(report)
    lines += [f"Patch       {report.patch.sentence()}"] if report.patch else []
    if report.patch is not None and report.patch.fits_nothing:
        lines.append(f"WARNING     nothing was changed by {report.patch.file}: it is about none of these pictures")
    lines += [f"Note        {note}" for note in report.notes]
    lines += report.trust.lines() if report.trust else []
    lines.append(f"Validation  {sentence(report.validation)}")
    if report.test is not None:
        lines.append(f"Test        {sentence(report.test)}")
    if report.patch is not None and not report.patch.fits_nothing:
        lines.append(f"Patch       {spoken(report.gain_from_patch, report.patch.file)}")
    return [*lines, f"Run         {report.run} in {report.seconds['total']:.1f} s"]


def _warnings(report: TrainReport) -> list[str]:
    lines = []
    if report.catalog.left_out:
        reasons, total = Counter(one.reason for one in report.catalog.left_out), len(report.catalog.left_out)
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(4))
        lines.append(f"Left out    {total:,} file{'s' if total != 1 else ''}: {told}; each is named in catalog.csv")
    if report.split.straddling:
        first = " = ".join(report.split.straddling[0][:2])
        lines.append(
            f"WARNING     {len(report.split.straddling):,} pictures look the same in two parts, so the numbers below"
            f" flatter; the first: {first}. All are listed by: pawsight inspect"
        )
    unmeasured = unmeasured_sentence(report.catalog.classes, [one.label for one in report.split.part("validation")])
    lines += [f"WARNING     {unmeasured}"] if unmeasured else []
    grave = sum(one.severity == "high" for one in report.findings)
    if grave:
        noun = "finding" if grave == 1 else "findings"
        lines.append(f"WARNING     the audit has {grave:,} {noun} of high severity; see: {_inspect(report)}")
    return lines


def _inspect(report: TrainReport) -> str:
    return shlex.join(["pawsight", "inspect", report.data])
