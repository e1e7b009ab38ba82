"""Transparent colours: of PNG files of every depth; stale, over-long and odd ones never crash."""

import io
import struct
from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image

from psc.images import metadata, modes
from psc.images.opening import open_image
from tests.pictures import photograph, tagged
from tests.rasters import png

RAMP = np.arange(12 * 8).reshape(8, 12)
pytestmark = pytest.mark.filterwarnings("ignore:.*(8 are read|is converted to)")


def alpha(image: Image.Image) -> np.ndarray:
    """As it is coded."""
    colours, parts = metadata.split(image)
    found = metadata.alpha.read_alpha(parts, colours.size)  # type: ignore[union-attr]
    return np.asarray(found) if found else np.full(colours.size[::-1], 255)  # type: ignore[union-attr]


def ways(data: bytes) -> list[Image.Image]:
    """As the command reads a file, opened lazily, and loaded before."""
    lazy, early = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(data))
    early.load()
    return [open_image(io.BytesIO(data)), lazy, early]


@pytest.mark.parametrize(("bits", "key"), [(b, k) for b in (1, 2, 4, 8) for k in {0, 1, 2**b // 2, 2**b - 1}])
def test_a_grey_of_any_depth(bits: int, key: int) -> None:
    rows = RAMP * 37 % 2**bits
    rows[0, : min(2**bits, 12)] = np.arange(2**bits)[:12]
    for image in ways(png(rows, bits, ((b"tRNS", struct.pack(">H", key)),))):
        assert np.array_equal(alpha(image), np.where(rows == key, 0, 255))


def test_a_grey_of_16_bits() -> None:
    rows = RAMP * 3 + 40000
    for image in ways(png(rows, 16, ((b"tRNS", struct.pack(">H", 40003)),))):
        assert np.array_equal(alpha(image), np.where(rows == 40003, 0, 255))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour_in_all_of_its_bits(bits: int) -> None:
    rows = np.dstack([RAMP, RAMP // 2, RAMP // 3]) + (40000 if bits == 16 else 0)
    key = tuple(map(int, rows[4, 5]))
    data = png(rows, bits, ((b"tRNS", struct.pack(">3H", *key)),))
    read, lazy, early = (alpha(image) for image in ways(data))
    expected = np.where((rows == key).all(2), 0, 255)
    assert (expected == 0).sum() == 1
    assert np.array_equal(read, expected)
    assert np.array_equal(lazy, expected)
    assert early[4, 5] == 0  # the low bytes are gone by then


@pytest.mark.parametrize("length", [0, 1, 3, 8, 16, 300])
def test_palettes_of_any_length(length: int) -> None:
    rows, table = RAMP % 8, bytes(range(0, 240, 30))[:length].ljust(length, b"\7")
    data = png(rows, 8, ((b"tRNS", table),), palette=bytes(range(24)))
    expected = np.array([*table[:8], *[255] * 8])[rows]
    for image in ways(data):
        assert np.array_equal(alpha(image), expected)


KEYS: list[Any] = [
    0, 3, -1, 255, 256, 70000, b"", b"\0", bytes(256), bytes(1000), (1, 2, 3), (1, 2), [1, 2, 3],
    (1, 2, 3, 4), (-1, 0, 0), ("a", "b", "c"), None, "3", 1.5, (70000, 1, 1), True,
]  # fmt: skip
MODES = [
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "I",
    "F",
    "I;16",
    "CMYK",
    "YCbCr",
    "HSV",
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.filterwarnings("ignore:the CMYK picture has no profile")
def test_odd_and_stale_keys_never_crash(mode: str) -> None:
    photo = photograph()
    plain = photo.convert("RGBA" if mode in ("RGBa", "PA") else "LA" if mode == "La" else "RGB")
    image = (
        Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16))
        if mode == "I;16"
        else plain.convert(mode)
    )
    for key in KEYS:
        found = modes.plain(tagged(image.copy(), transparency=key))
        assert found.mode in ("L", "LA", "RGB", "RGBA")
        assert found.size == image.size
        assert Image.Image.convert(
            found, found.mode.rstrip("A") if found.mode != "LA" else "L"
        ).tobytes() == (
            Image.Image.convert(
                modes.plain(image), found.mode.rstrip("A") if found.mode != "LA" else "L"
            ).tobytes()
        )


def test_the_callers_picture_stays_as_it_is() -> None:
    for bits, key in product((2, 16), (3,)):
        image = Image.open(io.BytesIO(png(RAMP % 4, bits, ((b"tRNS", struct.pack(">H", key)),))))
        alpha(image)
        assert image.info["transparency"] == key
        assert image.mode in ("L", "I;16")
