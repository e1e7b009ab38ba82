"""What the last two rounds can do about a target: their numbers are chosen anew, or their end is cut off.

A round's numbers can be chosen with another Lagrangian multiplier of a bit (psc.bitstream.quantizer) until
the next round is drawn, and the end of the last round, where the least important numbers stand, can be cut
off: neither takes network evaluations.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from psc.bitstream.quantizer_constants import LAMBDA
from psc.rate.forecast import last_bits
from psc.rate.tuning import HALVINGS, LAMBDAS, SAMPLES, SIZE
from psc.session.encoder import LEAST_ROUND, Encoder
from psc.session.particles import Sampling
from psc.session.round_coder import LONG_DIGEST_BITS
from psc.session.session import Session


@dataclass(frozen=True)
class Allocation:
    """How the bits that are left are shared between a full-resolution round and the last one, not yet drawn.

    Attributes:
        limit: Bits that the body may have.
        predicted_bits: Bits that the last round will take at the usual multiplier.
    """

    limit: float
    predicted_bits: float

    def allocate(self, side: Encoder) -> float:
        """Choose the numbers of the round that was coded last anew, so that both rounds meet the limit.

        Returns:
            Bits that the last round is expected to take: it will have the same multiplier.
        """

        def left(lambda_: float) -> float:
            share: float = (LAMBDA / lambda_) ** (SIZE.dear if lambda_ > LAMBDA else SIZE.cheap)
            return self.predicted_bits * share

        def excess(lambda_: float) -> float:
            return side.writer.bits + reserved(left(lambda_)) - self.limit

        done = (SIZE.full - 1) * self.limit <= excess(LAMBDA) <= 0
        return left(LAMBDA if done else choose_again(side, excess))


def predicted_bits(side: Encoder) -> float:
    """Bits that the last round will take, going by a few of its samples; before it is drawn."""
    pyramid = side.session.pyramid
    return last_bits(last_trial(side.session), pyramid.height * pyramid.width) + LONG_DIGEST_BITS


def last_trial(session: Session) -> int:
    """Bits that the plan's last round would take, going by its first samples alone."""
    level, steps = session.plan.levels[0], session.plan.rounds[-1].steps
    return session.estimate_bits(Sampling(steps, count=SAMPLES, end=level.end, estimates=level.estimates))


def reserved(bits: float) -> float:
    """Bits that must be left for a round that takes so many: there must be room for it to be begun."""
    return max(bits, 8.0 * LEAST_ROUND)


def has_room(side: Encoder, limit: float) -> bool:
    """Whether one more round may be begun in a body of at most ``limit`` bits."""
    return limit - side.writer.bits >= 8 * LEAST_ROUND


def choose_again(side: Encoder, excess: Callable[[float], float]) -> float:
    """Choose the last round's numbers with the lowest multiplier that leaves no excess, or the highest one.

    Args:
        side: The encoder, after the round.
        excess: What is too much (positive) of whatever counts, with the numbers chosen at a multiplier.

    Returns:
        The multiplier.
    """
    low, high = (math.log(lambda_) for lambda_ in LAMBDAS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        side.step_again(math.exp(middle))
        low, high = (low, middle) if excess(math.exp(middle)) <= 0 else (middle, high)
    side.step_again(math.exp(high))
    return math.exp(high)


def raise_error(side: Encoder, error: float) -> tuple[bytes, float]:
    """Take off the last round what is not needed for a squared error of the particles' mean.

    Args:
        side: The encoder, after the round.
        error: The squared error that is allowed.

    Returns:
        The file, made smaller by a higher multiplier or else by a cut, and the multiplier.
    """

    def excess(_: float = LAMBDA) -> float:
        return error - sum(side.session.errors())

    lambda_ = choose_again(side, excess)
    data = side.file()
    if excess() > 0:
        low, high = side.least(), len(data)
        for _ in range(HALVINGS):
            middle = (low + high) // 2
            side.cut(middle)
            low, high = (middle, high) if excess() <= 0 else (low, middle)
        data = side.cut(low)
    return data, lambda_
