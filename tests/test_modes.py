"""Every mode of Pillow, every depth and every kind of transparency."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from psc.images import modes
from psc.images.opening import open_image
from psc.images.pixels import psnr
from tests.pictures import CASES, INKS, coded, decoded, photograph, press, tagged, wide_gamut

pytestmark = pytest.mark.filterwarnings("ignore:[0-9]+ of the file's")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return photograph()


@pytest.mark.parametrize("name", [name for name in CASES if name != "CMYK"])
def test_every_mode_becomes_what_it_means(name: str) -> None:
    image, expected, lossy = CASES[name]
    if lossy:
        with pytest.warns(UserWarning, match=f"mode {image.mode} is converted to {expected.mode}, 8 bits"):
            plain = modes.plain(image)
    else:
        plain = modes.plain(image)
    assert (plain.mode, plain.size) == (expected.mode, expected.size)
    difference = np.abs(np.asarray(plain).astype(int) - np.asarray(expected))
    assert difference.mean() < (4 if image.mode in ("YCbCr", "HSV", "LAB") else 1e-9)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:mode")
@pytest.mark.filterwarnings("ignore:the CMYK picture has no profile")
def test_every_mode_goes_round(name: str) -> None:
    image, expected, _ = CASES[name]
    back = decoded(coded(image))
    assert back.mode == expected.mode
    assert psnr(back.convert("RGB"), expected.convert("RGB")) > (20 if image.mode != "1" else 10)
    if back.mode.endswith("A"):
        assert back.getchannel("A").tobytes() == expected.getchannel("A").tobytes()


def test_cmyk_goes_through_its_profile() -> None:
    """Corners of the ink cube, which the profile says are other colours than Pillow's complement."""
    for inks, shown in INKS.items():
        cmyk = tagged(
            Image.new("CMYK", (8, 8), tuple(255 * (i in inks) for i in "CMYK")), icc_profile=press()
        )
        with pytest.warns(UserWarning, match="mode CMYK is converted to RGB"):
            plain = modes.plain(cmyk)
        assert np.abs(np.subtract(plain.getpixel((3, 3)), shown)).max() <= 6
        with pytest.warns(UserWarning, match="mode CMYK is converted to RGB"):
            assert decoded(coded(cmyk)).info == {}  # a CMYK profile would spoil RGB


@pytest.mark.filterwarnings("ignore:mode CMYK")
def test_cmyk_with_a_broken_profile_is_said(photo: Image.Image) -> None:
    cmyk = tagged(photo.convert("CMYK"), icc_profile=wide_gamut())  # of RGB
    with pytest.warns(UserWarning, match="has no profile: its colours are approximate"):
        assert modes.plain(photo.convert("CMYK")).tobytes() == photo.tobytes()
    with pytest.warns(UserWarning, match="a profile that does not work .*: its colours are approximate"):
        assert modes.plain(cmyk).tobytes() == cmyk.convert("RGB").tobytes()
    left = tagged(photo.copy(), icc_profile=wide_gamut()[:16] + b"CMYK" + wide_gamut()[20:])
    assert decoded(coded(left)).info == {}  # as Pillow's own conversion from CMYK leaves it


def test_a_wide_gamut_picture_looks_the_same(photo: Image.Image) -> None:
    """On a display, that is: both brought to sRGB, they differ no more than the pixels do."""

    def displayed(image: Image.Image) -> Image.Image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")

    image = tagged(photo.copy(), icc_profile=wide_gamut())
    back = decoded(coded(image))
    assert psnr(displayed(image), photo) < 24  # the profile matters
    assert psnr(displayed(back), displayed(image)) > psnr(back, photo) - 4


def test_sixteen_bits_of_colour_are_said(tmp_path: Path, photo: Image.Image) -> None:
    rows = np.asarray(photo).astype(">u2") * 257
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    path = tmp_path / "deep.png"
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        size = photo.width.to_bytes(4, "big") + photo.height.to_bytes(4, "big")
        PngImagePlugin.putchunk(file, b"IHDR", size + bytes([16, 2, 0, 0, 0]))
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(raw))
        PngImagePlugin.putchunk(file, b"IEND", b"")
    with pytest.warns(UserWarning, match="16 bits per sample; 8 are read"):
        assert np.array_equal(np.asarray(open_image(path)), np.asarray(photo))
