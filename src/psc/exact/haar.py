"""The orthonormal two-dimensional Haar transform: entries +-1/2, hence exact on dyadic grids.

The four bands of a 2x2 block (a b / c d) are (a+b+c+d)/2, (a-b+c-d)/2, (a+b-c-d)/2 and (a-b-c+d)/2.
After k stages the low band holds 2^k times the means of 2^k x 2^k blocks. Sums and differences of rows come
first, then those of columns: nothing is rounded, so that the order does not matter.
"""

import torch


def analyse(x: torch.Tensor, stages: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """x (B, C, H, W) -> low band (B, C, H/2^k, W/2^k) and details, finest first: (B, C, 3, h, w) each."""
    bands = []
    for _ in range(stages):
        a, b = x[..., 0::2, 0::2], x[..., 0::2, 1::2]
        c, d = x[..., 1::2, 0::2], x[..., 1::2, 1::2]
        upper, upper_step, lower, lower_step = a + b, a - b, c + d, c - d
        details = x.new_empty(*x.shape[:2], 3, *upper.shape[2:])
        torch.add(upper_step, lower_step, out=details[:, :, 0])
        torch.sub(upper, lower, out=details[:, :, 1])
        torch.sub(upper_step, lower_step, out=details[:, :, 2])
        bands.append(details.div_(2))
        x = upper.add_(lower).div_(2)
    return x, bands


def synthesise(low: torch.Tensor, bands: list[torch.Tensor]) -> torch.Tensor:
    """The inverse of :func:`analyse`."""
    for band in reversed(bands):
        horizontal, vertical, diagonal = band.unbind(2)
        height, width = low.shape[2:]
        x = low.new_empty(*low.shape[:2], 2 * height, 2 * width)
        rows = ((low + vertical, horizontal + diagonal), (low - vertical, horizontal - diagonal))
        for row, (mean, step) in enumerate(rows):
            torch.add(mean, step, out=x[..., row::2, 0::2])
            torch.sub(mean, step, out=x[..., row::2, 1::2])
        low = x.div_(2)
    return low
