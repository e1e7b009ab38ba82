"""What is important in a picture, as users say it, to the offsets of its blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from psc.errors import PscError
from psc.images import modes
from psc.images.alpha import read_alpha
from psc.images.orientation import INVERSES, SIDEWAYS, orientation, turned
from psc.images.picture import Picture
from psc.plan.regions import NOTHING, Regions

ALPHA = "alpha"
Mask = Image.Image | NDArray[Any]
Boxes = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Seen:
    """A mask, or boxes, of the picture as it is seen: upright, where its pixels are stored on their side."""

    region: Mask | Boxes


Roi = str | Mask | Boxes | Seen
"""ALPHA; a mask; or boxes (x, y, width, height[, weight])."""
UNIMPORTANT = 32
"""The offset of a block without weight: two octaves, four times the step of those with weight 1."""
UNIT = 4
"""Offsets are multiples of this: a quarter of an octave."""


def regions_of(roi: Roi, picture: Picture, block: int) -> Regions | None:
    """The regions of a picture.

    Args:
        roi: ALPHA: where the picture is transparent nothing is measured. A mask of the picture's size: bright
            is important. Boxes: they are important, all else is not. Both are of the pixels as they are
            coded, unless they are Seen.
        picture: What is encoded.
        block: The side of the plan's blocks; a block is as important as the most important pixel in it.

    Returns:
        None if all blocks are alike.

    Raises:
        PscError: For a mask or a box that does not fit, or where nothing is important.
    """
    if isinstance(roi, str):
        seen = _maxima(_alpha(roi, picture), block)
        offsets = np.where(seen > 0, 0, NOTHING)
    else:
        weights = _maxima(_weights(roi, picture), block)
        offsets = UNIT * np.rint((1 - weights) * (UNIMPORTANT / UNIT)).astype(int)
        offsets -= offsets.min()
    return Regions.of(offsets.ravel().tolist()) if offsets.any() else None


def _alpha(roi: str, picture: Picture) -> NDArray[np.uint8]:
    if roi != ALPHA:
        raise PscError(f"the region {roi!r} came; expected {ALPHA!r}, a mask or boxes")
    height, width = picture.colours.shape[1:]
    alpha = read_alpha(picture.metadata, (width, height))
    if alpha is None:
        raise PscError("the region is to be the picture's alpha, but the picture is opaque everywhere")
    return _important(np.asarray(alpha))


def _weights(roi: Mask | Boxes | Seen, picture: Picture) -> NDArray[np.float64]:
    """The weights, 0 to 1, of the pixels as they are coded."""
    height, width = picture.colours.shape[1:]
    number = orientation(picture.metadata) if isinstance(roi, Seen) else 1
    width, height = (height, width) if number in SIDEWAYS else (width, height)
    region = roi.region if isinstance(roi, Seen) else roi
    of: Callable[..., NDArray[np.float64]] = _mask if isinstance(region, Image.Image | np.ndarray) else _boxes
    weights = _important(of(region, width, height))
    return weights if number == 1 else np.asarray(turned(Image.fromarray(weights), INVERSES[number]))


def _mask(roi: Mask, width: int, height: int) -> NDArray[np.float64]:
    """A mask's weights, 0 to 1."""
    mask = np.asarray(modes.plain(roi).convert("L") if isinstance(roi, Image.Image) else roi)
    if mask.shape != (height, width) or mask.dtype != np.uint8:
        raise PscError(
            f"a mask of shape {mask.shape} and type {mask.dtype} came; expected 8-bit grey levels, {height} "
            f"rows of {width}: the size of the picture"
        )
    return mask / 255


def _boxes(boxes: Boxes, width: int, height: int) -> NDArray[np.float64]:
    """The weights of boxes, 0 to 1; where they overlap the greatest."""
    if not isinstance(boxes, list | tuple):
        raise PscError(f"the region {boxes!r:.60} came; expected {ALPHA!r}, a mask or a list of boxes")
    weights = np.zeros((height, width))
    for box in boxes:
        x, y, w, h, weight = _sides(box)
        whole = all(side.is_integer() for side in (x, y, w, h))
        if not (whole and 0 <= x < x + w <= width and 0 <= y < y + h <= height and 0 < weight <= 1):
            raise PscError(
                f"the box {box!r:.60} came; expected x, y, width, height in whole pixels inside the picture "
                f"of {width}x{height}, and perhaps a weight, above 0 and up to 1"
            )
        inside = weights[int(y) : int(y + h), int(x) : int(x + w)]
        np.maximum(inside, weight, out=inside)
    return weights


def _sides(box: Sequence[float]) -> list[float]:
    """A box's numbers, with its weight; none that fit anywhere, if it is no box."""
    try:
        sides = [] if isinstance(box, str) else [float(side) for side in box]
    except (TypeError, ValueError):
        sides = []
    return [*sides, 1.0][:5] if len(sides) in (4, 5) else [0.0] * 5


def _important(values: NDArray[Any]) -> NDArray[Any]:
    """The values as they came; PscError if they are all zero."""
    if not values.any():
        raise PscError("nothing is important: the mask is black, the alpha clear everywhere, or no box came")
    return values


def _maxima(pixels: NDArray[Any], block: int) -> NDArray[Any]:
    """The greatest value in each block (rows, columns)."""
    below, right = (-side % block for side in pixels.shape)
    padded = np.pad(pixels, ((0, below), (0, right)))
    rows, columns = (side // block for side in padded.shape)
    maxima: NDArray[Any] = padded.reshape(rows, block, columns, block).max((1, 3))
    return maxima
