"""ICC profile, EXIF and XMP of a picture, from wherever its format keeps them."""

import warnings
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image

from psc.images import modes, profiles

TIFF_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432)
"""What of a TIFF file's own tags describes the picture and not the file: its EXIF has no bytes of its own."""
RAW_PROFILE = "Raw profile type "
"""PNG texts that ImageMagick and exiftool write: a name, a length, bytes in hexadecimal digits."""
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


def carried(image: Image.Image) -> dict[str, bytes]:
    """What a picture, loaded, has of icc_profile, exif and xmp, by these names."""
    texts = _raw_profiles(image.info)
    xmp = image.info.get("xmp") or texts.get("xmp")
    found = {
        "icc_profile": _icc_profile(image, texts) if modes.keeps_profile(image) else b"",
        "exif": image.info.get("exif") or texts.get("exif") or _tiff_exif(image),
        "xmp": xmp.encode(errors="replace") if isinstance(xmp, str) else xmp,
    }
    return {name: part for name, part in found.items() if part and isinstance(part, bytes)}


def _icc_profile(image: Image.Image, texts: Mapping[str, bytes]) -> bytes:
    found = modes.profile(image) or texts.get("icc") or texts.get("icm")
    return found or profiles.from_png(image.info, modes.is_grey(image.mode))


def _raw_profiles(given: Mapping[Any, Any]) -> dict[str, bytes]:
    """EXIF, XMP and profiles in a PNG file's texts."""
    found = dict[str, bytes]()
    for name, text in given.items():
        if not isinstance(name, str) or not name.startswith(RAW_PROFILE) or not isinstance(text, str):
            continue
        kind = name.removeprefix(RAW_PROFILE).lower()
        try:
            value = bytes.fromhex("".join(text.split()[2:]))
        except ValueError:
            warnings.warn(f"the PNG text {name!r} is damaged: it is left out", stacklevel=6)
            continue
        if kind == "app1":
            kind, value = (
                ("xmp", value.removeprefix(XMP_HEAD)) if value.startswith(XMP_HEAD) else ("exif", value)
            )
        found.setdefault(kind, value)
    return found


def _tiff_exif(image: Image.Image) -> bytes:
    """EXIF bytes made of the tags of a picture from a TIFF file."""
    if not hasattr(image, "tag_v2"):
        return b""
    try:
        found, theirs = Image.Exif(), image.getexif()
        for tag in TIFF_TAGS:
            if tag in theirs:
                found[tag] = theirs[tag]
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            found.get_ifd(directory).update(theirs.get_ifd(directory))
        return found.tobytes() if found or any(found.get_ifd(d) for d in ExifTags.IFD) else b""
    except Exception as error:  # Pillow raises many kinds for tags that are not what they should be
        warnings.warn(f"the TIFF file's tags are left out: {error}", stacklevel=6)
        return b""
