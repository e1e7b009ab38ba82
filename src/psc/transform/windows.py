"""Disjoint windows of one pyramid level: their orthonormal rows H and the measured values y.

Everything here is exact: rows are multiples of 2^-20 with unit norm, coefficients multiples of 2^-16
with a norm below 2^11, so that no partial sum of a product needs more than 53 bits.
"""

import torch

from psc.exact import root, to_grid
from psc.exact.fixed import ROW_BITS

# Rows: the sum of the colours, red - blue, and what is orthogonal to both; for one channel the identity.
_COLOUR = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]], dtype=torch.float64)
_COLOUR = to_grid(_COLOUR / root((_COLOUR * _COLOUR).sum(1, keepdim=True)), ROW_BITS)


class Windows:
    """n windows of d coefficients with k rows each, most of them measured.

    rows: H, (n, k, d) float32, orthonormal within a window. values: y, (n, k) float64. known: which rows were
    measured, (n, k); the others see nothing. full: after a full-basis round, its values and which of them
    were measured, (n, d) each; they supersede the rows where they differ.
    """

    def __init__(self, count: int, size: int, channels: int) -> None:
        self.channels = channels
        self.rows = torch.zeros(count, 0, size)
        self.values = torch.zeros(count, 0, dtype=torch.float64)
        self.known = torch.zeros(count, 0, dtype=torch.bool)
        self.full: tuple[torch.Tensor, torch.Tensor] | None = None

    def part(self, where: slice) -> "Windows":
        """A view of some of the windows."""
        view = Windows(0, 0, self.channels)
        view.rows, view.values, view.known = self.rows[where], self.values[where], self.known[where]
        view.full = None if self.full is None else (self.full[0][where], self.full[1][where])
        return view

    def append(self, rows: torch.Tensor | None, values: torch.Tensor, known: torch.Tensor) -> None:
        """Take up new measurements: rows (n, r, d), values (n, r), which are known; None: the full basis."""
        if rows is None:
            self.full = (values, known)
            return
        self.rows = torch.cat([self.rows, rows], 1) if self.rows.shape[1] else rows
        self.values = torch.cat([self.values, values], 1)
        self.known = torch.cat([self.known, known], 1)

    def project(self, f: torch.Tensor) -> torch.Tensor:
        """f + H^T (y - H f): the nearest coefficients to f (B, n, d) that agree with what is known."""
        if self.rows.shape[1]:
            error = to_grid(self.values - apply(self.rows, f)) * self.known
            f = f + to_grid(torch.einsum("nkd,bnk->bnd", self.rows.double(), error))
        if self.full is not None:
            values, known = self.full
            f = self.from_basis(torch.where(known, values, self.to_basis(f)))
        return f

    def rest(self, f: torch.Tensor) -> torch.Tensor:
        """f - H^T H f: what the rows do not see of f (B, n, d)."""
        if not self.rows.shape[1]:
            return f
        seen = to_grid(apply(self.rows, f)) * self.known
        return f - to_grid(torch.einsum("nkd,bnk->bnd", self.rows.double(), seen))

    def to_basis(self, f: torch.Tensor) -> torch.Tensor:
        """Coefficients (..., d) in the fixed basis of full-basis rounds: colours decorrelated."""
        return self._turn(f, _COLOUR)

    def from_basis(self, f: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`to_basis`."""
        return self._turn(f, _COLOUR.T)

    def _turn(self, f: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        f = f.double()
        if self.channels != 3:
            return f
        planes = f.reshape(*f.shape[:-1], 3, -1)
        return to_grid(torch.einsum("ij,...jm->...im", matrix.to(f.device), planes)).reshape(f.shape)


def apply(rows: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """H f for f (B, n, d): (B, n, k), multiples of 2^-36."""
    return torch.einsum("nkd,bnd->bnk", rows.double(), f.double())
