"""Every error Pawsight raises on purpose.

Enters: nothing. Leaves: exception classes. Does not know: who raises them or how they are shown.

    PawsightError                 doors catch this, and only this
    ├── WrongUsage                the command or call cannot be meant that way (exit status 2)
    ├── DataError                 something about the user's pictures
    │   ├── UnreadablePicture     one file is no picture that can be read
    │   ├── PicturesChanged       files are no longer what was catalogued
    │   ├── NoPictures            nothing to train on was found
    │   ├── BadCatalog            classes or folders that cannot be trained on as they are
    │   ├── UnsafeArchive         an archive that would write outside its place or beyond its limits
    │   └── DownloadFailed        a download that cannot be had
    ├── ModelError                something about the classifier
    │   ├── WeightsUnavailable    pretrained weights are missing or are not what was published
    │   ├── BundleRefused         a bundle on disk that is broken, altered or fails its exam
    │   ├── ExportRefused         a bundle in another format that does not answer as it should
    │   └── TrainingFailed        training cannot start or was stopped for a named cause
    ├── MissingExtra              a part of Pawsight that is not installed
    └── StorageError              the disk refused to read or write
        └── DiskFull              there is no room left; told in one line
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class PawsightError(Exception):
    """An expected failure, told in three parts: what happened, why, and what to type.

    Args:
        what: one sentence that names the file or value.
        why: what was found instead, or the cause; may be empty.
        fix: the exact text to type or the thing to do; may be empty.
    """

    exit_status = 1
    between = "\n"  # the three parts

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__(self.between.join(line for line in (what, why, fix) if line))

    def __reduce__(self) -> tuple[type[PawsightError], tuple[str, str, str], dict[str, Any]]:
        return type(self), (self.what, self.why, self.fix), self.__dict__


class WrongUsage(PawsightError):
    """The command or call cannot be meant that way."""

    exit_status = 2


class DataError(PawsightError):
    """Something about the user's pictures."""


class UnreadablePicture(DataError):
    """One file is no picture that can be read.

    `why` is one of a small set of reasons that catalogs and answers repeat: `empty`, `not a picture`,
    `too large`, `truncated`, `unreadable`, or a sentence that names an unsupported type.
    """


class PicturesChanged(DataError):
    """Files are no longer what was catalogued; `changed` says why, by name, for all of them."""

    def __init__(
        self, what: str, why: str = "", fix: str = "", *, changed: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(what, why, fix)
        self.changed = dict(changed)


class NoPictures(DataError):
    """Nothing to train on was found."""


class BadCatalog(DataError):
    """Classes or folders that cannot be trained on as they are."""


class UnsafeArchive(DataError):
    """An archive that would write outside its place or beyond its limits."""


class DownloadFailed(DataError):
    """A download that cannot be had."""


class ModelError(PawsightError):
    """Something about the classifier."""


class WeightsUnavailable(ModelError):
    """Pretrained weights are missing or are not what was published."""


class BundleRefused(ModelError):
    """A bundle on disk that is broken, altered or fails its exam."""


class ExportRefused(ModelError):
    """A bundle in another format that does not answer as it should."""


class TrainingFailed(ModelError):
    """Training cannot start or was stopped for a named cause."""


class MissingExtra(PawsightError):
    """A part of Pawsight that is not installed."""


class StorageError(PawsightError):
    """The disk refused to read or write."""


class DiskFull(StorageError):
    """There is no room left, or no more of it is allowed; told in one line, which scripts and logs keep whole."""

    between = " "
