"""The numbers of rate control, each with what measured it.

Where a number was fitted, its comment has the command and the commit that the fit was made at; VAL stands for
a folder of validation photographs, never those that results are reported on. "By trial" means that commands
compared a few values and no single one of them gives the number: what it was judged by is named. "A choice"
is a trade of time or room against accuracy that nobody measured.
"""

import math
from dataclasses import dataclass

from psc.bitstream.quantizer_constants import LAMBDA
from psc.plan.presets import BEST_STEP, WORST_STEP

Constants = tuple[tuple[float, float], ...]
"""(u, v) of each level, finest first."""


@dataclass(frozen=True, kw_only=True)
class ForecastTuning:
    """What turns a picture's energies into bits and errors (:mod:`psc.rate.forecast`).

    Fitted by ``python -m benchmarks.forecast VAL --steps 152 136 120 108`` with the commit that brought these
    numbers: twelve 256x256 crops of validation photographs, the default plan of 48 evaluations. Fitted to
    today's prior and plan they meet targets no better (docs/ablations.md).

    Attributes:
        bits: (u, v) of each level's bits.
        error: (u, v) of each level's squared error.
        later: Share of a coarse level's squared error that the finer levels' rounds and the restoration
            leave.
        bits_spill: How much of a level's misjudged bits (in logarithms) is expected of the next finer one,
            too, finest first; less than nothing (a slope of some pictures) is taken as nothing.
        error_spill: The same of the error.
        trial: (u, v, w): full resolution takes 2^u trial^v forecast^w bits per pixel.
        last: (u, v): the last round takes u t^2 / (t + v) bits per pixel, t being what a few of its samples
            promise: to 0.5 % of a file.
    """

    bits: Constants = ((1.57, 1.51), (0.79, 1.06), (-0.80, 0.96))
    error: Constants = ((1.56, 1.39), (0.91, 1.40), (-2.96, 1.05))
    later: float = 0.89
    bits_spill: tuple[float, float] = (0.1, 0.0)
    error_spill: tuple[float, float] = (0.7, 0.0)
    trial: tuple[float, float, float] = (-0.03, 0.42, 0.47)
    last: tuple[float, float] = (1.10, 0.001)


@dataclass(frozen=True, kw_only=True)
class Aims:
    """What attempts at a target aim at, and when they are given up, in terms of their excess.

    The excess of an attempt is what it comes to over what is allowed (bits), or the reverse (squared error):
    above one there is something to take off, below one something is missing.

    Attributes:
        first: The excess that the first attempt is to have at least.
        later: The same of all others.
        shortfall: The power of what was missing by which others aim higher still.
        near: The share of the aim that an early attempt is not begun again for, from, to.
        tolerable: The same of a late one.
        attempt: What an attempt costs with its trial or its restoration, in units of a plain encode.
        cost: What all of them may cost, in these units; more only if the target is not met by then.
        negligible: A miss that no more than the usual cost is spent on.
        tried_out: Whether full resolution is tried out before the first attempt goes there.
        idle: Share of the bits below which full resolution is tried out, to leave it out if it measures
            nothing; 0 for never.
    """

    first: float
    later: float
    shortfall: float
    near: tuple[float, float]
    tolerable: tuple[float, float]
    attempt: float
    cost: float
    negligible: float
    tried_out: bool
    idle: float

    def again(self, excess: float) -> float:
        """The excess that an attempt is to have after one that had ``excess``."""
        factor: float = max(1.0, 1 / excess) ** self.shortfall
        return self.later * factor


@dataclass(frozen=True, kw_only=True)
class SizeTuning:
    """How files are filled up or brought down to a size.

    Attributes:
        dear: The last round's bits fall with this power of the Lagrangian multiplier above LAMBDA; by trial,
            at commit d791bcc (validation photographs; the script was not kept).
        cheap: The same below LAMBDA.
        full: Share of the bits that need not be filled up. A choice.
        filled: Share of its size that a file has at least. A choice.
        left_out: What rounds that are left out count for: as much as this share of a file's size, unfilled.
            By trial, at commit d791bcc: ``python -m benchmarks.targets VAL --images 1 5 9 13 17 21 --bpp 0.05
            0.1 0.2 0.4 --steps 156 148 140 132 124 116 108 100``.
    """

    dear: float = 0.6
    cheap: float = 0.2
    full: float = 0.995
    filled: float = 0.98
    left_out: float = 0.02


