"""Quantisers and symbol models: values, round trips through a channel, cut files."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from psc.bitstream.float8 import Float8Coding
from psc.bitstream.models import FrequencyModel, geometric
from psc.bitstream.quantizer import ESCAPE, MAX_MAGNITUDE, UniformCoding, choose
from psc.bitstream.rangecoder import TOTAL, Reader, Writer
from psc.bitstream.surroundings import MODELS, NOT_MEASURED, groups
from psc.plan.plan import step_size
from tests.reference import float8_values

ACROSS = 3


def message(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(6, count) numbers of widely different predicted spreads, some far outside of it, and their classes."""
    rng = np.random.default_rng(seed)
    shape = 2 * ACROSS, count
    spread = 2.0 ** rng.uniform(-3, 9, shape)
    q = np.rint(rng.laplace(size=shape) * spread * rng.choice([1, 1, 1, 40], shape)).astype(np.int32)
    classes = UniformCoding(128).context_of(torch.from_numpy(spread**2), 64)
    return np.where(classes == NOT_MEASURED, 0, q), classes


@given(st.integers(0, 2**32), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_uniform_numbers_survive(seed: int, count: int) -> None:
    writer = Writer()
    coding = UniformCoding(128)
    rounds = [message(seed + i, count) for i in range(3)]
    for q, classes in rounds:
        coding.code(writer, q, classes, ACROSS)
    reader, coding = Reader(writer.finish()), UniformCoding(128)
    for q, classes in rounds:
        found, known = coding.code(reader, np.zeros_like(q), classes, ACROSS)
        assert np.array_equal(found, q)
        assert np.array_equal(known, classes != NOT_MEASURED)


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=60, deadline=None)
def test_what_a_cut_leaves_is_right(seed: int, data: st.DataObject) -> None:
    q, classes = message(seed, 33)
    writer = Writer()
    UniformCoding(128).code(writer, q, classes, ACROSS)
    whole = writer.finish()
    cut = data.draw(st.integers(0, len(whole) - 1))
    found, known = UniformCoding(128).code(Reader(whole[:cut], cut=True), np.zeros_like(q), classes, ACROSS)
    assert np.array_equal(found[known], q[known])
    assert not known[classes == NOT_MEASURED].any()


