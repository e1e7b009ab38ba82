"""The session: what encoder and decoder both rebuild, round after round.

A round draws posterior samples, takes their principal components as the next rows of H, exchanges the
picture's quantised measurements along them, and appends both to what is known. The two sides are the same
``Session``: an encoder's has the picture and a channel that writes, a decoder's has no picture and a channel
that reads.
"""

import math
import zlib
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from psc.bitstream.float8 import Float8Coding
from psc.bitstream.rangecoder import Channel, Writer, uniform
from psc.bitstream.refinement import LEAST_CLASS, Cells, Refinement
from psc.bitstream.uniform import NOT_MEASURED, UniformCoding, spread_gain
from psc.errors import PscError
from psc.exact import to_grid
from psc.journal import Journal
from psc.plan import FULL_BASIS, Plan, Round
from psc.posterior import HIGHEST, Draw, Sampler, ddrm, level_above, side_by_side
from psc.prior import Prior
from psc.transform import Proposal, Pyramid, Windows, propose

SIGMA_K = 2.0
"""Particles are noised to this many times the largest standard deviation that is still unmeasured."""
CARRIED_LOWEST = 42
"""Noise level that carried-over particles restart from at least: sigma = 0.12."""
FINER_LOWEST = 74
"""The same for particles that come from a coarser level: sigma = 2.07."""
DIGEST_BITS, LONG_DIGEST_BITS = 1, 8
"""Of a round's digest in the file; the long one is for full-basis rounds, which end levels, and for every
round with a prior that is not exact: there, states do part. A digest is of all rounds so far."""
VALUE_LIMIT = 2048.0
"""No picture has larger coefficients; a crafted file shall not leave the range of exact sums."""


class StateMismatchError(PscError):
    """The decoder's state is not the encoder's: another prior, another arithmetic, or a damaged body."""


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
    """What a round's exchange changes, as it was: what step_again goes back to."""

    rounds: int
    digest: int
    symbols: int
    proposal: Proposal | None
    known: Windows
    coding: Float8Coding | UniformCoding
    cells: dict[int, Cells]
    refinement: Refinement


