"""Pictures in and out: Pillow images and arrays to tensors in [-1, 1], padded to whole blocks, and back."""

import math
import re
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from psc.errors import PscError
from psc.images import modes

ImageLike = Image.Image | NDArray[Any]


def read_image(source: str | Path | IO[bytes]) -> Image.Image:
    """The picture in a file that Pillow can read, upright (EXIF orientation applied), without metadata.

    For measurements: codecs are compared by their pixels, not by the profile of three kilobytes beside them.
    """
    image = modes.upright(open_image(source))
    for name in ("icc_profile", "exif", "xmp"):
        image.info.pop(name, None)
    return image


def open_image(source: str | Path | IO[bytes]) -> Image.Image:
    """The same with its pixels as they are stored, and with what it carries."""
    name = source if isinstance(source, str | Path) else getattr(source, "name", "the stream")
    try:
        with Image.open(source) as image:
            if not modes.is_grey(image.mode) and re.search(";16[BLN]", str(image.tile)):
                warnings.warn(f"{name} has 16 bits per sample; 8 are read", stacklevel=3)
            image.load()
            return image
    except UnidentifiedImageError as error:
        raise PscError(f"{name} is not a picture that Pillow can read") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise PscError(f"cannot read the picture {name}: {error}") from error


def to_tensor(image: ImageLike) -> torch.Tensor:
    """A picture's colours, without alpha -> (C, H, W) in [-1, 1], C = 1 (grey) or 3.

    image: of any mode, or uint8 (H, W), (H, W, 2) (grey, alpha), (H, W, 3) or (H, W, 4) (colours, alpha).
    """
    array = np.asarray(modes.plain(image) if isinstance(image, Image.Image) else image)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (2,), (3,), (4,)):
        raise PscError(
            f"an array of {array.dtype} and shape {array.shape} came; expected uint8, (H, W) or (H, W, 3), "
            "or with alpha (H, W, 2) or (H, W, 4)"
        )
    if 0 in array.shape:
        raise PscError(f"the picture has no pixels: its shape is {array.shape}")
    planes = np.atleast_3d(array).transpose(2, 0, 1)
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
