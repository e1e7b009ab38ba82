"""What a picture carries besides its colours: alpha, ICC profile, EXIF and XMP.

All come back as they were, byte for byte and sample for sample. Colours are coded in the picture's own
space, whose profile travels along; pixels stay as they are stored, and so does the EXIF orientation. An alpha
that is opaque everywhere says nothing and is left out.
"""

import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin, WebPImagePlugin

from psc.errors import PscError
from psc.images import modes

RIFF, VP8L = b"RIFF", b"WEBPVP8L"
MAX_ALPHA_SIDE = 16383
"""Pixels; the lossless code of WebP has no more."""
EXIF_HEAD = b"Exif\0\0"
XMP_TAG = 700
TIFF_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432)
"""What of a TIFF file's own tags describes the picture and not the file: its EXIF has no bytes of its own."""


def read_alpha(parts: Mapping[str, bytes], size: tuple[int, int]) -> Image.Image | None:
    """A picture's alpha, mode L, if the parts have one; PscError for what no encoder writes."""
    return _alpha(parts["alpha"], size) if "alpha" in parts else None


def join(image: Image.Image, alpha: Image.Image | None, parts: Mapping[str, bytes]) -> Image.Image:
    """A picture of mode L or RGB with its alpha, and with icc_profile, exif and xmp in its ``info``."""
    if alpha is not None:
        image.putalpha(alpha)
    image.info.update((name, part) for name, part in parts.items() if name != "alpha")
    return image


def split(
    image: Image.Image | NDArray[Any], *, strip: bool = False
) -> tuple[Image.Image | NDArray[Any], dict[str, bytes]]:
    """A picture's colours, mode L or RGB, and its metadata by name: alpha, icc_profile, exif, xmp.

    image: arrays carry nothing but alpha: uint8 (H, W, 2) or (H, W, 4); others come back as they are.
    strip: leave everything out but alpha; then the EXIF orientation is applied to the pixels.
    """
    if not isinstance(image, Image.Image):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (2, 4) or not image.size:
            return image, {}
        image = Image.fromarray(image)
    if strip:
        image = modes.upright(image)
    colours, info = modes.plain(image), {} if strip else _info(image)
    alpha = colours.getchannel("A") if colours.mode.endswith("A") else None
    if alpha is not None:
        colours = colours.convert(colours.mode[:-1])
        alpha = None if alpha.getextrema() == (255, 255) else alpha
    return colours, info if alpha is None else info | {"alpha": _packed_alpha(alpha)}


def _info(image: Image.Image) -> dict[str, bytes]:
    xmp = image.info.get("xmp")
    found = {
        "icc_profile": modes.profile(image) if modes.keeps_profile(image) else b"",
        "exif": image.info.get("exif") or _tiff_exif(image),
        "xmp": xmp.encode() if isinstance(xmp, str) else xmp,
    }
    return {name: part for name, part in found.items() if part and isinstance(part, bytes)}


def _tiff_exif(image: Image.Image) -> bytes:
    """EXIF bytes made of the tags of a picture from a TIFF file."""
    if not hasattr(image, "tag_v2"):
        return b""
    found, theirs = Image.Exif(), image.getexif()
    try:
        for tag in TIFF_TAGS:
            if tag in theirs:
                found[tag] = theirs[tag]
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            found.get_ifd(directory).update(theirs.get_ifd(directory))
        return found.tobytes() if found or any(found.get_ifd(d) for d in ExifTags.IFD) else b""
    except Exception as error:  # Pillow raises many kinds for tags that are not what they should be
        warnings.warn(f"the TIFF file's tags are left out: {error}", stacklevel=5)
        return b""


def save_options(image: Image.Image, name: str) -> dict[str, Any]:
    """Pillow's options that write a picture's metadata in the format ``name``.

    A warning says what this format, or Pillow, has no place for; TIFF has EXIF as its own tags.
    """
    written: dict[str, Any] = {}
    for item in ("icc_profile", "exif", "xmp"):
        if item not in image.info:
            continue
        option = _option(image.info[item], item, name)
        if _is_written(option, item, name):
            written |= option
        else:
            warnings.warn(f"{name} files cannot hold this picture's {item}: it is left out", stacklevel=3)
    if name == "TIFF" and "xmp" in written:
        tags = Image.Exif()
        tags.load(written.get("exif", b""))
        tags[XMP_TAG] = written.pop("xmp")
        written["exif"] = tags
    return written


def _option(value: bytes, item: str, name: str) -> dict[str, Any]:
    if item == "exif" and not value.startswith(EXIF_HEAD):  # WebP files leave it out, JPEG files must not
        value = EXIF_HEAD + value
    if item == "xmp" and name == "PNG":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", value.decode(errors="replace"))
        return {"pnginfo": chunks}
    return {item: value}


def _is_written(option: dict[str, Any], item: str, name: str) -> bool:
    """By a trial."""
    if name == "TIFF":
        return True
    file = io.BytesIO()
    try:
        Image.new("L", (1, 1)).save(file, name, **option)
        with Image.open(file) as image:
            return item in image.info
    except (OSError, ValueError, SyntaxError):
        return False


def _packed_alpha(alpha: Image.Image) -> bytes:
    """As the one chunk of a lossless WebP file whose three channels are alpha."""
    if max(alpha.size) > MAX_ALPHA_SIDE:
        raise PscError(
            f"the picture is {alpha.width}x{alpha.height} and has alpha; a side may have {MAX_ALPHA_SIDE} "
            "pixels then: drop the alpha, or scale the picture down"
        )
    file = io.BytesIO()
    alpha.convert("RGB").save(file, "WEBP", lossless=True, quality=100, method=6)
    data = file.getvalue()
    count = int.from_bytes(data[16:20], "little")
    if data[8:16] != VP8L or len(data) - 20 - count not in (0, 1):
        raise PscError("this build of Pillow writes other WebP files than expected: drop the alpha")
    return data[20 : 20 + count]


def _alpha(payload: bytes, size: tuple[int, int]) -> Image.Image:
    fields = int.from_bytes(payload[1:5], "little")
    width, height = (fields & MAX_ALPHA_SIDE) + 1, (fields >> 14 & MAX_ALPHA_SIDE) + 1
    if payload[:1] != b"\x2f" or (width, height) != size:
        raise PscError("the file's alpha is not of its picture's size; the file is damaged or forged")
    chunk = VP8L + len(payload).to_bytes(4, "little") + payload + bytes(len(payload) % 2)
    file = io.BytesIO(RIFF + len(chunk).to_bytes(4, "little") + chunk)
    try:
        with WebPImagePlugin.WebPImageFile(file) as image:
            return image.getchannel("G")
    except Exception as error:  # Pillow's decoders raise many kinds for damaged data
        raise PscError(f"the file's alpha cannot be decoded: {error}") from error
