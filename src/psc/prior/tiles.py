"""Evaluating a network of bounded reach on a picture of any size, in bounded memory.

A tile's interior is computed from the interior plus a halo at least as wide as the network's reach, so
the tiles' seams are where the values agree: the result does not depend on the tiling (beyond the order of
float sums inside the network). At the picture's border the halo ends, as the picture does.
"""

from collections.abc import Callable

import torch

TILE = 1024
"""Side of a tile's interior in pixels; a multiple of every network's ``multiple``."""
BATCH = 2**16
"""Pixels (batch x height x width) that are evaluated together at most, one picture at least."""


def tiled(
    network: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    *,
    halo: int,
) -> torch.Tensor:
    """network(x) for x (B, C, H, W), at most BATCH pixels or one picture's tile at a time."""
    out = torch.empty_like(x)
    height, width = x.shape[2:]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            y0, x0 = max(top - halo, 0), max(left - halo, 0)
            window = x[:, :, y0 : bottom + halo, x0 : right + halo]
            group = max(1, BATCH // (window.shape[2] * window.shape[3]))
            for first in range(0, len(x), group):
                inner = network(window[first : first + group])
                out[first : first + group, :, top:bottom, left:right] = inner[
                    :, :, top - y0 : bottom - y0, left - x0 : right - x0
                ]
    return out
