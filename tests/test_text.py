"""Captions in a file: any text survives, short ones are short, damage is noticed."""

import contextlib
import hashlib
import importlib.resources

import pytest
from benchmarks.captions import bits
from benchmarks.captions import captions as corpus
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import psc
from psc.bitstream import captions
from psc.bitstream.header import Header, unpack
from psc.plan.presets import LATENT
from tests import reference
from tests.headers import header_of

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def header(**fields: object) -> Header:
    return header_of(512, 512, False, LATENT, 7, 128, 0, b"1234", False, latents=True, **fields)


@given(UNICODE)
@hypothesis_settings(max_examples=40, deadline=None)
def test_any_text_survives_in_bounded_length(caption: str) -> None:
    packed = captions.pack(caption)
    assert captions.unpack(packed) == caption
    assert len(packed) <= 2 * len(caption.encode()) + 4
    assert len(packed) <= captions.PACKED_LIMIT


@given(st.binary(max_size=40))
@hypothesis_settings(max_examples=40, deadline=None)
def test_any_bytes_are_a_text_or_refused(data: bytes) -> None:
    with contextlib.suppress(psc.PscError):
        found = captions.unpack(data)
        assert captions.unpack(captions.pack(found)) == found


@pytest.mark.parametrize("caption", ["a", "a red house", "Zürich, 3. Mai\n", "日本の写真", "🙂", "\0"])
def test_a_decoder_written_from_the_specification_agrees(caption: str) -> None:
    assert reference.caption(captions.pack(caption)) == caption


def test_the_longest_text() -> None:
    longest = "ab cd" * 200
    assert captions.unpack(captions.pack(longest)) == longest
    with pytest.raises(psc.PscError, match="1001 bytes came; expected at most 1000"):
        captions.pack(longest + "e")
    with pytest.raises(psc.PscError, match="expected 1 to 1000 bytes"):
        captions.unpack(_endless())
    with pytest.raises(psc.PscError, match="expected 1 to 1000 bytes"):
        captions.unpack(_empty())


def _endless() -> bytes:
    """1001 times "x", and no end."""
    writer = captions.Writer()
    captions._code(writer, b"x" * 1001)
    return writer.finish()


def _empty() -> bytes:
    writer = captions.Writer()
    captions._code(writer, b"")
    return writer.finish()


def test_the_model_is_the_formats() -> None:
    """captions.txt and the code are in FORMAT.md: whoever changes them changes the format."""
    data = importlib.resources.files("psc.bitstream").joinpath("captions.txt").read_bytes()
    digest = "0367f4f5d26592be5840f53b3a88aa90f9af09af207a2ae8ed1f267eefaa18ad"
    assert hashlib.sha256(data).hexdigest() == digest
    assert data.isascii()
    assert captions.pack("a red door in a brick wall").hex() == "9799125354"


def test_real_captions_take_at_most_60_percent_of_6_bits_per_character() -> None:
    """The whole field; and none of the captions is in the text that the model is made from."""
    known = importlib.resources.files("psc.bitstream").joinpath("captions.txt").read_text().splitlines()
    groups = list(corpus().values())
    assert [len(group) for group in groups] == [24, 20]
    for group in groups:
        assert not set(group) & set(known)
        assert all(30 <= len(caption) <= 100 for caption in group)
        spent, size = sum(bits(c) for c in group), sum(len(c) for c in group)
        assert spent <= 0.6 * 6 * size
        assert spent <= 1.75 * size  # what was measured


@pytest.mark.parametrize("guidance", [0.0, 0.125, 1.0, 7.5, 31.875])
def test_the_header_carries_caption_and_guidance(guidance: float) -> None:
    ours = header(condition="a red house", guidance=guidance)
    theirs, rest = unpack(ours.pack() + b"body")
    assert (theirs, rest) == (ours, b"body")


def test_a_header_without_them_has_no_byte_for_them() -> None:
    bare = header().pack()
    assert bare[5] == 8
    assert len(header(condition="a red house").pack()) - len(bare) == 1 + len(captions.pack("a red house"))
    assert len(header(condition="a red house", guidance=2).pack()) - len(bare) == 2 + len(
        captions.pack("a red house")
    )


@pytest.mark.parametrize("guidance", [-0.5, 0.1, 32.0, float("nan"), float("inf")])
def test_guidance_that_no_file_holds(guidance: float) -> None:
    with pytest.raises(psc.PscError, match="multiples of 0.125 from 0 to 31.875"):
        header(condition="a", guidance=guidance).pack()


def test_every_damaged_byte_of_the_header_is_noticed() -> None:
    data = header(condition="a red house", guidance=7.5).pack()
    for position in range(4, len(data)):
        damaged = data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]
        with pytest.raises(psc.PscError):
            unpack(damaged)
    for size in range(4, len(data)):
        with pytest.raises(psc.PscError, match="ends inside its header"):
            unpack(data[:size])


def forged(flags: int, *fields: bytes) -> bytes:
    """A header with a right checksum: fields between the prior's and the body's."""
    from psc.bitstream.header import crc16

    data = bytearray(header().pack()[:-5])  # without length, body check, header check
    data[5] = flags
    data += b"".join(fields) + bytes(3)
    return bytes(data) + crc16(bytes(data)).to_bytes(2, "big")


def test_forged_conditions_are_refused() -> None:
    packed = captions.pack("a red house")
    good = bytes([len(packed)]) + packed
    assert unpack(forged(8 | 16, good))[0].condition.text == "a red house"
    assert unpack(forged(8 | 16 | 32, good, b"\x09"))[0].condition.guidance == 1.125
    for flags, fields, reason in (
        (8 | 32, [b"\x09"], "a guidance and no caption"),
        (8 | 16 | 32, [good, b"\x08"], "guidance is 1, and written"),
        (8 | 128, [b"\x80\x20\x00"], "regions of latents"),
        (8 | 16, [b"\xc4\x17" + bytes(3012)], "3012 bytes, the limit is 3011"),  # longer than any code
        (8 | 16, [b"\xff\xff\xff\xff\x7f"], "bytes, the limit is 3011"),  # gigabytes
        (8 | 16, [bytes([len(_empty())]) + _empty()], "expected 1 to 1000 bytes"),
    ):
        with pytest.raises(psc.PscError, match=reason):
            unpack(forged(flags, *fields))
