"""Refinement: a full basis' numbers once more, in cells of half the width, without any new draw.

Successive approximation as in embedded wavelet coders (Shapiro, "Embedded image coding using zerotrees of
wavelet coefficients", 1993): a number that differs from its prediction moves to the middle of one half of its
cell; one that did not may begin to. What a plan measures at twice the step and then refines can be cut almost
anywhere: its first part is a whole file at twice the step.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from psc.bitstream.rangecoder import Channel
from psc.bitstream.tables import UNIT, Table, to_symbols
from psc.bitstream.uniform import MAX_CLASS, NOT_MEASURED, UniformCoding

SIGNIFICANT, INSIGNIFICANT = (-0.25, 0.25), (-0.375, 0.0, 0.375)
"""Moves in units of the cell: to the middle of a half; to the middle of what lies outside the inner half."""
CONFIDENCE = 200
CLASSES = 24
"""Insignificant numbers have a table for each class; wider predicted spreads share the last."""
LEAST_CLASS = -64
"""Classes need not be told apart below: no plan refines so often."""
OCTAVE = 4
"""Classes by which half a cell is narrower."""


@dataclass(frozen=True)
class Cells:
    """What is known of the numbers of a full basis, (n, d) each, beside their values.

    classes: of their predicted spread in units of the cells, below 0 for those that were too sure to be
    measured. zero: whether the value is the prediction itself. width: of the cells, in the values' units.
    """

    classes: NDArray[np.int64]
    zero: NDArray[np.bool_]
    width: float


class Refinement:
    """Chooses and codes moves, and learns how likely they are."""

    def __init__(self) -> None:
        third = UNIT // 3
        self._sign = Table([UNIT // 2, UNIT // 2], CONFIDENCE)
        self._zeros = [
            Table([third // 2, 2 * third, third // 2], CONFIDENCE) for _ in range(CLASSES - OCTAVE)
        ]

    def code(
        self, channel: Channel, coding: UniformCoding, cells: Cells, residual: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], Cells | None]:
        """Code the moves of all cells: significant ones, the others by class, then what is measured at last.

        coding: of the numbers that half the step brings above the least predicted spread. residual: (n, d),
        what the values miss, for an encoder. Returns moves (n, d) in the values' units, and the new cells;
        None where a reader's file ends.
        """
        moves, classes = np.zeros(cells.classes.shape), cells.classes + OCTAVE
        level, old = np.minimum(classes, CLASSES - 1), cells.classes >= 0
        groups = [(~cells.zero, self._sign, np.array(SIGNIFICANT))]
        groups += [
            (old & cells.zero & (level == k), self._zeros[k - OCTAVE], np.array(INSIGNIFICANT))
            for k in range(CLASSES - 1, OCTAVE - 1, -1)
        ]
        for group, table, points in groups:
            where = np.flatnonzero(group)
            symbols = np.zeros(len(where), dtype=np.int64)
            if residual is not None:
                v = residual.ravel()[where, None] / cells.width
                symbols = ((v - points) ** 2 + coding.price / 4 * table.bits()).argmin(1)
            found = channel.code(to_symbols(symbols), table.frequencies())
            moves.ravel()[where[: len(found)]] = points[found] * cells.width
            if len(found) < len(where):
                return moves, None
            table.learn(found)
        finer = Cells(classes, cells.zero, cells.width / 2)
        q, whole = _measured(channel, coding, finer, old, residual)
        moves += q * finer.width
        return moves, replace(finer, zero=cells.zero & (moves == 0)) if whole else None


def _measured(
    channel: Channel,
    coding: UniformCoding,
    cells: Cells,
    old: NDArray[np.bool_],
    residual: NDArray[np.float64] | None,
) -> tuple[NDArray[np.int32], bool]:
    """Numbers of cells that had not been measured and now are; False where a reader's file ends."""
    classes = np.where(old, NOT_MEASURED, np.clip(cells.classes, NOT_MEASURED, MAX_CLASS)).astype(np.int8)
    q = np.zeros(classes.shape, dtype=np.int32)
    if residual is not None:
        q = coding.quantise(torch.from_numpy(residual * (coding.step / cells.width)), classes)
    found, known = coding.code(channel, q.ravel(), classes.ravel())
    return found.reshape(q.shape), bool(known.sum() == (classes != NOT_MEASURED).sum())
