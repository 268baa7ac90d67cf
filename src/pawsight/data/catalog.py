"""What is in the user's folders: pictures with their class, and what was left out and why.

Enters: a `Source`. Leaves: a `Catalog`. Does not know: models, where parts are cut, what the pixels are used for.

One pass over the files does all that needs their bytes: hash, decode, fingerprint, and hand the pixels to a
`PixelSink` (training computes features in it) so that no picture is decoded twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pawsight.core.cache import Cache
from pawsight.core.errors import UnreadablePicture
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import sha256_of
from pawsight.core.thread_pool import ordered_map
from pawsight.data.checks import check_classes, check_found
from pawsight.data.facts import FACTS_SPACE, Facts, as_bytes, facts_of, known_facts
from pawsight.data.finder import Candidate, Found, LeftOut
from pawsight.images.decode import DecodeSettings, Pixels, decode
from pawsight.images.loader import read_regular_file

_WRITE_EVERY = 512  # pictures whose facts are stored in one transaction


@dataclass(frozen=True, slots=True)
class Picture:
    """One readable, labelled picture."""

    path: Path
    name: str  # path below the root of the data, with forward slashes
    label: str
    part: str | None  # "train", "validation" or "test" where the folders say so
    sha256: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Catalog:
    """All pictures of a data set, sorted by name."""

    root: Path
    pictures: tuple[Picture, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted."""
        return tuple(sorted({picture.label for picture in self.pictures}))

    @property
    def counts(self) -> dict[str, int]:
        """Pictures in each class, by sorted class name."""
        counted = Counter(picture.label for picture in self.pictures)
        return {label: counted[label] for label in self.classes}

    @property
    def taught(self) -> set[str]:
        """Classes with a picture that training may see."""
        return {picture.label for picture in self.pictures if picture.part in (None, "train")}

    @property
    def baseline(self) -> float:
        """Share of the commonest class: the accuracy of always answering it."""
        return max(self.counts.values()) / len(self.pictures)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the contents and labels, whatever the files are called."""
        lines = sorted(f"{picture.sha256},{picture.label}" for picture in self.pictures)
        return sha256_of("\n".join(lines).encode("utf-8", "surrogateescape"))


class PixelSink(Protocol):
    """Somebody who wants the pixels while they are in memory."""

    def wants(self, sha256: str) -> bool:
        """Say whether the pixels of this content are needed; called from several threads, for every file."""

    def take(self, sha256: str, pixels: Pixels) -> None:
        """Receive pixels (image_px, image_px, 3) uint8; called from one thread, in the order of the catalog."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one file: its facts, or the problem that keeps it out."""

    candidate: Candidate
    sha256: str
    facts: Facts | None
    fresh: bool  # the facts are not in the cache yet
    pixels: Pixels | None
    problem: str


class See(Protocol):
    """Somebody who looks at files, as `see_files` does; what it has to prepare it prepares when it is called."""

    def __call__(
        self,
        candidates: Sequence[Candidate],
        settings: DecodeSettings,
        *,
        cache: Cache,
        threads: int,
        sink: PixelSink | None,
    ) -> Iterator[Seen]:
        """Return one `Seen` for each file, in order; one without pixels has handed to the sink what it wants."""


def read_catalog(
    found: Found,
    settings: DecodeSettings,
    *,
    cache: Cache,
    threads: int,
    sink: PixelSink | None = None,
    progress: Progress = SILENT,
    see: See | None = None,
) -> Catalog:
    """Read every file that was found, once.

    Args:
        found: files with their labels, from `finder.find`.
        settings: how to decode; the pixels go to `sink`.
        cache: where facts about known contents lie.
        threads: files worked on at once.
        sink: who wants the pixels; gets those of equal files once.
        progress: who is told how far it is.
        see: who looks at the files; None is this process, by `see_files`.

    Raises:
        NoPictures, BadCatalog: there is nothing that can be trained on.
    """
    check_found(found)
    pictures, left_out, taken = [], list(found.left_out), set()
    looks = (see or see_files)(found.candidates, settings, cache=cache, threads=threads, sink=sink)
    with progress.stage("Reading pictures", len(found.candidates), "pictures") as step:
        for seen in looks:
            step.advance()
            if seen.facts is None:
                left_out.append(LeftOut(seen.candidate.name, seen.problem))
                continue
            if sink is not None and seen.pixels is not None and seen.sha256 not in taken:
                taken.add(seen.sha256)
                sink.take(seen.sha256, seen.pixels)
            one = seen.candidate
            pictures.append(Picture(one.path, one.name, one.label, one.part, seen.sha256, seen.facts))
    catalog = Catalog(found.root, tuple(pictures), tuple(sorted(left_out, key=lambda one: one.name)))
    check_classes(found, catalog.counts, catalog.left_out, catalog.taught)
    return catalog


def see_files(
    candidates: Sequence[Candidate],
    settings: DecodeSettings,
    *,
    cache: Cache,
    threads: int,
    sink: PixelSink | None = None,
) -> Iterator[Seen]:
    """Look at files in threads, yielding one `Seen` for each in order; facts that are new are kept in the cache."""
    return stored(_see_all(candidates, settings, cache, threads, sink), cache)


def _see_all(
    candidates: Sequence[Candidate],
    settings: DecodeSettings,
    cache: Cache,
    threads: int,
    sink: PixelSink | None,
) -> Iterator[Seen]:
    def see(candidate: Candidate) -> Seen:
        sha256 = ""
        try:
            data = read_regular_file(candidate.path)
            sha256 = sha256_of(data)
            known = known_facts(cache, sha256)
            wanted = sink is not None and sink.wants(sha256)
            decoded = decode(data, settings, name=candidate.name) if wanted else None
            facts = known or facts_of(data, settings, decoded, candidate.name)
            return Seen(candidate, sha256, facts, known is None, decoded.pixels if decoded else None, "")
        except UnreadablePicture as error:
            return Seen(candidate, sha256, None, False, None, error.why)

    return ordered_map(see, candidates, threads=threads)


def stored(seen: Iterator[Seen], cache: Cache) -> Iterator[Seen]:
    """Pass everything on, storing fresh facts as they come."""
    fresh: dict[str, bytes] = {}
    for one in seen:
        if one.fresh and one.facts is not None:
            fresh[one.sha256] = as_bytes(one.facts)
        if len(fresh) >= _WRITE_EVERY:
            cache.put_many(FACTS_SPACE, fresh)
            fresh = {}
        yield replace(one, fresh=False)
    cache.put_many(FACTS_SPACE, fresh)
