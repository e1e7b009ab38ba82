"""A picture's metadata in files of other formats, as far as these hold them."""

import io
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import Image, PngImagePlugin

from psc.images import profiles

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "HEIF": {"quality": 95, "chroma": 444},
}
"""Pillow's defaults would compress the decoded picture visibly once more."""
ITEMS = ("icc_profile", "exif", "xmp")
EXIF_HEAD = b"Exif\0\0"
XMP_TAG = 700
STRUCTURE = {
    254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 318, 319, 320, 322, 323,
    324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532, 34675,
}  # fmt: skip
"""Tags of TIFF that say how the pixels are stored."""


def embedding(image: Image.Image, name: str) -> tuple[dict[str, Any], set[str]]:
    """How a picture's metadata are written in the format ``name``.

    A warning says what this format, or Pillow, has no place for; TIFF has EXIF as its own tags.

    Returns:
        Pillow's options, and the names of what is not written.
    """
    options, lost = dict[str, Any](), set[str]()
    for item in ITEMS:
        value = image.info.get(item)
        if item == "icc_profile" and name == "PNG" and isinstance(value, bytes):
            value = profiles.fitting(value, image.mode in ("L", "LA"))
        if not value:
            continue
        option = _option(value, item, name)
        if option is not None and _is_written(option, item, name):
            options = _merged(options, option)
        else:
            lost.add(item)
            warnings.warn(f"{name} files cannot hold this picture's {item}: it is left out", stacklevel=3)
    return options, lost


def _merged(options: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two sets of options. In TIFF, XMP is one of the tags that EXIF is."""
    if "exif" in options and "exif" in more:
        options["exif"][XMP_TAG] = more["exif"][XMP_TAG]
        return options
    return options | more


def _option(value: bytes, item: str, name: str) -> dict[str, Any] | None:
    """Pillow's option that writes a picture's metadata of one kind.

    Args:
        value: The metadata's bytes.
        item: "icc_profile", "exif" or "xmp".
        name: Of the format.

    Returns:
        The option by name; None if this format cannot have these.
    """
    if item == "exif":
        tags = _tags(value)
        if name in ("TIFF", "AVIF") and not tags:
            return None  # their writers take it apart
        headed = value if value.startswith(EXIF_HEAD) else EXIF_HEAD + value  # WebP files have it without
        return {"exif": tags if name == "TIFF" else headed}
    if item == "xmp" and name == "TIFF":
        tags = Image.Exif()
        tags[XMP_TAG] = value
        return {"exif": tags}
    if item == "xmp" and name == "PNG":
        text = _text(value)
        if text is None:
            return None
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", text)
        return {"pnginfo": chunks}
    return {item: value}


def _tags(exif: bytes) -> Image.Exif | None:
    """EXIF without what would describe a TIFF file's own pixels; None if it is damaged."""
    tags = Image.Exif()
    try:
        tags.load(exif)
        for tag in STRUCTURE & tags.keys():
            del tags[tag]
        tags.tobytes()
    except Exception:  # Pillow raises many kinds for EXIF that is damaged
        return None
    return tags


def _text(xmp: bytes) -> str | None:
    """An XMP packet, in UTF-8 as PNG files have it or in UTF-16, as text; None if it is none."""
    wide = b"\0" in xmp[:2] or xmp[:2] in (b"\xff\xfe", b"\xfe\xff")
    little = xmp[:2] == b"\xff\xfe" or xmp[1:2] == b"\0"
    try:
        text = xmp.decode(("utf-16-le" if little else "utf-16-be") if wide else "utf-8")
    except ValueError:
        return None
    text = text.removeprefix("\ufeff") if wide else text
    return None if "\0" in text else text


def _is_written(option: Mapping[str, Any], item: str, name: str) -> bool:
    """Whether a format takes an option: found by writing an empty picture with it."""
    try:
        with Image.open(io.BytesIO(saved(Image.new("L", (1, 1)), name, option))) as image:
            image.load()
            return item in image.info or (name == "TIFF" and item == "exif")
    except Exception:  # as above
        return False


def saved(image: Image.Image, name: str, options: Mapping[str, Any]) -> bytes:
    """The bytes of a picture file; raises whatever Pillow raises."""
    file = io.BytesIO()
    own = {"sizes": [image.size]} if name == "ICO" else SAVE_OPTIONS.get(name, {})
    image.save(file, name, **own, **options)
    return file.getvalue()
