"""Well-known colour profiles cost a byte: found by what they mean, and what is written renders the same."""

import io
import struct
import warnings
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

import psc
from psc.bitstream.container import seal
from psc.bitstream.header import unpack
from psc.images import icc, profiles
from psc.images.curves import Parametric, Table
from psc.images.metadata import split
from psc.images.opening import open_image
from psc.images.saving import encode_picture
from psc.PscImagePlugin import PscImageFile
from tests.pictures import PRIOR, coded, decoded, photograph, profile, tagged, wide_gamut
from tests.rasters import png

pytestmark = pytest.mark.filterwarnings("ignore:[0-9]+ of the file's")
SRGB, P3, ADOBE, PROPHOTO, REC2020, LINEAR, GAMMA22 = 1, 2, 3, 4, 5, 6, 7
GREYS = (16, 17, 18, 19)
PUBLISHED = {
    SRGB: ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    P3: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    ADOBE: ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    PROPHOTO: ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
}
"""Colorants of the profiles that HP, Apple, Adobe and Kodak published."""


def srgb(x: np.ndarray) -> np.ndarray:
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def curve_table(count: int, function: Any) -> bytes:
    return Table(tuple(function(np.linspace(0, 1, count)))).tag()


def curves(number: int) -> dict[str, bytes]:
    """Ways to write the curve of a standard profile."""
    if number in (ADOBE, PROPHOTO):
        g = 563 / 256 if number == ADOBE else 461 / 256
        return {
            "gamma": b"curv" + bytes(4) + struct.pack(">IH2x", 1, round(g * 256)),
            "parametric": Parametric(g).tag(),
            "table": curve_table(4096, lambda x: x**g),
        }
    seven = (
        b"para"
        + bytes(4)
        + struct.pack(">H2x", 4)
        + struct.pack(
            ">7i", *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0, 0))
        )
    )
    return {
        "table of 1024": curve_table(1024, srgb), "table of 4096": curve_table(4096, srgb),
        "table of 256": curve_table(256, srgb), "parametric": profiles.SRGB_CURVE.tag(),
        "seven numbers": seven,
    }  # fmt: skip


def matrix_profile(colorants: Any, curve: bytes, **more: bytes) -> bytes:
    def xyz(values: Any) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(round(v * 65536).to_bytes(4, "big", signed=True) for v in values)

    tags = {b"desc": b"desc" + bytes(60), b"wtpt": xyz((0.9505, 1, 1.0891))}
    tags |= {name + b"XYZ": xyz(column) for name, column in zip((b"r", b"g", b"b"), colorants, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve + bytes(-len(curve) % 4))
    return profile(b"mntrRGB XYZ ", tags | {name.encode(): tag for name, tag in more.items()})


PUBLISHED_FORMS = [(number, name, curve) for number in PUBLISHED for name, curve in curves(number).items()]


@pytest.mark.parametrize(("number", "name", "curve"), PUBLISHED_FORMS)
def test_published_forms_are_recognised(number: int, name: str, curve: bytes) -> None:
    published = matrix_profile(PUBLISHED[number], curve)
    assert profiles.recognised(published, False) == number
    more = matrix_profile(PUBLISHED[number], curve, vcgt=b"vcgt" + bytes(40), cprt=b"text" + bytes(400))
    assert profiles.recognised(more, False) == number


def rendered(colours: np.ndarray, data: bytes) -> np.ndarray:
    """By LittleCMS, on sRGB, in 8 bits."""
    image = Image.fromarray(colours[None])
    source = ImageCms.ImageCmsProfile(io.BytesIO(data))
    target = ImageCms.createProfile("sRGB")
    through = ImageCms.buildTransform(
        source,
        target,
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.NOOPTIMIZE,
    )
    return np.asarray(through.apply(image)).astype(int)


def linear_by_hand(number: int, colours: np.ndarray) -> np.ndarray:
    """X, Y, Z by the published colorants and the curve's formula."""
    g = {ADOBE: 563 / 256, PROPHOTO: 461 / 256}.get(number)
    x = colours / 255
    return (srgb(x) if g is None else x**g) @ np.array(PUBLISHED[number])


@pytest.mark.parametrize("number", PUBLISHED)
def test_the_standard_profile_renders_the_same(number: int) -> None:
    grid = np.array(list(product(range(0, 256, 15), repeat=3)), np.uint8)
    written = icc.parse(profiles.standard(number))
    assert written is not None
    own = np.linalg.inv(np.array(PUBLISHED[number]).T)
    shown = [np.clip(xyz @ own.T, 0, 1) for xyz in (linear_by_hand(number, grid), written.xyz(grid / 255))]
    seen = [np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055) * 255 for v in shown]
    assert np.abs(seen[0] - seen[1]).max() <= 0.5
    for name, curve in curves(number).items():
        given_ = rendered(grid, matrix_profile(PUBLISHED[number], curve))
        assert np.abs(given_ - rendered(grid, profiles.standard(number))).max() <= 1, name


