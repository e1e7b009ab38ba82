"""What an encode is to reach: a size, or a PSNR; and what can be done about it in its last rounds.

A round's numbers can be chosen anew with another Lagrangian multiplier of a bit (psc.bitstream.quantizer)
until the next one is drawn, and its end, where the least important ones stand, can be cut off: neither
takes network evaluations.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from psc.bitstream.quantizer import LAMBDA
from psc.images.pixels import psnr, to_image
from psc.rate.forecast import Outcome, last_bits
from psc.session.encoder import LEAST_ROUND, Encoder
from psc.session.particles import Sampling
from psc.session.restore import restore, samples
from psc.session.round_coder import LONG_DIGEST_BITS
from psc.session.session import Session

LAMBDAS = (LAMBDA / 16, LAMBDA * 16)
"""Of a bit in a round that is chosen anew."""
DEAR, CHEAP = 0.6, 0.2
"""The last round's bits fall with this power of the lambda_, above and below LAMBDA (validation)."""
FAIR = math.e
"""How far from LAMBDA, as a factor, a lambda_ may be without costing much."""
FULL, FILLED = 0.995, 0.98
"""Share of the bits that need not be filled up; share of a target's size that a file has at least."""
LEFT_OUT = 0.02
"""What rounds that are left out count for: as much as this share of a file's size, unfilled."""
PSNR_EXCESS = 0.2
"""By how many dB a target may be exceeded."""
SAMPLES = 2
"""Of the restoration or of the last round, from which PSNR or bits are estimated first."""
DOUBT, CORRECTED, FORCED = 0.05, 0.5, 2.0
"""dB that the estimate may be wrong by; dB above the target that the last round can mend, and that it has to
mend when no further attempt may be paid for."""
YIELD, CORRECTIONS = 0.9, 2
"""Squared error of the particles' mean for each of the restoration (validation); how often to try."""
QUICK = Sampling(4, count=2)
"""Steps and samples with which full resolution is tried out: a twelfth of an encode."""
DOUBTFUL, IDLE = 0.2, 0.02
"""Share of the bits below which full resolution is tried out, and below which it is left out."""
SHORTFALL = 0.25
"""How much more than what was missing is aimed at: finer steps help less than is expected."""
HALVINGS = 7
"""Of the range of multipliers, or of sizes: to about 4 %, and 1 %."""
SHORT = 1000.0
"""Missed by more than anything else: a PSNR that is not reached."""


@dataclass(frozen=True)
class Found:
    """A file, and the session that its decoder will have.

    excess: of the attempt, above one if it reaches more than the target (see the goals), before its last
    rounds were chosen anew. miss: by how much the file misses the target, 0 if it does not. loss: what counts
    among those that miss by the same: squared error, or bytes. good: whether no other could be much better.
    """

    data: bytes
    session: Session
    excess: float
    miss: float
    loss: float
    good: bool

    def better(self, other: "Found") -> bool:
        """Whether it misses the target by less, or meets it for less."""
        return (self.miss, self.loss) < (other.miss, other.loss)


@dataclass(frozen=True)
class SizeTarget:
    """A file of at most ``size`` bytes, ``limit`` bits of them for the body; the excess is in bits.

    aim: the excess that an attempt is to have at least: too little is mended by lower multipliers, which
    cost a tenth of what higher ones do. near, tolerable: what is not worth beginning again for, early and
    later on, in units of the aim. attempt: what one may cost with its trial, in units of one plain encode. negligible:
    a miss that no more than the usual cost is spent on.
    """

    size: int
    limit: float
    aim, attempt, negligible = 0.965, 1.06, LEFT_OUT
    near, tolerable = (0.96, 1.09), (0.96, 1.075)

    def expected(self, outcome: Outcome) -> float:
        """The excess that is expected of an attempt."""
        return float(outcome.bits.sum()) / self.limit

    def again(self, excess: float) -> float:
        """The excess that an attempt is to have after one that had ``excess``."""
        del excess
        return self.aim

    def predicted_bits(self, side: Encoder) -> float:
        """Bits that the last round will take, going by a few of its samples."""
        pyramid = side.session.pyramid
        return last_bits(last_trial(side.session), pyramid.height * pyramid.width) + LONG_DIGEST_BITS

    def allocate(self, side: Encoder, predicted: float) -> float:
        """Choose the last round but one anew, so that the limit is met with what is predicted.

        Returns what is expected of the last round, which will have the same lambda_.
        """

        def left(lambda_: float) -> float:
            share: float = (LAMBDA / lambda_) ** (DEAR if lambda_ > LAMBDA else CHEAP)
            return predicted * share

        def excess(lambda_: float) -> float:
            return side.writer.bits + reserved(left(lambda_)) - self.limit

        done = (FULL - 1) * self.limit <= excess(LAMBDA) <= 0
        return left(LAMBDA if done else _lambda(side, excess))

    def finish(self, side: Encoder, expected: float, last: bool) -> Found:
        """The file of an attempt that has ended, which the last round's lambda_ fills up or brings down."""
        del last
        if not FULL <= side.writer.bits / self.limit <= 1:
            _lambda(side, lambda _: side.writer.bits - self.limit)
        data = side.file()
        if len(data) > self.size:
            data = side.cut(self.size)
        fill = len(data) / self.size
        miss = (LEFT_OUT if side.missing else 0.0) + (0.0 if fill >= FILLED else 1 - fill)
        good = miss == 0 and expected <= self.aim * self.tolerable[1]
        return Found(data, side.session, expected, miss, sum(side.session.errors()), good)


