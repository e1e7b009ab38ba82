"""What a photograph carries: alpha, ICC profile, EXIF and XMP come back as they were."""

import io
import struct
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image

import psc
from psc.bitstream import extras
from psc.bitstream.header import unpack
from psc.images import metadata
from psc.images.alpha import read_alpha
from psc.images.opening import open_image, read_image
from psc.images.orientation import orientation, turned
from psc.images.picture import Picture
from psc.images.pixels import psnr
from psc.images.saving import encode_picture
from psc.plan.plan import Settings
from psc.rate import control
from psc.session.context import Context
from tests.conftest import texture
from tests.pictures import (
    CHOSEN,
    PRIOR,
    XMP,
    coded,
    decoded,
    exif,
    loaded,
    matte,
    photograph,
    tagged_alpha,
    wide_gamut,
)

pytestmark = pytest.mark.filterwarnings("ignore:[0-9]+ of the file's")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return photograph()


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
    back = read_alpha(extras.unpack(extras.pack(parts)), alpha.size)
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
        return SimpleNamespace(data=coded(photo))

    monkeypatch.setattr(control, "to_psnr", to_psnr)
    image = loaded(photo)
    image.putalpha(matte(photo.size))
    assert psc.encode(image, target_psnr=24, prior=PRIOR) == coded(photo)
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


def saved(path: Path, image: Image.Image) -> Path:
    kind = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tiff": "TIFF"}[path.suffix]
    path.write_bytes(encode_picture(image, kind))
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
        encode_picture(loaded(photo), "BMP")
    assert [str(one.message).split("'s ")[1] for one in said] == [
        f"{name}: it is left out" for name in ("icc_profile", "exif", "xmp")
    ]
    with pytest.warns(UserWarning, match="JPEG files cannot hold this picture's xmp"):
        data = encode_picture(loaded(photo, xmp=b"<" * 70000), "JPEG")
    assert Image.open(io.BytesIO(data)).info["exif"] == exif(6)


# --- damaged and odd metadata


def odd_exif() -> list[bytes]:
    """EXIF that is none, is cut, or whose tags have other types than they should."""
    found = [b"Exif\0\0garbagegarbage", exif(6)[:20], b"\xff" * 30, exif(6)[:-9]]
    for kind, count in ((0, 1), (2, 3), (5, 2), (12, 1), (13, 9), (99, 1), (3, 2**31)):
        for tag in (256, 259, 271, 274, 34665, 34853, 700):
            entry = struct.pack(">HHI4s", tag, kind, count, b"\0\6\0\0")
            found.append(b"Exif\0\0MM\0*\0\0\0\10\0\1" + entry + bytes(4))
    return found


@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
@pytest.mark.filterwarnings("ignore")
def test_odd_exif_never_costs_the_picture(photo: Image.Image, kind: str) -> None:
    for value in odd_exif():
        image = photo.copy()
        image.info["exif"] = value
        back = read_image(io.BytesIO(encode_picture(image, kind)))
        assert psnr(back.convert("RGB"), turned(photo, orientation(image.info))) > 30


@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_exif_that_is_left_out_is_said(photo: Image.Image, kind: str) -> None:
    image = photo.copy()
    image.info["exif"] = b"Exif\0\0garbagegarbage"
    with pytest.warns(UserWarning, match=f"{kind} files cannot hold this picture's exif: it is left out"):
        encode_picture(image, kind)


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_xmp_of_any_coding_is_utf_8_in_png(photo: Image.Image, coding: str) -> None:
    text = '<x:xmpmeta xmlns:x="adobe:ns:meta/">Zürich, 東京</x:xmpmeta>'
    image = photo.copy()
    image.info["xmp"] = text.encode(coding)
    assert decoded(coded(image)).info["xmp"] == text.encode(coding)
    assert open_image(io.BytesIO(encode_picture(image, "PNG"))).info["xmp"] == text.encode()
    assert open_image(io.BytesIO(encode_picture(image, "WEBP"))).info["xmp"] == text.encode(coding)


@pytest.mark.parametrize("value", [b"\xff\xff\xff", b"<x>\xe9</x>", b"<\0x", b"<x>\0</x>"])
def test_xmp_that_is_no_text_is_left_out_of_png(photo: Image.Image, value: bytes) -> None:
    image = photo.copy()
    image.info["xmp"] = value
    with pytest.warns(UserWarning, match="PNG files cannot hold this picture's xmp"):
        assert "xmp" not in open_image(io.BytesIO(encode_picture(image, "PNG"))).info


@pytest.mark.filterwarnings("default")
def test_metadata_of_more_than_half_a_file_are_said(photo: Image.Image) -> None:
    image = photo.copy()
    image.info["xmp"] = np.random.default_rng(1).bytes(2000)
    with pytest.warns(UserWarning, match=r"\d+ of the file's \d+ bytes are metadata \(xmp \d+\): --strip"):
        data = coded(image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert coded(image, strip=True) == coded(photo)
        image.info["xmp"] = b"<x/>"
        assert len(coded(image)) < len(data)
