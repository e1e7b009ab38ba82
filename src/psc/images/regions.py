"""What is important in a picture, as users say it, to the offsets of its blocks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from psc.errors import PscError
from psc.images.alpha import read_alpha
from psc.images.picture import Picture
from psc.plan.regions import NOTHING, Regions

ALPHA = "alpha"
Roi = str | Image.Image | NDArray[Any] | Sequence[Sequence[float]]
"""ALPHA; a mask; or boxes (x, y, width, height[, weight])."""
UNIMPORTANT = 32
"""The offset of a block without weight: two octaves, four times the step of those with weight 1."""
UNIT = 4
"""Offsets are multiples of this: a quarter of an octave."""


def regions_of(roi: Roi, picture: Picture, block: int) -> Regions | None:
    """The regions of a picture.

    Args:
        roi: ALPHA: where the picture is transparent nothing is measured. A mask of the picture's size: bright
            is important. Boxes: they are important, all else is not.
        picture: What is encoded.
        block: The side of the plan's blocks; a block is as important as the most important pixel in it.

    Returns:
        None if all blocks are alike.

    Raises:
        PscError: For a mask or a box that does not fit, or where nothing is important.
    """
    height, width = picture.colours.shape[1:]
    if isinstance(roi, str):
        seen = _maxima(_alpha(roi, picture), block)
        offsets = np.where(seen > 0, 0, NOTHING)
    else:
        if isinstance(roi, Image.Image | np.ndarray):
            weights = _maxima(_mask(roi, width, height), block)
        else:
            weights = _maxima(_boxes(roi, width, height), block)
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


def _mask(roi: Image.Image | NDArray[Any], width: int, height: int) -> NDArray[np.float64]:
    """A mask's weights, 0 to 1."""
    mask = np.asarray(roi.convert("L") if isinstance(roi, Image.Image) else roi)
    if mask.shape != (height, width) or mask.dtype != np.uint8:
        raise PscError(
            f"a mask of shape {mask.shape} and type {mask.dtype} came; expected 8-bit grey levels, {height} "
            f"rows of {width}: the size of the picture"
        )
    return _important(mask / 255)


def _boxes(boxes: Sequence[Sequence[float]], width: int, height: int) -> NDArray[np.float64]:
    """The weights of boxes, 0 to 1; where they overlap the greatest."""
    weights = np.zeros((height, width))
    for box in boxes:
        x, y, w, h, weight = (*box, 1.0)[:5] if len(box) in (4, 5) else (0, 0, 0, 0, 0)
        whole = all(float(side).is_integer() for side in (x, y, w, h))
        if not (whole and 0 <= x < x + w <= width and 0 <= y < y + h <= height and 0 < weight <= 1):
            raise PscError(
                f"the box {tuple(box)} came; expected x, y, width, height in whole pixels inside the picture "
                f"of {width}x{height}, and perhaps a weight, above 0 and up to 1"
            )
        inside = weights[int(y) : int(y + h), int(x) : int(x + w)]
        np.maximum(inside, weight, out=inside)
    return _important(weights)


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
