"""Pictures in and out: Pillow images and arrays to tensors in [-1, 1], padded to whole blocks, and back."""

import math
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from psc.errors import PscError

ImageLike = Image.Image | NDArray[Any]


def read_image(source: str | Path | IO[bytes]) -> Image.Image:
    """Open a picture file with Pillow, upright (EXIF orientation applied)."""
    name = source if isinstance(source, str | Path) else getattr(source, "name", "the stream")
    try:
        with Image.open(source) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise PscError(f"{name} is not a picture that Pillow can read") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise PscError(f"cannot read the picture {name}: {error}") from error


def to_tensor(image: ImageLike) -> torch.Tensor:
    """A Pillow image or uint8 array (H, W) or (H, W, 3) -> (C, H, W) in [-1, 1], C = 1 (grey) or 3."""
    array = _to_array(image) if isinstance(image, Image.Image) else np.asarray(image)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise PscError(
            f"an array of {array.dtype} and shape {array.shape} came; expected uint8, (H, W) or (H, W, 3)"
        )
    if 0 in array.shape:
        raise PscError(f"the picture has no pixels: its shape is {array.shape}")
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return torch.from_numpy(planes.astype(np.float32)) / 127.5 - 1


def _to_array(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode not in ("RGB", "L"):
        grey = image.mode in ("1", "LA", "La", "F") or image.mode.startswith("I")
        warnings.warn(f"mode {image.mode} is converted to {'L' if grey else 'RGB'}", stacklevel=4)
        if image.mode == "F" or image.mode.startswith("I"):
            image = _to_eight_bits(image)
        image = image.convert("LA" if image.mode == "La" else image.mode).convert("L" if grey else "RGB")
    return np.asarray(image)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Greys of other depths: 16 bits scaled down; floats and 32 bits are 0 ... 255, as Pillow has them."""
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise PscError("the picture holds numbers that are none (NaN or infinite); expected 0 to 255")
    wide = image.mode.startswith("I;16") or (image.mode == "I" and values.max(initial=0) > 255)
    return Image.fromarray((values / (257 if wide else 1)).round().clip(0, 255).astype(np.uint8))


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
