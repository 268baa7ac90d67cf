"""What stops a data set from becoming a classifier, though it is a fine data set otherwise.

Enters: names of classes before anything is read, later a split. Leaves: nothing, or an error. Does not know: pixels,
features.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawsight.bundle_checks import problem_with_name
from pawsight.data.split import Split
from pawsight.errors import BadCatalog
from pawsight.trust import UNLIKE, UNSURE


def check_names(classes: Sequence[str]) -> None:
    """Refuse names that a bundle could not carry.

    Raises:
        BadCatalog: a name holds control characters, is not UTF-8 or is too long.
    """
    for name in classes:
        problem = problem_with_name(name)
        if problem:
            raise BadCatalog(
                f"The name {name!r} cannot be the name of a class.",
                f"It {problem}, so it could not be shown or sent everywhere.",
                "Rename the folder, or change the label in the CSV, and type the same command again.",
            )


def check_verdicts(classes: Sequence[str]) -> None:
    """Refuse classes whose names a cautious classifier says instead of a class.

    Raises:
        BadCatalog: a class is called "unsure" or "unlike anything seen".
    """
    for name in (UNSURE, UNLIKE):
        if name in classes:
            raise BadCatalog(
                f"The name {name!r} cannot be the name of a class with --max-error.",
                "It is what is answered where no class is, and nobody could tell the two apart.",
                "Rename the folder, or change the label in the CSV, or leave --max-error out.",
            )


def check_taught(split: Split, *, compares_epochs: bool) -> None:
    """Refuse a split that nothing can be learnt from.

    Args:
        split: of all pictures.
        compares_epochs: the recipe chooses between its epochs on the validation part, so there must be one.

    Raises:
        BadCatalog: a class is in validation or test alone, or validation is wanted and empty.
    """
    if compares_epochs and not split.part("validation"):
        raise BadCatalog(
            "The validation part has no pictures.",
            "This recipe keeps its best epoch, and only validation can say which that is.",
            "Add pictures, or train without epochs: --recipe probe",
        )
    taught = {one.label for one in split.part("train")}
    untaught = sorted({one.label for one in split.assigned} - taught)
    if untaught:
        more = f" and {len(untaught) - 5:,} more" if len(untaught) > 5 else ""
        raise BadCatalog(
            f"No training picture shows {', '.join(map(repr, untaught[:5]))}{more}.",
            f"Classes are learnt from the training part, which has {', '.join(map(repr, sorted(taught)[:5]))}.",
            "Put pictures of every class into train/, or take the others out of validation/ and test/.",
        )