@dataclass(frozen=True, kw_only=True)
class PsnrTuning:
    """How a PSNR is met, and what exceeds it is taken off.

    By trial at commits c0fddcc and ce111eb: ``python -m benchmarks.targets VAL --psnr 25 29 --crop 128`` (24
    crops), judged by the attempts that targets took; ``excess`` is a choice.

    Attributes:
        excess: dB by which a target may be exceeded.
        doubt: dB that the particles' mean may be below the restoration (where rounds are added one by one).
        corrected: dB above the target that the last round can mend.
        forced: The same when no further attempt may be paid for.
        share: Squared error of the particles' mean for each of the restoration (validation photographs).
        corrections: How often to try.
        idle: Full resolution is left out if it promises less than this share of the bits.
        highest: dB above the target that count as more than enough; equal pictures are infinitely above.
    """

    excess: float = 0.2
    doubt: float = 0.05
    corrected: float = 0.5
    forced: float = 2.0
    share: float = 0.9
    corrections: int = 2
    idle: float = 0.02
    highest: float = 100.0


@dataclass(frozen=True, kw_only=True)
class SearchTuning:
    """What a search may cost, and when it ends. Choices, but where a source is named.

    Attributes:
        without_finest: What an attempt costs that leaves out full resolution, in units of a plain encode: the
            mean restoration, which comes from a coarser level then, and the coarser rounds (counted from the
            default plan; commit ce111eb).
        restarts: How many attempts may be given up for a better step.
        patience: After so many attempts that fall short, only the finest step is left.
        attempts: How many steps of a plan without a forecast are tried at most.
        usual: After so many of them, a target that is met nearly well enough will do.
        reach: Step indices from the finest step to the coarsest one of such a plan.
        octave: Step indices that are expected to halve its bits or its error.
    """

    without_finest: float = 0.85
    restarts: int = 8
    patience: int = 8
    attempts: int = 7
    usual: int = 4
    reach: int = WORST_STEP - BEST_STEP
    octave: int = 14


FORECAST, SIZE, PSNR, SEARCH = ForecastTuning(), SizeTuning(), PsnrTuning(), SearchTuning()

SIZE_AIMS = Aims(
    first=0.965,  # too little is mended by lower multipliers, which cost a tenth of what higher ones do
    later=0.965,
    shortfall=0.0,
    near=(0.96, 1.09),
    tolerable=(0.96, 1.075),
    attempt=1.06,
    cost=2.5,  # commit 180bc2e
    negligible=SIZE.left_out,
    tried_out=True,
    idle=0.0,
)
"""By trial, at commit d791bcc; docs/ablations.md has the losses by multiplier and the targets met then."""
PSNR_AIMS = Aims(
    first=10 ** (PSNR.excess / 40),
    later=10 ** (3 * PSNR.excess / 40),  # too much can be mended
    shortfall=0.25,  # finer steps help less than is expected
    near=(0.9, 1.1),
    tolerable=(0.83, 1.2),
    attempt=1.23,
    cost=2.75,  # two attempts, each with a restoration that is a quarter of the default's evaluations
    negligible=PSNR.corrected,
    tried_out=False,
    idle=0.2,
)
"""By trial, at commits c0fddcc and ce111eb; what they were judged by is PsnrTuning's."""

LAMBDAS = (LAMBDA / 16, LAMBDA * 16)
"""Lagrangian multipliers of a bit in a round that is chosen anew, lowest and highest. A choice."""
FAIR = math.e
"""How far from LAMBDA, as a factor, a multiplier may be without costing much: 0.05 dB and less
(docs/ablations.md has what others cost)."""
HALVINGS = 7
"""Times that a range of multipliers is halved (to about 4 %), or one of sizes (1 %). A choice."""
SAMPLES = 2
"""Samples of the last round that its bits are estimated from first. A choice."""
QUICK_STEPS = 4
"""Steps of the two samples with which full resolution is tried out: a fifth of an encode. A choice."""
