"""The session: what encoder and decoder both rebuild, round after round.

A round draws posterior samples, takes their principal components as the next rows of H, exchanges the
picture's quantised measurements along them, and appends both to what is known. The two sides are the same
``Session``: an encoder's has the picture and a channel that writes, a decoder's has no picture and a channel
that reads.
"""

from copy import copy
from dataclasses import dataclass

import torch

from psc.bitstream.quantizer import UniformCoding
from psc.bitstream.rangecoder import Channel
from psc.bitstream.regions import window_offsets
from psc.exact.threads import isolated
from psc.plan.plan import FULL_BASIS, Plan, Round, Settings
from psc.posterior import Sampler, projected
from psc.prior import Prior
from psc.session.context import Context
from psc.session.particles import Particles, Sampling
from psc.session.progress import Progress
from psc.session.round_coder import RoundCoder
from psc.transform import Proposal, Pyramid, Windows, propose


@dataclass(frozen=True)
class _Before:
    """What the exchange of a round's measurements changes, as it was, and the proposal that they are of."""

    rounds: int
    coder: RoundCoder
    known: Windows
    proposal: Proposal | None


class Session:
    """The state of a picture's coding.

    Attributes:
        settings: Plan, step, seed, as in the file's header.
        context: The prior, whom to tell of progress, the journal.
        pyramid: The measurements so far.
        particles: The posterior samples of the last round.
        rounds: How many rounds are done.
    """

    @isolated()
    def __init__(
        self,
        settings: Settings,
        context: Context,
        channel: Channel,
        shape: tuple[int, int, int],
        picture: torch.Tensor | None = None,
    ) -> None:
        """A session before its first round.

        Args:
            settings: Plan, step and seed; how many rounds is up to :meth:`run`.
            context: The prior, whom to tell of progress, the journal.
            channel: Where measurements are written to, or read from.
            shape: (channels, height, width) of the padded picture, multiples of the plan's block.
            picture: (channels, height, width) float32 in [-1, 1] on the encoder's side, else None.
        """
        self.settings, self.context = settings, context
        self.pyramid = Pyramid(settings.plan, *shape)
        self.particles = Particles(settings, context)
        self.rounds = 0
        self._planned = 0
        self._before: _Before | None = None
        self._coder = RoundCoder(settings, context.prior.exact)
        self._channel = channel
        self._truth = None if picture is None else self.pyramid.decompose(picture[None])

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.settings.plan

    @property
    def prior(self) -> Prior:
        """The prior."""
        return self.context.prior

    @property
    def nfe(self) -> float:
        """Network evaluations so far, summed over samples, in full-resolution equivalents."""
        return self.particles.nfe

    @property
    def digest(self) -> int:
        """CRC-32 of all rounds so far (directions, contexts, measurements); the file has some bits of it."""
        return self._coder.digest

    @property
    def symbols(self) -> int:
        """How many measurements are known."""
        return self._coder.symbols

    def expect(self, rounds: int) -> None:
        """Let progress be told of so many rounds."""
        self._planned = rounds

    def run(self, rounds: int) -> None:
        """Go through the plan's first ``rounds`` rounds, or as far as a cut file goes."""
        self.expect(rounds)
        while self.rounds < rounds and self.step():
            pass

    @isolated()
    def step(self, *, keep: bool = False) -> bool:
        """The next round; False where a cut file ends.

        Args:
            keep: Remember what step_again needs.
        """
        item = self.plan.rounds[self.rounds]
        proposal = None if item.refines else self._proposal(item)
        known = self.pyramid.levels[item.level].part(slice(None))
        self._before = _Before(self.rounds, self._coder.copy(), known, proposal) if keep else None
        if not self._measure(proposal):
            return False
        self.rounds += 1
        self._report()
        return True

    def _proposal(self, item: Round) -> Proposal:
        """Draw a round's particles, and find what they propose to measure."""
        level, k = self.plan.levels[item.level], item.level
        how = Sampling(item.steps, end=level.end, estimates=level.estimates)
        found = self.particles.advance(k, how, self.pyramid, self._coder, self._report)
        return propose(self.pyramid, k, found, item.rows)

    @isolated()
    def step_again(self, channel: Channel, lambda_: float | None = None) -> None:
        """Exchange the last round's measurements once more, through a channel that may hold fewer of them.

        An encoder that has cut its file gets to the state of the file's decoder by this.

        Args:
            channel: The new channel, which stands where the old one stood before the round.
            lambda_: The Lagrangian multiplier of a bit, for other numbers than the last time; None: the same.
        """
        before = self._before
        assert before is not None
        self._channel, self._coder, self.rounds = channel, before.coder.copy(), before.rounds
        level = self.plan.rounds[self.rounds].level
        self.pyramid.levels[level] = before.known.part(slice(None))  # which may be needed again
        if lambda_ is not None and isinstance(self._coder.coding, UniformCoding):
            self._coder.coding.lambda_ = lambda_
        self.rounds += self._measure(before.proposal)

    def snapshot(self) -> "Session":
        """A session that stands where this one does, to draw from after this one has gone on.

        It shares memory with this one, which replaces its arrays and does not change them; it can go through
        no rounds.
        """
        still = copy(self)
        still.pyramid, still.particles = copy(self.pyramid), copy(self.particles)
        still._before, still._coder = None, self._coder.copy()
        still.pyramid.levels = [windows.part(slice(None)) for windows in self.pyramid.levels]
        return still

    @isolated()
    def errors(self) -> list[float]:
        """Squared errors of the particles' mean, for an encoder: of its level, then of coarser ones.

        If there are regions, of the important blocks alone.
        """
        assert self.particles.values is not None
        assert self._truth is not None
        mean, level = self.particles.values.double().mean(0, keepdim=True).float(), self.particles.level
        found = self.pyramid.coefficients(level, self.projected(level, mean))
        errors = []
        for k, estimate in enumerate(found, start=level):
            some = self._important(k)
            errors.append(float(((estimate[:, some] - self._truth[k][:, some]) ** 2).sum()))
        return errors

    @isolated()
    def estimate_bits(self, how: Sampling) -> int:
        """Bits that a full basis would take at full resolution now, going by the samples that ``how`` says.

        For an encoder, after a round. Changes nothing but ``nfe``.
        """
        assert self._truth is not None
        found = self.particles.sample(0, how, self.pyramid, self._coder, self._report)
        proposal = propose(self.pyramid, 0, found, FULL_BASIS)
        return self._coder.estimate_bits(proposal, 0, self.pyramid.levels[0].across, self._truth[0])

    @isolated()
    def sample(self, k: int, how: Sampling) -> torch.Tensor:
        """Posterior samples (count, C, h, w) of the picture at level k, given all that is known.

        Changes nothing but ``nfe``, may be called between rounds, and gives the same samples again.
        """
        return self.particles.sample(k, how, self.pyramid, self._coder, self._report)[-1]

    @isolated()
    def single(self, sampler: Sampler, how: Sampling) -> torch.Tensor:
        """One posterior sample (1, C, H, W) by any sampler, from pure noise if ``how.lowest`` is HIGHEST.

        Never part of a round, so that it need not be exact. Changes nothing but ``nfe``.
        """
        return self.particles.single(sampler, how, self.pyramid, self._coder, self._report)

    @isolated()
    def projected(self, k: int, x: torch.Tensor) -> torch.Tensor:
        """Pictures x (B, C, h, w) at level k, moved to what is known as far as that has trust."""
        return projected(lambda batch: self.pyramid.projections(k, batch), x)

    def _important(self, k: int) -> slice | torch.Tensor:
        """Which of level k's windows are in blocks with the finest step."""
        if self.settings.regions is None:
            return slice(None)
        windows = self.pyramid.levels[k]
        offsets = window_offsets(self.settings.regions, len(windows.values), windows.across)
        return torch.from_numpy(offsets == 0)

    def _report(self) -> None:
        total, now = self.plan.nfe(self._planned), self.particles
        self.context.progress(
            Progress(self.rounds, self._planned, now.nfe, self._channel.bits, total, now.replayed)
        )

    def _measure(self, proposal: Proposal | None) -> bool:
        """Exchange a round's measurements and append them; False where a cut file ends."""
        k = self.plan.rounds[self.rounds].level
        windows, truth = self.pyramid.levels[k], None if self._truth is None else self._truth[k]
        if proposal is None:
            return self._coder.refine(self._channel, self.rounds, windows, truth)
        self.particles.unmeasured = float(proposal.unmeasured[self._important(k)].max())
        return self._coder.measure(self._channel, self.rounds, proposal, windows, truth)
