"""One attempt at a target: an encode with one step, given up early where another step promises more."""

import math

from psc.rate.budget import Budget
from psc.rate.last_rounds import Allocation, has_room, predicted_bits, reserved
from psc.rate.steps import Steps
from psc.rate.targets import Found, Outlook
from psc.rate.tuning import PSNR, QUICK_STEPS, SAMPLES, SEARCH
from psc.session.encoder import Encoder
from psc.session.particles import Sampling

QUICK = Sampling(QUICK_STEPS, count=SAMPLES)
"""How full resolution is tried out."""


class Attempt:
    """An encode with one step, whose every level teaches what the steps come to.

    Attributes:
        index: The step's index.
        side: The encoder.
    """

    def __init__(self, side: Encoder, steps: Steps, budget: Budget) -> None:
        """Nothing is coded yet.

        Args:
            side: An encoder before its first round.
            steps: What is known of the steps, and of the target.
            budget: What may be spent.
        """
        self.index, self.side = side.session.settings.step_index, side
        self._steps, self._budget = steps, budget
        self._target, self._forecast = steps.target, steps.forecast

    def run(self) -> Found | None:
        """All rounds, and what can be mended afterwards; None if another step promises more."""
        if not self._code():
            return None
        expected = self._steps.expected(self.index)
        found = self._target.finish(self.side, Outlook(expected, not self._budget.affords(1, self._nfe)))
        self._forecast.scale_error(expected / found.excess)
        self._steps.learn(self.index, found.excess)
        return found

    @property
    def _nfe(self) -> float:
        return self.side.session.nfe

    def _code(self) -> bool:
        """Run the rounds; False if the attempt was given up because another step promises more."""
        *coarse, (_, finest) = self.side.session.settings.by_level()
        for level, rounds in coarse:
            before = self.side.writer.bits
            if not self._rounds(level, rounds, before):
                return True
            if level == 1 and not self._steps.done and self._target.aims.tried_out:
                self._forecast.observe_trial(self.index, self.side.session.estimate_bits(QUICK))
            if self._gives_up(level):
                return False
        return self._full_resolution(finest)

    def _full_resolution(self, rounds: int) -> bool:
        """The finest level's rounds, settled before the last one; False if the attempt was given up."""
        side, before = self.side, self.side.writer.bits
        if self._is_idle():
            self._budget.attempt = SEARCH.without_finest
            return True
        if not self._rounds(0, rounds - 1, before):
            return True
        if math.isinf(self._target.limit):
            return self._rounds(0, 1, before)
        components, predicted = side.writer.bits - before, self._steps.kept * predicted_bits(side)
        self._forecast.observe_bits(self.index, 0, components + reserved(predicted))
        if self._gives_up(0):
            self._steps.learn(self.index, self._steps.expected(self.index))
            return False
        expected = Allocation(self._target.limit, predicted).allocate(side)
        if has_room(side, self._target.limit):
            side.step()
            kept = side.last_bits / expected
            self._steps.kept *= kept
            self._forecast.observe_bits(self.index, 0, components + reserved(predicted * kept))
        return True

    def _is_idle(self) -> bool:
        """Whether full resolution's rounds are to be left out: they would measure next to nothing.

        Then the last round is a coarser level's, which has something that can be taken off.
        """
        bits, doubtful = self._forecast.outcome(self.index).bits, self._target.aims.idle
        if not doubtful or float(bits[0]) > doubtful * float(bits.sum()):
            return False
        return self.side.session.estimate_bits(QUICK) < PSNR.idle * self.side.writer.bits

    def _rounds(self, level: int, rounds: int, before: int) -> bool:
        """Run some rounds of a level and observe it; False if there was no room for all of them.

        Args:
            level: The level.
            rounds: How many of its rounds.
            before: Bits before the level's first round.
        """
        side = self.side
        for done in range(rounds):
            if not has_room(side, self._target.limit):
                bits = (side.writer.bits - before) * math.sqrt(rounds / done) if done else 0.0
                self._forecast.observe_least(self.index, level, bits)
                return False
            side.step()
        self._forecast.observe(self.index, level, side.writer.bits - before, side.session.errors()[0])
        return True

    def _gives_up(self, level: int) -> bool:
        """Whether the attempt is expected to miss, and another step to do better at a cost that is left."""
        steps, budget, aims = self._steps, self._budget, self._target.aims
        if budget.restarts >= SEARCH.restarts or not budget.affords(1, self._nfe):
            return False
        if level == 1 and budget.late:
            return False
        low, high = aims.near if level > 1 else aims.tolerable
        if low <= steps.expected(self.index) / steps.aim <= high or steps.next_index() == self.index:
            return False
        budget.restarts += 1
        budget.late = budget.late or level == 1
        return True
