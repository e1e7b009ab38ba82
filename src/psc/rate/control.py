"""Rate control: a file of a given size, or a picture of a given PSNR.

An encoder's session is its decoder's, so the encoder knows the true bits and the true error after every
round. The step Delta comes from a forecast (:mod:`psc.rate.forecast`), which every coded level of the pyramid
corrects: coarse levels are nearly free, so a wrong step is found early and the encode begins again. What is
missing in the end is made up for in the last two rounds, nearly without evaluations (psc.rate.targets).
"""

import math
from dataclasses import replace

import numpy as np

from psc.bitstream.container import header_size
from psc.errors import PscError
from psc.images.picture import Picture
from psc.plan.plan import Settings
from psc.plan.presets import BEST_STEP, WORST_STEP
from psc.rate.forecast import Forecast
from psc.rate.targets import QUICK, SHORT, Found, PsnrTarget, SizeTarget, reserved
from psc.session.context import Context
from psc.session.encoder import LEAST_ROUND, Encoder, new_header
from psc.session.progress import Progress

COST = 2.5
"""What a target may cost, in network evaluations of one plain encode; more only if it is not met by then."""
CHEAP = 0.85
"""What an attempt may cost that leaves out full resolution, in units of a plain encode."""
RESTARTS = 8


def to_size(picture: Picture, size: int, start: Settings, context: Context) -> Found:
    """A file of at most ``size`` bytes, metadata included; PscError if that is too few or too many.

    start: the settings, but for the step index.
    """
    fixed = header_size(new_header(picture, start, context.prior), size)
    if size < fixed + LEAST_ROUND:
        raise PscError(f"{size} bytes came as the target; this picture takes {fixed + LEAST_ROUND} at least")
    goal = SizeTarget(size, 8.0 * (size - fixed))
    attempts = _Attempts(picture, goal, start, context)
    found = _search(attempts)
    if found.excess < 1 and found.miss and attempts.finest_tried:
        raise PscError(
            f"{size} bytes came as the target; the most that this picture takes is {len(found.data)}"
        )
    return found


def to_psnr(picture: Picture, target: float, start: Settings, context: Context) -> Found:
    """A file whose mean restoration has at least ``target`` dB; PscError if no file has."""
    found = _search(_Attempts(picture, PsnrTarget(target, picture.colours), start, context))
    if found.miss >= SHORT:
        best = target - (found.miss - SHORT)
        raise PscError(f"{target:g} dB came as the target; the most that this picture reaches is {best:.2f}")
    return found


def _search(attempts: "_Attempts") -> Found:
    """Attempts until one is good or the cost is used up; then the best one."""
    best: Found | None = None
    while best is None or not (best.good or attempts.over(best)):
        found = attempts.run()
        if best is None or (found is not None and found.better(best)):
            best = found
    return best


