"""Costs of mistakes: with them a picture is answered with the class of least expected cost, not the likeliest."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import DataError, WrongUsage
from pawsight.core.storage import as_path
from pawsight.data.tables import Problems, Table, TableError, open_table, readable

COLUMNS = ("true", "predicted", "cost")
GREATEST_COST = 1e6
_EXAMPLE = "It should look like this:\ntrue,predicted,cost\nmushroom,berry,20"

Floats = NDArray[np.floating]
NamedCosts = Mapping[tuple[str, str], float]  # (true class, answer) -> cost


@dataclass(frozen=True, slots=True)
class Costs:
    """What answers cost. A pair that is not listed costs 0 where the answer is right, else 1.

    Source: C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.
    """

    listed: tuple[tuple[int, int, float], ...]  # true class, answer, cost; classes by index

    def expected(self, probabilities: Floats) -> NDArray[np.float64]:
        """Return what each answer costs on average.

        Args:
            probabilities: (N, C), rows adding up to 1.

        Returns:
            (N, C); without a listed pair the probability that the answer is wrong.
        """
        shares = np.asarray(probabilities, np.float64)
        costs = shares.sum(axis=1, keepdims=True) - shares
        true, answers = (np.array([pair[place] for pair in self.listed], np.int64) for place in (0, 1))
        more = np.array([pair[2] for pair in self.listed]) - (true != answers)
        np.add.at(costs.T, answers, (shares[:, true] * more).T)
        return np.asarray(costs)

    def of(self, true: NDArray[np.int64], answers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what each of N answers cost (N,)."""
        costs: NDArray[np.float64] = np.asarray(true != answers, np.float64)
        for label, answer, cost in self.listed:
            costs[(true == label) & (answers == answer)] = cost
        return costs

    def to_json(self) -> list[list[float]]:
        """Return plain JSON values, as a bundle's card has them."""
        return [list(pair) for pair in self.listed]


def costs_from(values: Any) -> Costs:
    """Read the costs of a card.

    Raises:
        TypeError, ValueError: they are something else.
    """
    if not isinstance(values, list):
        raise TypeError(f"trust.costs, which is {values!r}")
    for pair in values:
        is_pair = isinstance(pair, list) and len(pair) == 3 and all(type(index) is int for index in pair[:2])
        if not is_pair or min(pair[:2]) < 0 or not _is_cost(pair[2]):
            raise ValueError(f"trust.costs, in which there is {pair!r}")
    return Costs(tuple((true, answer, float(cost)) for true, answer, cost in values))


def costs_for(named: NamedCosts, classes: Sequence[str]) -> Costs:
    """Return costs by the index of each class.

    Raises:
        WrongUsage: a class is not one of these.
    """
    index = {name: number for number, name in enumerate(classes)}
    if unknown := sorted({name for pair in named for name in pair} - set(index)):
        raise WrongUsage(
            f"The costs name classes that there are not: {', '.join(map(repr, unknown[:5]))}.",
            f"The classes are {', '.join(map(repr, classes[:10]))}{' and more' if len(classes) > 10 else ''}.",
            "Correct the names in the columns true and predicted.",
        )
    return Costs(tuple((index[true], index[answer], cost) for (true, answer), cost in named.items()))


def read_costs(costs: str | os.PathLike[str] | NamedCosts) -> dict[tuple[str, str], float]:
    """Read a table with the columns true, predicted and cost, or check costs that are given from Python.

    Raises:
        DataError: with everything that is wrong in the file, by line. StorageError: it cannot be read.
        WrongUsage: something else is given, or a cost cannot be used.
    """
    if isinstance(costs, Mapping):
        return _given_costs(costs)
    path, problems, found = as_path(costs), Problems(), dict[tuple[str, str], float]()
    with open_table(path, fix="Check the path that --costs names.") as file:
        try:
            table = Table(file, name=path.name)
            places = {name: table.columns.index(name) for name in COLUMNS if name in table.columns}
            for name in sorted(set(COLUMNS) - set(places)):
                problems.add(1, f"there is no column {name!r}")
            for line, row in table if len(places) == len(COLUMNS) else ():
                if row:
                    _add_cost(line, row, places, found, problems)
        except TableError as error:
            problems.add(error.line, error.fault)
    if not problems and not found:
        problems.add_text("It lists no costs.")
    if problems:
        raise DataError(problems.what(path, "nothing was read from it"), problems.why(), _EXAMPLE)
    return found


def _given_costs(costs: NamedCosts) -> dict[tuple[str, str], float]:
    wrong = [pair for pair, cost in costs.items() if not _is_pair(pair) or not _is_cost(cost)]
    if wrong:
        raise WrongUsage(
            f"The option costs cannot have {wrong[0]!r}: {costs[wrong[0]]!r}.".replace("\n", " "),
            f"A cost is a number from 0 to {GREATEST_COST:,.0f}, under the true class and the answer.",
            "Write for example costs={('mushroom', 'berry'): 20}",
        )
    return {(true, answer): float(cost) for (true, answer), cost in costs.items()}


def _add_cost(
    line: int,
    row: Sequence[str],
    places: Mapping[str, int],
    found: dict[tuple[str, str], float],
    problems: Problems,
) -> None:
    if len(row) <= max(places.values()):
        problems.add(line, f"it has too few columns, {len(row)}")
        return
    true, answer, text = (readable(row[places[name]], line).strip() for name in COLUMNS)
    try:
        cost = float(text)
    except ValueError:
        cost = math.nan
    if not _is_cost(cost):
        problems.add(line, f"the cost is {text!r}, not a number from 0 to {GREATEST_COST:,.0f}")
    elif (true, answer) in found:
        problems.add(line, f"the cost of answering {answer!r} to {true!r} is given twice")
    else:
        found[true, answer] = cost


def _is_cost(cost: object) -> bool:
    is_number = isinstance(cost, int | float | np.floating | np.integer) and not isinstance(cost, bool)
    return is_number and 0 <= float(cost) <= GREATEST_COST  # type: ignore[arg-type]


def _is_pair(pair: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
