"""Orientation: every output is upright, by a tag where the format has one, by its pixels elsewhere."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

import psc
from psc.images.metadata import split
from psc.images.opening import open_image, read_image
from psc.images.orientation import TURNS, orientation, turned
from psc.images.saving import encode_picture, picture_format
from psc.images.uncertainty import uncertainty_map
from psc.view.decoding import Decoding
from tests.conftest import texture
from tests.pictures import PRIOR, coded, decoded, exif, photograph, tagged

pytestmark = pytest.mark.filterwarnings(
    "ignore:[0-9]+ of the file's", "ignore:.*cannot hold this picture's (exif|xmp)"
)
SUFFIXES = [".bmp", ".gif", ".jp2", ".ppm", ".tga", ".pcx", ".sgi", ".dds", ".ico", ".qoi", ".png", ".jpg",
            ".tiff", ".webp", ".avif", ".mpo"]  # fmt: skip


def picture() -> Image.Image:
    """Whose four corners differ."""
    array = np.full((20, 32, 3), 128, np.uint8)
    array[:8, :8], array[:8, -8:], array[-8:, :8] = (250, 20, 20), (20, 250, 20), (20, 20, 250)
    return Image.fromarray(array)


def seen(data: bytes) -> np.ndarray:
    """What a viewer shows that honours EXIF."""
    return np.asarray(read_image(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("number", range(1, 9))
def test_every_format_shows_it_upright(suffix: str, number: int) -> None:
    image = tagged(picture(), exif=exif(number))
    data = encode_picture(image, picture_format(f"a{suffix}", image.mode, image.size))
    expected = np.asarray(turned(picture(), number)).astype(int)
    assert seen(data).shape == expected.shape
    assert np.abs(seen(data) - expected).mean() < 12


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".jp2", ".ppm", ".tga", ".pcx", ".sgi"])
def test_pixels_are_turned_where_there_is_no_tag(suffix: str) -> None:
    image = tagged(picture(), exif=exif(6))
    with pytest.warns(UserWarning, match="cannot hold this picture's exif"):
        data = encode_picture(image, picture_format(f"a{suffix}", image.mode, image.size))
    with Image.open(io.BytesIO(data)) as back:
        assert back.size == (20, 32)
    assert image.size == (32, 20)  # the caller's is as it was


def test_exif_too_large_for_jpeg() -> None:
    tags = Image.Exif()
    tags.load(exif(8))
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(70000)
    image = tagged(picture(), exif=tags.tobytes())
    with pytest.warns(UserWarning, match="JPEG files cannot hold this picture's exif"):
        data = encode_picture(image, "JPEG")
    assert Image.open(io.BytesIO(data)).size == (20, 32)
    assert open_image(io.BytesIO(encode_picture(image, "PNG"))).info["exif"].count(0) > 70000


def test_an_orientation_that_xmp_has() -> None:
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    image = tagged(picture(), xmp=packet)
    with pytest.warns(UserWarning, match="BMP files cannot hold this picture's xmp"):
        assert Image.open(io.BytesIO(encode_picture(image, "BMP"))).size == (20, 32)
    assert Image.open(io.BytesIO(encode_picture(image, "PNG"))).size == (32, 20)
    large = tagged(picture(), xmp=packet, exif=exif(1) + bytes(70000))
    assert orientation(large.info) == 1  # EXIF goes first
    large = tagged(picture(), xmp=packet, exif=exif(6) + bytes(70000))
    with pytest.warns(UserWarning, match="JPEG files cannot hold this picture's exif"):
        written = Image.open(io.BytesIO(encode_picture(large, "JPEG")))
    assert written.size == (20, 32)  # most viewers do not look into the XMP that is left
    assert orientation(written.info) == 1
    assert split(image, strip=True)[0].size == (20, 32)  # type: ignore[union-attr]


def test_unsound_orientations_say_nothing() -> None:
    head = b"Exif\0\0MM\0*\0\0\0\10\0\1\x01\x12"
    for kind, count, value in (
        (3, 1, b"\0\0"), (3, 1, b"\0\11"), (3, 1, b"\xff\xff"), (3, 2, b"\0\6\0\6"), (2, 4, b"six\0"),
        (7, 1, b"\6"), (11, 1, b"\x40\xc0\0\0"), (5, 1, b"\0\0\0\10"), (13, 1, b"\6"), (99, 1, b"\6"),
        (3, 2**31, b"\0\6"),
    ):  # fmt: skip
        odd = head + struct.pack(">HI", kind, count) + value.ljust(4, b"\0") + bytes(4)
        assert orientation({"exif": odd}) in (1, 6) if kind in (11, 99) else orientation({"exif": odd}) == 1
    sound = head + struct.pack(">HI", 3, 1) + b"\0\6\0\0" + bytes(4)
    assert orientation({"exif": sound}) == 6
    for garbage in (b"", b"Exif\0\0", b"Exif\0\0garbage", exif(6)[:9], bytes(100), b"\xff" * 40):
        assert orientation({"exif": garbage}) == 1
    assert orientation({"exif": 5, "xmp": "<x/>"}) == 1
    assert orientation({}) == 1


# --- EXIF in a PNG file's texts, and behind its pixels


def raw_text(kind: str, value: bytes) -> tuple[str, str]:
    """As ImageMagick writes it: 72 digits a line."""
    digits = value.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"Raw profile type {kind}", f"\n{kind}\n{len(value):8}\n{lines}\n"


@pytest.mark.parametrize("kind", ["exif", "APP1"])
@pytest.mark.parametrize("compressed", [False, True])
def test_raw_profiles_of_imagemagick(kind: str, compressed: bool) -> None:
    chunks, file = PngImagePlugin.PngInfo(), io.BytesIO()
    chunks.add_text(*raw_text(kind, exif(6)), zip=compressed)
    chunks.add_text(*raw_text("xmp", b"<x/>"), zip=compressed)
    picture().save(file, "PNG", pnginfo=chunks)
    for image in (Image.open(io.BytesIO(file.getvalue())), open_image(io.BytesIO(file.getvalue()))):
        assert split(image)[1] == {"exif": exif(6), "xmp": b"<x/>"}
        assert split(image, strip=True)[0].size == (20, 32)  # type: ignore[union-attr]
        back = decoded(coded(image))
        assert back.info == {"exif": exif(6), "xmp": b"<x/>"}
        assert Image.open(io.BytesIO(encode_picture(back, "PPM"))).size == (20, 32)
    assert seen(file.getvalue()).shape == (32, 20, 3)


def test_a_damaged_raw_profile_is_left_out_with_a_word() -> None:
    image = tagged(picture(), **{"Raw profile type exif": "\nexif\n 8\nnot digits\n"})
    with pytest.warns(UserWarning, match="'Raw profile type exif' is damaged"):
        assert split(image)[1] == {}


@pytest.mark.parametrize("lazily", [False, True])
def test_metadata_behind_the_pixels(lazily: bool) -> None:
    file = io.BytesIO()
    picture().save(file, "PNG")
    end = file.getvalue().index(b"IEND") - 4
    more = io.BytesIO()
    PngImagePlugin.putchunk(more, b"eXIf", exif(6)[6:])
    PngImagePlugin.putchunk(more, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")
    data = file.getvalue()[:end] + more.getvalue() + file.getvalue()[end:]
    image = Image.open(io.BytesIO(data)) if lazily else open_image(io.BytesIO(data))
    found = split(image)[1]
    assert found["exif"].endswith(exif(6)[6:])
    assert found["xmp"] == b"<x/>"


# --- maps and pages


@pytest.mark.parametrize("number", [1, *TURNS])
def test_the_map_of_uncertainty_is_upright(number: int) -> None:
    deviation = np.zeros((20, 32), np.float32)
    deviation[:8, :8] = 9
    shown = np.asarray(uncertainty_map(deviation, number).convert("L")).astype(float)
    upright = np.asarray(turned(Image.fromarray(deviation), number))
    zoom = 480 // 32
    high, wide = (side * zoom for side in upright.shape)
    inner = shown[14 : 14 + high, 14 : 14 + wide]
    bright = inner.reshape(upright.shape[0], zoom, upright.shape[1], zoom).mean((1, 3)) > 128
    assert np.array_equal(bright, upright > 0)


@pytest.fixture
def sideways() -> tuple[bytes, Image.Image]:
    photo = tagged(photograph(), exif=exif(6))
    return coded(photo), turned(photograph(), 6)


def test_the_page_is_upright(sideways: tuple[bytes, Image.Image]) -> None:
    data, original = sideways
    decoding = Decoding(data, PRIOR, original, lambda _: None)
    assert decoding.gallery.size == (20, 24)
    while not decoding.ended:
        decoding.step()
    last = len(decoding.moments)
    decoding.draw(last, "mean")
    for view in ("preview", "mean", "uncertainty"):
        with Image.open(io.BytesIO(decoding.gallery.pictures[last, view].png)) as shown:
            assert shown.size == original.size
    figure = decoding.gallery.pictures[last, "mean"].figure
    assert figure is not None
    assert figure > 25  # of turned pictures it would be some 10 dB


def test_the_command_turns_what_the_page_compares_with(tmp_path: Path) -> None:
    from psc.cli import viewer

    path = tmp_path / "a.jpg"
    Image.fromarray(texture(24, 40)).save(path, exif=exif(6))
    data, shown = viewer.read(str(path), None, {})
    assert data is None
    assert shown is not None
    assert shown.size == (24, 40)
    assert psc.info(coded(shown))["carries"] == {}
