"""What a photograph carries: alpha, ICC profile, EXIF and XMP come back as they were; modes are converted."""

import io
import lzma
import math
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageFilter, PngImagePlugin

import psc
from psc import files
from psc.bitstream import extras
from psc.bitstream.container import seal
from psc.bitstream.fields import varint
from psc.bitstream.header import crc16, unpack
from psc.images import metadata, modes
from psc.images.picture import Picture
from psc.images.pixels import open_image, psnr, read_image
from psc.plan.plan import FULL_BASIS, Level, Plan, Round, Settings
from psc.prior import HaarGaussian
from psc.rate import control
from psc.session.context import Context
from tests.conftest import texture

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
QUICK = Plan((Level(1, 8, 5),), (Round(0, 1, 2), Round(0, FULL_BASIS, 2)))
CHOSEN = Settings(QUICK, 2, 80, 3)
PHOTO = Path(__file__).parent.parent / "examples" / "chelsea.png"
XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:rights="CC0"/></rdf:RDF></x:xmpmeta>'
    + b" " * 1000
    + b'<?xpacket end="w"?>'
)


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "Camera & Sons"
    tags[ExifTags.Base.Orientation] = orientation
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 1 / 125
    tags.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    return b"Exif\0\0" + tags.tobytes().removeprefix(b"Exif\0\0")