def test_wide_spreads_come_first_in_a_cut() -> None:
    q, classes = message(5, 66)
    writer = Writer()
    UniformCoding(128).code(writer, q, classes, ACROSS)
    whole = writer.finish()
    _, known = UniformCoding(128).code(
        Reader(whole[: len(whole) // 2], cut=True), np.zeros_like(q), classes, ACROSS
    )
    left = classes[(classes != NOT_MEASURED) & ~known]
    assert classes[known].min() >= left.max()


def test_learning_pays() -> None:
    """Symbols all of one kind cost less in later rounds."""
    coding, writer = UniformCoding(128), Writer()
    sizes = []
    for _ in range(4):
        before = writer.bits
        coding.code(writer, np.ones((1, 200), dtype=np.int32), np.full((1, 200), 8, dtype=np.int8), 1)
        sizes.append(writer.bits - before)
    assert sizes[3] < 0.5 * sizes[0]


def test_steps_follow_powers_of_two() -> None:
    assert step_size(128) == 1.0
    assert step_size(0) == 2.0**-8
    ratios = [step_size(i + 1) / step_size(i) for i in range(255)]
    assert max(abs(r - 2 ** (1 / 16)) for r in ratios) < 2e-5


@given(st.floats(-600, 600, allow_nan=False))
@settings(max_examples=300)
def test_uniform_quantiser_error_is_bounded(value: float) -> None:
    coding = UniformCoding(100)
    x = torch.tensor([value], dtype=torch.float64)
    for k in (0, 8, MODELS - 1, MODELS + 6):
        error = coding.dequantise(coding.quantise(x, np.array([k]))) - x
        assert float(error.abs()) <= 1.7 * coding.step


def test_a_number_costs_what_it_saves() -> None:
    """Dearer symbols are chosen less often; without a cost the nearest integer is."""
    v = np.linspace(-3, 3, 61)
    bits = np.where(np.arange(ESCAPE + 1) == MAX_MAGNITUDE, 0.0, 6.0)
    assert np.array_equal(choose(v, np.zeros(ESCAPE + 1)), np.sign(v) * np.floor(np.abs(v) + 0.5))
    assert (choose(v, bits) == 0)[np.abs(v) < 0.7].all()
    assert (choose(v, bits) != 0)[np.abs(v) > 0.9].all()


def test_costs_are_those_of_the_frequencies() -> None:
    table = FrequencyModel(geometric(700, 64, 2**20), 200)
    exact = np.log2(TOTAL / table.frequencies())
    assert (table.bits() - exact >= 0).all()
    assert (table.bits() - exact < 0.09).all()


@given(st.floats(-700, 700, allow_nan=False))
@settings(max_examples=300)
def test_float8_picks_the_nearest_value(value: float) -> None:
    coding = Float8Coding()
    q = coding.quantise(torch.tensor([value], dtype=torch.float64), np.zeros(1, dtype=np.int64))
    values = [float(v) for v in float8_values()]
    nearest = min(abs(abs(value) - v) for v in values)
    assert float(coding.dequantise(q)[0]) == np.sign(q[0]) * values[abs(int(q[0]))]
    assert abs(abs(value) - values[abs(int(q[0]))]) == pytest.approx(nearest, abs=1e-12)


def test_float8_ties_go_to_even() -> None:
    coding = Float8Coding()
    ties = torch.tensor([1.0625, 1.1875, 17.0, 19.0, 2.0**-10, 3 * 2.0**-10], dtype=torch.float64)
    q = coding.quantise(ties, np.zeros(6, dtype=np.int64))
    assert coding.dequantise(q).tolist() == [
        1.0,
        1.25,
        16.0,
        20.0,
        0.0,
        2.0**-8,
    ]


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=40, deadline=None)
def test_float8_numbers_survive_and_cuts_are_right(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    values = torch.from_numpy(rng.normal(size=100) * rng.choice([0, 1, 30], 100))
    q = Float8Coding().quantise(values, np.zeros(100, dtype=np.int64))
    writer = Writer()
    Float8Coding().code(writer, q, np.zeros_like(q), 1)
    whole = writer.finish()
    found, known = Float8Coding().code(Reader(whole), np.zeros_like(q), np.zeros_like(q), 1)
    assert np.array_equal(found, q)
    assert known.all()
    cut = data.draw(st.integers(0, len(whole) - 1))
    found, known = Float8Coding().code(Reader(whole[:cut], cut=True), np.zeros_like(q), np.zeros_like(q), 1)
    assert np.array_equal(found[known], q[known])


def test_what_a_window_has_shown_shifts_the_contexts_of_its_and_its_neighbours_numbers() -> None:
    """Windows in a row; the first number is 2, as expected of context 12 (131 / 64), or 64.

    By 2.4 log2 of (512 + 8192) / (512 + 262) = 11.2 and of (512 + 4096) / (512 + 131) = 7.2: 8.4 and 6.8.
    """
    contexts = np.array([[12, 8], [8, 8], [8, 8], [8, 8]], dtype=np.int8)
    for first, wanted in ((2, [8, 8, 8]), (64, [16, 15, 8])):
        q = np.array([first, *[0] * 7], dtype=np.int32)
        found = {int(i): k for some, k in groups(q, contexts, 4) for i in some}
        assert found[0] == 12
        assert [found[1], found[2], found[4]] == wanted


def test_zeros_of_narrow_contexts_bind_least() -> None:
    contexts = np.arange(MODELS + 4)
    trust = UniformCoding(128).trust(contexts, np.ones(len(contexts), dtype=bool))
    assert (np.diff(trust) >= 0).all()
    assert trust[0] == 1 / 32
    assert trust[-1] == 1
    assert (UniformCoding(128).trust(contexts, np.zeros(len(contexts), dtype=bool)) == 1).all()
