"""Step indices between one that is too fine and one that is too coarse, without a forecast."""

import math
from collections.abc import Iterator

from psc.rate.tuning import SEARCH

COARSEST = 255
"""The coarsest step index that a file can name."""


class Bracket:
    """A search over the step index by what attempts have come to.

    Attributes:
        first: The finest index that may be taken.
        last: The coarsest one.
        tried: Logarithm of every attempt's excess over the one that is aimed at, by index.
    """

    def __init__(self, first: int) -> None:
        """Nothing was tried.

        Args:
            first: The finest index that may be taken.
        """
        self.first, self.last = first, min(first + SEARCH.reach, COARSEST)
        self.tried: dict[int, float] = {}

    def indices(self) -> Iterator[int]:
        """The likeliest index, again and again; what it has come to is in ``tried`` before the next one."""
        for _ in range(SEARCH.attempts):
            index = self._next()
            if index is None:
                return
            yield index

    def _next(self) -> int | None:
        """The likeliest index of those left; None if none is."""
        if not self.tried:
            return (self.first + self.last) // 2
        coarse = min((i for i, excess in self.tried.items() if excess < 0), default=self.last + 1)
        fine = max((i for i, excess in self.tried.items() if excess >= 0 and i < coarse), default=None)
        if fine is not None and coarse in self.tried:
            above, below = self.tried[fine], self.tried[coarse]
            index = fine + round((coarse - fine) * above / (above - below))
        else:
            index = self._beyond(coarse if fine is None else fine)
        low, high = self.first if fine is None else fine + 1, coarse - 1
        return min(max(index, low), high) if low <= high else None

    def _beyond(self, nearest: int) -> int:
        """Where all attempts lie on one side: as far as an octave is worth, and twice as far each time."""
        excess, times = self.tried[nearest], 2 ** len(self.tried)
        stride = SEARCH.octave * abs(excess) / math.log(2) * times / 2
        return nearest + round(math.copysign(min(max(stride, times), SEARCH.reach), excess))
