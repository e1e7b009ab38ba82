"""Adaptive integer frequency models for the range coder.

Between rounds a model learns from the symbols that both sides have seen; within a round it stands still,
so that a round's symbols are coded as arrays.
"""

import copy

import numpy as np
from numpy.typing import NDArray

from psc.bitstream.rangecoder import TOTAL, Frequencies, Symbols

UNIT = 2**20
"""Weight of one observed symbol; a initial's weights sum to about UNIT."""


class FrequencyModel:
    """n symbols with initial weights and counts: frequency ~ confidence * initial + UNIT * count."""

    def __init__(self, initial: list[int], confidence: int) -> None:
        self._initial = [confidence * weight for weight in initial]
        self._counts = [0] * len(initial)

    def __deepcopy__(self, _: object) -> "FrequencyModel":
        """Lists are replaced, never changed: copies may share them."""
        return copy.copy(self)

    def learn(self, symbols: Symbols) -> None:
        """Count the symbols of a round that is over."""
        counts = np.bincount(symbols, minlength=len(self._counts)).tolist()
        self._counts = [a + b for a, b in zip(self._counts, counts, strict=True)]

    def frequencies(self) -> Frequencies:
        """The symbols' frequencies: positive integers with the sum TOTAL, see :func:`scaled`."""
        return scaled([w + UNIT * c for w, c in zip(self._initial, self._counts, strict=True)])

    def bits(self) -> NDArray[np.float64]:
        """What each symbol costs: log2 of TOTAL / frequency, linear between powers of two.

        The same on every machine, which a library's logarithm need not be; at most 0.09 bits too much.
        """
        mantissa, exponent = np.frexp(self.frequencies().astype(np.float64))
        cost: NDArray[np.float64] = TOTAL.bit_length() - 1 - (exponent - 2 + 2 * mantissa)
        return cost


def scaled(mass: list[int]) -> Frequencies:
    """Integers >= 1 with the sum TOTAL by ``mass``; what rounding leaves goes to the (first) largest."""
    free, whole = TOTAL - len(mass), sum(mass)
    out = [1 + m * free // whole for m in mass]
    out[max(range(len(mass)), key=mass.__getitem__)] += TOTAL - sum(out)
    return np.array(out, dtype=np.int64)


def geometric(ratio: int, size: int, total: int) -> list[int]:
    """Weights of ``size`` symbols, each ratio / 1024 times the one before, with a sum of about ``total``."""
    weight, weights = 2**40, []
    for _ in range(size):
        weights.append(weight)
        weight = weight * ratio >> 10
    whole = sum(weights)
    return [w * total // whole for w in weights]


def to_symbols(values: NDArray[np.int64]) -> Symbols:
    """Values as the range coder takes them."""
    return values.astype(np.int32)
