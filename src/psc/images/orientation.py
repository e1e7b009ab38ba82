"""How a picture is to be turned for showing, by its EXIF, or by its XMP if the EXIF does not say."""

from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image, ImageOps

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
INVERSES = {number: number for number in range(1, 9)} | {6: 8, 8: 6}
"""The orientation that turns a picture back."""
SIDEWAYS = (5, 6, 7, 8)
"""Those that make width of height."""


def orientation(info: Mapping[Any, Any]) -> int:
    """1 (upright) to 8, as EXIF has it; 1 where nothing sound says otherwise.

    Args:
        info: exif and xmp as bytes, what there is: a picture's ``info``, or the metadata of a file.
    """
    carrier = Image.new("L", (1, 1))
    carrier.info = {name: info[name] for name in ("exif", "xmp") if isinstance(info.get(name), bytes)}
    try:
        found = carrier.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises many kinds for EXIF that is damaged: then it says nothing
        return 1
    return found if isinstance(found, int) and found in TURNS else 1


def turned(image: Image.Image, number: int) -> Image.Image:
    """The picture as it is to be shown, if ``number`` is its orientation."""
    return image.transpose(TURNS[number]) if number in TURNS else image


def upright(image: Image.Image) -> Image.Image:
    """A copy with the orientation applied, if there is a sound one, and no longer said."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # as above
        return image.copy()
