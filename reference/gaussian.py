"""A prior that tests use: independent Haar coefficients of known variance, denoised by a closed formula.

A file names it like any other prior (FORMAT.md, section 14); nothing else of the format depends on it. Detail
coefficients of stage j have the standard deviation ``detail[j - 1]``, low ones ``low``; under noise sigma
each is multiplied by v / (v + sigma sigma), v its variance, and rounded to the grid 2^-24.
"""

import hashlib
import struct

import numpy as np

from reference.grids import grid
from reference.pyramid import haar, inverse_haar
from reference.sampler import sigma


class HaarGaussian:
    """See sampler.Prior."""

    def __init__(self, low: float, detail: tuple[float, ...], channels: int = 3):
        self.low, self.detail, self.channels = low, detail, channels
        self.multiple = 2 ** len(detail)
        packed = struct.pack(f"<B{len(detail) + 1}d", channels, low, *detail)
        self.identity = hashlib.sha256(b"psc haar gaussian 1" + packed).digest()

    def denoise(self, x: np.ndarray, level: int, scale: int) -> np.ndarray:
        """The same at every scale."""
        del scale
        power = sigma(level) * sigma(level)
        low, bands = x.astype(np.float64), []
        for deviation in self.detail:
            low, details = haar(low)
            variance = deviation * deviation
            bands.append(grid(details * (variance / (variance + power)), 24))
        variance = self.low * self.low
        low = grid(low * (variance / (variance + power)), 24)
        for details in reversed(bands):
            low = inverse_haar(low, details)
        return low.astype(np.float32)
