"""Which noise levels a scale is trained on: those that the codec's draws pass through there.

The default plan evaluates the prior at full resolution from sigma = 1 down to .15 (a restoration from .29
to .03), at a quarter of the size between .07 and 2.4, at a sixteenth everywhere. Most of a batch is drawn
from there, the rest from all levels, so that whatever else asks for them finds a denoiser, too.
"""

import torch

from psc.plan.noise_levels import HIGHEST, LOWEST

RANGES = {1: (32, 66), 2: (32, 72), 4: (35, 77), 8: (35, 96), 12: (32, 117), 16: (32, 117)}
"""By block: the lowest and the highest level of most draws."""
EVERYWHERE = 0.06
"""Share of a batch that is drawn from all levels."""


def aimed(block: int, count: int, random: torch.Generator) -> torch.Tensor:
    """Noise levels (count,) for a batch at a scale."""
    low, high = RANGES[block]
    u, v = torch.rand(2, count, generator=random)
    near = low + (u * (high - low + 1)).long()
    anywhere = LOWEST + (u * (HIGHEST - LOWEST + 1)).long()
    return torch.where(v < EVERYWHERE, anywhere, near)


def everywhere(block: int, count: int, random: torch.Generator) -> torch.Tensor:
    """What format version 4's prior was trained on, at all scales: twice the weight below sigma = 1.6."""
    del block
    u, v = torch.rand(2, count, generator=random)
    return LOWEST + (u * torch.where(v < 0.4, 38, HIGHEST - LOWEST + 1)).long()
