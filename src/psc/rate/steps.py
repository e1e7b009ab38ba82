"""What is known of a picture's steps: the forecast, attempts that have ended, the indices that are left."""

import math

import numpy as np

from psc.plan.presets import BEST_STEP, WORST_STEP
from psc.rate.forecast import Forecast
from psc.rate.targets import Target


class Steps:
    """The step indices of attempts at one target, coarse ones being the larger numbers.

    Attributes:
        target: What the attempts are to reach.
        forecast: What a step is expected to come to.
        kept: What last rounds have taken of what was predicted of them.
        coarsest: The coarsest index that may still be fine enough.
        finest: The finest index that may still be coarse enough; nothing is left where it is above the other.
        done: Logarithm of the excess of every attempt that has ended, by index.
    """

    def __init__(self, target: Target, forecast: Forecast) -> None:
        """All indices are left."""
        self.target, self.forecast, self.kept = target, forecast, 1.0
        self.coarsest, self.finest = WORST_STEP, BEST_STEP
        self.done: dict[int, float] = {}

    @property
    def finest_tried(self) -> bool:
        """Whether there has been an attempt with the finest step of all."""
        return BEST_STEP in self.done

    @property
    def none_left(self) -> bool:
        """Whether every index has been tried, or is known to be too coarse or too fine."""
        return self.coarsest < self.finest

    @property
    def aim(self) -> float:
        """The excess that the next attempt is to have at least."""
        aims = self.target.aims
        return aims.again(math.exp(max(self.done.values()))) if self.done else aims.first

    def expected(self, index: int) -> float:
        """The excess that is expected of an attempt with this step index."""
        return self.target.expected(self.forecast.outcome(index))

    def next_index(self) -> int:
        """The coarsest step index, of those left, that is expected to be fine enough.

        Expected by interpolation where attempts on both sides have ended, else by the forecast.
        """
        left = range(self.coarsest, self.finest, -1)
        coarse, fine = self.coarsest + 1, self.finest - 1
        if coarse in self.done and fine in self.done:
            indices, excesses = (fine, coarse), (self.done[fine], self.done[coarse])
            aim = math.log(self.aim)
            return next((i for i in left if np.interp(i, indices, excesses) >= aim), self.finest)
        aim = self.aim
        return next((i for i in left if self.expected(i) >= aim), self.finest)

    def learn(self, index: int, excess: float) -> None:
        """What an attempt with this step has come to, so that none goes further the same way."""
        self.done[index] = math.log(excess)
        if excess < 1:
            self.coarsest = index - 1
        else:
            self.finest = index + 1

    def only_finest(self) -> None:
        """Nothing but the finest step of all is left."""
        self.coarsest = self.finest = BEST_STEP
