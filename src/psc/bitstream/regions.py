"""Regions in the header, by run lengths; and what they mean for windows, which nest in blocks."""

import math

import numpy as np
from numpy.typing import NDArray

from psc.bitstream.fields import Fields, varint
from psc.errors import PscError
from psc.plan.plan import Settings, step_size
from psc.plan.regions import NOTHING, Regions

NOTHING_STEP = 2.0**64
"""A step beside which any predicted spread is too small to be measured, and any number zero."""


def blocks_of(width: int, height: int, block: int) -> int:
    """How many blocks a picture has."""
    return -(-width // block) * -(-height // block)


def pack(regions: Regions) -> bytes:
    """Every run's count (varint) and offset (byte)."""
    return b"".join(varint(count) + bytes([offset]) for count, offset in regions.runs)


def unpack(reader: Fields, blocks: int) -> Regions:
    """The runs of so many blocks; PscError for what no encoder writes."""
    runs: list[tuple[int, int]] = []
    left = blocks
    while left > 0:
        count = reader.varint()
        runs.append((count, reader.byte()))
        left = left - count if count else 0  # which is refused below
    try:
        regions = Regions(tuple(runs))
    except PscError as error:
        raise PscError(f"the header's {error}; the file is damaged or forged") from None
    if left < 0:
        raise PscError(
            f"the header's regions have {blocks - left} blocks, the picture has {blocks}; the file is "
            "damaged or forged"
        )
    return regions


def window_offsets(regions: Regions | None, windows: int, across: int) -> NDArray[np.uint8]:
    """The offset of each of a level's windows, ``across`` of which lie side by side; (windows,)."""
    if regions is None:
        return np.zeros(windows, dtype=np.uint8)
    counts, offsets = np.array(regions.runs).T
    side = math.isqrt(windows // regions.blocks)  # of a block, in windows
    grid = np.repeat(offsets.astype(np.uint8), counts).reshape(-1, across // side)
    return grid.repeat(side, 0).repeat(side, 1).ravel()


def window_steps(settings: Settings, windows: int, across: int) -> NDArray[np.float64]:
    """The quantiser's step in each of a level's windows: (windows, 1)."""
    offsets = window_offsets(settings.regions, windows, across)
    sizes = np.array([step_at(settings.step_index, offset) for offset in range(NOTHING + 1)])
    return sizes[offsets, None]


def step_at(index: int, offset: int) -> float:
    """The quantiser's step in blocks of an offset; none is coarser than the coarsest step index."""
    return NOTHING_STEP if offset == NOTHING else step_size(min(index + offset, 255))


def pixels_of(settings: Settings, height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels of a picture are in its important blocks: (height, width); all, if it has no regions."""
    block = settings.plan.block
    rows, columns = -(-height // block) * block, -(-width // block) * block
    offsets = window_offsets(settings.regions, rows * columns, columns).reshape(rows, columns)
    important: NDArray[np.bool_] = offsets[:height, :width] == 0
    return important
