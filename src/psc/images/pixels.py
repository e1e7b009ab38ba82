"""Pictures in and out: Pillow images and arrays to tensors in [-1, 1], padded to whole blocks, and back."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from psc.images import modes, opening
from psc.images.arrays import samples

ImageLike = Image.Image | NDArray[Any]


def to_tensor(image: ImageLike) -> torch.Tensor:
    """A picture's colours, without alpha -> (C, H, W) in [-1, 1], C = 1 (grey) or 3.

    Args:
        image: Of any mode, or an array as :func:`psc.images.arrays.samples` takes it.

    Raises:
        PscError: For what is no picture.
    """
    given = np.asarray(modes.plain(opening.loaded(image))) if isinstance(image, Image.Image) else image
    planes = samples(given).transpose(2, 0, 1)
    colours = planes[: 1 if len(planes) < 3 else 3]
    return torch.from_numpy(colours.astype(np.float32)) / 127.5 - 1


def to_image(x: torch.Tensor) -> Image.Image:
    """(C, H, W) in [-1, 1] -> a Pillow image, mode L or RGB, rounded to 8 bits."""
    array = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    return Image.fromarray(array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))


def psnr(a: Image.Image, b: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB over all 8-bit samples; infinite for equal pictures."""
    error = float(np.mean((np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def padded_size(height: int, width: int, block: int) -> tuple[int, int]:
    """Height and width rounded up to multiples of ``block``."""
    return -(-height // block) * block, -(-width // block) * block


def pad(x: torch.Tensor, block: int) -> torch.Tensor:
    """(C, H, W) -> multiples of ``block``: the last row and column repeated."""
    height, width = padded_size(x.shape[1], x.shape[2], block)
    rows = torch.arange(height).clamp(max=x.shape[1] - 1)
    columns = torch.arange(width).clamp(max=x.shape[2] - 1)
    return x[:, rows][:, :, columns]
