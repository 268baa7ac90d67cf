# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Cats, dogs, and how far to trust a number
#
# There is a well-loved exercise in image classification: take two thousand photographs of cats and dogs, and climb from a
# network that knows nothing to one that is nearly always right. It reports 60 %, 66 %, 71 % and 97 % for its four models,
# and 98 % on its test pictures.
#
# We walk the same way here, in Python, with Pawsight. Each step says what the exercise does, what it teaches, and, where
# we would do it otherwise, why. Two steps higher than the exercise went are waiting at the end.
#
# Everything runs on any labelled pictures: change one variable.

# %%
import os

DATA = os.environ.get("WALKTHROUGH_DATA", "sample")  # a folder per class, an archive, a URL, or "cats-and-dogs"

# %% [markdown]
# The rest of the settings can stay as they are. `"sample"` is a set of drawn cats and dogs that comes with Pawsight;
# `"cats-and-dogs"` fetches the photographs of the exercise. Scores on the drawings say nothing about photographs.

# %%
EPOCHS = int(os.environ.get("WALKTHROUGH_EPOCHS", "20"))
WEIGHTS = os.environ.get("WALKTHROUGH_WEIGHTS") or None  # a file with MobileNetV2's weights; None: Keras downloads them
RUNS = os.environ.get("WALKTHROUGH_RUNS") or None  # a folder of finished runs to read; None: train now
RECIPES = os.environ.get("WALKTHROUGH_RECIPES", "majority,cnn,cnn-augmented,cnn-normalised,mobilenet,probe,finetune")
SHOW_PICTURES = os.environ.get("WALKTHROUGH_PICTURES", "yes") == "yes"
SEED = 0

# %%
from pathlib import Path
from tempfile import mkdtemp

from IPython.display import Image, display

import pawsight
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.run_folder import read_rung
from pawsight.history import best_epoch


def percent(share):
    return f"{100 * share:.1f} %"


def table(header, *rows):
    """Print rows in columns: the first to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        print(first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)), sep="  ")


# %% [markdown]
# ## Load
#
# `inspect` reads every file once and changes none. It finds the classes from the names of the folders, so there is no list of
# class names to type in the wrong order, and it cuts the pictures into three parts: one to **train** on, one to **validate**
# on while choosing between models, and one to **test** the chosen model, once, at the very end.
#
# The parts are decided by what is in each file, never by the order in which files arrive. The digest seals the decision: two
# scores can be compared when their digests are the same.

# %%
look = pawsight.inspect(DATA, seed=SEED)
table(("part", "pictures"), *look.split.sizes.items())
print()
print("How:   ", look.split.how)
print("Digest:", look.split.digest[:12])
print("Files that could not be used:", len(look.catalog.left_out))

# %% [markdown]
# ## Look
#
# Look at the pictures before any network does. Half of all disappointments are visible here: a folder with the wrong name,
# pictures that lie on their side, a class that is always photographed indoors. `preview` draws three sheets: a few random
# pictures of each class, the four flips of one of them, and the same one turned at random.

# %%
sheets = pawsight.preview(DATA, out=Path(mkdtemp()) / "preview", seed=SEED)


def look_at(sheet):
    """Show a sheet, or, where the pictures are not ours to pass on, say which file it is."""
    if SHOW_PICTURES:
        display(Image(filename=sheet, width=480))
    else:
        print(f"(drawn into {sheet.name}; not shown here, since the photographs are not ours to pass on)")


look_at(sheets.grid)

# %% [markdown]
# Flips and rotations matter later on. A cat seen in a mirror is still a cat, so a network may be shown both. A cat upside down is
# still a cat too, but seldom photographed that way, which is the first hint that more variety is not always more help.

# %%
look_at(sheets.flips)
look_at(sheets.rotations)

# %% [markdown]
# ## Count, and the score of knowing nothing
#
# The cheapest classifier says the name of the commonest class, whatever it is shown. It is not a joke: a model that does
# not beat it has learnt nothing, and on lopsided classes it can look impressive.

# %%
print(sheets.to_json()["sentence"])
print(f"Always answering {sheets.commonest} would be right {percent(sheets.baseline)} of the time.")

# %% [markdown]
# ## Climb
#
# Now the slow cell. `ladder` trains one model after another on the same training pictures, scores each on the same validation
# pictures, keeps the test part sealed until one of them has been chosen, and writes a report to keep. With finished runs
# at hand, `report` reads them instead of training again.

# %%
ORDER = [name for name in RECIPES.split(",") if name]


def finished(folder):
    """Return finished runs on these very pictures, recipe by recipe, each with its seeds."""
    rungs = [read_rung(path.parent) for path in sorted(Path(folder).glob("[0-9]*/metrics.json"))]
    mine = [rung for rung in rungs if {one["label"] for one in rung.plain["validation"]["classes"]} >= set()]
    return {name: {rung.plain["seed"]: rung for rung in mine if rung.recipe == name} for name in ORDER}


# %%
