"""Rate control: a file of a given size, or a picture of a given PSNR.

An encoder's session is its decoder's, so the encoder knows the true bits and the true error after every
round. The step Delta comes from a forecast (:mod:`psc.forecast`), which every coded level of the pyramid
corrects: coarse levels are nearly free, so a wrong step is found early and the encode begins again.
Rehearsals with few steps, at a quarter of the cost, tell what full resolution will take. A size is then met
exactly by cutting the last round, whose least important numbers come last.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from psc.errors import PscError
from psc.forecast import Forecast, Outcome
from psc.images import psnr, to_image
from psc.plan import BEST_STEP, REHEARSAL, WORST_STEP, Settings, at_step
from psc.prior import Prior
from psc.restore import restore
from psc.session import Progress, Session
from psc.sides import Encoder, Report, encoder, new_header

SIZE_COST, PSNR_COST = 2.5, 6.0
"""Network evaluations, in plain encodes, after which a file that meets the target is good enough.

A size that is exceeded can be cut; a PSNR that is exceeded by too much takes another encode.
"""
EARLY = 0.1
"""Share of an encode up to which beginning again costs little."""
RESTARTS, REHEARSALS = 8, 2
REHEARSED_BITS, REHEARSED_ERROR = (0.5, 0.25, 0.06), (0.16, 0.25, 0.15)
"""How much more bits and error a rehearsal has than the real thing (log2, by level, finest first)."""
NEAR = 4
"""Step indices within which a rehearsal's findings hold."""
LEAST_ROUND = 6
"""Bytes that must be left for a round to be begun: a cut nearer to its beginning might reach behind it."""
PSNR_EXCESS = 0.2
"""By how many dB a target may be exceeded."""


@dataclass(frozen=True)
class Found:
    """A file, and the session that its decoder will have. excess: see Goal."""

    data: bytes
    session: Session
    excess: float


@dataclass(frozen=True)
class Size:
    """A file of at most ``size`` bytes, ``limit`` bits of them for the body; the excess is in bits."""

    size: int
    limit: float
    cost = SIZE_COST
    aim = 1.05
    accepted = (0.982, 1.15)

    def expected(self, outcome: Outcome) -> float:
        """The excess that is expected of an attempt."""
        return float(outcome.bits.sum()) / self.limit

    def finish(self, side: Encoder, expected: float) -> Found:
        """The file of an attempt that has ended, cut if it is too long."""
        excess = side.writer.bits / self.limit
        data = side.file()
        if len(data) <= self.size:
            return Found(data, side.session, excess)
        return Found(side.cut(self.size), side.session, max(excess, expected))


@dataclass(frozen=True)
class Psnr:
    """At least ``target`` dB between picture (C, H, W) and mean restoration, after rounding to 8 bits.

    The excess is in squared error: what is allowed over what is left.
    """

    target: float
    picture: torch.Tensor
    limit = math.inf
    cost = PSNR_COST
    aim = 10 ** (PSNR_EXCESS / 20)
    accepted = (1.0, 10 ** (PSNR_EXCESS / 10))

    def expected(self, outcome: Outcome) -> float:
        """The excess that is expected of an attempt."""
        allowed = 4 * self.picture.numel() / 10 ** (self.target / 10)
        return allowed / float(outcome.error.sum())

    def finish(self, side: Encoder, expected: float) -> Found:
        """The file of an attempt that has ended."""
        del expected  # it is measured
        height, width = self.picture.shape[1:]
        decoded = to_image(restore(side.session)[:, :height, :width])
        excess = 10 ** ((psnr(to_image(self.picture), decoded) - self.target) / 10)
        return Found(side.file(), side.session, excess)


def to_size(picture: torch.Tensor, size: int, *, seed: int, prior: Prior, progress: Report) -> Found:
    """A file of at most ``size`` bytes; PscError if that is too few, or more than the picture can take."""
    header = new_header(picture, at_step(BEST_STEP, seed), prior)
    fixed = len(replace(header, body_length=size).pack())
    if size < fixed + LEAST_ROUND:
        raise PscError(f"{size} bytes came as the target; this picture takes {fixed + LEAST_ROUND} at least")
    goal = Size(size, 8.0 * (size - fixed))
    found = _search(_Attempts(picture, goal, seed, prior, progress))
    if found.excess < goal.accepted[0] and len(found.data) < 0.98 * size:
        raise PscError(
            f"{size} bytes came as the target; the most that this picture takes is {len(found.data)}"
        )
    return found


def to_psnr(picture: torch.Tensor, target: float, *, seed: int, prior: Prior, progress: Report) -> Found:
    """A file whose mean restoration has at least ``target`` dB; PscError if no file has."""
    goal = Psnr(target, picture)
    found = _search(_Attempts(picture, goal, seed, prior, progress))
    if found.excess < 1:
        best = target + 10 * math.log10(found.excess)
        raise PscError(f"{target:g} dB came as the target; the most that this picture reaches is {best:.2f}")
    return found


def _search(attempts: "_Attempts") -> Found:
    """Attempts until one is accepted or the cost is used up; then the best one."""
    low, high = attempts.goal.accepted
    attempts.rehearse()
    best: Found | None = None
    while best is None or not attempts.over(best):
        found = attempts.run()
        if best is None or (found is not None and _better(found.excess, best.excess, low)):
            best = found
        if found is not None and low <= found.excess <= high:
            return found
    return best


