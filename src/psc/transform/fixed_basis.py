"""The orthonormal basis that full-basis rounds start from: colours decorrelated, Haar bands or a DCT."""

import math
from dataclasses import dataclass
from functools import cache

import torch

from psc.exact import haar, root, to_grid, to_grid_
from psc.exact.fixed import ROW_BITS, STATE_BITS

# Rows: the sum of the colours, red - blue, and what is orthogonal to both.
_COLOUR = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]], dtype=torch.float64)
_COLOUR = to_grid(_COLOUR / root((_COLOUR * _COLOUR).sum(1, keepdim=True)), ROW_BITS)
_COSINES = (1073741824, 1053110176, 992008094, 892783698, 759250125, 596538995, 410903207, 209476638, 0)
"""cos(i pi / 16), multiples of 2^-30."""
DCT_SIDE, DCT_STAGES = 8, 2


@dataclass(frozen=True)
class FixedBasis:
    """Directions of windows of some shape.

    Attributes:
        channels: 3 colours are decorrelated, others left alone.
        dct: Whether the window is 8 pixels a side, less the means of 4x4 blocks, and has a DCT's basis.
    """

    channels: int
    dct: bool = False

    def analyse(self, f: torch.Tensor, bits: int = STATE_BITS) -> torch.Tensor:
        """Coefficients (..., d) along the basis of windows f (..., d), multiples of 2^-bits."""
        planes = self._planes(f)
        if self.channels == 3:
            planes = to_grid_(torch.einsum("ij,...jm->...im", _COLOUR, planes), bits)
        if self.dct:
            planes = to_grid_(planes @ dct_rows().T, bits)
        return planes.reshape(f.shape)

    def synthesise(self, c: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`analyse`."""
        planes = self._planes(c)
        if self.dct:
            planes = to_grid_(planes @ dct_rows())
        if self.channels == 3:
            planes = to_grid_(torch.einsum("ij,...jm->...im", _COLOUR.T, planes))
        return planes.reshape(c.shape)

    def _planes(self, f: torch.Tensor) -> torch.Tensor:
        return f.double().reshape(*f.shape[:-1], self.channels, -1)


@cache
def dct_rows() -> torch.Tensor:
    """The vectors (60, 60) of an 8x8 DCT, in Haar coefficients of two stages without the low band.

    What four means leave open of the 64 vectors, made orthonormal from high to low frequencies; four of them
    have nothing left.
    """
    side = DCT_SIDE
    cosines = torch.tensor([[_cosine((2 * x + 1) * u) for x in range(side)] for u in range(side)])
    one = cosines.double() * 2.0**-30
    order = sorted(((u, v) for u in range(side) for v in range(side)), key=lambda at: (-sum(at), -at[0]))
    images = torch.stack([one[u][:, None] * one[v][None, :] for u, v in order])
    _, details = haar.analyse(images[None], DCT_STAGES)
    vectors = torch.cat([band[0].flatten(1) for band in details], 1)
    done: list[torch.Tensor] = []
    for vector in vectors:
        vector = vector / math.sqrt(_dot(vector, vector) + 2.0**-40)
        for other in 2 * done:  # once more, since what is left may be small
            vector = vector - other * _dot(vector, other)
        if (square := _dot(vector, vector)) > 2.0**-10 and len(done) < len(vector):
            done.append(vector / math.sqrt(square))
    return to_grid(torch.stack(done[::-1]), ROW_BITS)


def _dot(a: torch.Tensor, b: torch.Tensor) -> float:
    """The sum of products, rounded once: the same everywhere."""
    return math.fsum((a * b).tolist())


def _cosine(i: int) -> int:
    """cos(i pi / 16)."""
    i %= 32
    i = min(i, 32 - i)
    return _COSINES[i] if i <= 8 else -_COSINES[16 - i]
