"""Rounding to grids: FORMAT.md's "grid 2^-b", the nearest multiple of 2^-b, ties to even, in binary64."""

import numpy as np


def grid(x: np.ndarray, bits: int) -> np.ndarray:
    """x on the grid 2^-bits."""
    return np.rint(np.asarray(x, np.float64) * 2.0**bits) / 2.0**bits


def integers(x: np.ndarray, bits: int) -> np.ndarray:
    """x, which is on the grid 2^-bits, in units of 2^-bits: as the digests see it."""
    return np.rint(x * 2.0**bits).astype("<i4")
