"""FORMAT.md, sections 6 and 8: the next rows are principal components of the estimates."""

import numpy as np

from reference import constants
from reference.grids import grid
from reference.posterior import residual


def next_rows(f: np.ndarray, known: np.ndarray, samples: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of every window and its largest unmeasured variance.

    f: the estimates' coefficients (estimates, windows, coefficients), ordered by step, then by particle;
    known: the rows so far (windows, rows, coefficients). Returns rows (windows, count, coefficients).
    """
    steps = f.reshape(-1, samples, *f.shape[1:])
    e = (steps - grid(steps.sum(1, keepdims=True) / samples, 16)).reshape(f.shape)
    if known.shape[1]:
        e = e + residual(e, known, 0.0)
    e = grid(e, 14).transpose(1, 0, 2)
    values, vectors = eigenvectors(e @ e.transpose(0, 2, 1))
    freedom = len(steps) * (samples - 1)
    unmeasured = values[:, min(count, freedom - 1)] / freedom
    u = grid(vectors[:, :count, : len(f)], 24)
    h = grid(u @ e / np.sqrt(np.maximum(values[:, :count, None], 2.0**-40)), 24)
    return _orthonormal(h, known), unmeasured


def _orthonormal(h: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Step 4: orthogonal to the known rows and to each other, and of norm 1 or zero."""
    if known.shape[1]:
        h = h - grid(grid(h @ known.transpose(0, 2, 1), 20) @ known, 24)
    for i in range(h.shape[1]):
        for j in range(i):
            inner = grid((h[:, i] * h[:, j]).sum(1, keepdims=True), 20)
            h[:, i] -= grid(inner * h[:, j], 24)
        q = (h[:, i] * h[:, i]).sum(1, keepdims=True)
        h[:, i] = np.where(q < 0.25, 0.0, grid(h[:, i] / np.sqrt(np.where(q < 0.25, 1.0, q)), 20))
    return h


def prediction(c: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """m' and v' (windows, rows) from the estimates' numbers c (estimates, windows, rows)."""
    steps = c.reshape(-1, samples, *c.shape[1:])
    mean = grid(steps.sum(1) / samples, 16)
    deviations = grid(steps - mean[:, None], 10)
    return mean[-1], (deviations * deviations).sum((0, 1)) / (len(steps) * (samples - 1))


def eigenvectors(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Section 8, cyclic Jacobi: eigenvalues (windows, m), decreasing; eigenvectors, as rows."""
    odd = a.shape[1] % 2
    a = np.pad(a, ((0, 0), (0, odd), (0, odd)))
    m = a.shape[1]
    v = np.broadcast_to(np.eye(m), a.shape).copy()
    for _ in range(constants.JACOBI_SWEEPS):
        order = list(range(m))
        for _ in range(m - 1):
            pairs = [sorted((order[i], order[m - 1 - i])) for i in range(m // 2)]
            _rotate(a, v, np.array([p for p, _ in pairs]), np.array([q for _, q in pairs]))
            order = [order[0], *order[2:], order[1]]
    values = np.diagonal(a, axis1=1, axis2=2)
    ranks = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, ranks, 1), np.take_along_axis(v, ranks[:, :, None], 1)


def _rotate(a: np.ndarray, v: np.ndarray, p: np.ndarray, q: np.ndarray) -> None:
    """One stage: the pairs (p_i, q_i), all from the same A."""
    app, aqq, apq = a[:, p, p], a[:, q, q], a[:, p, q]
    with np.errstate(all="ignore"):
        tau = (aqq - app) / (2 * apq)
        w = np.sqrt(tau * tau + 1)
        t = np.where(tau >= 0, 1 / (tau + w), -1 / (w - tau))
    t = np.where(apq == 0, 0.0, t)
    c = 1 / np.sqrt(t * t + 1)
    s = t * c
    for matrix in (a, v):
        top, bottom = matrix[:, p], matrix[:, q]
        matrix[:, p] = c[:, :, None] * top + -s[:, :, None] * bottom
        matrix[:, q] = c[:, :, None] * bottom + s[:, :, None] * top
    left, right = a[:, :, p], a[:, :, q]
    a[:, :, p] = c[:, None] * left + -s[:, None] * right
    a[:, :, q] = c[:, None] * right + s[:, None] * left
