"""The exact layer against independent references."""

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import psc
from psc.exact import gaussian, haar, root, symmetric_eigen, to_grid
from psc.exact.noise import _table, centred, total
from tests.reference import philox_words


def test_noise_words_are_philox() -> None:
    noise = gaussian(12345678901234567890, (7, 3, 11), (2, 5, 3))
    words = philox_words(12345678901234567890, 7, 3, 11, 30)
    assert noise.flatten().tolist() == (_table()[words] / 65536).tolist()


@given(st.integers(0, 200), st.integers(1, 100))
def test_noise_begins_anywhere(first: int, count: int) -> None:
    whole = gaussian(3, (1, 2, 3), (300,))
    assert torch.equal(gaussian(3, (1, 2, 3), (count,), first), whole[first : first + count])


def test_noise_is_standard_normal() -> None:
    noise = gaussian(0, (0, 0, 0), (1_000_000,))
    assert abs(float(noise.mean())) < 0.004
    assert abs(float(noise.var()) - 1) < 0.006
    assert abs(float((noise**4).mean()) - 3) < 0.05


def test_noise_streams_differ_and_repeat() -> None:
    streams = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    values = [gaussian(5, s, (64,)) for s in streams]
    assert torch.equal(values[0], gaussian(5, (0, 0, 0), (64,)))
    correlations = np.corrcoef(torch.stack([*values, gaussian(6, (0, 0, 0), (64,))]).numpy())
    assert np.abs(correlations - np.eye(5)).max() < 0.5


@given(st.integers(2, 64), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_eigen_agrees_with_lapack(m: int, seed: int) -> None:
    """As far as five sweeps go: large matrices are not done to the end, but the vectors are orthonormal."""
    error, left = (1e-10, 1e-7) if m <= 8 else (2e-3, 2e-2)
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(5, m, rng.integers(1, 30))) * 10.0 ** rng.uniform(-3, 3))
    a = x @ x.transpose(1, 2)
    values, vectors = symmetric_eigen(a)
    size = float(torch.linalg.eigvalsh(a).max())
    assert torch.allclose(values, torch.linalg.eigvalsh(a).flip(1), rtol=0, atol=error * size)
    assert torch.allclose(
        vectors @ vectors.transpose(1, 2), torch.eye(m, dtype=torch.float64).expand(5, m, m), atol=1e-12
    )
    back = vectors @ a @ vectors.transpose(1, 2)
    assert float((back - torch.diag_embed(values)).abs().max()) < left * size


def test_eigen_of_one_is_eigen_of_many() -> None:
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 12, 20)))
    a = x @ x.transpose(1, 2)
    values, vectors = symmetric_eigen(a)
    for i in (0, 17, 39):
        one_value, one_vector = symmetric_eigen(a[i : i + 1])
        assert torch.equal(one_value[0], values[i])
        assert torch.equal(one_vector[0], vectors[i])


@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_haar_is_exact_and_orthonormal(stages: int, rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, 3, rows << stages, columns << stages)
    x = to_grid(torch.from_numpy(rng.normal(size=shape)))
    low, bands = haar.analyse(x, stages)
    assert torch.equal(haar.synthesise(low, bands), x)
    energy = (low**2).sum() + sum((b**2).sum() for b in bands)
    assert float(energy) == pytest.approx(float((x**2).sum()), rel=1e-12)


def test_grid_rounds_ties_to_even() -> None:
    halves = torch.tensor([0.5, 1.5, -0.5, 2.5], dtype=torch.float64) / 4
    assert to_grid(halves, 2).tolist() == [0.0, 0.5, 0.0, 0.5]


def test_square_roots_are_rounded_to_nearest() -> None:
    """torch.sqrt is not, where PyTorch leaves it to a library: one in a hundred is off by an ulp then."""
    x = torch.from_numpy(np.random.default_rng(0).random(5000) * 10)
    for square, found in zip(x.tolist(), root(x).tolist(), strict=True):
        half = Fraction(math.ulp(found)) / 2
        assert (Fraction(found) - half) ** 2 <= Fraction(square) <= (Fraction(found) + half) ** 2


def test_other_operations_are_rounded_to_nearest() -> None:
    """Those that states rest on, by PyTorch: against Python's, and NumPy's in float32."""
    x, y = torch.from_numpy(np.random.default_rng(1).random((2, 5000)) + 0.1)
    pairs = list(zip(x.tolist(), y.tolist(), strict=True))
    assert (x / y).tolist() == [a / b for a, b in pairs]
    assert (x / 3).tolist() == [a / 3 for a, _ in pairs]
    assert (x * y).tolist() == [a * b for a, b in pairs]
    assert (x * y + x).tolist() == [a * b + a for a, b in pairs]  # twice rounded, not fused
    a, b = x.float(), y.float()
    assert np.array_equal((a * b + a).numpy(), a.numpy() * b.numpy() + a.numpy())
    assert np.array_equal((a / b).numpy(), a.numpy() / b.numpy())


def test_states_rest_on_no_other_square_roots_or_powers() -> None:
    source = Path(psc.__file__).parent
    folders = ("exact", "transform", "bitstream")
    files = [file for folder in folders for file in (source / folder).glob("*.py")]
    files += [
        source / name
        for name in (
            "session/session.py",
            "session/particles.py",
            "session/round_coder.py",
            "posterior/ddrm.py",
            "posterior/sampler.py",
            "prior/embedded/network.py",
        )
    ]
    assert len(files) > 15
    for file in files:
        assert not re.search(r"(torch|\))\.(r?sqrt|pow|exp|log)_?\(", file.read_text()), file


def test_centred_noises_sum_to_nothing_and_are_still_standard_normal() -> None:
    for s in (2, 8, 12):
        streams = [(3, 1, i) for i in range(s)]
        noise = centred(5, streams, 5000, first=7)
        assert np.abs(noise.sum(0)).max() <= s / 2 / 65536
        assert noise.var(1) == pytest.approx(np.ones(s), abs=0.07)
        assert np.corrcoef(noise)[0, 1] == pytest.approx(-1 / (s - 1), abs=0.05)
        assert np.array_equal(centred(5, streams, 40, first=1007), noise[:, 1000:1040])
        summed = total(5, streams, 5000, first=7)
        for known in (None, summed):
            assert np.array_equal(centred(5, streams, 5000, 7, [s - 1, 0], known), noise[[s - 1, 0]])
        assert (noise * 65536 % 1 == 0).all()
