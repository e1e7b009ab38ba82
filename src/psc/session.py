"""The session: what encoder and decoder both rebuild, round after round.

A round draws posterior samples, takes their principal components as the next rows of H, exchanges the
picture's quantised measurements along them, and appends both to what is known. The two sides are the same
``Session``: an encoder's has the picture and a channel that writes, a decoder's has no picture and a channel
that reads.
"""

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import torch

from psc.bitstream.rangecoder import Channel
from psc.bitstream.uniform import UniformCoding
from psc.exchange import Exchange
from psc.journal import Journal
from psc.levels import LOWEST
from psc.plan import FULL_BASIS, Plan, Round
from psc.posterior import HIGHEST, Draw, Sampler, ddrm, level_above, projected, side_by_side
from psc.prior import Prior
from psc.threads import isolated
from psc.transform import Proposal, Pyramid, Windows, propose

SIGMA_K = 2.0
"""Particles are noised to this many times the largest standard deviation that is still unmeasured."""
CARRIED_LOWEST = 42
"""Noise level that carried-over particles restart from at least: sigma = 0.12, or where the draw ends."""


@dataclass(frozen=True)
class Progress:
    """Where a session stands: rounds done and planned, NFE and bits so far.

    nfe: network evaluations summed over the samples, in full-resolution equivalents (an evaluation at
    scale S counts 1 / S^2). total: the same of all planned rounds. replayed: whether the last ones came from
    a journal.
    """

    rounds: int
    planned: int
    nfe: float
    bits: int
    total: float
    replayed: bool


@dataclass(frozen=True)
class _Before:
    """What the exchange of a round's numbers changes, as it was, and the proposal that they are of."""

    rounds: int
    exchange: Exchange
    known: Windows
    proposal: Proposal | None


