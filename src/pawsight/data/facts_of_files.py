"""Facts of files that are no data set: those a classifier is measured on.

Enters: candidates. Leaves: the facts of each that can be read, through the same cache as a catalog's. Does not know:
whether the files suffice to train on, which a catalog insists on.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawsight.core.cache import Cache
from pawsight.core.progress import SILENT, Progress
from pawsight.data.catalog import see_files
from pawsight.data.facts import Facts
from pawsight.data.finder import Candidate
from pawsight.images.decode import DecodeSettings
from pawsight.images.fingerprint import HASHED_PX


def facts_of_files(
    candidates: Sequence[Candidate], *, cache: Cache, threads: int, progress: Progress = SILENT
) -> dict[str, Facts]:
    """Return candidate name -> facts; files that cannot be read are not there.

    Args:
        candidates: the files.
        cache: where facts about known contents lie, and new ones go.
        threads: files worked on at once.
        progress: who is told how far it is.
    """
    with progress.stage("Looking at the pictures", len(candidates), "pictures") as step:
        facts = {}
        settings = DecodeSettings(image_px=HASHED_PX)
        for seen in see_files(candidates, settings, cache=cache, threads=threads):
            step.advance()
            if seen.facts is not None:
                facts[seen.candidate.name] = seen.facts
    return facts
