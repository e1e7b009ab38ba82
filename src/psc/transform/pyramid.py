"""An image as an orthonormal sum of levels, each cut into windows.

With scales 1 = S[0] < S[1] < ..., level k holds what the picture of block means at scale S[k] adds to the
one at S[k+1]; the last level holds the means themselves. A mean over an S x S block counts with weight S,
so that all coefficients have the units of the image's norm and a quantiser step means the same everywhere.
The levels are groups of Haar stages, so the whole tree is orthonormal and exact.

All windows nest in square blocks of the picture, so everything but the network can be done in horizontal
bands of blocks: the memory that a picture needs beyond its particles does not grow with its height.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from psc.exact import haar, to_grid_
from psc.plan.plan import Plan
from psc.transform.fixed_basis import DCT_SIDE, DCT_STAGES, FixedBasis
from psc.transform.windows import Windows

BAND = 2**19
"""Numbers per temporary array that a band may hold, one row of blocks at least."""


@dataclass(frozen=True)
class Band:
    """A horizontal strip of a picture: rows of pixels at the level it was made for, windows by level."""

    pixels: slice
    windows: tuple[slice, ...]


class Pyramid:
    """The levels of one picture and what was measured of each.

    plan: levels and windows. channels, height, width: of the padded picture (multiples of plan.block).
    """

    def __init__(self, plan: Plan, channels: int, height: int, width: int) -> None:
        self.scales = [level.scale for level in plan.levels]
        self.channels, self.height, self.width = channels, height, width
        whole = plan.levels[0].window == 0
        self._block_rows = 1 if whole else height // plan.block
        self._sides = [
            (height // level.scale, width // level.scale) if whole else (level.window, level.window)
            for level in plan.levels
        ]
        self.levels = [
            Windows(self._count(k), self._size(k), self._fixed(k), self._across(k))
            for k in range(len(plan.levels))
        ]

    def _count(self, k: int) -> int:
        return self.height // self.scales[k] // self._sides[k][0] * self._across(k)

    def _across(self, k: int) -> int:
        return self.width // self.scales[k] // self._sides[k][1]

    def _stages(self, k: int) -> int:
        last = k + 1 == len(self.scales)
        return 0 if last else (self.scales[k + 1] // self.scales[k]).bit_length() - 1

    def _size(self, k: int) -> int:
        rows, columns = self._sides[k]
        low = 0 if k + 1 == len(self.scales) else rows * columns >> (2 * self._stages(k))
        return self.channels * (rows * columns - low)

    def _fixed(self, k: int) -> FixedBasis:
        """Coarser levels are sharper, and do better with Haar (docs/ablations.md)."""
        dct = self._sides[k] == (DCT_SIDE, DCT_SIDE) and self._stages(k) == DCT_STAGES
        return FixedBasis(self.channels, dct and k == 0)

    def shape(self, k: int) -> tuple[int, int]:
        """Height and width of the picture at level k."""
        return self.height // self.scales[k], self.width // self.scales[k]

    def bands(self, k: int, batch: int) -> Iterator[Band]:
        """Bands for a batch of pictures at level k; their windows are of levels k, k+1, ..."""
        height, width = self.shape(k)
        rows = height // self._block_rows
        step = max(1, BAND // (batch * self.channels * rows * width))
        for first in range(0, self._block_rows, step):
            last = min(first + step, self._block_rows)
            per_row = [len(w.values) // self._block_rows for w in self.levels[k:]]
            yield Band(slice(first * rows, last * rows), tuple(slice(first * n, last * n) for n in per_row))

    def strips(self, k: int, batch: int) -> Iterator[tuple[slice, slice]]:
        """As bands, for level k alone: rows of its pixels, and which of its windows these are."""
        height, width = self.shape(k)
        rows = self._sides[k][0]
        step = max(1, BAND // (batch * self.channels * rows * width))
        for first in range(0, height // rows, step):
            last = min(first + step, height // rows)
            across = self._across(k)
            yield slice(first * rows, last * rows), slice(first * across, last * across)

    def coefficients(self, k: int, x: torch.Tensor) -> list[torch.Tensor]:
        """Pixels x (B, C, h, w) at level k -> coefficients (B, n, d) of levels k, k+1, ..."""
        x = x.double() * self.scales[k]
        out = []
        for level in range(k, len(self.scales)):
            x, found = self._analyse(level, x)
            out.append(found)
        return out

    def own_coefficients(self, k: int, x: torch.Tensor) -> torch.Tensor:
        """Pixels x (B, C, h, w) at level k -> coefficients (B, n, d) of that level alone."""
        return self._analyse(k, x.double() * self.scales[k])[1]

    def _analyse(self, level: int, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x (B, C, h, w), weighted -> the next level's, and coefficients (B, n, d)."""
        x, details = haar.analyse(x, self._stages(level))
        stages = enumerate(details or [x[:, :, None]], start=1 if details else 0)
        cut = [self._cut(bands, self._side(level, stage)) for stage, bands in stages]
        return x, to_grid_(torch.cat(cut, 3)).flatten(2)

    def pixels(self, k: int, coefficients: list[torch.Tensor]) -> torch.Tensor:
        """The inverse of :meth:`coefficients`, for any band: float64 pixels at level k."""
        last = len(self.scales) - 1
        x = self._join(last, 0, coefficients[-1])[:, :, 0]
        for level in reversed(range(k, last)):
            b, n, _ = coefficients[level - k].shape
            planes = coefficients[level - k].reshape(b, n, self.channels, -1)
            details, start = [], 0
            for stage in range(1, self._stages(level) + 1):
                stop = start + 3 * math.prod(self._side(level, stage))
                details.append(self._join(level, stage, planes[..., start:stop]))
                start = stop
            x = haar.synthesise(x, details)
        return x / self.scales[k]

    def _side(self, level: int, stage: int) -> tuple[int, int]:
        """Rows and columns of a window of the level in bands of its Haar stage (0: its pixels)."""
        rows, columns = self._sides[level]
        return rows >> stage, columns >> stage

    def _cut(self, bands: torch.Tensor, side: tuple[int, int]) -> torch.Tensor:
        """Bands (B, C, G, h, w) -> windows (B, n, C, G * rows * columns)."""
        rows, columns = side
        b, c, g, h, w = bands.shape
        x = bands.reshape(b, c, g, h // rows, rows, w // columns, columns)
        return x.permute(0, 3, 5, 1, 2, 4, 6).reshape(b, -1, c, g * rows * columns)

    def _join(self, level: int, stage: int, windows: torch.Tensor) -> torch.Tensor:
        """Windows (B, n, [C,] ...) -> bands (B, C, G, h, w): the inverse of :meth:`_cut`."""
        rows, columns = self._side(level, stage)
        (b, n), c, g = windows.shape[:2], self.channels, 3 if stage else 1
        across = self._across(level)
        x = windows.reshape(b, n // across, across, c, g, rows, columns)
        return x.permute(0, 3, 4, 1, 5, 2, 6).reshape(b, c, g, n // across * rows, across * columns)

    def decompose(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Coefficients (B, n, d) of all levels of whole pictures x (B, C, H, W).

        float32, which holds them: they are multiples of 2^-16 far below 2^8.
        """
        out = [torch.empty(len(x), *w.rows.shape[::2]) for w in self.levels]
        for band in self.bands(0, len(x)):
            for level, where, found in zip(
                out, band.windows, self.coefficients(0, x[:, :, band.pixels]), strict=True
            ):
                level[:, where] = found
        return out

    def projections(
        self, k: int, batch: int
    ) -> Iterator[tuple[slice, Callable[[torch.Tensor], torch.Tensor]]]:
        """Bands for a batch of pictures at level k: their rows of pixels, and :meth:`project` there."""
        for band in self.bands(k, batch):
            yield band.pixels, partial(self.project, k, band)

    def project(self, k: int, band: Band, x: torch.Tensor) -> torch.Tensor:
        """Pixels x (B, C, h, w) of a band, moved to all measurements of levels >= k as these have trust."""
        known = [w.part(s) for w, s in zip(self.levels[k:], band.windows, strict=True)]
        moved = [w.project(c) for w, c in zip(known, self.coefficients(k, x), strict=True)]
        return to_grid_(self.pixels(k, moved)).float()
