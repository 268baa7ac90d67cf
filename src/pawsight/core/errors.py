"""Every error that Pawsight raises on purpose, and the check for packages of an extra.

Entry points catch `PawsightError` and nothing else:

    PawsightError                 every error below
    ├── WrongUsage                the command or call is wrong (exit status 2)
    ├── DataError                 something about the user's pictures
    │   ├── UnreadablePicture     one file is no picture that can be read
    │   ├── PicturesChanged       files are no longer what was read
    │   ├── NoPictures            nothing to train on was found
    │   ├── BadDataset            classes or folders that cannot be trained on as they are
    │   ├── UnsafeArchive         an archive that would write outside its place or beyond its limits
    │   └── DownloadFailed        a download that cannot be had
    ├── ModelError                something about the classifier
    │   ├── WeightsUnavailable    pretrained weights are missing or are not what was published
    │   ├── BundleRefused         a bundle on disk that is broken, altered or fails its self-test
    │   ├── ExportRefused         a bundle in another format that does not answer as it should
    │   └── TrainingFailed        training cannot start or was stopped for a named cause
    ├── MissingExtra              a part of Pawsight that is not installed
    └── StorageError              the disk refused to read or write
        └── DiskFull              there is no room left; the message is one line
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any


class PawsightError(Exception):
    """An expected failure in three parts: what happened, why, and what to type.

    Args:
        what: one sentence that names the file or value.
        why: what was found instead, or the cause; may be empty.
        fix: the exact text to type or the thing to do; may be empty.
    """

    exit_status = 1
    separator = "\n"  # between the three parts

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__(self.separator.join(line for line in (what, why, fix) if line))

    def __reduce__(self) -> tuple[type[PawsightError], tuple[str, str, str], dict[str, Any]]:
        return type(self), (self.what, self.why, self.fix), self.__dict__


class WrongUsage(PawsightError):
    """The command or call is wrong."""

    exit_status = 2


class DataError(PawsightError):
    """Something about the user's pictures."""


class UnreadablePicture(DataError):
    """One file is no picture that can be read.

    `why` is one of a small set of reasons that datasets and predictions repeat: `empty`, `not a picture`,
    `too large`, `truncated`, `unreadable`, or a sentence that names an unsupported type.
    """


class PicturesChanged(DataError):
    """Files are no longer what was read; `changed` says why, by name, for all of them."""

    def __init__(
        self, what: str, why: str = "", fix: str = "", *, changed: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(what, why, fix)
        self.changed = dict(changed)


class NoPictures(DataError):
    """Nothing to train on was found."""


class BadDataset(DataError):
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
    """A bundle on disk that is broken, altered or fails its self-test."""


class ExportRefused(ModelError):
    """A bundle in another format that does not answer as it should."""


class TrainingFailed(ModelError):
    """Training cannot start or was stopped for a named cause."""


class MissingExtra(PawsightError):
    """A part of Pawsight that is not installed."""


class StorageError(PawsightError):
    """The disk refused to read or write."""


class DiskFull(StorageError):
    """There is no room left, or a quota is used up; the message is one line, which scripts and logs keep whole."""

    separator = " "


def require_extra(extra: str, *packages: str, needed_by: str, why: str = "") -> None:
    """Make sure that packages of an extra are installed, without importing them.

    Args:
        extra: what to install, as `pip install "pawsight[extra]"` names it.
        packages: importable names.
        needed_by: what needs them, at the beginning of the message: "Training", "The review page".
        why: what works without them; may be empty.

    Raises:
        MissingExtra: packages are missing; the message names all of them.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        several = f"{', '.join(missing[:-1])} and {missing[-1]}, which are"
        raise MissingExtra(
            f"{needed_by} needs {several if len(missing) > 1 else f'{missing[0]}, which is'} not installed.",
            why,
            f"Type: {install(extra, missing)}",
        )


def install(extra: str, missing: Sequence[str]) -> str:
    """Return the command that installs the packages of an extra; TensorFlow is in none, since there are several."""
    words = [f'"pawsight[{extra}]"'] if set(missing) - {"tensorflow"} else []
    words += [tensorflow_package()] if "tensorflow" in missing else []
    return f"pip install {' '.join(words)}"


def tensorflow_package() -> str:
    """Return the TensorFlow to install where there is none: the one without GPU libraries where it exists."""
    return "tensorflow-cpu" if sys.platform == "linux" and platform.machine() == "x86_64" else "tensorflow"
