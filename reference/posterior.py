"""FORMAT.md, section 5: what is known of a picture, and P, which makes a picture agree with it."""

from dataclasses import dataclass

import numpy as np

from reference import pyramid
from reference.grids import grid
from reference.plan import Level


@dataclass
class Known:
    """Of one level: rows and their values, and after a full-basis round coefficients."""

    rows: np.ndarray
    """(windows, rows, coefficients); a row that is not measured is zero."""
    values: np.ndarray
    """(windows, rows)"""
    measured: np.ndarray
    """(windows, coefficients): of which g_i the values are known."""
    basis: np.ndarray | None = None
    """(windows, coefficients): the values, after a full-basis round."""

    def add_rows(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Behind those that are known."""
        self.rows = np.concatenate([self.rows, rows], 1)
        self.values = np.concatenate([self.values, values], 1)


def colour_matrix(channels: int) -> np.ndarray:
    """C."""
    if channels != 3:
        return np.eye(channels)
    rows = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3.0], [2.0], [6.0]])
    return grid(rows, 20)


def change_basis(f: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """C f (or C^T g, with C^T for ``matrix``) for coefficients (..., channels x numbers).

    The identity leaves values between the grid's points where they are.
    """
    if len(matrix) != 3:
        return f
    planes = f.reshape(*f.shape[:-1], len(matrix), -1)
    return grid(matrix @ planes, 16).reshape(f.shape)


def residual(f: np.ndarray, rows: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    """grid16(H^T grid16(y - H f)), f being (particles, windows, coefficients)."""
    short = grid(values - np.einsum("wrn,pwn->pwr", rows, f), 16)
    return grid(np.einsum("wrn,pwr->pwn", rows, short), 16)


def project(x: np.ndarray, known: list[Known], levels: tuple[Level, ...], k: int) -> np.ndarray:
    """P(x), for pictures (particles, channels, height, width) at level k."""
    matrix = colour_matrix(x.shape[1])
    f = pyramid.coefficients(x, levels, k)
    for j in f:
        if known[j].rows.shape[1]:
            f[j] = f[j] + residual(f[j], known[j].rows, known[j].values)
        if (basis := known[j].basis) is not None:
            g = np.where(known[j].measured, basis, change_basis(f[j], matrix))
            f[j] = change_basis(g, matrix.T)
    return pyramid.pixels(f, levels, k, x.shape)
