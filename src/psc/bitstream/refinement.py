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

from psc.bitstream.models import UNIT, FrequencyModel, to_symbols
from psc.bitstream.quantizer import UniformCoding
from psc.bitstream.rangecoder import Channel
from psc.bitstream.surroundings import MAX_CONTEXT, NOT_MEASURED

SIGNIFICANT, INSIGNIFICANT = (-0.25, 0.25), (-0.375, 0.0, 0.375)
"""Moves in units of the cell: to the middle of a half; to the middle of what lies outside the inner half."""
CONFIDENCE = 200
CONTEXTS = 25
"""Insignificant numbers have a model for each context; wider predicted spreads share the last."""
LEAST_CONTEXT = -64
"""Contexts need not be told apart below: no plan refines so often."""
OCTAVE = 4
"""Contexts by which half a cell is narrower."""


@dataclass(frozen=True)
class Cells:
    """What is known of the numbers of a full basis, (n, d) each, beside their values.

    Attributes:
        contexts: Of the numbers' predicted spread in units of the cells; below 0 for those whose prediction
            was too sure to be measured.
        zero: Whether a value is the prediction itself.
        width: Of the cells in each window, in the values' units, (n, 1).
        across: How many of the n windows lie side by side.
    """

    contexts: NDArray[np.int64]
    zero: NDArray[np.bool_]
    width: NDArray[np.float64]
    across: int


class Refinement:
    """Chooses and codes moves, and learns how likely they are."""

    def __init__(self) -> None:
        third = UNIT // 3
        self._sign = FrequencyModel([UNIT // 2, UNIT // 2], CONFIDENCE)
        self._zeros = [
            FrequencyModel([third // 2, 2 * third, third // 2], CONFIDENCE) for _ in range(CONTEXTS - OCTAVE)
        ]

    def code(
        self, channel: Channel, coding: UniformCoding, cells: Cells, residual: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], Cells | None]:
        """Code the moves of all cells: significant ones, others by context, then what is measured at last.

        Args:
            channel: Where the moves go to or come from.
            coding: Of the numbers that half the step brings above the least predicted spread.
            cells: What is known.
            residual: (n, d) what the values miss, for an encoder; None for a decoder.

        Returns:
            The moves (n, d) in the values' units, and the new cells; None instead of these where a reader's
            file ends.
        """
        moves, contexts = np.zeros(cells.contexts.shape), cells.contexts + OCTAVE
        width = np.broadcast_to(cells.width, moves.shape).ravel()
        context, old = np.minimum(contexts, CONTEXTS - 1), cells.contexts >= 0
        groups = [(~cells.zero, self._sign, np.array(SIGNIFICANT))]
        groups += [
            (old & cells.zero & (context == k), self._zeros[k - OCTAVE], np.array(INSIGNIFICANT))
            for k in range(CONTEXTS - 1, OCTAVE - 1, -1)
        ]
        for group, model, points in groups:
            where = np.flatnonzero(group)
            symbols = np.zeros(len(where), dtype=np.int64)
            if residual is not None:
                v = (residual.ravel()[where] / width[where])[:, None]
                symbols = ((v - points) ** 2 + coding.lambda_ / 4 * model.bits()).argmin(1)
            found = channel.code(to_symbols(symbols), model.frequencies())
            known = where[: len(found)]
            moves.ravel()[known] = points[found] * width[known]
            if len(found) < len(where):
                return moves, None
            model.learn(found)
        finer = replace(cells, contexts=contexts, width=cells.width / 2)
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
    contexts = np.where(old, NOT_MEASURED, np.clip(cells.contexts, NOT_MEASURED, MAX_CONTEXT)).astype(np.int8)
    q = np.zeros(contexts.shape, dtype=np.int32)
    if residual is not None:
        q = coding.at(torch.from_numpy(cells.width)).quantise(torch.from_numpy(residual), contexts)
    found, known = coding.code(channel, q, contexts, cells.across)
    return found, bool(known.sum() == (contexts != NOT_MEASURED).sum())