def _better(a: float, b: float, low: float) -> bool:
    """Of two excesses: the smaller of those that reach the target, else the larger."""
    return low <= a < b or b < a <= low or b < low <= a


class _Attempts:
    """Attempts at one goal: the forecast, the costs and the step indices that are left are common to them."""

    def __init__(
        self, picture: torch.Tensor, goal: Size | Psnr, seed: int, prior: Prior, progress: Report
    ) -> None:
        self.goal = goal
        self._picture, self._seed, self._prior = picture, seed, prior
        self._progress, self._forecast = progress, Forecast(picture)
        self._spent, self._restarts = 0.0, 0
        self._coarsest, self._finest = WORST_STEP, BEST_STEP
        self._done: dict[int, float] = {}

    def over(self, best: Found) -> bool:
        """Whether no further attempt is possible, or the goal is reached and none may be paid for."""
        reached = best.excess >= self.goal.accepted[0]
        return self._coarsest < self._finest or (reached and not self._affordable(self._index()))

    def rehearse(self) -> None:
        """Find a step with which a rehearsal comes near to the goal."""
        for _ in range(REHEARSALS):
            while True:
                index = self._index()
                settings = Settings(REHEARSAL, len(REHEARSAL.rounds), index, self._seed)
                side = encoder(self._picture, settings, self._prior, self._report)
                ended = self._code(side, settings, index)
                self._spent += side.session.nfe
                if ended:
                    break
            if abs(self._index() - index) <= NEAR:
                break

    def run(self) -> Found | None:
        """An encode with the likeliest step; None if it was given up early for what it taught."""
        index = self._index()
        settings = at_step(index, self._seed)
        side = encoder(self._picture, settings, self._prior, self._report)
        if not self._code(side, settings, index):
            self._spent += side.session.nfe
            return None
        expected = self._expected(index)
        found = self.goal.finish(side, expected)
        if isinstance(self.goal, Psnr):
            self._forecast.scale_error(expected / found.excess)
        self._spent += side.session.nfe
        self._done[index] = math.log(found.excess)
        if found.excess < self.goal.accepted[0]:
            self._coarsest = index - 1
        else:
            self._finest = index + 1
        return found

    def _code(self, side: Encoder, settings: Settings, index: int) -> bool:
        """Run an attempt's rounds; False if it was given up because another step promises more."""
        rehearsal = settings.plan == REHEARSAL
        for level, rounds in settings.by_level():
            if not self._level(side, level, rounds, index, rehearsal):
                break
            if level > 0 and self._give_up(side, index, rehearsal):
                self._restarts += 1
                return False
        return True

    def _level(self, side: Encoder, level: int, rounds: int, index: int, rehearsal: bool) -> bool:
        """The rounds of one level, and what they teach; False where the goal's limit is reached."""
        limit = math.inf if rehearsal else self.goal.limit
        before, left = side.writer.bits, rounds
        while left and limit - side.writer.bits >= 8 * LEAST_ROUND:
            side.step()
            left -= 1
        if left == 0:
            bits = (side.writer.bits - before) / 2.0 ** (rehearsal * REHEARSED_BITS[level])
            error = side.session.error() / 2.0 ** (rehearsal * REHEARSED_ERROR[level])
            self._forecast.observe(index, level, bits, error)
        return left == 0 and side.writer.bits < limit

    def _give_up(self, side: Encoder, index: int, rehearsal: bool) -> bool:
        """Whether an attempt is expected to miss, and another step to do better at a cost that is left."""
        early = side.session.nfe < EARLY * side.session.plan.nfe(side.header.rounds)
        if self._restarts >= RESTARTS or not (early or rehearsal or self._affordable(index)):
            return False
        low, high = (0.97, 1.03) if early else (0.93, 1.15)
        return not low <= self._expected(index) / self.goal.aim <= high and self._index() != index

    def _index(self) -> int:
        """The coarsest step index, of those left, that is expected to be fine enough.

        Expected by interpolation where attempts on both sides have ended, else by the forecast.
        """
        coarse, fine = self._coarsest + 1, self._finest - 1
        if coarse in self._done and fine in self._done:
            indices, excesses = (fine, coarse), (self._done[fine], self._done[coarse])
            left = range(self._coarsest, self._finest, -1)
            aim = math.log(self.goal.aim)
            return next((i for i in left if np.interp(i, indices, excesses) >= aim), self._finest)
        for index in range(self._coarsest, self._finest, -1):
            if self._expected(index) >= self.goal.aim:
                return index
        return self._finest

    def _affordable(self, index: int) -> bool:
        """Whether another whole encode with this index is within the cost that rate control may have."""
        return self._spent + _cost(index) <= self.goal.cost * _cost(index)

    def _expected(self, index: int) -> float:
        return self.goal.expected(self._forecast.outcome(index))

    def _report(self, now: Progress) -> None:
        self._progress(replace(now, nfe=self._spent + now.nfe))


def _cost(index: int) -> float:
    chosen = at_step(index)
    return chosen.plan.nfe(chosen.rounds)
