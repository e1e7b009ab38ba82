"""Muon for the convolutions' weights, AdamW for everything else.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/) replaces a matrix's averaged gradient
by the nearest orthogonal matrix, found by Newton-Schulz iterations; scaled as by Liu et al. (2025, arXiv
2502.16982, equation 4) so that learning rates of AdamW carry over.
"""

import torch

MOMENTUM = 0.95
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Parameters with at least two dimensions, seen as matrices (first dimension x the others)."""

    def __init__(self, parameters: list[torch.nn.Parameter], lr: float, weight_decay: float = 0.01) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - MOMENTUM)
                update = orthogonalised(p.grad.lerp(state["momentum"], MOMENTUM).flatten(1))
                scale = 0.2 * max(update.shape) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update.reshape(p.shape), alpha=-group["lr"] * scale)


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """About U V^T of the singular value decomposition U S V^T; singular values end up in [0.7, 1.2]."""
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.T if tall else x).to(matrix.dtype)


def optimisers(net: torch.nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for all convolutions but the first and the last, AdamW for the rest."""
    inner = {
        name: p
        for name, p in net.named_parameters()
        if p.ndim == 4 and name not in ("inp.weight", "out.weight")
    }
    outer = [p for name, p in net.named_parameters() if name not in inner]
    adam = torch.optim.AdamW(outer, lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    return [Muon(list(inner.values()), rate), adam]
