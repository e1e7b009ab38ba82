"""Muon for the convolutions' weights, AdamW for everything else.

Muon (Jordan et al., 2024) replaces a matrix's averaged gradient by the nearest orthogonal matrix; scaled as
by Liu et al. (2025, arXiv 2502.16982, equation 4), so that learning rates of AdamW carry over.
"""

import torch
from torch import nn, optim

MUON_DECAY, ADAM_DECAY = 0.01, 0.01
BETAS = (0.9, 0.99)


def optimisers(net: nn.Module, rate: float, parts: int) -> list[optim.Optimizer]:
    """Muon for all convolutions but the first and the last, in so many parts of equal work; AdamW.

    A PyTorch before 2.9 has no Muon: AdamW takes everything there, and says so.
    """
    if not hasattr(optim, "Muon"):
        print(f"PyTorch {torch.__version__} has no Muon: AdamW for all weights")
        return [optim.AdamW(net.parameters(), lr=rate, betas=BETAS, weight_decay=ADAM_DECAY)]
    inner = {n: p for n, p in net.named_parameters() if p.ndim == 2 and _is_inner(n)}
    outer = [p for n, p in net.named_parameters() if n not in inner]
    heaps: list[list[nn.Parameter]] = [[] for _ in range(parts)]
    for p in sorted(inner.values(), key=lambda p: -p.numel() * min(p.shape)):
        min(heaps, key=lambda heap: sum(q.numel() * min(q.shape) for q in heap)).append(p)
    muons = [
        optim.Muon(heap, lr=rate, weight_decay=MUON_DECAY, adjust_lr_fn="match_rms_adamw") for heap in heaps
    ]
    return [*muons, optim.AdamW(outer, lr=rate, betas=BETAS, weight_decay=ADAM_DECAY)]


def _is_inner(name: str) -> bool:
    return name.startswith(("enc.", "dec.", "dn.", "up.")) and ".level." not in name
