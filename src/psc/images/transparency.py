"""Transparent colours: an entry of the palette, a grey or an RGB triple that stands for "nothing here".

Pillow keeps them in ``info["transparency"]`` as they are in the file, in the file's own depth, and trusts
them.
"""

import io
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEPTH = re.compile(r"^L;([124])$")


def resolved(image: Image.Image) -> Image.Image:
    """A picture, not loaded yet, whose transparent colour is an 8-bit number of its pixels, or its alpha.

    A copy, loaded, where that takes a change: in a PNG file of 2, 4 or 3 x 16 bits.
    """
    key, raw = image.info.get("transparency"), _raw_mode(image)
    if key is None:
        return image
    if isinstance(key, int) and (depth := DEPTH.match(raw)):
        image = image.copy()
        image.info["transparency"] = key * 255 // (2 ** int(depth[1]) - 1)
    elif raw == "RGB;16B" and _is_triple(key):
        clear = _deep_key(image, key)
        image = image.copy()
        del image.info["transparency"]
        image.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
    return image


def key_alpha(image: Image.Image) -> Image.Image | None:
    """The alpha, mode L, that a picture's transparent colour means; None if it means nothing."""
    key: Any = image.info.get("transparency")
    values = np.asarray(image)
    if image.mode == "P":
        alpha = _palette_alpha(key)
        return None if alpha is None else Image.fromarray(alpha[values])
    clear: NDArray[Any] | None = None
    if image.mode == "1" and key in (0, 1, 255):
        clear = values == bool(key)
    elif image.mode in ("RGB", "RGBX") and _is_triple(key):
        triple = np.array(key) >> (8 if max(key) > 255 else 0)  # of 16 bits, once they are gone
        clear = (values[..., :3] == triple).all(2)
    elif image.mode in ("L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N") and isinstance(key, int):
        clear = values == (_shallow_key(values, key) if image.mode == "L" else key)
    return None if clear is None else Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))


def _palette_alpha(key: object) -> NDArray[np.uint8] | None:
    """The alpha of a palette's 256 entries; those that ``key`` says nothing of are opaque. None if it is
    none.
    """
    alpha = np.full(256, 255, np.uint8)
    if isinstance(key, bytes):
        found = np.frombuffer(key[:256], np.uint8)
        alpha[: len(found)] = found
    elif isinstance(key, int) and 0 <= key < 256:
        alpha[key] = 0
    else:
        return None
    return alpha


def _shallow_key(values: NDArray[Any], key: int) -> int:
    """The transparent grey of a file of 2 or 4 bits per sample, in the 8 bits that its pixels were scaled to.

    A picture that was loaded elsewhere does not tell the file's depth: it is seen by no pixel having the
    colour, and all being multiples of the shallow file's greys.
    """
    if 0 < key < 16 and not (values == key).any():
        for highest in (3, 15):
            if key <= highest and not (values % (255 // highest)).any():
                return key * 255 // highest
    return key


def _is_triple(key: Any) -> bool:
    return isinstance(key, tuple | list) and len(key) == 3 and all(isinstance(v, int) and v >= 0 for v in key)


def _raw_mode(image: Image.Image) -> str:
    """How the pixels of a PNG file are stored; nothing once they are loaded."""
    tile = getattr(image, "tile", None)
    return str(tile[0].args) if image.format == "PNG" and tile else ""


def _deep_key(image: Image.Image, key: tuple[int, int, int]) -> NDArray[Any]:
    """Which pixels of a PNG file have the colour in all of their 16 bits.

    Pillow reads 8 bits: of each sample first the high byte, then, told another byte order, the low one.
    """
    fp: Any = image.fp  # type: ignore[attr-defined]
    place = fp.tell()
    fp.seek(0)
    data = fp.read()
    fp.seek(place)
    clear: NDArray[Any] = np.ones((image.height, image.width), bool)
    for raw, shift in (("RGB;16B", 8), ("RGB;16L", 0)):
        with Image.open(io.BytesIO(data), formats=("PNG",)) as half:
            half.tile = [tile._replace(args=raw) for tile in half.tile]
            clear &= (np.asarray(half) == np.array(key) >> shift & 255).all(2)
    return clear
