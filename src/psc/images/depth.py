"""Samples of more than 8 bits: how many a file has, and greys of any depth scaled by what is white in it."""

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from psc.errors import PscError

WIDE = ("I", "F")
"""Modes of greys of more than 8 bits; with I;16 in all of its kinds."""
BITS, PHOTOMETRIC, SAMPLE_FORMAT, HIGHEST = 258, 262, 339, 341
"""Tags of TIFF: bits per sample; whether 0 is white (0); unsigned (1), signed (2) or floats (3); the highest
of floats."""
HEAD = 4096
"""Bytes at the start of a file where JPEG 2000 and AVIF say their depth."""


def is_wide(mode: str) -> bool:
    """Whether pictures of this mode are greys of more than 8 bits."""
    return mode in WIDE or mode.startswith("I;16")


def bits(image: Image.Image) -> int:
    """Bits per sample of the file of a picture that is not loaded yet; 8 where nothing says otherwise."""
    tile = str(getattr(image, "tile", ""))
    found = [8, int(image.info.get("bit_depth", 8))]  # HEIC, by pillow-heif
    if re.search(r";16[BLNS']|SGI16", tile):
        found.append(16)
    if image.format == "PPM" and (highest := re.search(r", (\d+)\)\)", tile)):
        found.append(int(highest[1]).bit_length())
    if hasattr(image, "tag_v2"):
        found += [int(count) for count in _numbers(image, BITS)]
    if image.format in ("JPEG2000", "AVIF") and (fp := getattr(image, "fp", None)) is not None:
        place = fp.tell()
        fp.seek(0)
        found.append(_declared(fp.read(HEAD)))
        fp.seek(place)
    return max(found)


def _declared(head: bytes) -> int:
    """Bits per sample that the SIZ marker of JPEG 2000 or the pixi box of AVIF declares; 8 without either."""
    if (siz := head.find(b"\xff\x4f\xff\x51")) >= 0 and len(head) > siz + 42:
        return (head[siz + 42] & 127) + 1
    if (pixi := head.find(b"pixi\0\0\0\0")) >= 0 and len(head) > pixi + 9:
        return head[pixi + 9]
    return 8


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Greys of modes I, I;16 and F as mode L: black stays 0, white becomes 255.

    White is what the file declares: the highest number of its bits per sample, or of floats. A picture that
    has lost its file declares nothing: then it is 65535 in mode I;16, and in modes I and F the nearest above
    all numbers of 255, 65535, 2^31 - 1 (of floats: of 1 and 255). A warning says which.

    Raises:
        PscError: For numbers that are none.
    """
    values: NDArray[Any] = np.asarray(image)
    if not np.isfinite(values).all():
        raise PscError("the picture holds numbers that are none (NaN or infinite); expected 0 to 255")
    white = _white(image, values)
    if image.mode == "I" and white > 2**31:
        values = values.view(np.uint32)  # which Pillow has no mode for
    goal = "LA" if "transparency" in image.info else "L"
    warnings.warn(
        f"mode {image.mode} is converted to {goal}, 8 bits per sample: {white:.10g} becomes 255", stacklevel=6
    )
    scaled = values.astype(np.float64) * (255 / white)
    if hasattr(image, "tag_v2") and _numbers(image, PHOTOMETRIC)[:1] == [0]:
        scaled = 255 - scaled  # Pillow turns greys over only if they have 8 bits or less
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))


def _white(image: Image.Image, values: NDArray[Any]) -> float:
    highest = float(values.max(initial=0))
    if hasattr(image, "tag_v2"):
        return _white_of_tiff(image, highest)
    if image.mode == "F":
        return 1.0 if highest <= 1 else 255.0
    if image.mode.startswith("I;16") or image.format == "PPM":
        return 65535.0
    return next((white for white in (255.0, 65535.0) if highest <= white), 2.0**31 - 1)


def _white_of_tiff(image: Image.Image, highest: float) -> float:
    if image.mode == "F":
        declared = _numbers(image, HIGHEST)
        return declared[0] if declared and declared[0] > 0 else 1.0 if highest <= 1 else 255.0
    count = int((_numbers(image, BITS) or [16])[0])
    signed = _numbers(image, SAMPLE_FORMAT)[:1] == [2]
    return 2.0 ** (count - signed) - 1


def _numbers(image: Image.Image, tag: int) -> list[float]:
    """The values of a TIFF file's tag; none if it is missing."""
    found = image.tag_v2.get(tag, ())  # type: ignore[attr-defined]
    return [float(value) for value in (found if isinstance(found, tuple) else (found,))]