@pytest.mark.parametrize("number", profiles.STANDARDS)
def test_what_is_written_is_small_sound_and_itself(number: int) -> None:
    data = profiles.standard(number)
    assert len(data) < 600
    assert int.from_bytes(data[:4], "big") == len(data)
    assert profiles.recognised(data, number in GREYS) == number
    parsed = ImageCms.ImageCmsProfile(io.BytesIO(data))
    assert parsed.profile.profile_description == profiles.STANDARDS[number].name
    assert parsed.profile.xcolor_space.strip() == ("GRAY" if number in GREYS else "RGB")
    white = rendered(np.array([[255] * 3] if number not in GREYS else [255], np.uint8), data)
    assert white.min() >= 254


def test_lcms_own_srgb_is_srgb() -> None:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert profiles.recognised(data, False) == SRGB
    assert profiles.recognised(data, True) == 16


def test_what_differs_is_not_recognised() -> None:
    base, curve = np.array(PUBLISHED[SRGB]), profiles.SRGB_CURVE.tag()
    different = [
        matrix_profile(base[::-1], curve),
        matrix_profile(base * [1.02, 1, 1], curve),
        matrix_profile(base, Parametric(2.6).tag()),
        matrix_profile(base, Parametric(2.25).tag()),
        matrix_profile(base, curve_table(8, srgb)),
        matrix_profile(base, curve, A2B0=b"mft2" + bytes(60)),
        matrix_profile(base, curve, cicp=b"cicp" + bytes(4) + bytes([9, 16, 0, 1])),
        wide_gamut(),
    ]
    for data in different:
        assert profiles.recognised(data, False) is None
        assert split(tagged(photograph(), icc_profile=data))[1] == {"icc_profile": data}
    same = matrix_profile(base, curve, cicp=b"cicp" + bytes(4) + bytes([1, 13, 0, 1]))
    assert profiles.recognised(same, False) == SRGB


