"""FORMAT.md, section 6, the full basis: what a level's rows leave open, near to a fixed basis."""

import math
from functools import cache

import numpy as np

from reference import constants, pyramid
from reference.grids import grid


class FullBasis:
    """Of all windows of a level: reflections, one for each row, and what becomes of the rows."""

    def __init__(self, rows: np.ndarray, channels: int, cosines: bool):
        """rows: (windows, rows, coefficients), zero where not measured. cosines: whether M is the DCT's."""
        windows, count, size = rows.shape
        self.colours = colour_matrix(channels)
        self.planes = dct_matrix() if cosines else None
        left = self._fixed(rows, 20)
        self.u = np.zeros(rows.shape)
        self.pivots, self.signs = np.full((windows, count), -1), np.zeros((windows, count))
        for w in range(windows):
            free = np.ones(size)
            for i in np.flatnonzero(left[w].any(1)):
                h = left[w, i] * free
                p = int(np.argmax(np.abs(h)))
                sign = 1.0 if h[p] >= 0 else -1.0
                h[p] += sign
                u = grid(h * np.sqrt(2 / (h * h).sum()), 18)
                later = left[w, i + 1 :]
                later -= grid(grid((later * u).sum(1, keepdims=True), 20) * u, 20)
                self.u[w, i], self.pivots[w, i], self.signs[w, i], free[p] = u, p, -sign, 0
        products = grid(self.u @ self.u.transpose(0, 2, 1), 18)
        self.t = np.tile(np.eye(count), (windows, 1, 1))
        for i in range(1, count):
            self.t[:, i] -= grid(np.einsum("wj,wjl->wl", products[:, i, :i], self.t[:, :i]), 17)

    def analyse(self, f: np.ndarray) -> np.ndarray:
        """g of coefficients f (particles, windows, coefficients)."""
        return self._reflect(self._fixed(f, 16), self.t)

    def synthesise(self, g: np.ndarray) -> np.ndarray:
        """The reverse."""
        g = self._reflect(g, self.t.transpose(0, 2, 1))
        planes = g.reshape(*g.shape[:-1], len(self.colours), -1)
        if self.planes is not None:
            planes = grid(planes @ self.planes, 16)
        if len(self.colours) == 3:
            planes = grid(self.colours.T @ planes, 16)
        return planes.reshape(g.shape)

    def at_pivots(self, rows: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        """``otherwise`` (windows, coefficients), but what the ``rows`` (windows, rows) have at the pivots."""
        out = otherwise.copy()
        for w, i in np.argwhere(self.pivots >= 0):
            out[w, self.pivots[w, i]] = rows[w, i]
        return out

    def _fixed(self, f: np.ndarray, bits: int) -> np.ndarray:
        planes = f.reshape(*f.shape[:-1], len(self.colours), -1)
        if len(self.colours) == 3:
            planes = grid(self.colours @ planes, bits)
        if self.planes is not None:
            planes = grid(planes @ self.planes.T, bits)
        return planes.reshape(f.shape)

    def _reflect(self, g: np.ndarray, t: np.ndarray) -> np.ndarray:
        a = grid(np.einsum("wrn,pwn->pwr", self.u, g), 16)
        a = grid(np.einsum("wrs,pws->pwr", t, a), 16)
        return g - grid(np.einsum("wrn,pwr->pwn", self.u, a), 16)


def colour_matrix(channels: int) -> np.ndarray:
    """C."""
    if channels != 3:
        return np.eye(channels)
    rows = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3.0], [2.0], [6.0]])
    return grid(rows, 20)


@cache
def dct_matrix() -> np.ndarray:
    """M (60, 60) for windows of 8x8 and two Haar stages."""
    turns = (2 * np.arange(8)[None] + 1) * np.arange(8)[:, None] % 32
    turns = np.minimum(turns, 32 - turns)
    known = np.array(constants.COSINES) * 2.0**-30
    cosine = np.where(turns <= 8, known[np.minimum(turns, 8)], -known[np.minimum(16 - turns, 8)])
    vectors: list[np.ndarray] = []
    for frequency in range(14, -1, -1):
        for v in range(max(0, frequency - 7), min(7, frequency) + 1):
            low, first = pyramid.haar(np.outer(cosine[frequency - v], cosine[v]))
            vector = np.concatenate([first.ravel(), pyramid.haar(low)[1].ravel()])
            vector = vector / math.sqrt(math.fsum(vector * vector) + 2.0**-40)
            for other in vectors * 2:
                vector = vector - other * math.fsum(vector * other)
            square = math.fsum(vector * vector)
            if square > 2.0**-10 and len(vectors) < 60:
                vectors.append(vector / math.sqrt(square))
    return grid(np.array(vectors[::-1]), 20)
