"""The verb `recipes`: the table as values and as lines."""

from __future__ import annotations

import json

from pawsight.commands.recipes import recipes, summary, to_json
from pawsight.models.recipes import RECIPES


def test_all_rungs_are_listed_from_the_lowest_to_the_highest():
    assert [rung.recipe.name for rung in recipes()] == list(RECIPES)


def test_the_json_has_what_was_promised():
    plain = json.loads(json.dumps(to_json(recipes()), allow_nan=False))
    assert set(plain) == {"recipes"}
    for recipe in plain["recipes"]:
        assert set(recipe) >= {"name", "description", "expected", "parameters"}
        assert set(recipe["expected"]) == {"seconds", "accuracy", "machine", "runs"}
        assert set(recipe["parameters"]) == {"total", "trainable"}
        low, high = recipe["expected"]["accuracy"]
        assert 0 < low <= high <= 1


def test_people_get_a_line_and_a_description_for_each(snapshot):
    """The whole text; its figures are those of the table."""
    lines = summary(recipes())
    for name, rung in RECIPES.items():
        row = next(line for line in lines if line.split()[0] == name)
        assert f" {rung.seconds:,.0f} s " in row
        assert row.split()[-2:] == [f"{count:,}" for count in rung.parameters]
        assert lines[lines.index(row) + 1] == f"    {rung.description}"
    assert max(map(len, lines)) <= 140
    assert "\n".join(lines) == snapshot


def test_the_columns_line_up():
    header, *rows = (line for line in summary(recipes())[:-2] if not line.startswith("    "))
    assert {len(row) for row in rows} == {len(header)}


def test_the_last_lines_say_what_it_was_measured_on_and_what_to_type():
    *_, measured, following = summary(recipes())
    assert all(rung.machine in measured for rung in recipes())
    assert "pawsight train DATA --recipe NAME" in following
    assert "pawsight ladder DATA" in following