class _Attempts:
    """Attempts at one goal: the forecast, the costs and the step indices that are left are common to them."""

    def __init__(
        self, picture: Picture, goal: SizeTarget | PsnrTarget, start: Settings, context: Context
    ) -> None:
        self.goal = goal
        self._picture, self._start, self._context = picture, start, context
        self._plain = start.plan.nfe(start.rounds)
        self._forecast = Forecast(picture.colours)
        self._spent, self._restarts, self._attempt = 0.0, 0, goal.attempt
        self._late, self._kept = False, 1.0  # the latter: what last rounds take of what they promise
        self._coarsest, self._finest = WORST_STEP, BEST_STEP
        self._done: dict[int, float] = {}

    @property
    def finest_tried(self) -> bool:
        """Whether there has been an attempt with the finest step of all."""
        return BEST_STEP in self._done

    def over(self, best: Found) -> bool:
        """Whether no further attempt is possible, or none may be paid for."""
        if self._coarsest < self._finest or best.miss >= SHORT:
            return self._coarsest < self._finest
        return not self._affordable(2 if best.miss > self.goal.negligible else 1)

    def run(self) -> Found | None:
        """An encode with the likeliest step; None if it was given up early for what it taught."""
        index = self._index()
        settings, self._attempt = replace(self._start, step_index=index), self.goal.attempt
        side = Encoder(self._picture, settings, replace(self._context, progress=self._report))
        if not self._code(side, settings, index):
            self._spent += side.session.nfe
            return None
        expected = self._expected(index)
        last = not self._affordable(1, side.session.nfe)
        found = self.goal.finish(side, expected, last)
        if isinstance(self.goal, PsnrTarget):
            self._forecast.scale_error(expected / found.excess)
        self._spent += side.session.nfe
        self._learn(index, found.excess)
        return found

    def _learn(self, index: int, excess: float) -> None:
        """What an attempt with this step has come to, so that none goes further the same way."""
        self._done[index] = math.log(excess)
        if excess < 1:
            self._coarsest = index - 1
        else:
            self._finest = index + 1

    def _code(self, side: Encoder, settings: Settings, index: int) -> bool:
        """Run an attempt's rounds; False if it was given up because another step promises more."""
        *coarse, (_, finest) = settings.by_level()
        for level, rounds in coarse:
            if not self._rounds(side, index, level, rounds):
                return True
            if level == 1 and not self._done and isinstance(self.goal, SizeTarget):
                self._forecast.observe_trial(index, side.session.estimate_bits(QUICK))
            if self._give_up(side, index, level):
                return False
        if isinstance(self.goal, SizeTarget):
            return self._sized(self.goal, side, index, finest)
        if self.goal.idle(side, self._forecast.outcome(index)):
            self._attempt = CHEAP
        else:
            self._rounds(side, index, 0, finest)
        return True

    def _sized(self, goal: SizeTarget, side: Encoder, index: int, rounds: int) -> bool:
        """Full resolution's rounds, settled before the last one; False if the attempt was given up."""
        before = side.writer.bits
        if not self._rounds(side, index, 0, rounds - 1):
            return True
        components, predicted = side.writer.bits - before, self._kept * goal.predicted_bits(side)
        self._forecast.observe_bits(index, 0, components + reserved(predicted))
        if self._give_up(side, index, 0):
            self._learn(index, self._expected(index))
            return False
        expected = goal.allocate(side, predicted)
        if self._room(side):
            side.step()
            kept = side.last_bits / expected
            self._kept *= kept
            self._forecast.observe_bits(index, 0, components + reserved(predicted * kept))
        return True

    def _rounds(self, side: Encoder, index: int, level: int, rounds: int) -> bool:
        """Run and observe some rounds of a level; False if there was no room for all of them."""
        before = side.writer.bits
        for done in range(rounds):
            if not self._room(side):
                bits = (side.writer.bits - before) * math.sqrt(rounds / done) if done else 0.0
                self._forecast.observe_least(index, level, bits)
                return False
            side.step()
        self._forecast.observe(index, level, side.writer.bits - before, side.session.errors()[0])
        return True

    def _room(self, side: Encoder) -> bool:
        """Whether one more round may be begun."""
        return self.goal.limit - side.writer.bits >= 8 * LEAST_ROUND

    def _give_up(self, side: Encoder, index: int, level: int) -> bool:
        """Whether an attempt is expected to miss, and another step to do better at a cost that is left."""
        if self._restarts >= RESTARTS or not self._affordable(1, side.session.nfe):
            return False
        if level == 1 and self._late:
            return False
        low, high = self.goal.near if level > 1 else self.goal.tolerable
        if low <= self._expected(index) / self._aim <= high or self._index() == index:
            return False
        self._restarts += 1
        self._late = self._late or level == 1
        return True

    def _index(self) -> int:
        """The coarsest step index, of those left, that is expected to be fine enough.

        Expected by interpolation where attempts on both sides have ended, else by the forecast.
        """
        coarse, fine = self._coarsest + 1, self._finest - 1
        if coarse in self._done and fine in self._done:
            indices, excesses = (fine, coarse), (self._done[fine], self._done[coarse])
            left = range(self._coarsest, self._finest, -1)
            aim = math.log(self._aim)
            return next((i for i in left if np.interp(i, indices, excesses) >= aim), self._finest)
        for index in range(self._coarsest, self._finest, -1):
            if self._expected(index) >= self._aim:
                return index
        return self._finest

    def _affordable(self, times: float, spent: float = 0.0) -> bool:
        """Whether one more attempt is within so many times the cost that rate control may have.

        spent: on the attempt that is in the making.
        """
        left = times * COST * self._plain - self._spent - spent
        return self._attempt * self._plain <= left

    @property
    def _aim(self) -> float:
        return self.goal.again(math.exp(max(self._done.values()))) if self._done else self.goal.aim

    def _expected(self, index: int) -> float:
        return self.goal.expected(self._forecast.outcome(index))

    def _report(self, now: Progress) -> None:
        nfe, total = self._spent + now.nfe, self._spent + self._plain
        self._context.progress(replace(now, planned=self._start.rounds, nfe=nfe, total=max(nfe, total)))
