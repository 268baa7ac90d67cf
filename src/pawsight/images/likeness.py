"""How alike two pictures are once one is laid over the other: the second look at what fingerprint.py finds alike.

Two files show one picture when cropping a little, scaling the light of all channels alike and saving again turn one
into the other. So the second thumbnail is laid over the first with the crop and the light that fit best (B. Lucas and
T. Kanade, "An iterative image registration technique", IJCAI 1981), and what then remains is measured. Hue is
never adjusted: pictures that differ in colour alone are different.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawsight.images.decode import Pixels
from pawsight.images.fingerprint import THUMBNAIL_PX

_Floats = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_SMALLEST_CROP = 0.9  # of a side: 5 % may be missing at either end
_UNEVEN = 0.005  # by how much more one side may be cropped than the other, from their mean
_SLACK_PX = 0.1  # of a thumbnail; other than by this much, nothing moves unless it was cropped
_LIGHT, _OFFSET = (0.6, 1.7), 40.0  # of the second picture: factor, and levels that are added
_CLIPPED = 248  # levels; above, a brightened picture has lost what was there
_FIRST_STEPS, _LATER_STEPS = 2, 4  # of the fit; later ones only for pairs that may become alike
_HOPELESS = 0.45  # share of the contrast that remains after the first steps
_PATCH = 4  # thumbnail pixels to the side of a patch
_AT_ONCE = 512  # pairs; 40 MB
# Gradient left by rounding to whole levels and by JPEG, in levels: 0.3 to 0.5 at quality 50 (benchmarks/alike.py)
_NOISE = 0.5


def differences(thumbnails: Pixels, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return how much the pictures of each pair differ once they are laid over each other.

    Args:
        thumbnails: (N, 32, 32, 3) uint8, as `fingerprint.thumbnail` makes them.
        pairs: (P, 2) indices of them.

    Returns:
        (P, 3) float32. `edges`: gradient of what remains over the gradient of the picture, 0 where they are the same
        and about 1 where they have nothing in common. `colour`: hue that remains over an eighth of a side, in levels
        of 255. `patch`: what remains in the patch of an eighth of a side that differs most, in levels of 255. Where
        too little can be compared, all are infinite.
    """
    found = np.full((len(pairs), 3), np.inf, dtype=np.float32)
    for start in range(0, len(pairs), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(pairs)))
        ours, theirs = (_blurred(thumbnails[side]) for side in pairs[rows].T)
        fit, remains = _fitted(ours @ _LUMA, theirs, _identity(len(rows)), _FIRST_STEPS)
        likely = remains < _HOPELESS
        if likely.any():
            ours, theirs = ours[likely], theirs[likely]
            fit, _ = _fitted(ours @ _LUMA, theirs, fit[likely], _LATER_STEPS)
            found[rows[likely]] = _measured(ours, theirs, fit)
    return found


