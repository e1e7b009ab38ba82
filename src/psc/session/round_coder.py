"""A round's numbers: chosen, coded, learnt from, appended to what is known; the same on both sides.

The encoder has the truth and a channel that writes, the decoder has neither and a channel that reads.
"""

import zlib
from copy import copy, deepcopy

import numpy as np
import torch
from numpy.typing import NDArray

from psc.bitstream.float8 import Float8Coding
from psc.bitstream.quantizer import UniformCoding, spread_gain
from psc.bitstream.rangecoder import Channel, Writer, uniform
from psc.bitstream.refinement import LEAST_CONTEXT, Cells, Refinement
from psc.bitstream.regions import window_steps
from psc.bitstream.surroundings import NOT_MEASURED
from psc.errors import PscError
from psc.exact import to_grid
from psc.plan.plan import Settings, step_size
from psc.transform import Full, Proposal, Windows

DIGEST_BITS, LONG_DIGEST_BITS = 1, 8
"""Of a round's digest in the file; the long one is for full-basis rounds, which end levels, and for every
round with a prior that is not exact: there, states do part. A digest is of all rounds so far."""
VALUE_LIMIT = 2048.0
"""No picture has larger coefficients; a crafted file shall not leave the range of exact sums."""


class StateMismatchError(PscError):
    """The decoder's state is not the encoder's: another prior, another arithmetic, or a damaged body."""