@given(st.data())
@hypothesis_settings(max_examples=100, deadline=None)
def test_damaged_profiles_never_crash(draw: st.DataObject) -> None:
    number, _, curve = draw.draw(st.sampled_from(PUBLISHED_FORMS))
    data = bytearray(matrix_profile(PUBLISHED[number], curve))
    for _ in range(draw.draw(st.integers(1, 6))):
        data[draw.draw(st.integers(0, min(len(data), 700) - 1))] = draw.draw(st.integers(0, 255))
    data = data[: draw.draw(st.integers(0, len(data)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for grey in (False, True):
            assert profiles.recognised(bytes(data), grey) in (None, *profiles.STANDARDS)
            assert isinstance(profiles.fitting(bytes(data), grey), bytes)


@pytest.mark.parametrize("number", [SRGB, P3, ADOBE, PROPHOTO])
def test_a_byte_in_the_file(number: int) -> None:
    photo = photograph()
    bare, published = coded(photo), matrix_profile(PUBLISHED[number], next(iter(curves(number).values())))
    data = coded(tagged(photo.copy(), icc_profile=published))
    assert psc.info(data)["carries"] == {"standard_profile": 1}
    assert len(data) - len(bare) == 4  # the extras' length, a type, a length, the number
    back = decoded(data)
    assert back.info == {"icc_profile": profiles.standard(number)}
    assert back.tobytes() == decoded(bare).tobytes()
    assert coded(tagged(photo.copy(), icc_profile=back.info["icc_profile"])) == data
    assert PscImageFile(io.BytesIO(data)).info == back.info
    kept = coded(tagged(photo.copy(), icc_profile=published), keep_profile=True)
    assert decoded(kept).info == {"icc_profile": published}
    assert psc.info(kept)["carries"].keys() == {"icc_profile"}
    assert psc.info(coded(tagged(photo.copy(), icc_profile=published), strip=True))["carries"] == {}


def test_targets_and_saving_know_the_word() -> None:
    photo = tagged(photograph(), icc_profile=matrix_profile(PUBLISHED[P3], profiles.SRGB_CURVE.tag()))
    data = psc.encode(photo, quality=0, preset="paper", keep_profile=True, prior=PRIOR)
    assert psc.info(data)["carries"].keys() == {"icc_profile"}


@pytest.mark.parametrize("payload", [b"", b"\1\1", b"\0", b"\x63", b"\xff"])
def test_unknown_numbers_get_a_sentence(payload: bytes) -> None:
    header, body = unpack(coded(photograph()))
    data = seal(replace(header, extras=bytes([3, len(payload)]) + payload), body)
    with pytest.raises(psc.PscError, match="does not know|no.* encoder writes"):
        decoded(data, allow_partial=True)
    with pytest.raises(OSError, match="does not know|no.* encoder writes"):
        Image.open(io.BytesIO(data), formats=("PSC",))


def test_two_profiles_are_refused() -> None:
    header, body = unpack(coded(tagged(photograph(), icc_profile=wide_gamut())))
    data = seal(replace(header, extras=header.extras + b"\3\1\1"), body)
    with pytest.raises(psc.PscError, match="none that an encoder writes"):
        decoded(data)


# --- profiles and grey pictures


def test_an_rgb_profile_on_a_grey_picture_is_that_of_its_greys() -> None:
    grey = photograph().convert("L")
    for number, expected in ((SRGB, 16), (P3, 16), (ADOBE, 17), (PROPHOTO, 18)):
        image = tagged(grey.copy(), icc_profile=profiles.standard(number))
        assert split(image)[1] == {"standard_profile": bytes([expected])}
    image = tagged(grey.copy(), icc_profile=wide_gamut())
    found = split(image)[1]["icc_profile"]
    ramp = np.arange(256, dtype=np.uint8)
    in_colour = rendered(np.repeat(ramp[:, None], 3, 1), wide_gamut())
    assert np.abs(rendered(ramp, found) - in_colour).max() <= 1
    assert split(image, keep_profile=True)[1] == {"icc_profile": wide_gamut()}


def test_a_grey_png_gets_no_rgb_profile() -> None:
    """It must not have one; a .psc file may, by keep_profile."""
    image = tagged(photograph().convert("L"), icc_profile=profiles.standard(P3))
    back = open_image(io.BytesIO(encode_picture(image, "PNG")))
    assert icc.space(back.info["icc_profile"]) == b"GRAY"
    assert open_image(io.BytesIO(encode_picture(image, "JPEG"))).info["icc_profile"] == profiles.standard(P3)


def test_a_profile_of_another_kind_is_left_out_with_a_word() -> None:
    grey_on_rgb = tagged(photograph(), icc_profile=profiles.standard(17))
    with pytest.warns(UserWarning, match="profile is one of GRAY and the picture is RGB: it is left out"):
        assert split(grey_on_rgb)[1] == {}
    table = matrix_profile(PUBLISHED[SRGB], profiles.SRGB_CURVE.tag(), A2B0=b"mft2" + bytes(60))
    with pytest.warns(UserWarning, match="one of RGB and the picture is grey: it is left out"):
        assert split(tagged(photograph().convert("L"), icc_profile=table))[1] == {}
    assert split(tagged(photograph(), icc_profile=b"no profile"))[1] == {"icc_profile": b"no profile"}


# --- gAMA and cHRM


def gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100000))


def chrm(white: Any, *primaries: Any) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(v * 100000) for point in (white, *primaries) for v in point))


