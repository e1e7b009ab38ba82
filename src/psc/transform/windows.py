"""Disjoint windows of one pyramid level: their orthonormal rows H and the measured values y.

Everything here is exact: rows are multiples of 2^-20 with unit norm, coefficients multiples of 2^-16
with a norm below 2^11, so that no partial sum of a product needs more than 53 bits.
"""

from dataclasses import dataclass

import torch

from psc.exact import to_grid
from psc.transform.fixed_basis import FixedBasis
from psc.transform.full_basis import FullBasis, complementary


@dataclass(frozen=True)
class Full:
    """What a full-basis round has measured: of the basis' directions, values and which are known, (n, d)."""

    basis: FullBasis
    values: torch.Tensor
    known: torch.Tensor

    def part(self, where: slice) -> "Full":
        """A view of some of the windows."""
        return Full(self.basis.part(where), self.values[where], self.known[where])


class Windows:
    """n windows of d coefficients with k rows each, most of them measured.

    rows: H, (n, k, d) float32, orthonormal within a window. values: y, (n, k) float64. known: which rows were
    measured, (n, k); the others see nothing. fixed: the basis that the full one starts from. full: after a
    full-basis round what it has measured, and what the rows had, which are no more needed.
    """

    def __init__(self, count: int, size: int, fixed: FixedBasis) -> None:
        self.fixed = fixed
        self.rows = torch.zeros(count, 0, size)
        self.values = torch.zeros(count, 0, dtype=torch.float64)
        self.known = torch.zeros(count, 0, dtype=torch.bool)
        self.full: Full | None = None

    def part(self, where: slice) -> "Windows":
        """A view of some of the windows."""
        view = Windows(0, 0, self.fixed)
        view.rows, view.values, view.known = self.rows[where], self.values[where], self.known[where]
        view.full = None if self.full is None else self.full.part(where)
        return view

    def append(self, rows: torch.Tensor, values: torch.Tensor, known: torch.Tensor) -> None:
        """Take up new measurements: rows (n, r, d), values (n, r), which are known."""
        self.rows = torch.cat([self.rows, rows], 1) if self.rows.shape[1] else rows
        self.values = torch.cat([self.values, values], 1)
        self.known = torch.cat([self.known, known], 1)

    def full_basis(self) -> FullBasis:
        """The full basis in which nothing is measured again that the rows know."""
        return complementary(self.fixed, self.rows, self.known)

    def complete(self, basis: FullBasis, values: torch.Tensor, known: torch.Tensor) -> None:
        """Take up measurements along the full basis: values (n, d), which are known; rows become pivots."""
        values = basis.at_pivots(self.values * basis.signs, values)
        self.full = Full(basis, values, basis.at_pivots(self.known, known))
        self.rows, self.values, self.known = self.rows[:, :0].clone(), self.values[:, :0], self.known[:, :0]

    def project(self, f: torch.Tensor) -> torch.Tensor:
        """f + H^T (y - H f): the nearest coefficients to f (B, n, d) that agree with what is known."""
        if self.rows.shape[1]:
            error = to_grid(self.values - apply(self.rows, f)) * self.known
            f = f + to_grid(torch.einsum("nkd,bnk->bnd", self.rows.double(), error))
        if self.full is not None:
            basis = self.full.basis.double()
            f = f + basis.synthesise(to_grid(self.full.values - basis.analyse(f)) * self.full.known)
        return f

    def rest(self, f: torch.Tensor) -> torch.Tensor:
        """f - H^T H f: what the rows do not see of f (B, n, d)."""
        if not self.rows.shape[1]:
            return f
        seen = to_grid(apply(self.rows, f)) * self.known
        return f - to_grid(torch.einsum("nkd,bnk->bnd", self.rows.double(), seen))


def apply(rows: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """H f for f (B, n, d): (B, n, k), multiples of 2^-36."""
    return torch.einsum("nkd,bnd->bnk", rows.double(), f.double())
