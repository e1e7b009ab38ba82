"""Evaluating a network of bounded reach on a picture of any size, in bounded memory.

A tile's interior is computed from the interior plus a halo at least as wide as the network's reach, so
the tiles' seams are where the values agree: the result does not depend on the tiling (beyond the order of
float sums inside the network). At the picture's border the halo ends, as the picture does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

Network = Callable[[torch.Tensor], torch.Tensor]

TILE = 896
"""Side of a tile's interior in pixels; a multiple of every network's ``multiple``."""
BATCH = 2**16
"""Pixels (batch x height x width) that are evaluated together at most, one picture at least."""


@dataclass(frozen=True)
class Tile:
    """A part of a picture; each field is rows and columns.

    Attributes:
        window: In the picture, with the halo: what the network reads.
        inside: In the picture: what is computed.
        own: The same within the window.
    """

    window: tuple[slice, slice]
    inside: tuple[slice, slice]
    own: tuple[slice, slice]


def tiles(height: int, width: int, halo: int) -> Iterator[Tile]:
    """The tiles of a picture, from the top left, row by row."""
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            y0, x0 = max(top - halo, 0), max(left - halo, 0)
            yield Tile(
                (slice(y0, min(bottom + halo, height)), slice(x0, min(right + halo, width))),
                (slice(top, bottom), slice(left, right)),
                (slice(top - y0, bottom - y0), slice(left - x0, right - x0)),
            )


def tiled(network: Network, x: torch.Tensor, *, halo: int) -> torch.Tensor:
    """The network's output for pictures, tile by tile.

    Args:
        network: Of pictures (B, C, H, W) to pictures of that shape.
        x: (B, C, H, W); at most BATCH pixels of it, or one picture's tile, are evaluated at a time.
        halo: Pixels around a tile that its output depends on.
    """
    out = torch.empty_like(x)
    for tile in tiles(x.shape[2], x.shape[3], halo):
        window = x[:, :, *tile.window]
        for some in _groups(window):
            out[some, :, *tile.inside] = network(window[some])[:, :, *tile.own]
    return out


def pulled_back(network: Network, x: torch.Tensor, v: torch.Tensor, *, halo: int) -> torch.Tensor:
    """J^T v, with J the derivative of :func:`tiled` at x: each tile's, added up.

    Args:
        network: Of pictures (B, C, H, W) to pictures of that shape, differentiable.
        x: (B, C, H, W).
        v: Of that shape.
        halo: Pixels around a tile that its output depends on.
    """
    out = torch.zeros_like(x)
    for tile in tiles(x.shape[2], x.shape[3], halo):
        for some in _groups(x[:, :, *tile.window]):
            with torch.enable_grad():
                window = x[some, :, *tile.window].detach().requires_grad_()
                inner = network(window)[:, :, *tile.own]
            out[some, :, *tile.window] += torch.autograd.grad(inner, window, v[some, :, *tile.inside])[0]
    return out


def _groups(window: torch.Tensor) -> list[slice]:
    size = max(1, BATCH // (window.shape[2] * window.shape[3]))
    return [slice(first, first + size) for first in range(0, len(window), size)]
