"""Eigenvectors of many small symmetric matrices by cyclic Jacobi rotations.

Golub and Van Loan, "Matrix computations", section 8.5. The pairs (p, q) are visited in the round-robin
order of a tournament, so that the m/2 rotations of a stage touch different rows and can be done side by
side. Only elementwise additions, products, divisions and square roots occur, each one IEEE operation in a
fixed order (no BLAS, no fused multiply-add), and the number of sweeps is fixed: the result cannot
depend on the batch, the device or the number of threads.
"""

import torch

SWEEPS = 5


def symmetric_eigen(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues (n, m), decreasing, and eigenvectors (n, m, m) as *rows*, of symmetric a (n, m, m).

    a is float64. An odd m is handled with a zero row and column, which stay untouched by rotations.
    """
    n, m, _ = a.shape
    size = m + m % 2
    work = torch.zeros(
        size, size, n, dtype=torch.float64, device=a.device
    )  # the batch goes last: long inner loops
    work[:m, :m] = a.permute(1, 2, 0)
    vectors = torch.eye(size, dtype=torch.float64, device=a.device)[:, :, None].repeat(1, 1, n)
    stages = [torch.tensor(stage, device=a.device) for stage in _tournament(size)]
    for _ in range(SWEEPS):
        for p, q in stages:
            work, vectors = _rotate(work, vectors, p, q)
    values = torch.diagonal(work, dim1=0, dim2=1)[:, :m]
    order = torch.argsort(values, dim=1, descending=True, stable=True)
    rows = vectors.permute(2, 0, 1)[:, :m, :m]
    return torch.gather(values, 1, order), torch.gather(rows, 1, order[:, :, None].expand(-1, -1, m))


def _tournament(size: int) -> list[tuple[list[int], list[int]]]:
    """The size - 1 stages of a round-robin tournament: each pairs every index with another one."""
    others = list(range(1, size))
    stages = []
    for _ in range(size - 1):
        seats = [0, *others]
        half = size // 2
        pairs = [sorted((seats[i], seats[size - 1 - i])) for i in range(half)]
        stages.append(([p for p, _ in pairs], [q for _, q in pairs]))
        others = others[1:] + others[:1]
    return stages


def _rotate(
    work: torch.Tensor, vectors: torch.Tensor, p: torch.Tensor, q: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Annihilate work[p, q] and work[q, p] and turn the rows of ``vectors`` along."""
    app, aqq, apq = work[p, p], work[q, q], work[p, q]
    tau = (aqq - app) / (2.0 * apq)
    root = torch.sqrt(tau * tau + 1.0)
    t = torch.where(tau >= 0, 1.0 / (tau + root), -1.0 / (root - tau))
    t = torch.where(apq == 0, torch.zeros_like(t), t)
    c = 1.0 / torch.sqrt(t * t + 1.0)
    s = t * c
    # Row i becomes diagonal_i * row_i + cross_i * row_partner(i): every index is in exactly one pair.
    diagonal, cross = torch.empty_like(work[0]), torch.empty_like(work[0])
    diagonal[p], diagonal[q] = c, c
    cross[p], cross[q] = -s, s
    partner = torch.empty(len(work), dtype=torch.long, device=work.device)
    partner[p], partner[q] = q, p
    rows = diagonal[:, None] * work + cross[:, None] * work[partner]
    return (
        diagonal[None] * rows + cross[None] * rows[:, partner],
        diagonal[:, None] * vectors + cross[:, None] * vectors[partner],
    )