@dataclass(frozen=True)
class PsnrTarget:
    """At least ``target`` dB between picture (C, H, W) and mean restoration, after rounding to 8 bits.

    The excess is in squared error: what is allowed over what is left.
    """

    target: float
    picture: torch.Tensor
    limit = math.inf
    aim, attempt, negligible = 10 ** (PSNR_EXCESS / 40), 1.12, CORRECTED
    near, tolerable = (0.9, 1.1), (0.83, 1.2)

    @property
    def _allowed(self) -> float:
        return 4 * self.picture.numel() / 10 ** (self.target / 10)

    def expected(self, outcome: Outcome) -> float:
        """The excess that is expected of an attempt."""
        return self._allowed / float(outcome.error.sum())

    def again(self, excess: float) -> float:
        """The excess that an attempt is to have after one that had ``excess``: too much can be mended."""
        margin: float = 10 ** (3 * PSNR_EXCESS / 40) * max(1.0, 1 / excess) ** SHORTFALL
        return margin

    def idle(self, side: Encoder, outcome: Outcome) -> bool:
        """Whether full resolution's rounds are to be left out: they would measure next to nothing.

        Then the last round is a coarser level's, which has something that can be taken off.
        """
        if float(outcome.bits[0]) > DOUBTFUL * float(outcome.bits.sum()):
            return False
        return side.session.estimate_bits(QUICK) < IDLE * side.writer.bits

    def finish(self, side: Encoder, expected: float, last: bool) -> Found:
        """The file of an attempt that has ended; measured, and corrected, if a few samples promise success.

        For the correction the particles' error, which costs no evaluation, stands for the picture's. last:
        whether no further attempt may be paid for.
        """
        del expected
        data, lambda_, over = side.file(), LAMBDA, self._estimated(side)
        first = over
        if -DOUBT < over < (FORCED if last else CORRECTED):
            if over > PSNR_EXCESS:
                data, lambda_, over = self._corrected(side, over)
            else:
                over = self._measured(side)
        miss = SHORT - over if over < 0 else max(over - PSNR_EXCESS, 0.0)
        good = miss == 0 and 1 / FAIR <= lambda_ / LAMBDA <= FAIR
        return Found(data, side.session, 10 ** (first / 10), miss, len(data), good)

    def _corrected(self, side: Encoder, over: float) -> tuple[bytes, float, float]:
        """A file that exceeds the target by less than ``over`` dB, its lambda_, and by how much it does.

        The particles' error, which costs no evaluation, stands for the picture's. If that goes wrong, once
        more; if that does, too, the file as it was.
        """
        share = YIELD
        for _ in range(CORRECTIONS):
            side.step_again(LAMBDA)
            given = 10 ** (-PSNR_EXCESS / 20) - 10 ** (-over / 10)
            data, lambda_ = _lowered(side, sum(side.session.errors()) + share * given * self._allowed)
            measured = self._measured(side)
            if measured >= 0:
                return data, lambda_, measured
            share *= given / (10 ** (-measured / 10) - 10 ** (-over / 10))
        side.step_again(LAMBDA)
        return side.file(), LAMBDA, over

    def _estimated(self, side: Encoder) -> float:
        """By how many dB the target is exceeded, going by the first samples of the restoration.

        The error of a mean of n samples is that of all of them and 1 / n of their variance.
        """
        height, width = self.picture.shape[1:]
        some = samples(side.session, count=SAMPLES)[..., :height, :width].double()
        error = float(((some.mean(0).clamp(-1, 1) - self.picture) ** 2).sum())
        spread = float(some.var(0).sum())
        every = side.session.plan.levels[0].samples
        return 10 * math.log10(self._allowed / (error - spread / SAMPLES + spread / every))

    def _measured(self, side: Encoder) -> float:
        height, width = self.picture.shape[1:]
        decoded = to_image(restore(side.session)[:, :height, :width])
        return psnr(to_image(self.picture), decoded) - self.target


def last_trial(session: Session) -> int:
    """What the plan's last round would take, going by its first samples alone."""
    level, steps = session.plan.levels[0], session.plan.rounds[-1].steps
    return session.estimate_bits(Sampling(steps, count=SAMPLES, end=level.end, estimates=level.estimates))


def reserved(bits: float) -> float:
    """What a round needs that takes so many bits: room to be begun."""
    return max(bits, 8.0 * LEAST_ROUND)


def _lambda(side: Encoder, excess: Callable[[float], float]) -> float:
    """The lowest lambda_ at which the last round's numbers leave no excess, or the highest one.

    excess: with the numbers chosen at a lambda_.
    """
    low, high = (math.log(lambda_) for lambda_ in LAMBDAS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        side.step_again(math.exp(middle))
        low, high = (low, middle) if excess(math.exp(middle)) <= 0 else (middle, high)
    side.step_again(math.exp(high))
    return math.exp(high)


def _lowered(side: Encoder, error: float) -> tuple[bytes, float]:
    """A file whose particles' mean has this squared error, by a multiplier or else by a cut."""

    def excess(_: float = LAMBDA) -> float:
        return error - sum(side.session.errors())

    lambda_ = _lambda(side, excess)
    data = side.file()
    if excess() > 0:
        low, high = side.least(), len(data)
        for _ in range(HALVINGS):
            middle = (low + high) // 2
            side.cut(middle)
            low, high = (middle, high) if excess() <= 0 else (low, middle)
        data = side.cut(low)
    return data, lambda_
