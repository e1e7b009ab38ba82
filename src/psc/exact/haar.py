"""The orthonormal two-dimensional Haar transform: entries +-1/2, hence exact on dyadic grids.

The four bands of a 2x2 block (a b / c d) are (a+b+c+d)/2, (a-b+c-d)/2, (a+b-c-d)/2 and (a-b-c+d)/2.
After k stages the low band holds 2^k times the means of 2^k x 2^k blocks.
"""

import torch


def analyse(x: torch.Tensor, stages: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """x (B, C, H, W) -> low band (B, C, H/2^k, W/2^k) and details, finest first: (B, C, 3, h, w) each."""
    bands = []
    for _ in range(stages):
        a, b = x[..., 0::2, 0::2], x[..., 0::2, 1::2]
        c, d = x[..., 1::2, 0::2], x[..., 1::2, 1::2]
        bands.append(torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], 2) / 2)
        x = (a + b + c + d) / 2
    return x, bands


def synthesise(low: torch.Tensor, bands: list[torch.Tensor]) -> torch.Tensor:
    """The inverse of :func:`analyse`."""
    for band in reversed(bands):
        horizontal, vertical, diagonal = band.unbind(2)
        upper = _beside((low + vertical) / 2, (horizontal + diagonal) / 2)
        lower = _beside((low - vertical) / 2, (horizontal - diagonal) / 2)
        low = torch.stack([upper, lower], 3).flatten(2, 3)
    return low


def _beside(even: torch.Tensor, odd: torch.Tensor) -> torch.Tensor:
    """Sums and differences (..., h, w) in turn along the last axis: (..., h, 2 w)."""
    return torch.stack([even + odd, even - odd], -1).flatten(-2)
