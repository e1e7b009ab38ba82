"""Centre crops of pictures, and curves over them: what several benchmarks share."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

Curve = list[tuple[float, float]]
"""(bits per pixel, PSNR in dB)."""


def centre_crop(image: Image.Image, side: int) -> Image.Image:
    """The central square of ``side`` pixels."""
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def mean_curve(
    settings: Sequence[Sequence[tuple[int, float]]], pixels: int
) -> tuple[list[float], list[float]]:
    """Bits per pixel and PSNR: of each setting the means over its files' (bytes, PSNR)."""
    means = [np.mean(files, axis=0) for files in settings]
    return [8 * size / pixels for size, _ in means], [psnr for _, psnr in means]