def wide_gamut() -> bytes:
    """A small profile of primaries far outside sRGB's, matrix and curve, gamma 1.8."""

    def fixed(value: float) -> bytes:
        return round(value * 65536).to_bytes(4, "big", signed=True)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + round(1.8 * 256).to_bytes(2, "big") + b"\0\0"
    tags = {
        b"rXYZ": xyz(0.7977, 0.2880, 0.0), b"gXYZ": xyz(0.1352, 0.7119, 0.0),
        b"bXYZ": xyz(0.0313, 0.0001, 0.8249), b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    return profile(b"mntrRGB XYZ ", tags)


INKS = {"": (255, 255, 255), "C": (20, 140, 200), "M": (200, 30, 120), "Y": (250, 230, 30), "K": (40, 38, 36)}
"""What single inks look like in sRGB."""


def press() -> bytes:
    """A small profile of a printing press, CMYK to LAB, by a table of the ink cube's corners."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    nodes = []
    for corner in range(16):  # C slowest, K fastest
        inks = [ink for i, ink in enumerate("CMYK") if corner >> (3 - i) & 1]
        rgb = np.prod([np.divide(INKS[ink], 255) for ink in inks or [""]], axis=0) * 255
        nodes.append(Image.new("RGB", (1, 1), tuple(int(v) for v in rgb)))
    through = ImageCms.buildTransform(srgb, lab, "RGB", "LAB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    signed = b"".join(
        through.apply(node).tobytes() for node in nodes
    )  # a and b, where tables have them + 128
    table = bytes(value ^ (128 if i % 3 else 0) for i, value in enumerate(signed))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    lut += b"".join(v.to_bytes(4, "big") for v in (65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    lut += bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    white = b"XYZ " + bytes(4) + b"".join(round(v * 65536).to_bytes(4, "big") for v in (0.9642, 1.0, 0.8249))
    tags = {b"A2B0": lut + bytes(-len(lut) % 4), b"wtpt": white}
    return profile(b"prtrCMYKLab ", tags)


def profile(kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2. kind: device class, colour space, connection space."""
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + (start + len(body)).to_bytes(4, "big") + len(tag).to_bytes(4, "big")
        body += tag
    header = (start + len(body)).to_bytes(4, "big") + bytes(4) + b"\x02\x10\0\0" + kind + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + b"".join(
        round(v * 65536).to_bytes(4, "big") for v in (0.9642, 1, 0.8249)
    )
    return header.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + body


def matte(size: tuple[int, int]) -> Image.Image:
    """Soft and hard edges."""
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 2, size[0] * 2 // 3, size[1] - 3), fill=255)
    image = image.filter(ImageFilter.GaussianBlur(2))
    ImageDraw.Draw(image).rectangle((size[0] // 2, 3, size[0] - 3, size[1] // 3), fill=255)
    return image


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(PHOTO) as image:
        return Image.fromarray(np.asarray(image.convert("RGB").crop((150, 60, 174, 80))))


def loaded(photo: Image.Image, **changes: bytes) -> Image.Image:
    image = photo.copy()
    image.info = {"icc_profile": wide_gamut(), "exif": exif(6), "xmp": XMP} | changes
    return image


def coded(image: Any, **options: Any) -> bytes:
    return psc.encode_with(image, CHOSEN, prior=PRIOR, **options)


def decoded(data: bytes, **options: Any) -> Image.Image:
    return psc.decode(data, prior=PRIOR, **options)


def test_metadata_come_back_byte_for_byte(photo: Image.Image) -> None:
    data = coded(loaded(photo))
    back = decoded(data)
    assert back.info == {"icc_profile": wide_gamut(), "exif": exif(6), "xmp": XMP}
    assert back.size == photo.size
    assert back.getexif()[ExifTags.Base.Make] == "Camera & Sons"
    assert set(psc.info(data)["carries"]) == {"icc_profile", "exif", "xmp"}
    assert np.array_equal(np.asarray(back), np.asarray(decoded(coded(photo))))


def test_nothing_is_carried_for_nothing(photo: Image.Image) -> None:
    bare = coded(photo)
    assert coded(loaded(photo, icc_profile=b"", exif=b"", xmp=b"")) == bare
    assert bare[5] & 64 == 0
    assert psc.info(bare)["carries"] == {}
    assert decoded(bare).info == {}


def test_strip_leaves_alpha_and_turns_the_picture_upright(photo: Image.Image) -> None:
    image = loaded(photo)
    image.putalpha(matte(photo.size))
    back = decoded(coded(image, strip=True))
    assert back.info == {}
    assert back.mode == "RGBA"
    upright = matte(photo.size).transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(np.asarray(back.getchannel("A")), np.asarray(upright))
    garbage = loaded(photo, exif=b"Exif\0\0garbage")
    assert decoded(coded(garbage, strip=True)).size == photo.size
    assert decoded(coded(garbage)).info["exif"] == b"Exif\0\0garbage"


@pytest.mark.parametrize("grey", [False, True])
def test_alpha_is_lossless(photo: Image.Image, grey: bool) -> None:
    image = photo.convert("L") if grey else photo.copy()
    bare = coded(image)
    image.putalpha(matte(photo.size))
    data = coded(image)
    back = decoded(data)
    assert back.mode == psc.info(data)["mode"] == ("LA" if grey else "RGBA")
    assert back.getchannel("A").tobytes() == matte(photo.size).tobytes()
    assert np.array_equal(np.asarray(back)[..., :-1].squeeze(), np.asarray(decoded(bare)))
    assert len(data) - len(bare) == psc.info(data)["carries"]["alpha"] + 5
    png = io.BytesIO()
    matte(photo.size).save(png, "PNG", optimize=True)
    assert psc.info(data)["carries"]["alpha"] < png.tell()


def test_opaque_alpha_is_left_out(photo: Image.Image) -> None:
    image = photo.copy()
    image.putalpha(255)
    assert coded(image) == coded(photo)


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
@hypothesis_settings(max_examples=40, deadline=None)
def test_any_alpha_survives(array: np.ndarray) -> None:
    alpha = Image.fromarray(array)
    parts = metadata.split(tagged_alpha(alpha))[1]
    back = metadata.read_alpha(extras.unpack(extras.pack(parts)), alpha.size)
    assert (back is None) == (array.min() == 255)
    assert back is None or np.array_equal(np.asarray(back), array)


def test_arrays_with_alpha(photo: Image.Image) -> None:
    colour, grey, alpha = np.asarray(photo), np.asarray(photo.convert("L")), np.asarray(matte(photo.size))
    for array, mode in ((np.dstack([colour, alpha]), "RGBA"), (np.dstack([grey, alpha]), "LA")):
        data = coded(array)
        assert data == coded(Image.fromarray(array, mode) if mode == "RGBA" else Image.fromarray(array))
        assert np.array_equal(np.asarray(decoded(data))[..., -1], alpha)


def test_every_way_to_decode_carries_it(photo: Image.Image, embedded_prior: object) -> None:
    image = loaded(photo)
    image.putalpha(matte(photo.size))
    data, simulated = psc.simulate(image, CHOSEN, prior=PRIOR)
    assert data == coded(image)
    seen = [simulated.image]
    seen += [found.image for found in psc.variations(data, 2, prior=PRIOR)]
    seen += [found.image for found in psc.decode_progressively(data, prior=PRIOR)]
    details = psc.decode_details(data, uncertainty=True, prior=PRIOR)
    assert details.deviation is not None
    assert details.deviation.shape == (photo.height, photo.width)
    for found in [*seen, details.image]:
        assert found.mode == "RGBA"
        assert found.info == image.info
        assert found.getchannel("A").tobytes() == matte(photo.size).tobytes()
    assert psc.verify(data, prior=PRIOR).ok


def test_cut_files_keep_it(photo: Image.Image) -> None:
    image = loaded(photo)
    image.putalpha(matte(photo.size))
    data = coded(image)
    size = len(data) - psc.info(data)["body_bytes"] // 2
    for shorter in (psc.truncate(data, size=size), psc.keep_rounds(data, 1, prior=PRIOR)):
        assert psc.info(shorter)["carries"] == psc.info(data)["carries"]
        assert decoded(shorter).info == image.info
    part = decoded(data[:size], allow_partial=True)
    assert part.info == image.info
    assert part.mode == "RGBA"


def test_a_target_size_is_of_the_whole_file() -> None:
    image = Image.fromarray(texture(64, 64))
    image.info["xmp"] = XMP
    image.putalpha(matte(image.size))
    carries = coded(image)
    assert sum(psc.info(carries)["carries"].values()) > 300
    data = psc.encode(image, target_size=1200, prior=PRIOR)
    assert 0.98 * 1200 <= len(data) <= 1200
    assert decoded(data).info["xmp"] == XMP
    with pytest.raises(psc.PscError, match="at least"):
        psc.encode(image, target_size=300, prior=PRIOR)


def test_a_target_psnr_is_of_the_colours(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def to_psnr(picture: Picture, target: float, start: Settings, context: Context) -> Any:
        seen.extend([picture.colours.shape, target, extras.pack(picture.metadata)])
        return SimpleNamespace(data=b"file")

    monkeypatch.setattr(control, "to_psnr", to_psnr)
    image = loaded(photo)
    image.putalpha(matte(photo.size))
    assert psc.encode(image, target_psnr=24, prior=PRIOR) == b"file"
    assert seen == [(3, 20, 24), 24, unpack(coded(image))[0].extras]


def test_an_interrupted_encode_goes_on_with_it(
    photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psc.session.journal.PATIENCE", 0.0)
    image, journal = loaded(photo), psc.Journal(tmp_path / "a.resume")
    calls = 0

    def interrupt(_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        coded(image, journal=journal, progress=interrupt)
    assert journal.kept
    assert coded(image, journal=psc.Journal(journal.path)) == coded(image)


# --- modes


def tagged(image: Image.Image, **info: Any) -> Image.Image:
    image.info.update(info)
    return image


def cases() -> dict[str, tuple[Image.Image, Image.Image, bool]]:
    """By name: a picture, what it is as L, LA, RGB or RGBA, and whether that loses something."""
    with Image.open(PHOTO) as file:
        rgb = Image.fromarray(np.asarray(file.convert("RGB").crop((150, 60, 174, 80))))
    grey, alpha = rgb.convert("L"), matte(rgb.size)
    rgba, la = rgb.copy(), grey.copy()
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    palette = rgb.quantize(64)
    clear = palette.copy()
    index = palette.getpixel((5, 5))
    bit = grey.convert("1", dither=Image.Dither.NONE)
    wide = np.asarray(grey).astype(np.uint16)
    value = int(wide[4, 4])
    keyed = grey.copy()
    keyed.putalpha(Image.fromarray(np.where(wide == value, 0, 255).astype(np.uint8)))
    pixel = rgb.getpixel((5, 5))
    keyed_rgb = rgb.copy()
    keyed_rgb.putalpha(Image.fromarray(np.where((np.asarray(rgb) == pixel).all(2), 0, 255).astype(np.uint8)))
    return {
        "L": (grey, grey, False),
        "RGB": (rgb, rgb, False),
        "LA": (la, la, False),
        "RGBA": (rgba, rgba, False),
        "1": (bit, bit.convert("L"), False),
        "P": (palette, palette.convert("RGB"), False),
        "P index": (tagged(clear, transparency=index), clear.convert("RGBA"), False),
        "P bytes": (tagged(palette.copy(), transparency=bytes(range(64))),
                    tagged(palette.copy(), transparency=bytes(range(64))).convert("RGBA"), False),
        "PA": (rgba.convert("PA"), rgba.convert("PA").convert("RGBA"), False),
        "RGBX": (rgb.convert("RGBX"), rgb, False),
        "RGBa": (rgba.convert("RGBa"), rgba.convert("RGBa").convert("RGBA"), False),
        "La": (la.convert("La"), la.convert("La").convert("LA"), False),
        "L key": (tagged(grey.copy(), transparency=value), keyed, False),
        "RGB key": (tagged(rgb.copy(), transparency=pixel), keyed_rgb, False),
        "I;16": (Image.fromarray(wide * 257), grey, True),
        "I;16B": (Image.frombytes("I;16B", grey.size, (wide * 257).astype(">u2").tobytes()), grey, True),
        "I;16 key": (tagged(Image.fromarray(wide * 257), transparency=value * 257), keyed, True),
        "I": (Image.fromarray(wide.astype(np.int32)), grey, True),
        "I wide": (Image.fromarray(wide.astype(np.int32) * 257), grey, True),
        "F": (Image.fromarray(wide.astype(np.float32)), grey, True),
        "CMYK": (rgb.convert("CMYK"), rgb, True),
        "YCbCr": (rgb.convert("YCbCr"), rgb, True),
        "HSV": (rgb.convert("HSV"), rgb, True),
        "LAB": (_lab(rgb), rgb, True),
    }  # fmt: skip


def _lab(rgb: Image.Image) -> Image.Image:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(rgb)


CASES = cases()


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


# --- files in and out


def saved(path: Path, image: Image.Image) -> Path:
    kind = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tiff": "TIFF"}[path.suffix]
    path.write_bytes(files.encode_picture(image, kind))
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_from_file_to_file_byte_for_byte(tmp_path: Path, photo: Image.Image, suffix: str) -> None:
    source = open_image(saved(tmp_path / f"in{suffix}", loaded(photo)))
    assert source.info["icc_profile"] == wide_gamut()
    back = open_image(saved(tmp_path / f"out{suffix}", decoded(coded(source))))
    assert {name: back.info[name] for name in extras.TYPES if name in back.info} == {
        name: source.info[name] for name in ("icc_profile", "exif", "xmp")
    }
    assert back.size == photo.size
    assert read_image(tmp_path / f"out{suffix}").size == photo.size[::-1]  # upright


@pytest.mark.parametrize("into", [".jpg", ".png", ".webp"])
def test_exif_from_webp_has_a_head_where_it_needs_one(tmp_path: Path, photo: Image.Image, into: str) -> None:
    source = open_image(saved(tmp_path / "in.webp", loaded(photo)))
    assert not source.info["exif"].startswith(b"Exif")
    back = open_image(saved(tmp_path / f"out{into}", decoded(coded(source))))
    assert back.info["exif"].removeprefix(b"Exif\0\0") == source.info["exif"]
    assert back.getexif()[ExifTags.Base.Orientation] == 6


def test_tiff_has_exif_as_tags(tmp_path: Path, photo: Image.Image) -> None:
    source = open_image(saved(tmp_path / "in.tiff", loaded(photo, exif=exif(1))))
    carries = decoded(coded(source))
    assert carries.info["icc_profile"] == wide_gamut()
    assert carries.info["xmp"] == XMP
    for image in (source, carries, open_image(saved(tmp_path / "out.tiff", carries))):
        tags = image.getexif()
        assert tags[ExifTags.Base.Make] == "Camera & Sons"
        assert float(tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime]) == pytest.approx(1 / 125)
        assert tags.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    assert ExifTags.Base.StripOffsets not in carries.getexif()


def test_what_a_format_cannot_hold_is_said(photo: Image.Image) -> None:
    with pytest.warns(UserWarning, match="BMP files cannot hold") as said:
        files.encode_picture(loaded(photo), "BMP")
    assert [str(one.message).split("'s ")[1] for one in said] == [
        f"{name}: it is left out" for name in ("icc_profile", "exif", "xmp")
    ]
    with pytest.warns(UserWarning, match="JPEG files cannot hold this picture's xmp"):
        data = files.encode_picture(loaded(photo, xmp=b"<" * 70000), "JPEG")
    assert Image.open(io.BytesIO(data)).info["exif"] == exif(6)


# --- chunks

parts = st.fixed_dictionaries(
    {}, optional={name: st.binary(min_size=1, max_size=300) for name in extras.TYPES}
)


@given(parts)
@hypothesis_settings(max_examples=100, deadline=None)
def test_chunks_survive(given_parts: dict[str, bytes]) -> None:
    packed = extras.pack(given_parts)
    assert extras.unpack(packed) == given_parts
    assert set(extras.sizes(packed)) == set(given_parts)
    assert bool(packed) == bool(given_parts)


@given(st.binary(max_size=200))
@hypothesis_settings(max_examples=300, deadline=None)
def test_random_chunks_never_crash(packed: bytes) -> None:
    with suppress(psc.PscError):
        metadata.read_alpha(extras.unpack(packed), (8, 8))


def tagged_alpha(alpha: Image.Image) -> Image.Image:
    """A grey picture with this alpha."""
    return Image.merge("LA", (alpha, alpha))


def chunk(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + varint(len(payload)) + payload


def squeezed(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=extras.FILTERS)


ALPHA = extras.pack(metadata.split(tagged_alpha(Image.new("L", (24, 20), 9)))[1])


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (chunk(5, b""), "type 5, which this psc does not know"),
        (chunk(129, squeezed(b"a")) + chunk(128, squeezed(b"b")), "not in order"),
        (chunk(128, squeezed(b"a")) * 2, "not in order"),
        (chunk(0, b""), "not in order"),
        (bytes([128, 9]) + b"short", "ends inside"),
        (b"\x80\xff\xff\xff\xff\x7f", "the limit is"),
        (b"\x80" + b"\xff" * 12, "64 bits"),
        (chunk(2, b"no lzma"), "icc_profile cannot be decompressed"),
        (chunk(2, squeezed(b"profile")[:-3]), "not one compressed stream"),
        (chunk(2, squeezed(b"profile") + b"more"), "not one compressed stream"),
        (chunk(2, squeezed(bytes(2**24 + 1))), "at most 16777216 bytes"),
        (chunk(2, squeezed(bytes(2**27))), "at most 16777216 bytes"),
        (chunk(1, b""), "not of its picture's size"),
        (chunk(1, b"/" + bytes(4)), "not of its picture's size"),
        (chunk(1, b"/\xff\xff\xff\x0f"), "not of its picture's size"),
        (ALPHA[:6] + b"\xff" * (len(ALPHA) - 6), "size|cannot be decoded"),
        (chunk(1, ALPHA[2:10]), "cannot be decoded"),
    ],
)
def test_bad_chunks_get_a_sentence(photo: Image.Image, packed: bytes, words: str) -> None:
    header, body = unpack(coded(photo))
    data = seal(replace(header, extras=packed), body)
    for allow_partial in (False, True):
        with pytest.raises(psc.PscError, match=words):
            decoded(data, allow_partial=allow_partial)


def test_unknown_ancillary_chunks_are_passed_over(photo: Image.Image) -> None:
    header, body = unpack(coded(loaded(photo)))
    more = header.extras + chunk(200, b"of the future")
    data = seal(replace(header, extras=more), body)
    assert decoded(data).info == loaded(photo).info
    assert unpack(psc.truncate(data, size=len(data) - 20))[0].extras == more


def test_declared_but_missing_extras(photo: Image.Image) -> None:
    data = coded(loaded(photo))
    size = psc.info(data)["header_bytes"]
    for length in (30, size // 2, size - 1):
        with pytest.raises(psc.PscError, match="ends inside its header"):
            decoded(data[:length], allow_partial=True)
    empty = bytearray(replace(unpack(coded(photo))[0], body_length=0).pack()[:-2])
    empty[5] |= 64
    empty[-3:-3] = b"\0"  # before the body's length and check
    with pytest.raises(psc.PscError, match="no encoder writes"):
        unpack(bytes(empty) + crc16(bytes(empty)).to_bytes(2, "big"))


def test_what_is_too_large_is_refused_before_the_work(photo: Image.Image) -> None:
    with pytest.raises(psc.PscError, match=r"xmp has 16777217 bytes.*--strip"):
        coded(tagged(photo.copy(), xmp=bytes(2**24 + 1)))
    wide = Image.new("LA", (16384, 1), (9, 9))
    with pytest.raises(psc.PscError, match="16384x1 and has alpha"):
        coded(wide)


def test_info_that_is_no_bytes_is_left_out(photo: Image.Image) -> None:
    image = tagged(photo.copy(), icc_profile=None, exif=5, xmp="<x/>")
    assert decoded(coded(image)).info == {"xmp": b"<x/>"}
    assert math.isfinite(psnr(decoded(coded(image)), photo))
