"""FORMAT.md, section 5: what is known of a picture, and P, which makes a picture agree with it."""

from dataclasses import dataclass

import numpy as np

from reference import pyramid
from reference.full_basis import FullBasis
from reference.grids import grid
from reference.plan import Level


@dataclass
class Known:
    """Of one level: rows and their values, and after a full-basis round coefficients."""

    rows: np.ndarray
    """(windows, rows, coefficients); a row that is not measured is zero."""
    values: np.ndarray
    """(windows, rows)"""
    trust: np.ndarray
    """(windows, rows): how far P goes towards a value."""
    row_cells: list[tuple[np.ndarray, np.ndarray]]
    """Of each round's rows: classes, and which of the q are zero."""
    basis: FullBasis | None = None
    """After a full-basis round, which leaves no rows."""
    g: np.ndarray | None = None
    """(windows, coefficients): the values along it."""
    trust_g: np.ndarray | None = None
    """The same as trust, of these."""

    def add_rows(self, rows: np.ndarray, values: np.ndarray, trust: np.ndarray) -> None:
        """Behind those that are known."""
        self.rows = np.concatenate([self.rows, rows], 1)
        self.values = np.concatenate([self.values, values], 1)
        self.trust = np.concatenate([self.trust, trust], 1)


def residual(
    f: np.ndarray, rows: np.ndarray, values: np.ndarray | float = 0.0, trust: np.ndarray | float = 1.0
) -> np.ndarray:
    """grid16(H^T grid16(t (y - H f))), f being (particles, windows, coefficients)."""
    short = grid(trust * (values - np.einsum("wrn,pwn->pwr", rows, f)), 16)
    return grid(np.einsum("wrn,pwr->pwn", rows, short), 16)


def project(x: np.ndarray, known: list[Known], levels: tuple[Level, ...], k: int) -> np.ndarray:
    """P(x), for pictures (particles, channels, height, width) at level k."""
    f = pyramid.coefficients(x, levels, k)
    for j in f:
        if known[j].rows.shape[1]:
            f[j] = f[j] + residual(f[j], known[j].rows, known[j].values, known[j].trust)
        if (basis := known[j].basis) is not None:
            f[j] = f[j] + basis.synthesise(grid(known[j].trust_g * (known[j].g - basis.analyse(f[j])), 16))
    return pyramid.pixels(f, levels, k, x.shape)
