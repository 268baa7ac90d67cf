"""What a run that grew says of what it forgot."""

from __future__ import annotations

from pawsight.data.split import Assigned
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.growth import Change, changed
from pawsight.reports.growth import forgotten_sentence


def change_of(*rows: tuple[str, str, str], several_labels: bool) -> Change:
    """The change of pictures with a label, the answer before and the answer after."""
    before = {str(place): [Answer(str(place), str(place), row[0], row[1], 0.9)] for place, row in enumerate(rows)}
    after = [(Assigned(str(place), str(place), row[0], "validation"), row[2]) for place, row in enumerate(rows)]
    change = changed("validation", before, after, is_new=False, several_labels=several_labels)
    assert change is not None
    return change


def test_forgotten_pictures_are_counted_with_their_classes():
    change = change_of(("cats", "cats", "dogs"), ("dogs", "cats", "dogs"), several_labels=False)
    assert forgotten_sentence(change) == (
        "1 old validation picture right before and wrong now: 1 of 1 cats; 1 the other way round"
    )


def test_with_a_label_too_many_no_label_is_forgotten_and_pictures_are_counted():
    rows = ("red", "red", "red;round"), ("red;round", "", "red;round")
    text = forgotten_sentence(change_of(*rows, several_labels=True))
    assert text == "1 old validation picture right before and wrong now; 1 the other way round", (
        "two labels were learnt"
    )
