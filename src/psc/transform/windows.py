"""Disjoint windows of one pyramid level: their orthonormal rows H and the measured values y.

Everything here is exact: rows are multiples of 2^-20 with unit norm, coefficients multiples of 2^-16
with a norm below 2^11, so that no partial sum of a product needs more than 53 bits.
"""

from dataclasses import dataclass

import torch

from psc.exact import to_grid_
from psc.transform.fixed_basis import FixedBasis
from psc.transform.full_basis import FullBasis, complementary


@dataclass(frozen=True)
class Full:
    """What a full-basis round has measured: of the basis' directions, values and their trust, (n, d)."""

    basis: FullBasis
    values: torch.Tensor
    trust: torch.Tensor

    def part(self, where: slice) -> "Full":
        """A view of some of the windows."""
        return Full(self.basis.part(where), self.values[where], self.trust[where])


class Windows:
    """n windows of d coefficients with k rows each, most of them measured.

    rows: H, (n, k, d) float32, orthonormal within a window. values: y, (n, k) float64. trust: W, (n, k)
    float32: how far P goes towards a value, 0 to 1; 0 for rows that were not measured and see nothing. fixed:
    the basis that the full one starts from. full: after a full-basis round what it has measured, and what the
    rows had, which are no more needed. across: how many windows lie side by side.
    """

    def __init__(self, count: int, size: int, fixed: FixedBasis, across: int = 1) -> None:
        self.fixed, self.across = fixed, across
        self.rows = torch.zeros(count, 0, size)
        self.values = torch.zeros(count, 0, dtype=torch.float64)
        self.trust = torch.zeros(count, 0)
        self.full: Full | None = None

    def part(self, where: slice) -> "Windows":
        """A view of some of the windows."""
        view = Windows(0, 0, self.fixed, self.across)
        view.rows, view.values, view.trust = self.rows[where], self.values[where], self.trust[where]
        view.full = None if self.full is None else self.full.part(where)
        return view

    @property
    def known(self) -> torch.Tensor:
        """Which rows were measured, (n, k)."""
        return self.trust > 0

    def append(self, rows: torch.Tensor, values: torch.Tensor, trust: torch.Tensor) -> None:
        """Take up new measurements: rows (n, r, d), values (n, r), their trust (n, r)."""
        self.rows = torch.cat([self.rows, rows], 1) if self.rows.shape[1] else rows
        self.values = torch.cat([self.values, values], 1)
        self.trust = torch.cat([self.trust, trust], 1)

    def full_basis(self) -> FullBasis:
        """The full basis in which nothing is measured again that the rows know."""
        return complementary(self.fixed, self.rows, self.known)

    def complete(self, basis: FullBasis, values: torch.Tensor, trust: torch.Tensor) -> None:
        """Take up measurements along the full basis: values (n, d), their trust; rows become pivots."""
        values = basis.at_pivots(self.values * basis.signs, values)
        self.full = Full(basis, values, basis.at_pivots(self.trust, trust))
        self.rows, self.values, self.trust = self.rows[:, :0].clone(), self.values[:, :0], self.trust[:, :0]

    def project(self, f: torch.Tensor) -> torch.Tensor:
        """f + H^T W (y - H f): coefficients f (B, n, d), moved to what is known as far as that has trust."""
        if self.rows.shape[1]:
            rows = self.rows.double()
            error = to_grid_((self.values - apply(rows, f)).mul_(self.trust))
            f = to_grid_(torch.einsum("nkd,bnk->bnd", rows, error)).add_(f)
        if self.full is not None:
            basis = self.full.basis.double()
            error = to_grid_((self.full.values - basis.analyse(f)).mul_(self.full.trust))
            f = basis.synthesise(error).add_(f)
        return f

    def rest(self, f: torch.Tensor) -> torch.Tensor:
        """f - H^T H f: what the rows do not see of f (B, n, d)."""
        if not self.rows.shape[1]:
            return f
        rows = self.rows.double()
        seen = to_grid_(apply(rows, f)).mul_(self.known)
        return f - to_grid_(torch.einsum("nkd,bnk->bnd", rows, seen))


def apply(rows: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """H f for f (B, n, d): (B, n, k), multiples of 2^-36."""
    return torch.einsum("nkd,bnd->bnk", rows.double(), f.double())
