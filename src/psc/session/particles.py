"""The particles: posterior samples that go from round to round, and samples that are drawn from them.

Particles carry over: a round's draw re-noises the last one's to a little more than what is still unmeasured
and anneals them again, instead of starting from pure noise.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch

from psc.plan.noise_levels import HIGHEST, LOWEST, level_above
from psc.plan.plan import Settings
from psc.posterior import Draw, Sampler, ddrm, side_by_side
from psc.session.context import Context
from psc.session.round_coder import RoundCoder
from psc.transform import Pyramid

SIGMA_K = 2.0
"""Particles are noised to this many times the largest standard deviation that is still unmeasured."""
ROUNDS_LOWEST = 42
"""Noise level that a round's carried-over particles restart from at least: sigma = 0.12 (or where the draw
ends)."""


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn.

    Attributes:
        steps: Of DDRM, network evaluations per sample.
        number: Of the first sample: each number has its own noise; number i starts from particle i mod s.
        count: How many samples; None for as many as the level has particles.
        of: How many are drawn together, so that their noises sum to zero; None for as many as the level has.
        lowest: The least noise level that particles start from if they are carried over from this level;
            those of a coarser one start from the plan's for the level at least.
        end: The noise level of the last step.
        estimates: How many of each particle's last estimates are kept.
    """

    steps: int
    number: int = 0
    count: int | None = None
    of: int | None = None
    lowest: int = ROUNDS_LOWEST
    end: int = LOWEST
    estimates: int = 1