ROWS = np.dstack([np.arange(64).reshape(8, 8) * 4] * 3)
D65 = (0.3127, 0.329)
OF_SRGB, OF_ADOBE = profiles.SRGB_PRIMARIES, profiles.STANDARDS[ADOBE].primaries
SRGB_CHUNK = (b"sRGB", b"\0")


@pytest.mark.parametrize(
    ("chunks", "number"),
    [
        ([gama(1.0)], LINEAR), ([gama(1.0), chrm(D65, *OF_SRGB)], LINEAR), ([gama(0.45455)], None),
        ([gama(0.45455), chrm(D65, *OF_SRGB)], None), ([chrm(D65, *OF_SRGB)], None),
        ([gama(0.45471), chrm(D65, *OF_ADOBE)], ADOBE),
        ([chrm(D65, *profiles.STANDARDS[P3].primaries)], P3), ([gama(1.0), SRGB_CHUNK], None),
    ],
)  # fmt: skip
def test_png_gamma_and_chromaticities(chunks: list, number: int | None) -> None:
    found = split(open_image(io.BytesIO(png(ROWS, 8, tuple(chunks)))))[1]
    assert found == ({} if number is None else {"standard_profile": bytes([number])})
    assert split(Image.open(io.BytesIO(png(ROWS, 8, tuple(chunks)))))[1] == found


@pytest.mark.parametrize("gamma", [0.2, 0.5555, 0.7, 1.0, 1.5])
@pytest.mark.parametrize("grey", [False, True])
def test_a_png_of_any_gamma_looks_the_same(gamma: float, grey: bool) -> None:
    data = png(ROWS[..., 0] if grey else ROWS, 8, (gama(gamma),))
    back = decoded(coded(open_image(io.BytesIO(data))))
    ramp = np.arange(256, dtype=np.uint8)
    shown = rendered(ramp if grey else np.repeat(ramp[:, None], 3, 1), back.info["icc_profile"])[0, :, 1]
    linear = (ramp / 255) ** (1 / gamma)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(shown - expected).max() <= 1.5
    assert sum(psc.info(coded(open_image(io.BytesIO(data))))["carries"].values()) < 250


@pytest.mark.parametrize(
    "chunks",
    [[gama(0)], [gama(0.00001)], [chrm(D65, (0.3, 0.3), (0.3, 0.3), (0.3, 0.3))], [chrm((0, 0), *OF_SRGB)],
     [chrm(D65, (0.1, 0.1), (0.2, 0.2), (0.3, 0.3))],
     [gama(1), chrm(D65, (0.64, 0), (0.3, 0.6), (0.15, 0.06))]],
)  # fmt: skip
def test_unsound_chunks_are_left_out_with_a_word(chunks: list) -> None:
    with pytest.warns(UserWarning, match="gamma or chromaticities are unsound: they are left out"):
        assert split(open_image(io.BytesIO(png(ROWS, 8, tuple(chunks)))))[1] == {}


def test_a_real_profile_goes_before_gamma() -> None:
    image = open_image(io.BytesIO(png(ROWS, 8, (gama(1.0),))))
    image.info["icc_profile"] = wide_gamut()
    assert split(image)[1] == {"icc_profile": wide_gamut()}
