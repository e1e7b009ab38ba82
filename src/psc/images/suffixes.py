"""Suffixes of pictures: those that Pillow reads here, and those that need something else."""

from PIL import Image

HEIC = "pip install psc-codec[heic]"
RAW = "develop it to TIFF or PNG first"
REMEDIES = {
    ".heic": HEIC,
    ".heif": HEIC,
    ".hif": HEIC,
    ".avif": "pip install -U pillow",
    ".jxl": "convert it to PNG first",
    ".jxr": "convert it to PNG first",
    ".svg": "draw it as PNG first",
    **dict.fromkeys((".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"), RAW),
}
"""Suffixes of pictures that Pillow alone may be unable to read, and what helps."""


def is_readable(suffix: str) -> bool:
    """Whether Pillow, as it is here, reads pictures with this suffix."""
    return Image.registered_extensions().get(suffix.lower()) in Image.OPEN


def is_picture(suffix: str) -> bool:
    """Whether the suffix is that of a picture, readable here or not."""
    return suffix.lower() in Image.registered_extensions() or suffix.lower() in REMEDIES