def _blurred(thumbnails: Pixels) -> _Floats:
    """Smooth with the binomial filter 1 2 1, so that what lies between pixels can be interpolated."""
    padded = np.pad(thumbnails.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return np.asarray((rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4, dtype=np.float32)


def _identity(pairs: int) -> _Floats:
    """Return the fit that changes nothing: scale and shift across, scale and shift down, factor and offset of light."""
    return np.tile(np.array([1, 0, 1, 0, 1, 0], dtype=np.float32), (pairs, 1))


def _overlaid(pictures: _Floats, fit: _Floats) -> tuple[_Floats, NDArray[np.bool_]]:
    """Return pictures (P, 32, 32, C) moved as a fit says, and where (P, 32, 32) they cover the other picture."""
    middle = (THUMBNAIL_PX - 1) / 2
    steps = np.arange(THUMBNAIL_PX, dtype=np.float32)
    across, down = (fit[:, at : at + 1] * (steps - middle) + fit[:, at + 1 : at + 2] + middle for at in (0, 2))
    inside_across, inside_down = (np.abs(place - middle) <= middle + 0.5 for place in (across, down))
    # Linear interpolation as a product of matrices: the weight of a pixel falls from 1 to 0 over its neighbour.
    weights_across, weights_down = (
        np.maximum(0, 1 - np.abs(np.clip(place, 0, THUMBNAIL_PX - 1)[:, :, None] - steps)) for place in (across, down)
    )
    channels_first = pictures.transpose(0, 3, 1, 2)
    moved = weights_down[:, None] @ channels_first @ weights_across[:, None].transpose(0, 1, 3, 2)
    return moved.transpose(0, 2, 3, 1), inside_down[:, :, None] & inside_across[:, None, :]


def _fitted(luma: _Floats, others: _Floats, fit: _Floats, steps: int) -> tuple[_Floats, _Floats]:
    """Lay `others` (P, 32, 32, 3) over `luma` (P, 32, 32) in a few Gauss-Newton steps from a fit.

    Returns:
        the fit, and the share of the contrast that remained before the last step.
    """
    fit = fit.copy()
    middle = (THUMBNAIL_PX - 1) / 2
    places = (np.arange(THUMBNAIL_PX, dtype=np.float32) - middle) / middle
    brightest_channel = np.maximum(np.maximum(others[..., 0], others[..., 1]), others[..., 2])
    planes = np.stack([others @ _LUMA, brightest_channel], axis=3)
    remains = np.ones(len(luma), dtype=np.float32)
    for _ in range(steps):
        moved, covered = _overlaid(planes, fit)
        moved, brightest = moved[..., 0], moved[..., 1]
        factor, offset = fit[:, 4, None, None], fit[:, 5, None, None]
        weight = (covered & (luma < _CLIPPED) & (brightest < _CLIPPED)).astype(np.float32)
        slope_down, slope_across = (factor * slope for slope in np.gradient(moved, axis=(1, 2)))
        slopes = np.stack(
            [slope_across * places, slope_across, slope_down * places[:, None], slope_down, moved, np.ones_like(moved)],
            axis=1,
        ).reshape(len(luma), 6, -1)
        weighted = slopes * weight.reshape(len(luma), 1, -1)
        error = luma - factor * moved - offset
        remains = np.asarray(_spread(error, weight) / np.maximum(_spread(luma, weight), 1), dtype=np.float32)
        # A little is added to the diagonal, so that flat pictures have an answer as well.
        normal = weighted @ slopes.transpose(0, 2, 1) + 100 * np.eye(6, dtype=np.float32)
        step = np.linalg.solve(normal, weighted @ error.reshape(len(luma), -1, 1))[..., 0]
        step[:, [0, 2]] /= middle
        fit[:, :4] += np.clip(step[:, :4], [-0.05, -1, -0.05, -1], [0.05, 1, 0.05, 1])
        fit[:, 4:] += step[:, 4:]
        _keep_possible(fit)
    return fit, remains


def _spread(values: _Floats, weight: _Floats) -> _Floats:
    """Return the weighted standard deviation of each (P,)."""
    weight, values = weight.reshape(len(weight), -1), values.reshape(len(values), -1)
    total = np.maximum(weight.sum(axis=1), 1)
    mean = (values * weight).sum(axis=1) / total
    spread: _Floats = np.sqrt((weight * (values - mean[:, None]) ** 2).sum(axis=1) / total)
    return spread


def _keep_possible(fit: _Floats) -> None:
    """Bring a fit back to what cropping can do: one picture is a window of the other."""
    is_window = fit[:, 0] + fit[:, 2] < 2
    least = np.where(is_window, _SMALLEST_CROP, 1)[:, None]
    most = np.where(is_window, 1, 1 / _SMALLEST_CROP)[:, None]
    scale = fit[:, [0, 2]].mean(axis=1, keepdims=True)
    fit[:, [0, 2]] = np.clip(np.clip(fit[:, [0, 2]], scale - _UNEVEN, scale + _UNEVEN), least, most)
    room = np.abs(1 - fit[:, [0, 2]]) * (THUMBNAIL_PX - 1) / 2 + _SLACK_PX
    fit[:, [1, 3]] = np.clip(fit[:, [1, 3]], -room, room)
    fit[:, 4] = np.clip(fit[:, 4], *_LIGHT)
    fit[:, 5] = np.clip(fit[:, 5], -_OFFSET, _OFFSET)


def _measured(ours: _Floats, theirs: _Floats, fit: _Floats) -> _Floats:
    """Return edges, colour and patch (P, 3) of pairs with their fit."""
    moved, covered = _overlaid(theirs, fit)
    factor, offset = fit[:, 4, None, None, None], fit[:, 5, None, None, None]
    expected, back = factor * moved + offset, (ours - offset) / factor
    # A channel that is clipped in one picture says nothing where the other, in its light, is as bright.
    nearly = _CLIPPED - 12
    clipped = ((ours >= _CLIPPED) & (expected >= nearly)) | ((moved >= _CLIPPED) & (back >= nearly))
    brightened = np.abs(fit[:, 4] - 1) > 0.04
    used = covered & ~(
        _widened(_widened(clipped[..., 0] | clipped[..., 1] | clipped[..., 2])) & brightened[:, None, None]
    )
    remains = np.where(used[..., None], ours - expected, 0)
    edges_left, edges = _gradient(remains, used), _gradient(ours, used)
    edges_left = np.sqrt(np.maximum(edges_left**2 - _NOISE**2, 0))
    side = THUMBNAIL_PX // _PATCH
    hue = remains - (remains @ _LUMA)[..., None]
    colour = np.abs(_means(hue, side // 2)).max(axis=(1, 2, 3))
    patch = _means(np.abs(remains), side).mean(axis=3).max(axis=(1, 2))
    measured = np.stack([edges_left / np.maximum(edges, 1e-6), colour, patch], axis=1)
    measured[edges < 2 * _NOISE] = np.inf
    return measured.astype(np.float32)


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask (P, 32, 32) with the neighbours of what it holds."""
    wide = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    wide = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
    return wide[:, :, :-2] | wide[:, :, 1:-1] | wide[:, :, 2:]


def _gradient(values: _Floats, used: NDArray[np.bool_]) -> _Floats:
    """Return the root mean square (P,) of the steps between neighbours that are both used."""
    down, across = used[:, 1:] & used[:, :-1], used[:, :, 1:] & used[:, :, :-1]
    squares = sum(
        np.where(both[..., None], np.diff(values, axis=axis) ** 2, 0).reshape(len(values), -1).sum(axis=1)
        for axis, both in ((1, down), (2, across))
    )
    gradient: _Floats = np.sqrt(squares / np.maximum(3 * (down.sum(axis=(1, 2)) + across.sum(axis=(1, 2))), 1))
    return gradient


def _means(values: _Floats, cells: int) -> _Floats:
    """Return the means (P, cells, cells, C) over squares of pictures (P, 32, 32, C)."""
    size = THUMBNAIL_PX // cells
    means: _Floats = values.reshape(len(values), cells, size, cells, size, -1).mean(axis=(2, 4))
    return means
