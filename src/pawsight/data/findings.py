"""What can be wrong with a data set, and how grave each problem is.

Enters: a path and what was measured. Leaves: a `Finding`. Does not know: how a problem is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SEVERITIES = ("high", "medium", "low")

# high: labels or scores are wrong unless something is done. medium: pictures are lost or count twice, or a class is
# starved. low: unusual, worth a look.
PROBLEMS = {
    "two-labels": "high",
    "near-two-labels": "high",
    "across-parts": "high",
    "near-across-parts": "high",
    "shortcut-size": "high",
    "shortcut-camera": "high",
    "shortcut-format": "high",
    "shortcut-colour": "high",
    "shortcut-rotation": "high",
    "rotation-differs": "medium",
    "unreadable": "medium",
    "truncated": "medium",
    "duplicate": "medium",
    "single-colour": "medium",
    "lopsided": "medium",
    "outside-parts": "low",
    "near-duplicate": "low",
    "wrong-extension": "low",
    "tiny": "low",
    "huge": "low",
    "odd-aspect": "low",
    "dark": "low",
    "bright": "low",
    "blurry": "low",
    "grey": "low",
    "rotated": "low",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one file or, where the path is a class or ".", with the data set."""

    path: str  # below the root of the data, with forward slashes
    problem: str  # one of PROBLEMS
    value: str | float  # what was measured, or the name of the other picture; empty where there is nothing to add
    severity: str  # "high", "medium" or "low"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"path": self.path, "problem": self.problem, "value": self.value, "severity": self.severity}


def found(path: str, problem: str, value: str | float) -> Finding:
    """Return a finding as grave as its problem."""
    return Finding(path, problem, value, PROBLEMS[problem])
