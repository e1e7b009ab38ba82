"""Eigenvectors of many small symmetric matrices by cyclic Jacobi rotations.

Golub and Van Loan, "Matrix computations", section 8.5. The pairs (p, q) are visited in the round-robin
order of a tournament, so that the m/2 rotations of a stage touch different rows and can be done side by
side. Only elementwise additions, products, divisions and square roots occur, each one IEEE operation in a
fixed order (no BLAS, no fused multiply-add), and the number of sweeps is fixed: the result cannot
depend on the batch, the device or the number of threads. NumPy does them, whose square roots are the
processor's (see :func:`psc.exact.fixed.root`), and which is faster at arrays this small.
"""

import numpy as np
import torch
from numpy.typing import NDArray

SWEEPS = 5
TOGETHER = 256
"""Matrices that are turned together: few enough to stay in the processor's cache."""
Array = NDArray[np.float64]


def symmetric_eigen(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and eigenvectors of symmetric matrices.

    Args:
        a: (n, m, m) float64. An odd m is handled with a zero row and column, which rotations leave alone.

    Returns:
        Eigenvalues (n, m), decreasing, and eigenvectors (n, m, m) as *rows*.
    """
    values, vectors = torch.empty_like(a[:, 0]), torch.empty_like(a)
    for some, value, rows in zip(*(torch.split(x, TOGETHER) for x in (a, values, vectors)), strict=True):
        found, turned = _turned(some.numpy())
        order = np.argsort(-found, 1, kind="stable")
        value.copy_(torch.from_numpy(np.take_along_axis(found, order, 1)))
        rows.copy_(torch.from_numpy(np.take_along_axis(turned, order[:, :, None], 1)))
    return values, vectors


def _turned(a: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of matrices of even size, in the order in which rotations leave them."""
    n, m, _ = a.shape
    size = m + m % 2
    work = np.zeros((size, size, n))  # the batch goes last: long inner loops
    work[:m, :m] = a.transpose(1, 2, 0)
    vectors = np.zeros((size, size, n))
    vectors[np.arange(size), np.arange(size)] = 1.0
    stages = _tournament(size)
    for _ in range(SWEEPS):
        for p, q in stages:
            _rotate(work, vectors, p, q)
    return np.diagonal(work)[:, :m], vectors.transpose(2, 0, 1)[:, :m, :m]


def _tournament(size: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """The size - 1 stages of a round-robin tournament: each pairs every index with another one, p < q."""
    others = list(range(1, size))
    stages = []
    for _ in range(size - 1):
        seats = [0, *others]
        pairs = [sorted((seats[i], seats[size - 1 - i])) for i in range(size // 2)]
        p, q = np.array(pairs, dtype=np.intp).T
        stages.append((p, q))
        others = others[1:] + others[:1]
    return stages


def _rotate(work: Array, vectors: Array, p: NDArray[np.intp], q: NDArray[np.intp]) -> None:
    """Annihilate work[p, q] and work[q, p] and turn the rows of ``vectors`` along."""
    app, aqq, apq = work[p, p], work[q, q], work[p, q]
    with np.errstate(all="ignore"):  # where apq is 0, t will be
        tau = (aqq - app) / (2.0 * apq)
        root = np.sqrt(tau * tau + 1.0)
        t = np.where(tau >= 0, 1.0 / (tau + root), -1.0 / (root - tau))
    t[apq == 0] = 0.0
    c = 1.0 / np.sqrt(t * t + 1.0)
    s = t * c
    work[p], work[q] = _mixed(work[p], work[q], c[:, None], s[:, None])
    work[:, p], work[:, q] = _mixed(work[:, p], work[:, q], c, s)
    vectors[p], vectors[q] = _mixed(vectors[p], vectors[q], c[:, None], s[:, None])


def _mixed(a: Array, b: Array, c: Array, s: Array) -> tuple[Array, Array]:
    """c a - s b and c b + s a, overwriting a and b, which are copies."""
    first = c * a
    first -= s * b
    b *= c
    a *= s
    b += a
    return first, b