class Session:
    """The state of a picture's coding: measurements (``pyramid``), particles, symbol statistics.

    plan, step_index, seed: as in the file's header. shape: (channels, height, width) of the padded picture,
    multiples of plan.block. picture: (channels, height, width) in [-1, 1] on the encoder's side, else None.
    journal: draws that need not be done again, and where others are kept.
    """

    @isolated()
    def __init__(
        self,
        plan: Plan,
        prior: Prior,
        channel: Channel,
        *,
        step_index: int,
        seed: int,
        shape: tuple[int, int, int],
        picture: torch.Tensor | None = None,
        progress: Callable[[Progress], None],
        journal: Journal | None = None,
    ) -> None:
        self.plan, self.prior, self.seed = plan, prior, seed
        self.pyramid = Pyramid(plan, *shape)
        self.particles: torch.Tensor | None = None
        self.nfe = 0.0
        self.rounds = 0
        self._planned = 0
        self._level = len(plan.levels) - 1
        self._unmeasured = 0.0
        self._draws = 0
        self._before: _Before | None = None
        self._exchange = Exchange(plan, step_index, prior.exact)
        self._channel, self._progress, self._journal = channel, progress, journal
        self._replayed = False
        self._truth = None if picture is None else self.pyramid.decompose(picture[None])

    @property
    def digest(self) -> int:
        """CRC-32 of all rounds so far (directions, classes, numbers); the file has some bits of it."""
        return self._exchange.digest

    @property
    def symbols(self) -> int:
        """How many numbers are known."""
        return self._exchange.symbols

    def run(self, rounds: int) -> None:
        """Go through the plan's first ``rounds`` rounds, or as far as a cut file goes."""
        self._planned = rounds
        while self.rounds < rounds and self.step():
            pass

    @isolated()
    def step(self, *, keep: bool = False) -> bool:
        """The next round; False where a cut file ends. keep: what step_again needs."""
        item = self.plan.rounds[self.rounds]
        proposal = None if item.refines else self._proposal(item)
        known = self.pyramid.levels[item.level].part(slice(None))
        self._before = _Before(self.rounds, self._exchange.copy(), known, proposal) if keep else None
        if not self._measure(proposal):
            return False
        self.rounds += 1
        self._report()
        return True

    def _proposal(self, item: Round) -> Proposal:
        """Draw a round's particles, and find what they propose to measure."""
        level, k = self.plan.levels[item.level], item.level
        found = self.sample(k, item.steps, end=level.end, estimates=level.estimates, release=True)
        self.particles = found[:, -self.pyramid.channels :].clone()  # or the other estimates would stay, too
        self._draws += 1
        self._level = item.level
        return propose(self.pyramid, item.level, found, item.rows)

    @isolated()
    def step_again(self, channel: Channel, price: float | None = None) -> None:
        """Exchange the last round's numbers once more, through a channel that may hold fewer of them.

        An encoder that has cut its file gets to the state of the file's decoder by this. price: of a bit, for
        other numbers than the last time (psc.bitstream.uniform.choose).
        """
        before = self._before
        assert before is not None
        self._channel, self._exchange, self.rounds = channel, before.exchange.copy(), before.rounds
        level = self.plan.rounds[self.rounds].level
        self.pyramid.levels[level] = before.known.part(slice(None))  # which may be needed again
        if price is not None and isinstance(self._exchange.coding, UniformCoding):
            self._exchange.coding.price = price
        self.rounds += self._measure(before.proposal)

    def snapshot(self) -> "Session":
        """A session that stands where this one does, to draw from after this one has gone on.

        It shares memory with this one, which replaces its arrays and does not change them; it can go through
        no rounds.
        """
        still = copy(self)
        still.pyramid, still._before, still._exchange = copy(self.pyramid), None, self._exchange.copy()
        still.pyramid.levels = [windows.part(slice(None)) for windows in self.pyramid.levels]
        return still

    @isolated()
    def errors(self) -> list[float]:
        """Squared errors of the particles' mean, for an encoder: of its level, then of coarser ones."""
        assert self.particles is not None
        assert self._truth is not None
        mean = self.particles.double().mean(0, keepdim=True).float()
        found = self.pyramid.coefficients(self._level, self.agreed(self._level, mean))
        pairs = zip(found, self._truth[self._level :], strict=True)
        return [float(((estimate - truth) ** 2).sum()) for estimate, truth in pairs]

    @isolated()
    def trial(self, steps: int, count: int, *, end: int = LOWEST, estimates: int = 1) -> int:
        """Bits that a full basis would take at full resolution now, going by a few samples.

        On the encoder's side, after another round. steps, count, end, estimates: see sample. Changes nothing
        but ``nfe``.
        """
        assert self._truth is not None
        some = self.sample(0, steps, count=count, end=end, estimates=estimates)
        return self._exchange.tried(
            propose(self.pyramid, 0, some, FULL_BASIS), 0, self.pyramid.levels[0], self._truth[0]
        )

    @isolated()
    def sample(
        self,
        k: int,
        steps: int,
        *,
        number: int = 0,
        count: int | None = None,
        lowest: int = CARRIED_LOWEST,
        end: int = LOWEST,
        estimates: int = 1,
        release: bool = False,
    ) -> torch.Tensor:
        """Posterior samples (s, C, h, w) of the picture at level k, given all that is known.

        steps: of DDRM. number, count: of the first sample, and how many (default: all s). Each number has a
        noise of its own; number i starts from particle i mod s. lowest: the least noise level that particles
        start from if they are carried over from this level. end: the noise level of the last step.
        estimates: of each particle, (s, estimates x C, h, w), the last one last. release: let go of the
        session's own particles, whose memory is needed; the samples shall take their place.
        Else it changes nothing but ``nfe``, may be called between rounds, and gives the same samples again.
        """
        scale, some = self.plan.levels[k].scale, slice(number % self.plan.levels[k].samples, None)
        left = SIGMA_K * SIGMA_K * self._unmeasured / (scale * scale)
        if self.particles is None or self.plan.paper:
            first = HIGHEST
        elif self.carries(k):
            first = level_above(left, lowest=max(lowest, end))
        else:
            first = level_above(left, lowest=self.plan.levels[k].start)
        particles = self._start(k)[some][:count].repeat(1, estimates, 1, 1)
        if release:
            self.particles = None
        self._draw(ddrm.draw, k, particles, self._how(k, first, steps, end=end, estimates=estimates), number)
        return particles

    def _start(self, k: int) -> torch.Tensor:
        """Where the particles of a draw at level k start: (s, C, h, w)."""
        s = self.plan.levels[k].samples
        if self.particles is None or self.plan.paper:
            return torch.zeros(s, self.pyramid.channels, *self.pyramid.shape(k))
        factor = self.plan.levels[self._level].scale // self.plan.levels[k].scale
        return self.particles[:s].repeat_interleave(factor, 2).repeat_interleave(factor, 3)

    @isolated()
    def agreed(self, k: int, x: torch.Tensor) -> torch.Tensor:
        """Pictures x (B, C, h, w) at level k, moved least to agree with what is known."""
        return projected(partial(self.pyramid.agree, k), x)

    def carries(self, k: int) -> bool:
        """Whether the next draw at level k goes on from the last one's particles as they are."""
        return self.particles is not None and not self.plan.paper and k == self._level

    @isolated()
    def restart(self, sampler: Sampler, steps: int, number: int) -> torch.Tensor:
        """One posterior sample (1, C, H, W), annealed from pure noise at full size by any sampler.

        Never part of a round, so that it need not be exact. number: of its noise.
        """
        particles = torch.zeros(1, self.pyramid.channels, *self.pyramid.shape(0))
        self._draw(sampler, 0, particles, self._how(0, HIGHEST, steps), number)
        return particles

    def _how(self, k: int, first: int, steps: int, *, end: int = LOWEST, estimates: int = 1) -> Draw:
        """A draw at level k from noise level ``first``."""
        scale = self.plan.levels[k].scale
        sigma_y = self._exchange.width(k) / math.sqrt(12) / scale
        return Draw(first, steps, sigma_y, scale, self.seed, self._draws, 0, end, estimates)

    def _draw(self, sampler: Sampler, k: int, particles: torch.Tensor, how: Draw, number: int) -> None:
        """Let the sampler have the particles (s, estimates x C, h, w), as many at once as there are."""
        done = 0
        while done < len(particles):
            done += self._some(sampler, k, particles[done:], replace(how, first=number + done))

    def _some(self, sampler: Sampler, k: int, particles: torch.Tensor, how: Draw) -> int:
        """The first of the particles: those that the journal has, else those that are drawn side by side."""
        what = repr((sampler.__module__, self.plan, how, tuple(particles.shape[1:]), self.digest)).encode()
        found = self._journal.read(what, particles.shape) if self._journal else None
        self._replayed = found is not None
        if found is not None:
            particles[: len(found)] = found
            self._count(how.scale, how.steps * len(found))
            return len(found)
        some = particles[: side_by_side(self.prior, particles)]
        agree = partial(self.pyramid.agree, k)
        sampler(self.prior, agree, some, how, partial(self._count, how.scale))
        if self._journal:
            self._journal.append(what, some)
        return len(some)

    def _count(self, scale: int, evaluations: int) -> None:
        self.nfe += evaluations / scale**2
        self._report()

    def _report(self) -> None:
        total = self.plan.nfe(self._planned)
        now = Progress(self.rounds, self._planned, self.nfe, self._channel.bits, total, self._replayed)
        self._progress(now)

    def _measure(self, proposal: Proposal | None) -> bool:
        """Exchange a round's numbers and append them; False where a cut file ends."""
        k = self.plan.rounds[self.rounds].level
        windows, truth = self.pyramid.levels[k], None if self._truth is None else self._truth[k]
        if proposal is None:
            return self._exchange.refine(self._channel, self.rounds, windows, truth)
        self._unmeasured = proposal.unmeasured
        return self._exchange.measure(self._channel, self.rounds, proposal, windows, truth)
