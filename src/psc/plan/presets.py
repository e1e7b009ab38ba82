"""The plans that come with psc, by name, and what a quality means."""

from numbers import Integral, Real
from typing import Literal, get_args

from psc.errors import PscError
from psc.plan.plan import FULL_BASIS, OCTAVE, Level, Plan, Round, Settings


def _repeat(count: int, level: int, rows: int, steps: int) -> tuple[Round, ...]:
    return (Round(level, rows, steps),) * count


def _effort(
    samples: tuple[int, int, int],
    middle: tuple[int, int],
    finest: tuple[int, int],
    *,
    coarsest: tuple[int, int] = (14, 8),
    rows: int = 10,
    estimates: int = 3,
    end: int = 47,
) -> Plan:
    """Principal components while they pay, then each level's full basis: coarsest, middle, full resolution.

    Args:
        samples: Of the levels, finest first.
        middle: Steps of the middle level's first round, and of its others.
        finest: Steps of full resolution's two rounds.
        coarsest: Steps of the coarsest level's first round, and of its others.
        rows: Of full resolution's principal components.
        estimates: Of full resolution's particles that count as samples.
        end: Noise level that full resolution's draws end at.
    """
    few, many, most = samples
    (first, further), (fresh, again) = coarsest, middle
    return Plan(
        levels=(Level(1, 8, few, 56, end, estimates), Level(4, 8, many, 68, 38, 2), Level(16, 4, most)),
        rounds=(
            Round(2, 3, first), *_repeat(14, 2, 3, further), Round(2, FULL_BASIS, further),
            Round(1, 6, fresh), *_repeat(7, 1, 6, again), Round(1, FULL_BASIS, again),
            Round(0, rows, finest[0]), Round(0, FULL_BASIS, finest[1]),
        ),
    )  # fmt: skip


EFFORTS = {
    1: _effort((4, 6, 12), (6, 2), (2, 2), coarsest=(8, 4), rows=6, estimates=2),
    2: _effort((4, 6, 12), (8, 3), (4, 3), coarsest=(8, 4), rows=8),
    3: _effort((4, 8, 12), (14, 5), (4, 3), rows=8),
    4: _effort((6, 8, 12), (14, 5), (5, 3)),
    5: _effort((8, 10, 12), (14, 5), (5, 3)),
    6: _effort((10, 10, 12), (14, 5), (5, 3)),
    7: _effort((12, 12, 12), (14, 5), (5, 3)),
    8: _effort((16, 16, 16), (14, 5), (5, 3), rows=12),
    9: _effort((16, 16, 16), (14, 5), (8, 5), rows=12, end=40),
}
"""Time for size, along what was measured (docs/speed.md): 27 to 270 network evaluations per pixel."""
DEFAULT_EFFORT = 2
DEFAULT = EFFORTS[DEFAULT_EFFORT]

PROGRESSIVE = Plan(
    levels=DEFAULT.levels,
    rounds=(*DEFAULT.rounds, *(Round(level, FULL_BASIS, 0) for level in (2, 1, 0))),
)
"""Files to be cut: a whole file at twice the step, then refinements; docs/benchmarks.md says at what cost."""

PAPER = Plan(
    levels=(Level(1, 0, 16),),
    rounds=_repeat(255, 0, 12, 20),
    paper=True,
)

LATENT = Plan(
    levels=(Level(1, 8, 12),),
    rounds=(Round(0, 8, 14), *_repeat(5, 0, 8, 8), Round(0, FULL_BASIS, 8)),
)
"""For latents: one level, because the models know one size only; docs/latent.md."""

LATENT_PAPER = Plan(
    levels=(Level(1, 0, 16),),
    rounds=_repeat(255, 0, 12, 50),
    paper=True,
)
"""The published Latent-PSC (256 rounds there; a file's plan has 255 at most)."""

WORST_STEP, BEST_STEP = 180, 60
"""Step indices of qualities 0 and 100."""
WORST_LATENT_STEP, BEST_LATENT_STEP = 168, 88
"""Step indices of qualities 0 and 100 for latents, whose numbers are about 1 where pixels' are about 0.5."""
Preset = Literal["default", "progressive", "paper", "latent", "latent-paper"]
"""Of pixels, and of latents."""
PRESETS: tuple[Preset, ...] = get_args(Preset)


def at_step(index: int, seed: int = 0, effort: int | None = None) -> Settings:
    """Settings of the preset "default" with a quantiser step of one's own.

    Args:
        index: Of the step, FINEST_STEP to 255: :func:`psc.plan.plan.step_size`.
        seed: Of the noise, 0 to 2^64 - 1.
        effort: 1 (fastest) to 9 (smallest file), None for 2.

    Raises:
        PscError: For a number out of range.
    """
    effort = DEFAULT_EFFORT if effort is None else effort
    if not isinstance(effort, Integral) or isinstance(effort, bool) or effort not in EFFORTS:
        raise PscError(f"effort {effort} came; expected a whole number from 1 (fastest) to {max(EFFORTS)}")
    return Settings(EFFORTS[effort], len(EFFORTS[effort].rounds), index, seed)


def finest(preset: str, seed: int = 0, effort: int | None = None) -> Settings:
    """The settings of a preset with its finest step and all of its rounds: where rate control starts from.

    Args:
        preset: One of PRESETS.
        seed: Of the noise, 0 to 2^64 - 1.
        effort: Of the preset "default": 1 to 9, None for 2.

    Raises:
        PscError: For an unknown preset, or a number out of range.
    """
    return settings(100, preset, seed, effort)


def settings(quality: float, preset: str = "default", seed: int = 0, effort: int | None = None) -> Settings:
    """Settings for a quality.

    Args:
        quality: 0 (smallest file) to 100. For "default", "progressive" and "latent" the step shrinks evenly
            in its logarithm, by an octave every 13 (latent: 20) points. For "paper" and "latent-paper", whose
            step is fixed, it sets the number of rounds, 1 to 255, evenly in its logarithm.
        preset: "default", "progressive" (measured at twice the step and then refined), "paper" (the published
            scheme); "latent" and "latent-paper" for models of latents.
        seed: Of the noise, 0 to 2^64 - 1.
        effort: Of the preset "default", 1 (fastest) to 9 (smallest), None for 2; the others have none.

    Returns:
        A plan, how many of its rounds, a quantiser step, the seed: for :func:`psc.encode_with`.

    Raises:
        PscError: For an unknown preset, or a quality or an effort out of range.
    """
    if not isinstance(quality, Real) or not 0 <= quality <= 100:
        raise PscError(f"quality {quality} came; expected a number from 0 (smallest) to 100 (best)")
    if preset not in PRESETS:
        raise PscError(f"preset {preset!r} is unknown; choose one of: {', '.join(PRESETS)}")
    index = WORST_STEP - round(quality * (WORST_STEP - BEST_STEP) / 100)
    if preset == "default":
        return at_step(index, seed, effort)
    if effort is not None:
        raise PscError(f"preset {preset!r} has no efforts to choose from: leave the effort out")
    if preset == "progressive":
        return Settings(PROGRESSIVE, len(PROGRESSIVE.rounds), index + OCTAVE, seed)
    if preset == "latent":
        index = WORST_LATENT_STEP - round(quality * (WORST_LATENT_STEP - BEST_LATENT_STEP) / 100)
        return Settings(LATENT, len(LATENT.rounds), index, seed)
    plan = PAPER if preset == "paper" else LATENT_PAPER
    return Settings(plan, round(len(plan.rounds) ** (quality / 100)), 0, seed)
