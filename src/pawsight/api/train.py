"""`pawsight.train`: labelled pictures of any form in, a `Run` out. The command line calls commands/train.py itself."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Unpack

from pawsight.api.dataset import Dataset, as_data
from pawsight.api.run import Run, open_run
from pawsight.commands.train import train as train_data
from pawsight.commands.train_options import TrainKeywords, TrainOptions
from pawsight.core.errors import BadDataset, WrongUsage
from pawsight.core.progress import Progress, ProgressLike, progress_of
from pawsight.core.text import plural
from pawsight.data.reading import FolderReading


def train(
    data: Any = None,
    y: Any = None,
    options: TrainOptions = TrainOptions(),
    *,
    progress: ProgressLike = None,
    **keywords: Unpack[TrainKeywords],
) -> Run:
    """Train a classifier on labelled pictures.

    Args:
        data: a folder, an archive, the address of one, a CSV, the name of a data set; a `Dataset`; a DataFrame with the
            columns image (or path) and label, and split and group where they are known; or N pictures in memory,
            each as `Classifier.predict` takes it, with their labels in `y`.
            With `from_run` None, or what the pictures of that run lie in now, e.g. another folder; more pictures are
            `add`, in any of these forms that has labels.
        y: (N,) labels of pictures in memory: names, or numbers, which become names. Several labels of each: (N,) sets
            of names, or (N, L) zeros and ones.
        options: how it is trained.
        progress: None shows it in notebooks and terminals, True always, False never; or a function that is called with
            the stage, the steps that are done and their number (None: not known).
        keywords: fields of `TrainOptions` that differ from `options`.

    Returns:
        the finished run; its folder is numbered, in `out`.

    Raises:
        PawsightError: something is wrong with data, installation or disk; it says what, why and what to do.

    Examples:
        >>> run = pawsight.train("photos/")
        >>> run.validation.accuracy > run.validation.baseline
        True
    """
    if not isinstance(options, TrainOptions):
        what = f"The options are of type {type(options).__name__}."
        raise WrongUsage(what, "They are pawsight.TrainOptions, or keywords.", "Type pawsight.train(X, y, seed=1)")
    listener = progress_of(progress)
    added = keywords.pop("add", options.add)  # in any form, which the options of the command line do not take
    options = options.changed(**keywords)
    if options.from_run is not None:
        return _grown(options, data, added, listener)
    if added is not None:
        raise WrongUsage(
            "add has no effect without from_run.",
            "It says what a finished run grows by.",
            'Name the run: pawsight.train(from_run="runs/latest", add=table)',
        )
    if data is None:
        raise WrongUsage("data is missing.", "A classifier is trained on pictures.", 'Type pawsight.train("photos/")')
    options.made_recipe()  # what is wrong with the options is said before pictures are stored
    source, columns = as_data(data, y, columns=options.columns, progress=listener)
    if isinstance(source, Dataset) and len(source.classes) < 2:
        raise BadDataset(
            f"The only label is {source.classes[0]!r}, of {plural(len(source), 'picture')}.",
            "A classifier needs at least two classes to choose between.",
            "Give pictures of another class too.",
        )
    options = options.changed(columns=columns)
    if isinstance(source, Dataset) and source.several_labels:
        reading = replace(options.reading or FolderReading(), several_labels=True)
        options = options.changed(reading=reading)
    return open_run(train_data(source, options, progress=listener).run)


def _grown(options: TrainOptions, data: Any, added: Any, listener: Progress) -> Run:
    """Let a run grow by labelled pictures of any form."""
    if data is not None and not isinstance(data, str | os.PathLike):
        raise WrongUsage(
            f"Data of type {type(data).__name__} is not where a run's pictures lie.",
            "With from_run, data is the folder in which they lie now, where they were moved.",
            "Give more pictures as add: pawsight.train(from_run=run, add=table)",
        )
    if added is not None:
        added, columns = as_data(added, columns=options.columns, progress=listener)
        options = options.changed(add=added, columns=columns)
        if isinstance(added, Dataset) and added.several_labels:
            options = options.changed(reading=replace(options.reading or FolderReading(), several_labels=True))
    return open_run(train_data(data, options, progress=listener).run)
