"""The basis of a full-basis round: a fixed one, turned so that nothing is measured twice.

A window's k rows know k of its d directions. Householder reflections (Golub and Van Loan, "Matrix
computations", section 5.1), one per row, turn the rows into k vectors of the fixed basis, the pivots, each
the one that its row resembles most. What they turn the other d - k vectors into is an orthonormal basis of
all that the rows do not see, as near to the fixed one as k reflections can have it.

Exact as all that both sides compute: reflections are vectors of norm sqrt(2) and multiples of 2^-18, T's
numbers are below 2 and multiples of 2^-17, so that with coefficients below 2^9 and k <= 512 no partial sum
needs more than 53 bits.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from psc.exact import root, to_grid, to_grid_
from psc.exact.fixed import REFLECTION_BITS, ROW_BITS, TRIANGLE_BITS
from psc.exact.threads import side_by_side
from psc.transform.fixed_basis import FixedBasis

NUMBERS_AT_ONCE = 2**19
"""Numbers of rows, in double precision, whose reflections are found together."""


@dataclass(frozen=True)
class FullBasis:
    """d orthonormal directions in each of n windows: k pivots, which span the rows, and the rest.

    Attributes:
        fixed: The basis that the reflections start from.
        reflections: U, (n, k, d) float32; row i stands for I - u_i u_i^T; zero if nothing is known of it.
        triangle: T, (n, k, k) float32, lower triangular: all reflections together are I - U^T T U.
        pivots: (n, k), which direction row i has become; -1 if nothing is known of it.
        signs: (n, k) float64, 1 or -1: its value is so many times the row's.
    """

    fixed: FixedBasis
    reflections: torch.Tensor
    triangle: torch.Tensor
    pivots: torch.Tensor
    signs: torch.Tensor

    def part(self, where: slice) -> "FullBasis":
        """A view of some of the windows."""
        arrays = (self.reflections, self.triangle, self.pivots, self.signs)
        return FullBasis(self.fixed, *(array[where] for array in arrays))

    def double(self) -> "FullBasis":
        """The same with its arrays in double precision already, for what is analysed and synthesised."""
        return replace(self, reflections=self.reflections.double(), triangle=self.triangle.double())

    def analyse(self, f: torch.Tensor) -> torch.Tensor:
        """Coefficients (B, n, d) along the basis of windows f (B, n, d), multiples of 2^-16."""
        return self._reflected(self.fixed.analyse(f), backwards=False)

    def synthesise(self, c: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`analyse`."""
        return self.fixed.synthesise(self._reflected(c, backwards=True))

    def at_pivots(self, rows: torch.Tensor, otherwise: torch.Tensor) -> torch.Tensor:
        """``otherwise`` (n, d), and at the pivots what the rows have, (n, k)."""
        window, row = torch.nonzero(self.pivots >= 0, as_tuple=True)
        out = otherwise.clone()
        out[window, self.pivots[window, row]] = rows[window, row].to(out.dtype)
        return out

    def _reflected(self, c: torch.Tensor, *, backwards: bool) -> torch.Tensor:
        """c (B, n, d) after all reflections, one after another, in three products of matrices.

        Row i of T U c is u_i . c after the reflections before it: the compact WY representation (Schreiber
        and Van Loan, "A storage-efficient WY representation for products of Householder transformations",
        1989).
        """
        if not self.pivots.shape[1]:
            return c
        u, t = self.reflections.double(), self.triangle.double()
        along = to_grid_(torch.bmm(u, c.permute(1, 2, 0)))
        along = to_grid_(torch.bmm(t.transpose(1, 2) if backwards else t, along))
        return c - to_grid_(torch.bmm(u.transpose(1, 2), along)).permute(2, 0, 1)


def complementary(fixed: FixedBasis, rows: torch.Tensor, known: torch.Tensor) -> FullBasis:
    """The basis for windows with rows (n, k, d), orthonormal, of which some are known (n, k)."""
    n, k, d = rows.shape
    reflections, step = torch.zeros_like(rows), max(1, NUMBERS_AT_ONCE // max(k * d, 1))
    pivots, signs = torch.full((n, k), -1), torch.zeros(n, k, dtype=torch.float64)
    triangle = torch.zeros(n, k, k)

    def find(some: slice) -> None:
        left = fixed.analyse(rows[some], ROW_BITS) * known[some, :, None]
        u, pivots[some], signs[some] = _householder(left, known[some])
        reflections[some], triangle[some] = u, _triangle(u)

    side_by_side(find, [slice(first, first + step) for first in range(0, n if k else 0, step)])
    return FullBasis(fixed, reflections, triangle, pivots, signs)


def _triangle(u: torch.Tensor) -> torch.Tensor:
    """T = (I + L)^-1 of reflections u (n, k, d), with L_ij = u_i . u_j for j < i; multiples of 2^-17.

    T_ij is minus the product of u_i with what the reflections between turn u_j into: 2 at most.
    """
    n, k, _ = u.shape
    products = to_grid(u @ u.transpose(1, 2), REFLECTION_BITS)
    t = torch.eye(k, dtype=torch.float64).repeat(n, 1, 1)
    for i in range(1, k):
        t[:, i] -= to_grid(products[:, i, None, :i] @ t[:, :i], TRIANGLE_BITS)[:, 0]
    return t


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
