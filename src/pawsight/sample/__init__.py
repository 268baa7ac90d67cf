"""The built-in sample: drawings of cats and dogs, and of other things, made from a seed.

Enters: a seed and a plan. Leaves: pictures, or a folder of them. Does not know: catalogs, splits, classifiers.
Colours, scenes, sizes and light are picked alike for every kind; only shape tells a cat from a dog.

    writing.py   a plan -> files            picture.py  composes one picture
    traits.py    what an animal is like     poses.py, figure.py   bodies   limbs.py  legs, tails, collars
    cat.py, dog.py, face.py                 heads       coat.py   fur patterns
    indoor.py, outdoor.py, ground.py        scenes      props.py  things in front    others.py  neither cat nor dog
    light.py     light and paper grain      palette.py  colours   pen.py, curves.py  shaded shapes, smooth outlines
"""

from __future__ import annotations

from pawsight.sample.picture import CLASSES, KINDS, draw, draw_with_place
from pawsight.sample.writing import SamplePlan, drawing_digest, write_sample

__all__ = ["CLASSES", "KINDS", "SamplePlan", "draw", "draw_with_place", "drawing_digest", "write_sample"]
