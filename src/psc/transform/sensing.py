"""AdaSense: the next rows of H are the principal components of the posterior samples.

Elata, Michaeli and Elad, "Adaptive compressed sensing with diffusion-based posterior sampling" (2024),
algorithm 1: centre the s samples, remove what H already sees, and take the leading right singular vectors.
They come from the s x s Gram matrix of the samples: with X X^T = U^T diag(lambda) U, row i is
u_i X / sqrt(lambda_i).

The estimates of each particle's last steps are nearly as good as other particles, and cost nothing: they
count as samples, too, each step's centred by its own mean. The last step's predict.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from psc.exact import root, symmetric_eigen, to_grid
from psc.exact.fixed import DEVIATION_BITS, ROW_BITS, STATE_BITS, VECTOR_BITS
from psc.exact.threads import side_by_side
from psc.plan.plan import FULL_BASIS
from psc.transform.full_basis import FullBasis
from psc.transform.pyramid import Pyramid
from psc.transform.windows import Windows, apply

WINDOWS_AT_ONCE = 4096
"""Windows whose numbers are held in double precision together."""


@dataclass(frozen=True)
class Proposal:
    """What could be measured next in each of n windows, and what both sides expect of it.

    rows: (n, r, d) float32, orthonormal and orthogonal to the windows' rows; None for the full basis, r = d.
    basis: that full basis, else None; what the windows' rows know of it has no variance.
    predicted: (n, r) mean of the samples' measurements, multiples of 2^-16.
    variance: (n, r) the samples' variance along the rows, in squared image-norm units.
    unmeasured: (n,) the largest variance in each window that the proposal leaves unmeasured.
    """

    rows: torch.Tensor | None
    predicted: torch.Tensor
    variance: torch.Tensor
    unmeasured: torch.Tensor
    basis: FullBasis | None = None

    def chunks(self) -> Iterator[slice]:
        """All windows, some at a time."""
        count = len(self.predicted)
        return (
            slice(first, min(first + WINDOWS_AT_ONCE, count)) for first in range(0, count, WINDOWS_AT_ONCE)
        )

    def measure(self, f: torch.Tensor, some: slice) -> torch.Tensor:
        """Some windows' measurements (B, n, r) of their coefficients f (B, n, d), multiples of 2^-16."""
        if self.basis is not None:
            return self.basis.part(some).analyse(f)
        assert self.rows is not None
        return to_grid(apply(self.rows[some], f))

    def digest(self, seed: int) -> int:
        """CRC-32, continued from ``seed``, of the rows in units of 2^-20 and the predictions of 2^-16."""
        for rows in () if self.rows is None else torch.split(self.rows, WINDOWS_AT_ONCE):
            seed = zlib.crc32((rows * 2.0**ROW_BITS).numpy().astype("<i4").data, seed)
        for predicted in torch.split(self.predicted, WINDOWS_AT_ONCE):
            seed = zlib.crc32((predicted * 2.0**STATE_BITS).numpy().astype("<i4").data, seed)
        return seed


def propose(pyramid: Pyramid, k: int, estimates: Sequence[torch.Tensor], rows: int) -> Proposal:
    """The next ``rows`` rows (or FULL_BASIS) for level k.

    estimates: e of each particle, (s, C, h, w) each at that level, the last one last.
    """
    n, _, d = pyramid.levels[k].rows.shape
    chosen = None if rows == FULL_BASIS else torch.empty(n, rows, d)
    basis = pyramid.levels[k].full_basis() if rows == FULL_BASIS else None
    predicted, variance = torch.empty(2, n, rows or d, dtype=torch.float64)
    unmeasured = torch.empty(n, dtype=torch.float64)

    def fill(strip: tuple[slice, slice]) -> None:
        pixels, some = strip
        f = torch.stack([pyramid.own_coefficients(k, step[:, :, pixels]) for step in estimates])
        windows = pyramid.levels[k].part(some)
        part = _principal(windows, f, rows) if basis is None else _full(basis.part(some), f)
        predicted[some], variance[some], unmeasured[some] = part.predicted, part.variance, part.unmeasured
        if chosen is not None and part.rows is not None:
            chosen[some] = part.rows

    side_by_side(fill, pyramid.strips(k, sum(map(len, estimates))))
    return Proposal(chosen, predicted, variance, unmeasured, basis)


def _full(basis: FullBasis, f: torch.Tensor) -> Proposal:
    """All directions of the full basis for f (e, s, n, d); afterwards nothing is left unmeasured."""
    c = basis.analyse(f.flatten(0, 1)).reshape(f.shape)
    variance = _variance(c)
    at_rest = basis.at_pivots(torch.zeros(basis.pivots.shape), variance)
    return Proposal(None, _mean(c)[-1], at_rest, torch.zeros(len(variance)))


def _principal(windows: Windows, f: torch.Tensor, r: int) -> Proposal:
    """The leading r principal components of f (e, s, n, d) in each window."""
    e, s = f.shape[:2]
    deviations = (f - _mean(f)[:, None]).flatten(0, 1)
    x = to_grid(windows.rest(deviations).transpose(0, 1), DEVIATION_BITS)
    values, vectors = symmetric_eigen(x @ x.transpose(1, 2))
    components = to_grid(vectors[:, :r], VECTOR_BITS) @ x
    length = root(torch.clamp(values[:, :r, None], min=2.0**-40))
    rows = _orthonormal(windows, to_grid(components / length, VECTOR_BITS))
    c = to_grid(apply(rows.float(), f.flatten(0, 1))).reshape(e, s, len(rows), -1)
    freedom = e * (s - 1)
    left = values[:, min(r, freedom - 1)] / freedom
    return Proposal(rows.float(), _mean(c)[-1], _variance(c), left)


def _orthonormal(windows: Windows, new: torch.Tensor) -> torch.Tensor:
    """Gram-Schmidt: rows (n, r, d) made orthonormal among themselves and to those measured.

    A row that (nearly) lies in the others' span becomes zero: it has nothing to measure.
    """
    if windows.rows.shape[1]:
        measured = windows.rows.double() * windows.known[:, :, None]
        new = new - to_grid(to_grid(new @ measured.transpose(1, 2), ROW_BITS) @ measured, VECTOR_BITS)
    done: list[torch.Tensor] = []
    for i in range(new.shape[1]):
        row = new[:, i]
        for other in done:
            row = row - to_grid(to_grid((row * other).sum(1, keepdim=True), ROW_BITS) * other, VECTOR_BITS)
        square = (row * row).sum(1, keepdim=True)
        unit = to_grid(row / root(torch.clamp(square, min=0.25)), ROW_BITS)
        done.append(torch.where(square < 0.25, torch.zeros_like(unit), unit))
    return torch.stack(done, 1)


def _mean(c: torch.Tensor) -> torch.Tensor:
    """The mean of each step's samples c (e, s, ...): (e, ...)."""
    return to_grid(c.sum(1) / c.shape[1])


def _variance(c: torch.Tensor) -> torch.Tensor:
    """Variance of c (e, s, n, r) about each step's mean; rounded to 2^-10 first, so that sums are exact."""
    deviation = to_grid(c - _mean(c)[:, None], 10)
    return (deviation * deviation).sum((0, 1)) / (c.shape[0] * (c.shape[1] - 1))
