"""Pillow's modes: every picture as one of L, LA, RGB and RGBA, whose samples have 8 bits.

Pixel numbers stay as they are wherever they mean grey or RGB, and the colour profile stays with them. CMYK
and LAB are brought to sRGB, CMYK through its own profile; such a profile is of no more use then.
"""

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from psc.errors import PscError

GREY = ("1", "L", "LA", "La", "I", "F")
LOSSY = ("I", "F", "YCbCr", "HSV", "CMYK", "LAB")
"""Modes that a warning is given for; with 16 bits, I;16 in all of its kinds."""


def is_grey(mode: str) -> bool:
    """Whether pictures of this mode have no colours."""
    return mode in GREY or mode.startswith("I;16")


def plain(image: Image.Image) -> Image.Image:
    """The picture as L, LA, RGB or RGBA. A warning says what a conversion loses; ``info`` may be missing."""
    mode, clear = image.mode, image.has_transparency_data
    if mode in ("L", "LA", "RGB", "RGBA") and clear == mode.endswith("A"):
        return image
    goal = ("L" if is_grey(mode) else "RGB") + "A" * clear
    if mode in LOSSY or mode.startswith("I;16"):
        warnings.warn(f"mode {mode} is converted to {goal}, 8 bits per sample", stacklevel=5)
    if mode in ("CMYK", "LAB"):
        return _to_srgb(image)
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _to_eight_bits(image)
    return image.convert("LA" if mode == "La" else goal)


def keeps_profile(image: Image.Image) -> bool:
    """Whether the colour profile of a picture still fits it once it is ``plain``."""
    return image.mode not in ("CMYK", "LAB") and profile(image)[16:20] != b"CMYK"


def profile(image: Image.Image) -> bytes:
    """The picture's ICC profile, or nothing."""
    found = image.info.get("icc_profile")
    return found if isinstance(found, bytes) else b""


def upright(image: Image.Image) -> Image.Image:
    """A copy with the EXIF orientation applied, if there is a sound one."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow raises many kinds for EXIF that is damaged: then it says nothing
        return image.copy()


def _to_srgb(image: Image.Image) -> Image.Image:
    """CMYK through its profile, or as the complement of RGB if it has none that works; LAB."""
    from PIL import ImageCms

    lab = image.mode == "LAB"
    try:
        through = ImageCms.buildTransform(
            ImageCms.createProfile("LAB") if lab else io.BytesIO(profile(image)),
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return through.apply(image)
    except (ImageCms.PyCMSError, ImportError, OSError) as error:
        if lab:
            raise PscError(f"the LAB picture cannot be converted: {error}") from error
        why = f"a profile that does not work ({error})" if profile(image) else "no profile"
        warnings.warn(f"the CMYK picture has {why}: its colours are approximate", stacklevel=6)
        return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Greys of other depths: 16 bits scaled down; floats and 32 bits are 0 ... 255, as Pillow has them."""
    values: NDArray[Any] = np.asarray(image)
    wide = image.mode.startswith("I;16") or (image.mode == "I" and values.max(initial=0) > 255)
    if not np.isfinite(values).all():
        raise PscError("the picture holds numbers that are none (NaN or infinite); expected 0 to 255")
    scaled = values / (257 if wide else 1)
    grey = Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        clear = values == image.info["transparency"]
        grey.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
    return grey
