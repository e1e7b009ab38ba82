"""FORMAT.md, sections 6 and 7: the rounds. One draw, one set of rows and one piece of the body each."""

import zlib

import numpy as np

from reference import (
    captions,
    components,
    constants,
    float8,
    header,
    pyramid,
    quantiser,
    refinement,
    restore,
    tables,
)
from reference.errors import DamagedFileError, EndOfCertaintyError, UnsupportedError
from reference.full_basis import FullBasis
from reference.grids import grid, integers
from reference.plan import Round
from reference.rangecoder import CertainDecoder, RangeDecoder
from reference.sampler import Prior, Sampler


def decode(data: bytes, prior: Prior, restoration: str = "mean", allow_partial: bool = False) -> np.ndarray:
    """The picture of a file, (height, width, channels) in 8 bits."""
    decoder = Decoder(header.parse(data, allow_partial), prior)
    decoder.run()
    return decoder.picture(restoration)


class Decoder:
    """A file's rounds."""

    def __init__(self, head: header.Header, prior: Prior):
        if head.condition:
            raise UnsupportedError(f"no prior here knows the condition {captions.caption(head.condition)!r}")
        if head.latent:
            raise UnsupportedError("latents are left out here")
        if prior.identity[:4] != head.prior or not head.exact:
            raise UnsupportedError("the file was made with another prior")
        self.head = head
        height, width = (-(-side // head.plan.block) * head.plan.block for side in (head.height, head.width))
        delta = 0.0 if head.plan.paper else header.delta(head.step)
        self.sampler = Sampler(head.plan, (head.channels, height, width), prior, head.seed, delta)
        self.coder = CertainDecoder(head.body) if head.cut else RangeDecoder(head.body)
        self.numbers = tables.number_tables()
        self.refinements = refinement.RefinementTables()
        self.float8 = tables.float8_table()
        self.cells: dict[int, refinement.Cells] = {}
        self.rounds_at = [0] * len(head.plan.levels)
        self.crc = 0

    def run(self) -> None:
        """All rounds of the body."""
        for item in self.head.plan.rounds[: self.head.rounds]:
            complete = self._refine(item.level) if item.steps == 0 else self._round(item)
            if not complete:
                break
            for table in (*self.numbers, self.float8, *self.refinements.all):
                table.learn()

    def picture(self, restoration: str) -> np.ndarray:
        """The picture as far as it is known, (height, width, channels) in 8 bits."""
        enlarged = restore.to_bytes(restore.restore(self.sampler, restoration))
        return enlarged[: self.head.height, : self.head.width]

    def _round(self, item: Round) -> bool:
        """A draw and its numbers; whether all of them were certain."""
        sampler, k = self.sampler, item.level
        plan, level, known = sampler.plan, sampler.plan.levels[item.level], sampler.known[item.level]
        estimates = sampler.draw(k, item.steps)[-level.estimates :]
        f = np.concatenate([pyramid.coefficients(x, plan.levels, k)[k] for x in estimates])
        basis = None
        if item.rows:
            rows, unmeasured = components.next_rows(f, known.rows, level.samples, item.rows)
            sampler.unmeasured = unmeasured[self._offsets(k) == 0].max()
            c = grid(np.einsum("wrn,pwn->pwr", rows, f), 16)
            self._feed(integers(rows, 20))
        else:
            rows, sampler.unmeasured = None, 0.0
            cosines = k == 0 and level.window == 8 and pyramid.stages(plan.levels, k) == 2
            basis = FullBasis(known.rows, self.head.channels, cosines)
            c = basis.analyse(f)
        predicted, variance = components.prediction(c, level.samples)
        self._feed(integers(predicted, 16))
        if basis is not None:
            variance = basis.at_pivots(np.zeros(known.values.shape), variance)
        y, measured, kinds, q, complete = self._numbers(item, predicted, variance)
        if basis is None:
            known.add_rows(rows * measured[:, :, None], y, self._trust(kinds, q == 0) * measured)
            known.row_cells.append((kinds, q == 0))
        else:
            self._complete(k, basis, y, measured, kinds, q == 0)
        return complete and self._digest_holds(rows is None)

    def _complete(
        self,
        k: int,
        basis: FullBasis,
        y: np.ndarray,
        measured: np.ndarray,
        kinds: np.ndarray,
        zero: np.ndarray,
    ) -> None:
        """After a full-basis round: the rows are numbers of the basis now, too."""
        known, trust = self.sampler.known[k], self._trust(kinds, zero) * measured
        if known.row_cells:
            row_kinds, row_zero = (np.concatenate(some, 1) for some in zip(*known.row_cells, strict=True))
            kinds, zero = basis.at_pivots(row_kinds, kinds), basis.at_pivots(row_zero, zero)
        known.basis, known.g = basis, basis.at_pivots(known.values * basis.signs, y)
        known.trust_g = basis.at_pivots(known.trust, trust)
        known.rows, known.values, known.trust = known.rows[:, :0], known.values[:, :0], known.trust[:, :0]
        self.cells[k] = refinement.Cells(known.g, kinds, zero, self._deltas(k))

    def _trust(self, kinds: np.ndarray, zero: np.ndarray) -> np.ndarray:
        return np.ones(kinds.shape) if self.sampler.plan.paper else quantiser.trust(kinds, zero)

    def _numbers(
        self, item: Round, predicted: np.ndarray, variance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool]:
        """A round's values, which are measured, classes and q, and whether all numbers were certain."""
        plan, k, shape = self.sampler.plan, item.level, predicted.shape
        if plan.paper:
            q, certain, complete = float8.decode_numbers(self.coder, predicted.size, self.float8)
            kinds, y = np.zeros(shape, np.int64), float8.values(q).reshape(shape)
            measured = certain.reshape(shape)
        else:
            gain = quantiser.calibration(k, len(plan.levels), item.rows == 0, self.rounds_at[k])
            kinds = quantiser.classes(variance, gain, self._deltas(k))
            q, certain, complete = quantiser.decode_numbers(self.coder, kinds, self._across(k), self.numbers)
            y = quantiser.dequantise(predicted, q.reshape(shape), self._deltas(k))
            measured = certain.reshape(shape)
        self.rounds_at[k] += 1
        self._feed(np.maximum(kinds, -1).astype("i1"))
        self._feed(q.astype("<i4"))
        return y, measured, kinds, q.reshape(shape), complete

    def _refine(self, k: int) -> bool:
        """A round without a draw."""
        cells, known = self.cells[k], self.sampler.known[k]
        signs, complete = cells.refine(self.coder, self._across(k), self.refinements, self.numbers)
        known.g = cells.y
        if complete:
            known.trust_g = quantiser.trust(cells.k, cells.zero)
        self.sampler.cells[k] = cells.width.min()
        self._feed(signs.astype("i1"))
        return complete and self._digest_holds(True)

    def _offsets(self, k: int) -> np.ndarray:
        """Section 19: of level k's windows, those of their blocks."""
        plan, level = self.sampler.plan, self.sampler.plan.levels[k]
        if not level.window:
            return np.zeros(1)
        side = plan.block // level.scale // level.window
        return self.head.blocks.repeat(side, 0).repeat(side, 1).ravel()

    def _deltas(self, k: int) -> np.ndarray:
        """The step in each of level k's windows, (windows, 1)."""
        steps = [
            2.0**64 if o == constants.NOTHING else header.delta(min(self.head.step + int(o), 255))
            for o in self._offsets(k)
        ]
        return np.array(steps)[:, None]

    def _across(self, k: int) -> int:
        """How many of level k's windows lie side by side."""
        level, width = self.sampler.plan.levels[k], self.sampler.shape[2]
        return width // level.scale // level.window if level.window else 1

    def _feed(self, array: np.ndarray) -> None:
        self.crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), self.crc)

    def _digest_holds(self, full: bool) -> bool:
        """Compare digests: False if the file's own is not certain."""
        count = 256 if full else 2
        try:
            digest = self.coder.decode_uniform(count)
        except EndOfCertaintyError:
            return False
        if digest != self.crc % count:
            raise DamagedFileError(
                "a round's digest differs: damage, or not the same numbers as the encoder's"
            )
        return True
