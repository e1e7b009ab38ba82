"""What is measured, in which order: a plan is the codec's schedule, and part of the file.

A plan is a list of rounds. Each round draws posterior samples at one level of the pyramid and measures a
number of principal components in every window there. Encoder and decoder follow the same plan.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral

from psc.errors import PscError
from psc.plan.noise_levels import HIGHEST, LOWEST
from psc.plan.regions import Regions

FULL_BASIS = 0
"""A round of this many rows measures all directions that are left of a level at once."""
MOST_ROWS = 512
"""Of a level before its full basis, which takes a reflection for each (psc.transform.full_basis)."""


@dataclass(frozen=True)
class Level:
    """One level of the pyramid.

    Attributes:
        scale: Side, in full-resolution pixels, of the block that one of this level's pixels is the mean of; a
            power of two.
        window: Side of a square window in this level's pixels, a power of two; 0 is one window as large as
            the picture.
        samples: s, the particles; never more than at the next coarser level, whose first ones they come from.
        start: Noise level (psc.plan.noise_levels) that particles of a coarser level start from at least.
        end: Noise level of a draw's last step.
        estimates: e, how many of each particle's last steps count as samples (psc.transform.sensing).
    """

    scale: int
    window: int
    samples: int
    start: int = 74
    end: int = LOWEST
    estimates: int = 1

    @property
    def directions(self) -> int:
        """How many principal components a window can have: e (s - 1), as each step's samples are centred."""
        return self.estimates * (self.samples - 1)


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        level: Index into the plan's levels.
        rows: Rows per window that are measured, or FULL_BASIS.
        steps: Of DDRM (psc.posterior.ddrm), 2 to 255; a full basis without steps draws nothing: it refines
            what the level's full basis has measured.
    """

    level: int
    rows: int
    steps: int

    @property
    def refines(self) -> bool:
        """Whether the round halves the cells of known numbers instead of measuring."""
        return self.steps == 0


@dataclass(frozen=True)
class Plan:
    """The codec's schedule.

    Attributes:
        levels: Finest first, scales increasing.
        rounds: Coarse to fine, then those that refine.
        paper: The published scheme: every draw starts from pure noise, nothing is predicted, measurements
            are float8. Otherwise particles carry over, and a uniform step around the predicted value is used.

    Raises:
        PscError: That names the condition which the plan breaks.
    """

    levels: tuple[Level, ...]
    rounds: tuple[Round, ...]
    paper: bool = False

    def __post_init__(self) -> None:
        for holds, otherwise in self._conditions():
            if not holds():
                raise PscError(f"not a valid plan (FORMAT.md, section 'The plan'): {otherwise}")

    def _conditions(self) -> Iterator[tuple[Callable[[], bool], str]]:
        """What must hold (FORMAT.md, section "The plan"), in an order in which all can be asked."""
        levels, rounds = self.levels, self.rounds
        drawn = [item for item in rounds if not item.refines]
        whole = {item.level for item in drawn if item.rows == FULL_BASIS}
        pairs = list(pairwise(levels))
        yield lambda: 1 <= len(levels) <= 8, "there must be 1 to 8 levels"
        yield lambda: 1 <= len(rounds) <= 255, "there must be 1 to 255 rounds"
        yield lambda: levels[0].scale == 1, "the first level's scale must be 1"
        yield (
            lambda: all(b.scale in (2 * a.scale, 4 * a.scale, 8 * a.scale, 16 * a.scale) for a, b in pairs),
            "each scale must be 2, 4, 8 or 16 times the one before",
        )
        yield (
            lambda: all(level.window & (level.window - 1) == 0 for level in levels),
            "windows must be powers of two, or 0",
        )
        yield (
            lambda: all(level.scale * level.window <= 256 for level in levels),
            "a window may cover 256 pixels a side at most",
        )
        yield (
            lambda: all(a.window * a.scale >= b.scale for a, b in pairs),
            "a window must hold whole pixels of the next level",
        )
        yield (
            lambda: all(level.window for level in levels) or len(levels) == 1,
            "a window as large as the picture needs a single level",
        )
        yield lambda: all(2 <= level.samples <= 64 for level in levels), "a level must have 2 to 64 samples"
        yield (
            lambda: all(a.samples <= b.samples for a, b in pairs),
            "a coarser level must have as many samples as a finer one",
        )
        yield (
            lambda: all(LOWEST <= level.end <= level.start <= HIGHEST for level in levels),
            f"draws must start and end between the noise levels {HIGHEST} and {LOWEST}",
        )
        yield (
            lambda: all(1 <= level.estimates <= 64 // level.samples for level in levels),
            "samples times estimates must be 64 at most",
        )
        yield (
            lambda: all(0 <= r.level < len(levels) for r in rounds),
            "a round names a level that is not there",
        )
        yield (
            lambda: all(0 <= r.rows <= levels[r.level].directions for r in rounds),
            "a round has more rows than its samples have principal components",
        )
        yield (
            lambda: all(max(2, levels[r.level].estimates) <= r.steps <= 255 for r in drawn),
            "a round must have 2 to 255 steps, and as many as estimates are kept",
        )
        yield (
            lambda: all(a.level >= b.level for a, b in pairwise(drawn)),
            "rounds must go from coarse to fine",
        )
        yield (
            lambda: all(a.level != b.level or a.rows != FULL_BASIS for a, b in pairwise(drawn)),
            "a level's full basis must be its last round but for those without steps",
        )
        yield (
            lambda: all(sum(r.rows for r in drawn if r.level == k) <= MOST_ROWS for k in whole),
            f"a level with a full basis must have {MOST_ROWS} rows at most before it",
        )
        yield (
            lambda: all(
                r.refines and r.rows == FULL_BASIS and r.level in whole for r in rounds[len(drawn) :]
            ),
            "rounds without steps must come last, and refine a level's full basis",
        )
        yield lambda: not (self.paper and len(drawn) < len(rounds)), "the paper's plan has nothing to refine"

    def nfe(self, rounds: int) -> float:
        """Network evaluations per picture over all samples, in full-resolution equivalents.

        Args:
            rounds: Of the plan's first so many rounds.

        Returns:
            The sum of samples times steps, each evaluation at scale S counted as 1 / S^2.
        """
        return sum(
            self.levels[item.level].samples * item.steps / self.levels[item.level].scale ** 2
            for item in self.rounds[:rounds]
        )

    @property
    def fresh_steps(self) -> int:
        """DDRM steps with which the plan comes to full resolution."""
        drawn = [item for item in self.rounds if not item.refines]
        return next((item.steps for item in drawn if item.level == 0), drawn[-1].steps)

    @property
    def block(self) -> int:
        """Side of the square block of full-resolution pixels in which the windows of all levels nest."""
        return max(level.scale * max(level.window, 1) for level in self.levels)


STEP_MANTISSAS = (65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752,
                  92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515)  # fmt: skip


OCTAVE = len(STEP_MANTISSAS)
"""Step indices between a step and its double."""
FINEST_STEP = 48
"""The least step index (but for the paper's plan, which has no step): finer steps would leave exact sums."""


def step_size(index: int) -> float:
    """Delta of step index 0 <= index <= 255: about 2^(index / 16 - 8), a multiple of 2^-24."""
    return float(STEP_MANTISSAS[index % 16]) * 2.0 ** (index // 16 - 24)


@dataclass(frozen=True)
class Settings:
    """An encoder's choice.

    Attributes:
        plan: What is measured in which order.
        rounds: How many of the plan's rounds, from 1.
        step_index: Of the quantiser, FINEST_STEP to 255 (:func:`step_size`); without meaning for the paper's
            plan, where it is 0.
        seed: Of the noise, 0 to 2^64 - 1.
        regions: The picture's blocks with a coarser step; None: all have the same.

    Raises:
        PscError: For a number out of range, or regions in one window as large as the picture.
    """

    plan: Plan
    rounds: int
    step_index: int
    seed: int = 0
    regions: Regions | None = None

    def __post_init__(self) -> None:
        if not (1 <= self.rounds <= len(self.plan.rounds)):
            raise PscError(f"{self.rounds} rounds asked for; the plan has 1 to {len(self.plan.rounds)}")
        least = 0 if self.plan.paper else FINEST_STEP
        if not (least <= self.step_index <= 255):
            raise PscError(f"step index {self.step_index}; expected {least} to 255")
        if not isinstance(self.seed, Integral) or not 0 <= self.seed < 2**64:
            raise PscError(f"seed {self.seed}; expected an integer from 0 to 2^64 - 1")
        if self.regions and (self.plan.paper or self.plan.levels[0].window == 0):
            raise PscError(
                "regions were asked for with a plan that has no blocks with steps of their own (preset "
                "paper); use the default preset"
            )

    def by_level(self) -> list[tuple[int, int]]:
        """The rounds' levels in the order of coding.

        Returns:
            Pairs of a level's index and how many of the rounds it has, coarsest first.
        """
        levels = [item.level for item in self.plan.rounds[: self.rounds]]
        return [(level, levels.count(level)) for level in sorted(set(levels), reverse=True)]
