"""A map of deviations as a coloured picture, without Matplotlib; the page draws the same scale in CSS."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STOPS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Colours of evenly spaced values: dark where the samples agree, bright where they do not."""
SHOWN = 99.8
"""Per cent of the pixels that the scale covers; the few above have its last colour."""


def top_of(deviation: NDArray[np.float32]) -> float:
    """The value that the scale ends with: at least one grey level."""
    return max(float(np.percentile(deviation, SHOWN)), 1.0)


def tinted(deviation: NDArray[np.float32]) -> Image.Image:
    """The deviations (H, W), in 8-bit grey levels, as an RGB picture of the same size."""
    values = np.clip(deviation / top_of(deviation), 0, 1)
    at = np.linspace(0, 1, len(STOPS))
    planes = [np.interp(values, at, channel) for channel in zip(*STOPS, strict=True)]
    return Image.fromarray(np.stack(planes, 2).round().astype(np.uint8))