class Session:
    """The state of a picture's coding: measurements (``pyramid``), particles, symbol statistics.

    plan, step_index, seed: as in the file's header. shape: (channels, height, width) of the padded picture,
    multiples of plan.block. picture: (channels, height, width) in [-1, 1] on the encoder's side, else None.
    journal: draws that need not be done again, and where others are kept.
    """

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
        self.symbols = 0
        self._planned = 0
        self._level = len(plan.levels) - 1
        self._unmeasured = 0.0
        self._draws = 0
        self._digest = 0
        self._before: _Before | None = None
        self._cells: dict[int, Cells] = {}
        self._refinement = Refinement()
        self._channel, self._progress, self._journal = channel, progress, journal
        self._replayed = False
        self._coding = Float8Coding() if plan.paper else UniformCoding(step_index)
        self._truth = None if picture is None else self.pyramid.decompose(picture[None])

    @property
    def digest(self) -> int:
        """CRC-32 of all rounds so far (directions, classes, numbers); the file has some bits of it."""
        return self._digest

    def run(self, rounds: int) -> None:
        """Go through the plan's first ``rounds`` rounds, or as far as a cut file goes."""
        self._planned = rounds
        while self.rounds < rounds and self.step():
            pass

    def step(self) -> bool:
        """The next round; False where a cut file ends."""
        item = self.plan.rounds[self.rounds]
        self._before = _Before(
            self.rounds,
            self._digest,
            self.symbols,
            None if item.refines else self._proposal(item),
            self.pyramid.levels[item.level].part(slice(None)),
            deepcopy(self._coding),
            dict(self._cells),
            deepcopy(self._refinement),
        )
        if not self._measure(item, self._before.proposal):
            return False
        self.rounds += 1
        self._report()
        return True

    def _proposal(self, item: Round) -> Proposal:
        """Draw a round's particles, and find what they propose to measure."""
        self.particles = self.sample(item.level, item.steps)
        self._draws += 1
        self._level = item.level
        return propose(self.pyramid, item.level, self.particles, item.rows)

    def step_again(self, channel: Channel, price: float | None = None) -> None:
        """Exchange the last round's numbers once more, through a channel that may hold fewer of them.

        An encoder that has cut its file gets to the state of the file's decoder by this. price: of a bit, for
        other numbers than the last time (psc.bitstream.uniform.choose).
        """
        before = self._before
        assert before is not None
        self._channel, self._coding = channel, deepcopy(before.coding)
        if price is not None and isinstance(self._coding, UniformCoding):
            self._coding.price = price
        self.rounds, self._digest, self.symbols = before.rounds, before.digest, before.symbols
        self._cells, self._refinement = dict(before.cells), deepcopy(before.refinement)
        item = self.plan.rounds[self.rounds]
        self.pyramid.levels[item.level] = before.known.part(slice(None))  # which may be needed again
        self.rounds += self._measure(item, before.proposal)

    def snapshot(self) -> "Session":
        """A session that stands where this one does, to draw from after this one has gone on.

        It shares memory with this one, which replaces its arrays and does not change them; it can go through
        no rounds.
        """
        still = copy(self)
        still.pyramid, still._before, still._cells = copy(self.pyramid), None, dict(self._cells)
        still.pyramid.levels = [windows.part(slice(None)) for windows in self.pyramid.levels]
        return still

    def errors(self) -> list[float]:
        """Squared errors of the particles' mean, for an encoder: of its level, then of coarser ones."""
        assert self.particles is not None
        assert self._truth is not None
        mean = self.particles.double().mean(0, keepdim=True).float()
        found = self.pyramid.coefficients(self._level, self.pyramid.agree(self._level, mean))
        pairs = zip(found, self._truth[self._level :], strict=True)
        return [float(((estimate - truth) ** 2).sum()) for estimate, truth in pairs]

    def trial(self, steps: int, count: int) -> int:
        """Bits that a full basis would take at full resolution now, going by a few quick samples.

        On the encoder's side, after a coarser level. Changes nothing but ``nfe``.
        """
        proposal = propose(self.pyramid, 0, self.sample(0, steps, count=count), FULL_BASIS)
        writer, coding = Writer(), deepcopy(self._coding)
        classes = coding.classify(proposal.variance, spread_gain(0, len(self.plan.levels), 0, True))
        q = self._chosen(coding, proposal, 0, classes)
        coding.code(writer, q.ravel(), classes.ravel())
        return writer.bits

    def sample(
        self,
        k: int,
        steps: int,
        *,
        number: int = 0,
        count: int | None = None,
        lowest: int = CARRIED_LOWEST,
    ) -> torch.Tensor:
        """Posterior samples (s, C, h, w) of the picture at level k, given all that is known.

        steps: of DDRM. number, count: of the first sample, and how many (default: all s). Each number has a
        noise of its own; number i starts from particle i mod s. lowest: the least noise level that particles
        start from if they are carried over from this level.
        Changes nothing but ``nfe``: it may be called between rounds, and gives the same samples again.
        """
        scale, s = self.plan.levels[k].scale, self.plan.levels[k].samples
        left = SIGMA_K * SIGMA_K * self._unmeasured / (scale * scale)
        if self.particles is None or self.plan.paper:
            start, first = torch.zeros(s, self.pyramid.channels, *self.pyramid.shape(k)), HIGHEST
        elif self.carries(k):
            start, first = self.particles, level_above(left, lowest=lowest)
        else:
            factor = self.plan.levels[self._level].scale // scale
            start = self.particles[:s].repeat_interleave(factor, 2).repeat_interleave(factor, 3)
            first = level_above(left, lowest=FINER_LOWEST)
        return self._draw(ddrm.draw, k, start[number % s :][:count], first, steps, number)

    def carries(self, k: int) -> bool:
        """Whether the next draw at level k goes on from the last one's particles as they are."""
        return self.particles is not None and not self.plan.paper and k == self._level

    def restart(self, sampler: Sampler, steps: int, number: int) -> torch.Tensor:
        """One posterior sample (1, C, H, W), annealed from pure noise at full size by any sampler.

        Never part of a round, so that it need not be exact. number: of its noise.
        """
        start = torch.zeros(1, self.pyramid.channels, *self.pyramid.shape(0))
        return self._draw(sampler, 0, start, HIGHEST, steps, number)

    def _draw(
        self, sampler: Sampler, k: int, start: torch.Tensor, level: int, steps: int, number: int
    ) -> torch.Tensor:
        scale = self.plan.levels[k].scale
        width = self._cells[k].width if k in self._cells else self._coding.step
        sigma_y = width / math.sqrt(12) / scale
        out, done = torch.empty_like(start), 0
        while done < len(start):
            how = Draw(level, steps, sigma_y, scale, self.seed, self._draws, number + done)
            some = self._some(sampler, k, start[done:], how)
            out[done : done + len(some)] = some
            done += len(some)
        return out

    def _some(self, sampler: Sampler, k: int, start: torch.Tensor, how: Draw) -> torch.Tensor:
        """The first of the particles: those that the journal has, else those that are drawn side by side."""
        what = repr((sampler.__module__, self.plan, how, tuple(start.shape[1:]), self._digest)).encode()
        found = self._journal.read(what, start.shape) if self._journal else None
        self._replayed = found is not None
        if found is not None:
            self._count(how.scale, how.steps * len(found))
            return found
        if self._journal:
            start = start[: side_by_side(self.prior, start)]
        agree, count = partial(self.pyramid.agree, k), partial(self._count, how.scale)
        drawn = sampler(self.prior, agree, start, how, count)
        if self._journal:
            self._journal.append(what, drawn)
        return drawn

    def _count(self, scale: int, evaluations: int) -> None:
        self.nfe += evaluations / scale**2
        self._report()

    def _report(self) -> None:
        total = self.plan.nfe(self._planned)
        now = Progress(self.rounds, self._planned, self.nfe, self._channel.bits, total, self._replayed)
        self._progress(now)

    def _measure(self, item: Round, proposal: Proposal | None) -> bool:
        """Exchange one round's numbers and append them; False where a cut file ends."""
        if proposal is None:
            return self._refine(item.level)
        windows = self.pyramid.levels[item.level]
        earlier = sum(done.level == item.level for done in self.plan.rounds[: self.rounds])
        gain = spread_gain(item.level, len(self.plan.levels), earlier, proposal.rows is None)
        classes = self._coding.classify(proposal.variance, gain)
        q = self._chosen(self._coding, proposal, item.level, classes)
        flat, known = self._coding.code(self._channel, q.ravel(), classes.ravel())
        q, known = flat.reshape(classes.shape), known.reshape(classes.shape)
        whole = bool((known | (classes == NOT_MEASURED)).all())
        if whole:
            self._digest = proposal.digest(self._digest)
            short = self.prior.exact and proposal.rows is not None
            whole = self._agreed(short, classes.astype("<i1").tobytes() + q.astype("<i4").tobytes())
        values = (self._predicted(proposal) + self._coding.dequantise(q)).clamp(-VALUE_LIMIT, VALUE_LIMIT)
        windows.append(proposal.rows, values, torch.from_numpy(known))
        if self.plan.rounds[-1].refines and proposal.rows is None:
            assert isinstance(self._coding, UniformCoding)
            classes = self._coding.classify(proposal.variance, gain, LEAST_CLASS)
            self._cells[item.level] = Cells(classes, q == 0, self._coding.step)
        self._unmeasured = proposal.unmeasured
        self.symbols += int(known.sum())
        return whole

    def _refine(self, level: int) -> bool:
        """Exchange halves of the cells of a level's full basis; False where a cut file ends."""
        windows, coding, cells = self.pyramid.levels[level], self._coding, self._cells[level]
        assert isinstance(coding, UniformCoding)
        assert windows.full is not None
        values, known = windows.full
        residual = None
        if self._truth is not None:
            residual = (windows.to_basis(self._truth[level])[0] - values).numpy()
        moves, finer = self._refinement.code(self._channel, coding, cells, residual)
        measured = known if finer is None else torch.from_numpy(finer.classes >= 0)
        windows.append(None, to_grid(values + torch.from_numpy(moves)), known | measured)
        if finer is None:
            return False
        self._cells[level] = finer
        return self._agreed(False, np.sign(moves).astype("<i1").tobytes())

    def _predicted(self, proposal: Proposal) -> torch.Tensor:
        return torch.zeros_like(proposal.predicted) if self.plan.paper else proposal.predicted

    def _chosen(
        self,
        coding: Float8Coding | UniformCoding,
        proposal: Proposal,
        level: int,
        classes: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The numbers that an encoder chooses; a decoder has yet to read them."""
        if self._truth is None:
            return np.zeros(classes.shape, dtype=np.int64)
        measured = proposal.measure(self.pyramid.levels[level], self._truth[level])[0]
        return coding.quantise(measured - self._predicted(proposal), classes)

    def _agreed(self, short: bool, numbers: bytes) -> bool:
        """Exchange the digest of all rounds so far; False if the file ends before it."""
        self._digest = zlib.crc32(numbers, self._digest)
        bits = DIGEST_BITS if short else LONG_DIGEST_BITS
        own = self._digest % 2**bits
        found = self._channel.code(np.array([own], dtype=np.int32), uniform(2**bits))
        if len(found) and found[0] != own:
            raise StateMismatchError(
                f"round {self.rounds + 1}: the state here is not the encoder's, so the rest cannot be read"
                + ("" if self.prior.exact else " (the prior is not exact: docs/priors.md)")
            )
        return len(found) > 0
