"""The range coder against the specification's own decoder, and what it makes of cut bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psc.bitstream.models import FrequencyModel, geometric
from psc.bitstream.rangecoder import TOTAL, Reader, Writer, uniform
from psc.errors import PscError
from tests.reference import RangeDecoder


def random_message(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Runs of symbols, each with frequencies of its own."""
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(rng.integers(1, 5)):
        n = int(rng.integers(2, 80))
        weights = rng.exponential(size=n) ** 4
        frequencies = 1 + (weights / weights.sum() * (TOTAL - n)).astype(np.int64)
        frequencies[0] += TOTAL - frequencies.sum()
        count = int(rng.integers(0, 120))
        runs.append((rng.choice(n, size=count, p=frequencies / TOTAL).astype(np.int32), frequencies))
    return runs


def write(runs: list[tuple[np.ndarray, np.ndarray]]) -> bytes:
    writer = Writer()
    for symbols, frequencies in runs:
        writer.code(symbols, frequencies)
    return writer.finish()


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_the_specified_decoder_reads_it(seed: int) -> None:
    runs = random_message(seed)
    decoder = RangeDecoder(write(runs))
    for symbols, frequencies in runs:
        model = frequencies.tolist()
        assert [decoder.decode(model) for _ in symbols] == symbols.tolist()


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_round_trip_close_to_the_entropy(seed: int) -> None:
    runs = random_message(seed)
    data = write(runs)
    reader = Reader(data)
    for symbols, frequencies in runs:
        assert np.array_equal(reader.code(np.zeros_like(symbols), frequencies), symbols)
    ideal = sum(float(np.log2(TOTAL / f[s]).sum()) for s, f in runs)
    assert len(data) <= math.ceil(ideal / 8 + 1.1)


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=60, deadline=None)
def test_a_cut_reader_never_says_what_is_not_so(seed: int, data: st.DataObject) -> None:
    runs = random_message(seed)
    whole = write(runs)
    cut = data.draw(st.integers(0, len(whole)))
    reader = Reader(whole[:cut], cut=True)
    read = 0.0
    for symbols, frequencies in runs:
        found = reader.code(np.zeros_like(symbols), frequencies)
        assert np.array_equal(found, symbols[: len(found)])
        read += float(np.log2(TOTAL / frequencies[found]).sum())
        if len(found) < len(symbols):
            break
    assert read <= 8 * cut + 1e-6


def test_most_of_a_cut_is_readable() -> None:
    symbols = np.random.default_rng(0).integers(0, 16, 1000).astype(np.int32)
    writer = Writer()
    writer.code(symbols, uniform(16))
    found = Reader(writer.finish()[:250], cut=True).code(symbols, uniform(16))
    assert 490 <= len(found) <= 500


def test_impossible_bytes_are_an_error() -> None:
    frequencies = np.array([TOTAL // 3] * 3)
    frequencies[0] += TOTAL - frequencies.sum()
    with pytest.raises(PscError, match="damaged"):
        Reader(b"\xff" * 40).code(np.zeros(10_000, dtype=np.int32), frequencies)


@given(st.integers(0, 1023), st.lists(st.integers(0, 63), max_size=50), st.integers(1, 500))
@settings(max_examples=50, deadline=None)
def test_tables_sum_to_the_total(ratio: int, symbols: list[int], confidence: int) -> None:
    table = FrequencyModel(geometric(ratio, 64, 2**20), confidence)
    table.learn(np.array(symbols, dtype=np.int32))
    frequencies = table.frequencies()
    assert frequencies.sum() == TOTAL
    assert frequencies.min() >= 1
