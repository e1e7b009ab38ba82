"""Cut files: every prefix decodes, and what the encoder thinks of a cut is what the decoder finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import psc
from psc.bitstream.header import unpack
from psc.plan.plan import Settings
from psc.prior import HaarGaussian
from tests.conftest import SMALL, texture

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
ARRAY = texture(24, 24)
WHOLE = psc.encode_with(ARRAY, Settings(SMALL, 5, 100, 3), prior=PRIOR)


def error(data: bytes) -> float:
    difference = np.asarray(psc.decode(data, prior=PRIOR), dtype=float) - ARRAY
    return float(np.mean(difference**2))


def test_every_length_of_a_file_decodes() -> None:
    """From one byte of body on; the picture gets better on the whole, and no cut loses what was there."""
    least = len(WHOLE) - len(unpack(WHOLE)[1]) + 2
    errors = []
    symbols = 0
    for size in range(least, len(WHOLE) + 1):
        cut = psc.truncate(WHOLE, size=size)
        assert len(cut) <= size
        found = psc.decode_details(cut, prior=PRIOR)
        assert found.complete
        assert found.symbols >= symbols
        symbols = found.symbols
        errors.append(np.mean((np.asarray(found.image, dtype=float) - ARRAY) ** 2))
    assert errors[-1] == error(WHOLE)
    quarter = len(errors) // 4
    means = [np.mean(errors[i * quarter : (i + 1) * quarter]) for i in range(4)]
    assert means == sorted(means, reverse=True)


@given(st.integers(60, 400), st.integers(60, 400))
@hypothesis_settings(max_examples=20, deadline=None)
def test_cutting_twice_is_cutting_once(a: int, b: int) -> None:
    assert psc.truncate(psc.truncate(WHOLE, size=max(a, b)), size=min(a, b)) == psc.truncate(
        WHOLE, size=min(a, b)
    )


def test_a_raw_cut_becomes_a_file() -> None:
    raw = WHOLE[: len(WHOLE) // 2]
    with pytest.raises(psc.PscError, match="cut"):
        psc.decode(raw, prior=PRIOR)
    mended = psc.truncate(raw, size=len(raw))
    assert psc.info(mended)["cut"]
    partial = psc.decode(raw, prior=PRIOR, allow_partial=True)
    assert np.array_equal(np.asarray(psc.decode(mended, prior=PRIOR)), np.asarray(partial))


def test_first_rounds_are_what_encoding_them_gives() -> None:
    for rounds in (1, 3, 5):
        assert psc.keep_rounds(WHOLE, rounds, prior=PRIOR) == psc.encode_with(
            ARRAY, Settings(SMALL, rounds, 100, 3), prior=PRIOR
        )


def test_rounds_that_a_cut_file_has_not() -> None:
    cut = psc.truncate(WHOLE, size=len(WHOLE) // 2)
    with pytest.raises(psc.PscError, match="whole"):
        psc.keep_rounds(cut, 5, prior=PRIOR)
    with pytest.raises(psc.PscError, match="the file has 5"):
        psc.keep_rounds(WHOLE, 6, prior=PRIOR)
    assert psc.keep_rounds(cut, 1, prior=PRIOR) == psc.keep_rounds(WHOLE, 1, prior=PRIOR)


def test_what_cannot_be_cut() -> None:
    with pytest.raises(psc.PscError, match="too few"):
        psc.truncate(WHOLE, size=10)
    with pytest.raises(psc.PscError, match="sound"):
        psc.truncate(WHOLE + b"x", size=100)
    damaged = WHOLE[:-3] + bytes([WHOLE[-3] ^ 1]) + WHOLE[-2:]
    with pytest.raises(psc.PscError, match="sound"):
        psc.truncate(damaged, size=100)
    assert psc.truncate(WHOLE, size=10**6) == WHOLE


def test_pictures_round_by_round() -> None:
    found = list(psc.decode_progressively(WHOLE, prior=PRIOR))
    assert [f.rounds for f in found] == [1, 2, 3, 4, 5]
    last = psc.decode(WHOLE, restoration="preview", prior=PRIOR)
    assert np.array_equal(np.asarray(found[-1].image), np.asarray(last))
    with_means = list(psc.decode_progressively(WHOLE, restoration="mean", prior=PRIOR))
    for f in with_means:
        alone = psc.decode(psc.keep_rounds(WHOLE, f.rounds, prior=PRIOR), prior=PRIOR)
        assert np.array_equal(np.asarray(f.image), np.asarray(alone))
