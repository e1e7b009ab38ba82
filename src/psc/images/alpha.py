"""Alpha as a lossless WebP payload: the one chunk of a file whose three channels are alpha."""

import io
from collections.abc import Mapping

from PIL import Image, WebPImagePlugin

from psc.errors import PscError

RIFF, VP8L = b"RIFF", b"WEBPVP8L"
MAX_SIDE = 16383
"""Pixels; the lossless code of WebP has no more."""


def packed(alpha: Image.Image) -> bytes:
    """The payload of an alpha, mode L; PscError if it cannot be made."""
    if max(alpha.size) > MAX_SIDE:
        raise PscError(
            f"the picture is {alpha.width}x{alpha.height} and has alpha; a side may have {MAX_SIDE} "
            "pixels then: drop the alpha, or scale the picture down"
        )
    file = io.BytesIO()
    alpha.convert("RGB").save(file, "WEBP", lossless=True, quality=100, method=6)
    data = file.getvalue()
    count = int.from_bytes(data[16:20], "little")
    if data[8:16] != VP8L or len(data) - 20 - count not in (0, 1):
        raise PscError("this build of Pillow writes other WebP files than expected: drop the alpha")
    return data[20 : 20 + count]


def read_alpha(parts: Mapping[str, bytes], size: tuple[int, int]) -> Image.Image | None:
    """A picture's alpha, from the parts of a file's header.

    Args:
        parts: What the picture carries, by name.
        size: Width and height that the alpha must have.

    Returns:
        Mode L; None if the parts have no alpha.

    Raises:
        PscError: For an alpha that no encoder writes.
    """
    return _unpacked(parts["alpha"], size) if "alpha" in parts else None


def _unpacked(payload: bytes, size: tuple[int, int]) -> Image.Image:
    fields = int.from_bytes(payload[1:5], "little")
    width, height = (fields & MAX_SIDE) + 1, (fields >> 14 & MAX_SIDE) + 1
    if payload[:1] != b"\x2f" or (width, height) != size:
        raise PscError("the file's alpha is not of its picture's size; the file is damaged or forged")
    chunk = VP8L + len(payload).to_bytes(4, "little") + payload + bytes(len(payload) % 2)
    file = io.BytesIO(RIFF + len(chunk).to_bytes(4, "little") + chunk)
    try:
        with WebPImagePlugin.WebPImageFile(file) as image:
            return image.getchannel("G")
    except Exception as error:  # Pillow's decoders raise many kinds for damaged data
        raise PscError(f"the file's alpha cannot be decoded: {error}") from error
