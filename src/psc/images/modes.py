"""Pillow's modes: every picture as one of L, LA, RGB and RGBA, whose samples have 8 bits.

Pixel numbers stay as they are wherever they mean grey or RGB, and the colour profile stays with them. CMYK
and LAB are brought to sRGB, CMYK through its own profile; such a profile is of no more use then.
"""

import io
import warnings

from PIL import Image

from psc.errors import PscError
from psc.images import depth, transparency

GREY = ("1", "L", "LA", "La")
LOSSY = ("YCbCr", "HSV", "CMYK", "LAB")
"""Modes that a warning is given for; with those of greys of more than 8 bits."""


def is_grey(mode: str) -> bool:
    """Whether pictures of this mode have no colours."""
    return mode in GREY or depth.is_wide(mode)


def plain(image: Image.Image) -> Image.Image:
    """The picture as L, LA, RGB or RGBA. A warning says what a conversion loses; ``info`` may be missing."""
    if "transparency" not in image.info:
        return _plain(image)
    alpha = transparency.key_alpha(image)
    colours = _plain(_without_key(image) if not depth.is_wide(image.mode) else image)
    if alpha is None or colours.mode.endswith("A"):
        return colours
    colours.putalpha(alpha)
    return colours


def _without_key(image: Image.Image) -> Image.Image:
    """The picture without its transparent colour, on which Pillow's conversions fail if it is not sound."""
    image = image.copy()
    del image.info["transparency"]
    return image


def _plain(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if depth.is_wide(mode):
        return depth.to_eight_bits(image)
    goal = ("L" if is_grey(mode) else "RGB") + "A" * image.has_transparency_data
    if mode in LOSSY:
        warnings.warn(f"mode {mode} is converted to {goal}, 8 bits per sample", stacklevel=6)
    if mode in ("CMYK", "LAB"):
        return _to_srgb(image)
    return image.convert(goal)


def keeps_profile(image: Image.Image) -> bool:
    """Whether the colour profile of a picture still fits it once it is ``plain``."""
    return image.mode not in ("CMYK", "LAB") and profile(image)[16:20] != b"CMYK"


def profile(image: Image.Image) -> bytes:
    """The picture's ICC profile, or nothing."""
    found = image.info.get("icc_profile")
    return found if isinstance(found, bytes) else b""


def _to_srgb(image: Image.Image) -> Image.Image:
    """The RGB of a CMYK picture, through its profile (or as a complement, if none works), or of a LAB one."""
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
        warnings.warn(f"the CMYK picture has {why}: its colours are approximate", stacklevel=7)
        return image.convert("RGB")
