"""Rate control: a file of a given size, or a picture of a given PSNR.

An encoder's session is its decoder's, so the encoder knows the true bits and the true error after every
round. The step Delta comes from a forecast (:mod:`psc.forecast`), which every coded level of the pyramid
corrects: coarse levels are nearly free, so a wrong step is found early and the encode begins again. What is
missing in the end is made up for in the last round, whose numbers are chosen anew with another price of a bit
(psc.bitstream.uniform.choose) until the target is met: that takes no network evaluations. A size that is
still exceeded is met by cutting the last round, whose least important numbers come last.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from psc.bitstream.uniform import PRICE
from psc.errors import PscError
from psc.forecast import Forecast, Outcome
from psc.images import psnr, to_image
from psc.journal import Journal
from psc.plan import BEST_STEP, WORST_STEP, Settings, at_step
from psc.prior import Prior
from psc.restore import restore
from psc.session import Progress, Session
from psc.sides import Encoder, Report, encoder, new_header

COST = 2.5
"""What a target may cost, in network evaluations of one plain encode; more only if it is not met by then."""
ATTEMPT = 1.15
"""What an attempt may cost with its trial and its early beginnings, in the same units."""
EARLY = 0.1
"""Share of an encode up to which beginning again costs little."""
RESTARTS = 8
NEAR, TOLERABLE = (0.965, 1.035), (0.975, 1.08)
"""An excess that is not worth beginning again for, early and later on."""
PRICES = (PRICE / 16, PRICE * 16)
"""Of a bit in the last round."""
TRIAL = (4, 2)
"""Steps and samples with which full resolution is tried out: a twentieth of an encode."""
LEFT_OUT, FAIR = 25.0, 1.6
"""What an excess that leaves rounds out counts for beside a price (both in logarithms); what costs little."""
LEAST_ROUND = 6
"""Bytes that must be left for a round to be begun: a cut nearer to its beginning might reach behind it."""
FULL, FILLED = 0.985, 0.98
"""Share of the bits that need not be filled up; share of a target's size that a file has at least."""
PSNR_EXCESS = 0.2
"""By how many dB a target may be exceeded."""
RESTORATIONS = 3
"""How often a PSNR is measured per attempt."""
HALVINGS = 7
"""Of the range of prices: to about 4 %."""
SHORT = 1000.0
"""Missed by more than anything else: a PSNR that is not reached."""


@dataclass(frozen=True)
class Found:
    """A file, and the session that its decoder will have.

    excess: of the attempt, above one if it reaches more than the target (see the goals), before the last
    round was chosen anew. miss: by how much the file misses the target, 0 if it does not. price: of a bit in
    its last round. complete: whether the file has all of the plan's rounds.
    """

    data: bytes
    session: Session
    excess: float
    miss: float
    price: float
    complete: bool

    @property
    def strain(self) -> float:
        """How much quality it may have cost to meet the target: by the price, by rounds left out."""
        left_out = 0.0 if self.complete else max(math.log(self.excess), 0.0)
        return abs(math.log(self.price / PRICE)) + LEFT_OUT * left_out

    @property
    def good(self) -> bool:
        """Whether no other attempt could be much better."""
        return self.miss == 0 and self.strain <= FAIR

    def better(self, other: "Found") -> bool:
        """Whether it misses the target by less, or meets it with less strain."""
        return (self.miss, self.strain) < (other.miss, other.strain)


@dataclass(frozen=True)
class Size:
    """A file of at most ``size`` bytes, ``limit`` bits of them for the body; the excess is in bits."""

    size: int
    limit: float
    aim = 1.02

    def expected(self, outcome: Outcome) -> float:
        """The excess that is expected of an attempt."""
        return float(outcome.bits.sum()) / self.limit

    def finish(self, side: Encoder, expected: float) -> Found:
        """The file of an attempt that has ended."""
        excess, price = side.writer.bits / self.limit, PRICE
        if not FULL <= excess <= 1:
            price = _price(side, lambda: side.writer.bits / self.limit)
        if not side.complete:
            excess = max(excess, expected)
        complete = side.complete
        data = side.file()
        if len(data) > self.size:
            data = side.cut(self.size)
        fill = len(data) / self.size
        return Found(data, side.session, excess, 0.0 if fill >= FILLED else 1 - fill, price, complete)


@dataclass(frozen=True)
class Psnr:
    """At least ``target`` dB between picture (C, H, W) and mean restoration, after rounding to 8 bits.

    The excess is in squared error: what is allowed over what is left.
    """

    target: float
    picture: torch.Tensor
    limit = math.inf
    aim = 10 ** (PSNR_EXCESS / 20)

    def expected(self, outcome: Outcome) -> float:
        """The excess that is expected of an attempt."""
        allowed = 4 * self.picture.numel() / 10 ** (self.target / 10)
        return allowed / float(outcome.error.sum())

    def finish(self, side: Encoder, expected: float) -> Found:
        """The file of an attempt that has ended, measured, corrected, and measured again."""
        del expected
        first = excess = self._excess(side)
        price = PRICE
        for _ in range(RESTORATIONS - 1):
            if 1 <= excess <= self.aim**2:
                break
            error = side.session.error() * excess / self.aim  # of the particles, where the target is met
            price = _price(side, lambda: error / side.session.error())  # noqa: B023
            excess = self._excess(side)
        over = 10 * math.log10(excess)
        miss = SHORT - over if over < 0 else max(over - PSNR_EXCESS, 0.0)
        return Found(side.file(), side.session, first, miss, price, True)

    def _excess(self, side: Encoder) -> float:
        height, width = self.picture.shape[1:]
        decoded = to_image(restore(side.session)[:, :height, :width])
        return 10 ** ((psnr(to_image(self.picture), decoded) - self.target) / 10)


