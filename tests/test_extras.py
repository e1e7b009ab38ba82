"""Chunks of extras in the header: what is written, what is refused."""

import lzma
import math
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

import psc
from psc.bitstream import extras
from psc.bitstream.container import seal
from psc.bitstream.fields import varint
from psc.bitstream.header import BodyField, crc16, unpack
from psc.images import metadata
from psc.images.alpha import read_alpha
from psc.images.pixels import psnr
from tests.pictures import coded, decoded, loaded, photograph, tagged, tagged_alpha

pytestmark = pytest.mark.filterwarnings("ignore:[0-9]+ of the file's")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return photograph()


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
        read_alpha(extras.unpack(packed), (8, 8))


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
    empty = bytearray(replace(unpack(coded(photo))[0], body=BodyField()).pack()[:-2])
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
