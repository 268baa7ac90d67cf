"""The built-in sample: drawings of cats and dogs, and of other things, made from a seed; and of shapes.

Colours, scenes, sizes and light are picked alike for every kind; only shape tells a cat from a dog.

    picture.py   composes a picture, writes the sample    animal.py   properties and fur of one animal
    body.py      poses, limbs, tails, collars             cat.py, dog.py, face.py   heads
    scenes.py    rooms and landscapes                     things.py   things in front, other subjects
    drawing.py   shapes, colours, light                   shapes.py   drawings with several labels each
"""

from __future__ import annotations

from pawsight.sample.picture import CLASSES, KINDS, draw, draw_with_place, drawing_digest, write_sample

__all__ = ["CLASSES", "KINDS", "draw", "draw_with_place", "drawing_digest", "write_sample"]
