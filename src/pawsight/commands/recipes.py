"""The verb `recipes`: the table of recipes, which is in models/recipes.py, as JSON and as text."""

from __future__ import annotations

from typing import Any

from pawsight.models.recipes import RECIPES, NamedRecipe


def recipes() -> list[NamedRecipe]:
    """Return the recipes of the ladder, the simplest first."""
    return list(RECIPES.values())


def to_json(rungs: list[NamedRecipe]) -> dict[str, Any]:
    """Return plain JSON values, as `recipes --json` prints them."""
    return {"recipes": [rung.to_json() for rung in rungs]}


def summary(rungs: list[NamedRecipe]) -> list[str]:
    """Return the table as lines of text, and what its figures were measured on."""
    lines = [f"{'recipe':<15} {'expected':>13} {'validation':>13} {'parameters':>11} {'trainable':>10}"]
    for rung in rungs:
        low, high = rung.accuracy
        share = f"{100 * low:.1f}-{100 * high:.1f} %" if high > low else f"{100 * low:.0f} %"
        total, trainable = rung.parameters
        seconds = f"about {rung.seconds:,.0f} s"
        lines.append(f"{rung.recipe.name:<15} {seconds:>13} {share:>13} {total:>11,} {trainable:>10,}")
        lines.append(f"    {rung.description}")
    machines = sorted({rung.machine for rung in rungs})
    runs = " or ".join(str(number) for number in sorted({rung.runs for rung in rungs}))
    return [
        *lines,
        f"Measured on the exercise's 3,000 photographs, {'; '.join(machines)}, {runs} runs each; two classes.",
        "Next: pawsight train DATA --recipe NAME, or all of them: pawsight ladder DATA",
    ]
