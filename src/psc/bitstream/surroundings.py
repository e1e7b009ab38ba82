"""The order in which a round's numbers are coded, and what it tells: are they as large as predicted?

Where samples are too sure of themselves, or not sure enough, they are so in a whole window, and in those
beside it. Numbers are coded from the widest predicted spread down, so that both sides know what came of
all wider ones: it shifts the context in which a number is coded. What is measured does not depend on it.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from psc.bitstream.quantizer_constants import EXPECTED, SHIFT_THRESHOLDS

NOT_MEASURED = -1
MODELS = len(EXPECTED)
"""Contexts with a table of their own; wider ones split their numbers, and share the last four."""
MAX_CONTEXT = MODELS + 4 * 15 - 1
"""Low parts of at most 15 bits."""
SCALE = 64
"""EXPECTED's units."""
ALREADY_SEEN = 8 * SCALE
"""A window counts as having shown this much, and as much as predicted, before anything is known of it."""


def groups(
    q: NDArray[np.int32], contexts: NDArray[np.int8], across: int
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """What is coded together, one after another.

    Args:
        q: (n * r,) the numbers of n windows; a group's are looked at only when the next ones are asked for.
        contexts: (n, r) by predicted spread, or NOT_MEASURED.
        across: How many of the windows lie side by side.

    Yields:
        Where the numbers are in q, and the context to code them in.
    """
    around, flat = Surroundings(len(contexts), across), contexts.ravel()
    for k in range(int(flat.max(initial=NOT_MEASURED)), NOT_MEASURED, -1):
        where = np.flatnonzero(flat == k)
        windows = where // contexts.shape[1]
        shifted = (k + around.shifts()[windows]).clip(0, MAX_CONTEXT)
        for context in np.unique(shifted)[::-1]:
            yield where[shifted == context], int(context)
        around.add(windows, q[where], k)


class Surroundings:
    """Of n windows in a grid of ``across`` columns: what |q| add up to, and what they were to add up to."""

    def __init__(self, windows: int, across: int) -> None:
        self._shape = (windows // across, across)
        self._found, self._expected = np.zeros((2, *self._shape), dtype=np.int64)

    def shifts(self) -> NDArray[np.int64]:
        """By how many contexts a window's next numbers are likely to be wider than predicted; (n,)."""
        found, expected = (ALREADY_SEEN + _around(x) for x in (self._found, self._expected))
        below: NDArray[np.int64] = np.searchsorted(SHIFT_THRESHOLDS, found / expected * 1024, "right")
        return below.ravel() - len(SHIFT_THRESHOLDS) // 2

    def add(self, windows: NDArray[np.int64], q: NDArray[np.int32], context: int) -> None:
        """Numbers q of one context, and the windows that they are of."""
        count = len(self._found.ravel())
        self._found += _sums(windows, SCALE * np.abs(q.astype(np.int64)), count).reshape(self._shape)
        expected = np.full(len(windows), expected_magnitude(context))
        self._expected += _sums(windows, expected, count).reshape(self._shape)


def expected_magnitude(context: int) -> int:
    """What |q| is on average in a context, in units of 1 / SCALE."""
    if context < MODELS:
        return EXPECTED[context]
    return EXPECTED[MODELS - 4 + (context - MODELS) % 4] << (context - MODELS) // 4 + 1


def _sums(windows: NDArray[np.int64], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Sums of the values by window."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, windows, values)
    return sums


def _around(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """Twice a window's own number, and those of the four beside it."""
    out = 2 * x
    out[1:] += x[:-1]
    out[:-1] += x[1:]
    out[:, 1:] += x[:, :-1]
    out[:, :-1] += x[:, 1:]
    return out
