"""Depth: greys of any depth are scaled by what is white in their file, in every use of a picture."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import psc
from psc.evaluate import run
from psc.images.opening import open_image, read_image
from psc.images.picture import Picture
from psc.images.pixels import to_tensor
from tests.rasters import png, pnm, tiff

SHADES = np.arange(256).reshape(16, 16)
WIDE = "mode (I|I;16B?|F) is converted to L, 8 bits"


def levels(image: Image.Image) -> np.ndarray:
    return ((to_tensor(image)[0].numpy() + 1) * 127.5).round()


def files() -> dict[str, bytes]:
    """Files of SHADES in the declared depth, by name."""
    found = {f"{highest}.pgm": pnm(SHADES * highest // 255, highest) for highest in (65535, 4095, 1023)}
    found["16.png"] = png(SHADES * 257, 16)
    for order in "<>":
        found[f"16{order}.tif"] = tiff(SHADES * 257, 16, order=order)
        found[f"16 signed{order}.tif"] = tiff(SHADES * 32767 // 255, 16, 2, order=order)
        found[f"32 signed{order}.tif"] = tiff(SHADES * (2**31 - 1) // 255, 32, 2, order=order)
        found[f"float{order}.tif"] = tiff(SHADES / 255, 32, 3, order=order)
    found["12.tif"] = tiff(SHADES * 4095 // 255, 12)
    found["32.tif"] = tiff(SHADES * (2**32 - 1) // 255, 32)
    found["16 white is 0.tif"] = tiff(65535 - SHADES * 257, 16, photometric=0)
    found["float white is 0.tif"] = tiff(1 - SHADES / 255, 32, 3, photometric=0)
    return found


FILES = files()


@pytest.mark.parametrize("name", FILES)
def test_greys_are_scaled_by_the_declared_depth(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    with pytest.warns(UserWarning, match=WIDE):
        found = levels(open_image(path))
    assert np.abs(found - SHADES).max() <= 1
    with pytest.warns(UserWarning, match=WIDE), Image.open(path) as image:
        assert np.array_equal(levels(image), found)  # opened lazily, as the Python API may get it
    with pytest.warns(UserWarning, match=WIDE):
        assert np.array_equal(np.asarray(read_image(path)), found)
    with pytest.warns(UserWarning, match=WIDE):
        assert np.array_equal(np.asarray(run.read(tmp_path, name, 0))[..., 0], found)


@pytest.mark.parametrize(
    "data", [pnm(SHADES, 65535), png(SHADES, 16), tiff(SHADES, 16), tiff(SHADES, 12), tiff(SHADES * 256, 32)]
)
def test_what_is_dark_stays_dark(data: bytes) -> None:
    with pytest.warns(UserWarning, match=WIDE):
        found = levels(open_image(io.BytesIO(data)))
    assert found.max() <= 16


def test_many_greys_survive_a_float_and_a_large_integer() -> None:
    for data in (tiff(np.linspace(0, 2**32 - 1, 256).reshape(16, 16), 32), FILES["float<.tif"]):
        with pytest.warns(UserWarning, match=WIDE):
            assert len(np.unique(levels(open_image(io.BytesIO(data))))) == 256


COLOURS = np.dstack([SHADES, SHADES[::-1], SHADES.T])


@pytest.mark.parametrize(
    ("data", "bits"),
    [(pnm(COLOURS * 257, 65535), 16), (pnm(COLOURS * 4, 1023), 10), (png(COLOURS * 257, 16), 16),
     (png(np.dstack([COLOURS, SHADES]) * 257, 16), 16), (png(np.dstack([SHADES, SHADES.T]) * 257, 16), 16),
     (tiff(COLOURS * 257, 16), 16), (tiff(COLOURS * 257, 16, order=">"), 16)],
)  # fmt: skip
def test_colours_of_more_than_8_bits_are_said(data: bytes, bits: int) -> None:
    with pytest.warns(UserWarning, match=f"the stream has {bits} bits per sample; 8 are read"):
        image = open_image(io.BytesIO(data))
    with pytest.warns(UserWarning, match=f"the picture has {bits} bits per sample; 8 are read"):
        picture = Picture.of(Image.open(io.BytesIO(data)))
    assert np.array_equal(picture.colours, to_tensor(image))


def test_deep_jpeg2000_and_avif_are_said() -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    deep = io.BytesIO()
    Image.fromarray((SHADES * 257).astype(np.uint16)).save(deep, "JPEG2000")
    with pytest.warns(UserWarning, match=WIDE):
        assert np.abs(levels(open_image(io.BytesIO(deep.getvalue()))) - SHADES).max() <= 1
    array = (COLOURS * 16).astype(np.uint16)
    for data, bits in (
        (imagecodecs.jpeg2k_encode(array, bitspersample=12), 12),
        (imagecodecs.avif_encode(array, bitspersample=12), 12),
        (imagecodecs.avif_encode(array // 4, bitspersample=10), 10),
    ):
        with pytest.warns(UserWarning, match=f"{bits} bits per sample; 8 are read"):
            assert np.abs(np.asarray(open_image(io.BytesIO(data)), int) - COLOURS).mean() < 40
    for kind in ("AVIF", "JPEG2000"):  # 8 bits: no warning
        flat = io.BytesIO()
        Image.fromarray(COLOURS.astype(np.uint8)).save(flat, kind)
        open_image(io.BytesIO(flat.getvalue()))


def test_pictures_without_a_file() -> None:
    shades = SHADES.astype(np.int32)
    floats = shades.astype(np.float32)
    for array, white in (
        (shades, 255), (shades * 257, 65535), (shades * 8421504, 2147483647), (floats / 255, 1), (floats, 255)
    ):  # fmt: skip
        with pytest.warns(UserWarning, match=f"8 bits per sample: {white} becomes 255"):
            assert np.abs(levels(Image.fromarray(array)) - SHADES).max() <= 1
    for bad in (np.nan, np.inf):
        array = (shades / 255).astype(np.float32)
        array[3, 3] = bad
        with pytest.raises(psc.PscError, match="numbers that are none"):
            to_tensor(Image.fromarray(array))