class Particles:
    """The state that draws start from.

    Attributes:
        values: The last round's samples (s, C, h, w), float32; None before the first round.
        level: The pyramid level that they are of.
        unmeasured: The largest variance that the last proposal leaves unmeasured, in image-norm units.
        nfe: Network evaluations so far, in full-resolution equivalents.
        replayed: Whether the last ones came from the journal.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self.values: torch.Tensor | None = None
        self.level = len(settings.plan.levels) - 1
        self.unmeasured = 0.0
        self.nfe = 0.0
        self.replayed = False
        self._draws = 0
        self._settings, self._context = settings, context

    def carries(self, k: int) -> bool:
        """Whether the next draw at level k goes on from the last one's particles as they are."""
        return self.values is not None and not self._settings.plan.paper and k == self.level

    def sample(
        self, k: int, how: Sampling, pyramid: Pyramid, coder: RoundCoder, report: Callable[[], None]
    ) -> list[torch.Tensor]:
        """Posterior samples at level k: how.estimates times (count, C, h, w), the last steps' estimates.

        Changes nothing but ``nfe``; gives the same samples again.
        """
        of = how.of or self._settings.plan.levels[k].samples
        draw = self._describe(k, self._first(k, how), how, coder, of)
        start = how.number % self._settings.plan.levels[k].samples
        some = slice(start, None if how.count is None else start + how.count)
        found = _estimates(self._start(k, pyramid, some), how.estimates)
        self._draw(ddrm.draw, k, found, draw, pyramid, coder, report)
        return found

    def advance(
        self, k: int, how: Sampling, pyramid: Pyramid, coder: RoundCoder, report: Callable[[], None]
    ) -> list[torch.Tensor]:
        """The same for a round, whose last estimates take the particles' place."""
        draw = self._describe(k, self._first(k, how), how, coder, self._settings.plan.levels[k].samples)
        found = _estimates(self._start(k, pyramid), how.estimates)
        self.values = None
        self._draw(ddrm.draw, k, found, draw, pyramid, coder, report)
        self.values = found[-1]
        self._draws += 1
        self.level = k
        return found

    def single(
        self, sampler: Sampler, how: Sampling, pyramid: Pyramid, coder: RoundCoder, report: Callable[[], None]
    ) -> torch.Tensor:
        """One posterior sample (1, C, H, W) by any sampler, with noise that no other one shares.

        Changes nothing but ``nfe``; starts from pure noise if ``how.lowest`` is HIGHEST.
        """
        first = self._first(0, how)
        draw = self._describe(0, first, how, coder, 1)
        number = how.number % self._settings.plan.levels[0].samples
        found = self._start(0, pyramid, slice(number, number + 1))
        if first == HIGHEST:
            found.zero_()
        self._draw(sampler, 0, [found], draw, pyramid, coder, report)
        return found

    def _first(self, k: int, how: Sampling) -> int:
        """The noise level that a draw at level k starts from."""
        level = self._settings.plan.levels[k]
        left = SIGMA_K * SIGMA_K * self.unmeasured / (level.scale * level.scale)
        if self.values is None or self._settings.plan.paper:
            return HIGHEST
        if self.carries(k):
            return level_above(left, lowest=max(how.lowest, how.end))
        return level_above(left, lowest=max(how.lowest, level.start))

    def _start(self, k: int, pyramid: Pyramid, some: slice = slice(None)) -> torch.Tensor:
        """Where the particles of a draw at level k start, or some of them: (s, C, h, w), a copy."""
        levels = self._settings.plan.levels
        if self.values is None or self._settings.plan.paper:
            count = len(range(levels[k].samples)[some])
            return torch.zeros(count, pyramid.channels, *pyramid.shape(k))
        factor = levels[self.level].scale // levels[k].scale
        values = self.values[: levels[k].samples][some]
        return values.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

    def _describe(self, k: int, first: int, how: Sampling, coder: RoundCoder, of: int) -> Draw:
        """The draw at level k from noise level ``first``; of: see Draw, but for the published scheme."""
        scale, plan = self._settings.plan.levels[k].scale, self._settings.plan
        return Draw(
            start=first,
            steps=how.steps,
            sigma_y=coder.width(k) / math.sqrt(12) / scale,
            scale=scale,
            seed=self._settings.seed,
            index=self._draws,
            first=how.number,
            end=how.end,
            of=1 if plan.paper else of,
        )

    def _draw(
        self,
        sampler: Sampler,
        k: int,
        estimates: list[torch.Tensor],
        draw: Draw,
        pyramid: Pyramid,
        coder: RoundCoder,
        report: Callable[[], None],
    ) -> None:
        """Let the sampler have the particles, as many at once as there are threads.

        estimates: (s, C, h, w) each; the last ones are where the particles start.
        (Seven parameters: the draw's, and whom to tell.)
        """

        def count(evaluations: int) -> None:
            self.nfe += evaluations / draw.scale**2
            report()

        done, prior, journal = 0, self._context.prior, self._context.journal
        while done < len(estimates[-1]):
            now, left = replace(draw, first=draw.first + done), [some[done:] for some in estimates]
            s, channels, *size = left[-1].shape
            shape = torch.Size([s, len(left) * channels, *size])
            key = repr((sampler.__module__, self._settings.plan, now, tuple(shape[1:]), coder.digest))
            found = journal.read(key.encode(), shape) if journal else None
            self.replayed = found is not None
            if found is not None:
                for own, read in zip(left, torch.split(found, channels, 1), strict=True):
                    own[: len(found)] = read
                count(draw.steps * len(found))
                done += len(found)
                continue
            together = side_by_side(prior, left[-1])
            *earlier, some = (own[:together] for own in left)
            projector = partial(pyramid.projections, k)
            if earlier:  # rounds alone keep them, and draw by DDRM
                ddrm.draw(prior, projector, some, now, count, earlier)
            else:
                sampler(prior, projector, some, now, count)
            if journal:
                journal.append(key.encode(), torch.cat([*earlier, some], 1))
            done += len(some)


def _estimates(start: torch.Tensor, count: int) -> list[torch.Tensor]:
    """Room for so many estimates of particles that start at ``start`` (s, C, h, w), which is the last."""
    return [*(torch.empty_like(start) for _ in range(count - 1)), start]