def _price(side: Encoder, excess: Callable[[], float]) -> float:
    """The lowest price at which the last round's numbers leave no excess, or the highest one."""
    low, high = (math.log(price) for price in PRICES)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        side.step_again(math.exp(middle))
        low, high = (low, middle) if excess() <= 1 else (middle, high)
    side.step_again(math.exp(high))
    return math.exp(high)


def to_size(
    picture: torch.Tensor,
    size: int,
    *,
    seed: int,
    prior: Prior,
    progress: Report,
    journal: Journal | None = None,
    extras: bytes = b"",
) -> Found:
    """A file of at most ``size`` bytes, extras (packed) included; PscError if that is too few or too many."""
    header = new_header(picture, at_step(BEST_STEP, seed), prior, extras)
    fixed = len(replace(header, body_length=size).pack())
    if size < fixed + LEAST_ROUND:
        raise PscError(f"{size} bytes came as the target; this picture takes {fixed + LEAST_ROUND} at least")
    goal = Size(size, 8.0 * (size - fixed))
    found = _search(_Attempts(picture, goal, seed, prior, progress, journal, extras))
    if found.excess < 1 and found.miss:
        raise PscError(
            f"{size} bytes came as the target; the most that this picture takes is {len(found.data)}"
        )
    return found


def to_psnr(
    picture: torch.Tensor,
    target: float,
    *,
    seed: int,
    prior: Prior,
    progress: Report,
    journal: Journal | None = None,
    extras: bytes = b"",
) -> Found:
    """A file whose mean restoration has at least ``target`` dB; PscError if no file has."""
    found = _search(_Attempts(picture, Psnr(target, picture), seed, prior, progress, journal, extras))
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
        self,
        picture: torch.Tensor,
        goal: Size | Psnr,
        seed: int,
        prior: Prior,
        progress: Report,
        journal: Journal | None,
        extras: bytes,
    ) -> None:
        self.goal = goal
        self._picture, self._seed, self._prior, self._journal = picture, seed, prior, journal
        self._progress, self._forecast, self._extras = progress, Forecast(picture), extras
        self._spent, self._restarts = 0.0, 0
        self._coarsest, self._finest = WORST_STEP, BEST_STEP
        self._done: dict[int, float] = {}

    def over(self, best: Found) -> bool:
        """Whether no further attempt is possible, or none may be paid for."""
        if self._coarsest < self._finest or best.miss >= SHORT:
            return self._coarsest < self._finest
        return not self._affordable(self._index(), 2 if best.miss else 1)

    def run(self) -> Found | None:
        """An encode with the likeliest step; None if it was given up early for what it taught."""
        index = self._index()
        settings = at_step(index, self._seed)
        side = encoder(self._picture, settings, self._prior, self._report, self._journal, self._extras)
        if not self._code(side, settings, index):
            self._spent += side.session.nfe
            return None
        expected = self._expected(index)
        found = self.goal.finish(side, expected)
        if isinstance(self.goal, Psnr):
            self._forecast.scale_error(expected / found.excess)
        self._spent += side.session.nfe
        self._done[index] = math.log(found.excess)
        if found.excess < 1:
            self._coarsest = index - 1
        else:
            self._finest = index + 1
        return found

    def _code(self, side: Encoder, settings: Settings, index: int) -> bool:
        """Run an attempt's rounds; False if it was given up because another step promises more."""
        for level, rounds in settings.by_level():
            before, left = side.writer.bits, rounds
            while left and self.goal.limit - side.writer.bits >= 8 * LEAST_ROUND:
                side.step()
                left -= 1
            if left:
                bits = (
                    (side.writer.bits - before) * math.sqrt(rounds / (rounds - left)) if rounds > left else 0
                )
                self._forecast.observe_least(index, level, bits)
                break
            self._forecast.observe(index, level, side.writer.bits - before, side.session.error())
            if level == 1 and not self._done:
                self._forecast.observe_trial(index, side.session.trial(*TRIAL))
            if level > 0 and self._give_up(side, index):
                self._restarts += 1
                return False
        return True

    def _give_up(self, side: Encoder, index: int) -> bool:
        """Whether an attempt is expected to miss, and another step to do better at a cost that is left."""
        early = side.session.nfe < EARLY * _cost(index)
        if self._restarts >= RESTARTS or not (early or self._affordable(index, spent=side.session.nfe)):
            return False
        low, high = NEAR if early else TOLERABLE
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

    def _affordable(self, index: int, times: float = 1, spent: float = 0.0) -> bool:
        """Whether another whole encode with this index is within the cost that rate control may have."""
        return self._spent + spent + ATTEMPT * _cost(index) <= times * COST * _cost(index)

    def _expected(self, index: int) -> float:
        return self.goal.expected(self._forecast.outcome(index))

    def _report(self, now: Progress) -> None:
        nfe, total = self._spent + now.nfe, self._spent + _cost(BEST_STEP)
        self._progress(replace(now, planned=at_step(BEST_STEP).rounds, nfe=nfe, total=max(nfe, total)))


def _cost(index: int) -> float:
    chosen = at_step(index)
    return chosen.plan.nfe(chosen.rounds)