class RoundCoder:
    """What the coding of measurements remembers: symbol statistics, the cells of full bases, the digest.

    settings: as in the file's header. exact: whether the prior is.
    digest: CRC-32 of all rounds so far (directions, contexts, numbers). symbols: how many numbers are known.
    """

    def __init__(self, settings: Settings, exact: bool) -> None:
        self.digest, self.symbols = 0, 0
        self.coding: Float8Coding | UniformCoding = (
            Float8Coding() if settings.plan.paper else UniformCoding(settings.step_index)
        )
        self._settings, self._plan, self._exact = settings, settings.plan, exact
        self._step = 0.0 if settings.plan.paper else step_size(settings.step_index)
        self._cells: dict[int, Cells] = {}
        self._row_cells: dict[int, list[tuple[NDArray[np.int8], NDArray[np.bool_]]]] = {}
        self._refinement = Refinement()

    def copy(self) -> "RoundCoder":
        """One that goes its own way from here."""
        again = copy(self)
        again.coding, again._refinement = deepcopy(self.coding), deepcopy(self._refinement)
        again._cells, again._row_cells = dict(self._cells), dict(self._row_cells)
        return again

    def width(self, k: int) -> float:
        """The least width of the cells in which level k's numbers are known; 0 if they are not uniform."""
        return float(self._cells[k].width.min()) if k in self._cells else self._step

    def measure(
        self, channel: Channel, index: int, proposal: Proposal, windows: Windows, truth: torch.Tensor | None
    ) -> bool:
        """Exchange the numbers of round ``index`` and append them; False where a cut file ends.

        windows, truth: of the round's level; the truth (1, n, d) for an encoder, else None.
        """
        level = self._plan.rounds[index].level
        earlier = sum(done.level == level for done in self._plan.rounds[:index])
        gain = spread_gain(level, len(self._plan.levels), earlier, proposal.rows is None)
        steps = self._steps(len(windows.values), windows.across)
        contexts = self._contexts(proposal, steps, gain)
        q = self._chosen(proposal, steps, truth, contexts)
        q, known = self.coding.code(channel, q, contexts, windows.across)
        whole = bool((known | (contexts == NOT_MEASURED)).all())
        if whole:
            self.digest = proposal.digest(self.digest)
            short = self._exact and proposal.rows is not None
            whole = self._agreed(channel, index, short, contexts, q.astype("<i4", copy=False))
        values = self.coding.at(steps).dequantise(q)
        if not self._plan.paper:
            values += proposal.predicted
        values.clamp_(-VALUE_LIMIT, VALUE_LIMIT)
        if self._plan.rounds[-1].refines:
            wide = self._contexts(proposal, steps, gain, LEAST_CONTEXT)
            self._keep_cells(level, proposal, wide, q == 0, windows.across)
        trust = torch.from_numpy(self.coding.trust(contexts, q == 0) * known)
        if proposal.basis is None:
            assert proposal.rows is not None
            windows.append(proposal.rows, values, trust)
        else:
            windows.complete(proposal.basis, values, trust)
        self.symbols += int(known.sum())
        return whole

    def refine(self, channel: Channel, index: int, windows: Windows, truth: torch.Tensor | None) -> bool:
        """Exchange halves of the cells of a level's full basis; the arguments are measure's."""
        level, coding = self._plan.rounds[index].level, self.coding
        assert isinstance(coding, UniformCoding)
        assert windows.full is not None
        basis, values, trust = windows.full.basis, windows.full.values, windows.full.trust
        residual = None if truth is None else (basis.analyse(truth)[0] - values).numpy()
        moves, finer = self._refinement.code(channel, coding, self._cells[level], residual)
        if finer is not None:
            known = finer.contexts >= 0
            trust = torch.from_numpy(coding.trust(finer.contexts, finer.zero) * known)
        windows.full = Full(basis, to_grid(values + torch.from_numpy(moves)), trust)
        if finer is None:
            return False
        self._cells[level] = finer
        return self._agreed(channel, index, False, np.sign(moves).astype("<i1"))

    def _keep_cells(
        self, level: int, proposal: Proposal, contexts: NDArray[np.int8], zero: NDArray[np.bool_], across: int
    ) -> None:
        """Remember what refinement needs of a round: of rows until a full basis has them as pivots."""
        if proposal.basis is None:
            self._row_cells[level] = [*self._row_cells.get(level, []), (contexts, zero)]
            return
        rows = self._row_cells.pop(level, [])
        parts = [torch.from_numpy(np.concatenate(part, 1)) for part in zip(*rows, strict=True)]
        own = [torch.from_numpy(part) for part in (contexts.astype(np.int64), zero)]
        if rows:
            own = [proposal.basis.at_pivots(a, b) for a, b in zip(parts, own, strict=True)]
        width = self._steps(len(contexts), across).numpy()
        self._cells[level] = Cells(own[0].numpy(), own[1].numpy(), width, across)

    def estimate_bits(self, proposal: Proposal, level: int, across: int, truth: torch.Tensor) -> int:
        """Bits that a full basis would take at a level; nothing is exchanged or learnt."""
        writer, own = Writer(), self.copy()
        steps = self._steps(len(proposal.predicted), across)
        gain = spread_gain(level, len(self._plan.levels), 0, full_basis=True)
        contexts = own._contexts(proposal, steps, gain)
        q = own._chosen(proposal, steps, truth, contexts)
        own.coding.code(writer, q, contexts, across)
        return writer.bits

    def _steps(self, windows: int, across: int) -> torch.Tensor:
        return torch.from_numpy(window_steps(self._settings, windows, across))

    def _contexts(
        self, proposal: Proposal, steps: torch.Tensor, gain: int, least: int = NOT_MEASURED
    ) -> NDArray[np.int8]:
        """The contexts of a proposal's numbers: see UniformCoding.context_of."""
        return np.concatenate(
            [
                self.coding.at(steps[some]).context_of(proposal.variance[some], gain, least)
                for some in proposal.chunks()
            ]
        )

    def _chosen(
        self,
        proposal: Proposal,
        steps: torch.Tensor,
        truth: torch.Tensor | None,
        contexts: NDArray[np.int8],
    ) -> NDArray[np.int32]:
        """The numbers that an encoder chooses; a decoder has yet to read them."""
        q = np.zeros(contexts.shape, dtype=np.int32)
        if truth is None:
            return q
        for some in proposal.chunks():
            measured = proposal.measure(truth[:, some], some)[0]
            residual = measured if self._plan.paper else measured - proposal.predicted[some]
            q[some] = self.coding.at(steps[some]).quantise(residual, contexts[some])
        return q

    def _agreed(self, channel: Channel, index: int, short: bool, *numbers: NDArray[np.signedinteger]) -> bool:
        """Exchange the digest of all rounds so far; False if the file ends before it."""
        for some in numbers:
            self.digest = zlib.crc32(some.data, self.digest)
        bits = DIGEST_BITS if short else LONG_DIGEST_BITS
        own = self.digest % 2**bits
        found = channel.code(np.array([own], dtype=np.int32), uniform(2**bits))
        if len(found) and found[0] != own:
            raise StateMismatchError(
                f"round {index + 1}: the state here is not the encoder's, so the rest cannot be read"
                + ("" if self._exact else " (the prior is not exact: docs/priors.md)")
            )
        return len(found) > 0
