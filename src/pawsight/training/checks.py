"""What stops a data set from becoming a classifier, though it is a fine data set otherwise.

Enters: names of classes before anything is read, later a split, or what changed meanwhile. Leaves: nothing or what is
left of a catalog, else an error. Does not know: pixels, features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pawsight.classifier.bundle import problem_with_name
from pawsight.classifier.trust import UNFAMILIAR, UNSURE
from pawsight.core.errors import BadCatalog
from pawsight.data.catalog import Catalog
from pawsight.data.checks import check_classes
from pawsight.data.finder import Found, LeftOut
from pawsight.data.split import Split


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
    for name in (UNSURE, UNFAMILIAR):
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


def without(catalog: Catalog, changed: Mapping[str, str], found: Found) -> Catalog:
    """Return a catalog without pictures that are no longer what was catalogued, with them among those left out.

    Args:
        catalog: as `read_catalog` returned it.
        changed: why, by name.
        found: what the catalog was read from.

    Raises:
        NoPictures, BadCatalog: the others cannot be trained on.
    """
    gone = [LeftOut(name, f"changed while being used: {reason}") for name, reason in changed.items()]
    left_out = tuple(sorted([*catalog.left_out, *gone], key=lambda one: one.name))
    kept = tuple(picture for picture in catalog.pictures if picture.name not in changed)
    rest = Catalog(catalog.root, kept, left_out)
    check_classes(found, rest.counts, rest.left_out, rest.taught)
    return rest
