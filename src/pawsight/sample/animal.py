"""The properties of one drawn animal, picked at random; how it is drawn is in body.py, cat.py and dog.py."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pawsight.sample.drawing import ACCENTS, IRISES, Colour
from pawsight.sample.fur import Coat, any_coat

POSES = ("sit-front", "sit-side", "stand", "lie", "loaf", "curl", "portrait", "peek", "back")
_POSE_SHARES = (20, 16, 16, 10, 9, 5, 14, 10, 6)
_EARS = {
    "cats": (("pointed", "large", "rounded", "folded", "tufted"), (42, 18, 20, 10, 10)),
    "dogs": (("long", "button", "half", "pricked", "bat", "rose"), (30, 22, 16, 16, 9, 7)),
}
_TAILS = {
    "cats": (("long", "hook", "wave", "bushy"), (38, 26, 20, 16)),
    "dogs": (("whip", "plume", "curled", "stub", "wag"), (24, 28, 20, 10, 18)),
}


@dataclass(frozen=True, slots=True)
class Animal:
    """The properties of one animal; lengths are factors about 1."""

    kind: str  # "cats" or "dogs"
    coat: Coat
    pose: str  # one of POSES
    view: str  # of the head: "front", "profile" or "back"
    girth: float
    leg: float
    ears: str
    ear_size: float
    muzzle: float  # 0 flat, 1 long
    tail: str
    fluff: float  # 0 short fur, 1 long fur
    eyes: str  # "open", "wide", "sleepy", "shut" or "happy"
    iris: Colour
    pupil: float  # width as a share of the eye
    gaze: tuple[float, float]  # where it looks, each -1 to 1
    turn: float  # of the head: -1 left, 1 right
    tilt: float  # of the head, degrees
    tongue: bool
    collar: Colour | None
    charm: str  # what hangs on the collar: "bell", "bone", "bow", "scarf" or "none"


def any_animal(kind: str, rng: Random) -> Animal:
    """Pick an animal; everything but shape is picked alike for both kinds."""
    pose = rng.choices(POSES, _POSE_SHARES)[0]
    cat = kind == "cats"
    ears, tail = (rng.choices(*table[kind])[0] for table in (_EARS, _TAILS))
    return Animal(
        kind=kind,
        coat=any_coat(rng),
        pose=pose,
        view=_view(pose, rng),
        girth=rng.uniform(0.82, 1.2),
        leg=rng.uniform(0.85, 1.15) if cat else rng.choice((0.62, 0.9, 1.0, 1.15, 1.25)),
        ears=ears,
        ear_size=rng.uniform(0.88, 1.14),
        muzzle=rng.uniform(0.0, 0.35) if cat else rng.uniform(0.25, 1.0),
        tail=tail,
        fluff=rng.choice((0.0, 0.0, 0.0, 0.4, 0.8, 1.0)),
        eyes="shut"
        if pose == "curl"
        else rng.choices(("open", "wide", "sleepy", "shut", "happy"), (55, 20, 10, 5, 10))[0],
        iris=rng.choice(IRISES),
        pupil=rng.uniform(0.22, 0.75) if cat else rng.uniform(0.62, 0.8),
        gaze=(rng.uniform(-1, 1), rng.uniform(-0.6, 0.6)),
        turn=rng.uniform(-1, 1) * rng.choice((0.25, 1.0)),
        tilt=rng.gauss(0, 7),
        tongue=rng.random() < 0.3,
        collar=rng.choice(ACCENTS) if rng.random() < 0.5 else None,
        charm=rng.choice(("bell", "bone", "bow", "scarf", "none")),
    )


def _view(pose: str, rng: Random) -> str:
    if pose == "back":
        return "back"
    chance = {"sit-side": 0.4, "stand": 0.55, "lie": 0.35}.get(pose, 0.0)
    return "profile" if rng.random() < chance else "front"
