"""The basis of a full-basis round: a fixed one, turned so that nothing is measured twice.

A window's k rows know k of its d directions. Householder reflections (Golub and Van Loan, "Matrix
computations", section 5.1), one per row, turn the rows into k vectors of the fixed basis, the pivots, each
the one that its row resembles most. What they turn the other d - k vectors into is an orthonormal basis of
all that the rows do not see, as near to the fixed one as k reflections can have it.

Exact as all that both sides compute: reflections are multiples of 2^-18 and vectors of norm sqrt(2), so that
with coefficients below 2^10 and k < 256 no partial sum needs more than 53 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from psc.exact import root, to_grid
from psc.exact.fixed import REFLECTION_BITS, ROW_BITS
from psc.transform.fixed_basis import FixedBasis

CHUNK = 4096
"""Windows whose reflections are found together, in double precision."""


@dataclass(frozen=True)
class FullBasis:
    """d orthonormal directions in each of n windows: k pivots, which span the rows, and the rest.

    Attributes:
        fixed: The basis that the reflections start from.
        reflections: U, (n, k, d) float32; row i stands for I - u_i u_i^T; zero if nothing is known of it.
        products: u_i . u_j, (n, k, k) float64.
        pivots: (n, k), which direction row i has become; -1 if nothing is known of it.
        signs: (n, k) float64, 1 or -1: its value is so many times the row's.
    """

    fixed: FixedBasis
    reflections: torch.Tensor
    products: torch.Tensor
    pivots: torch.Tensor
    signs: torch.Tensor

    def part(self, where: slice) -> "FullBasis":
        """A view of some of the windows."""
        arrays = (self.reflections, self.products, self.pivots, self.signs)
        return FullBasis(self.fixed, *(array[where] for array in arrays))

    def analyse(self, f: torch.Tensor) -> torch.Tensor:
        """Coefficients (B, n, d) along the basis of windows f (B, n, d), multiples of 2^-16."""
        return self._reflected(self.fixed.analyse(f), range(self.pivots.shape[1]))

    def synthesise(self, c: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`analyse`."""
        return self.fixed.synthesise(self._reflected(c, range(self.pivots.shape[1])[::-1]))

    def at_pivots(self, rows: torch.Tensor, otherwise: torch.Tensor) -> torch.Tensor:
        """``otherwise`` (n, d), and at the pivots what the rows have, (n, k)."""
        window, row = torch.nonzero(self.pivots >= 0, as_tuple=True)
        out = otherwise.clone()
        out[window, self.pivots[window, row]] = rows[window, row].to(out.dtype)
        return out

    def _reflected(self, c: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
        """c (B, n, d) after all reflections, one after another, with two products of matrices.

        Of what the i-th one meets, u_i . c is changed by the reflections before it, along known products.
        """
        if not len(order):
            return c
        u = self.reflections.double()
        along = torch.einsum("nkd,bnd->kbn", u, c)
        for i in order:
            done = slice(0, i) if order[0] == 0 else slice(i + 1, None)
            before = self.products[:, i, done].T[:, None] * along[done]
            along[i] = to_grid(along[i] - before.sum(0))
        return c - to_grid(torch.einsum("nkd,kbn->bnd", u, along))


def complementary(fixed: FixedBasis, rows: torch.Tensor, known: torch.Tensor) -> FullBasis:
    """The basis for windows with rows (n, k, d), orthonormal, of which some are known (n, k)."""
    n, k, _ = rows.shape
    reflections = torch.zeros_like(rows)
    pivots, signs = torch.full((n, k), -1), torch.zeros(n, k, dtype=torch.float64)
    products = torch.zeros(n, k, k, dtype=torch.float64)
    for first in range(0, n if k else 0, CHUNK):
        some = slice(first, first + CHUNK)
        left = fixed.analyse(rows[some], ROW_BITS) * known[some, :, None]
        u, pivots[some], signs[some] = _householder(left, known[some])
        reflections[some], products[some] = u, to_grid(u @ u.transpose(1, 2), REFLECTION_BITS)
    return FullBasis(fixed, reflections, products, pivots, signs)


def _householder(left: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Reflections, pivots and signs of rows ``left`` (n, k, d), which are turned in place."""
    n, k, _ = left.shape
    reflections, pivots = torch.zeros_like(left), torch.full((n, k), -1)
    signs = torch.zeros(n, k, dtype=torch.float64)
    free, every = torch.ones_like(left[:, 0]), torch.arange(n)
    for i in range(k):
        row = left[:, i] * free
        pivot = torch.from_numpy(np.abs(row.numpy()).argmax(1))  # the first of the largest, unlike torch's
        sign = torch.where(row[every, pivot] >= 0, 1.0, -1.0).double()
        row[every, pivot] += sign
        square = (row * row).sum(1, keepdim=True)
        u = to_grid(row * root(2 / square), REFLECTION_BITS) * known[:, i, None]
        along = to_grid((left[:, i + 1 :] * u[:, None]).sum(2, keepdim=True), ROW_BITS)
        left[:, i + 1 :] -= to_grid(along * u[:, None], ROW_BITS)
        reflections[:, i], signs[:, i] = u, -sign * known[:, i]
        pivots[:, i] = torch.where(known[:, i], pivot, -1)
        free[every[known[:, i]], pivot[known[:, i]]] = 0
    return reflections, pivots, signs
