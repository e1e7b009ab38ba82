"""What all samplers share: what a draw is, its noise, the prior's evaluation."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.exact import gaussian
from psc.levels import LOWEST
from psc.prior.protocol import Prior

Agree = Callable[[torch.Tensor], torch.Tensor]
"""P: pictures (B, C, h, w), moved least to agree with the measurements."""
Count = Callable[[int], None]
"""Hears of the number of network evaluations just done."""


@dataclass(frozen=True)
class Draw:
    """One draw of particles: where it starts and which noise it takes.

    level: index of the first noise level. steps: evaluations per particle. sigma_y: the measurements'
    noise in the particles' pixel units. scale: of the particles, see Prior.denoise. seed, index: the noise
    streams (seed; index, step, particle). first: number of the first particle. end: index of the last noise
    level. estimates: how many of the last steps' estimates are kept.
    """

    level: int
    steps: int
    sigma_y: float
    scale: int
    seed: int
    index: int
    first: int = 0
    end: int = LOWEST
    estimates: int = 1

    def noise(self, step: int, particles: range, shape: tuple[int, ...]) -> torch.Tensor:
        """Standard normal noise (B, *shape) of a step, float64; ``particles`` count from 0 in this draw."""
        numbers = (self.first + i for i in particles)
        return torch.stack([gaussian(self.seed, (self.index, step, number), shape) for number in numbers])


Sampler = Callable[[Prior, Agree, torch.Tensor, Draw, Count], torch.Tensor]
"""draw(prior, agree, start, how, progress) -> (s, estimates x C, h, w) of ``start``'s (s, C, h, w)."""


def evaluate(prior: Prior, x: torch.Tensor, level: float, scale: int) -> torch.Tensor:
    """prior.denoise on the CPU for any height and width; PscError if it returns what is no number."""
    height, width = x.shape[2:]
    estimate = prior.denoise(enlarge(x, prior.multiple).to(prior.device), level, scale)
    estimate = estimate[:, :, :height, :width].cpu()
    if not bool(torch.isfinite(estimate).all()):
        raise PscError(f"the prior {prior.name!r} returned numbers that are not finite")
    return estimate


def enlarge(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """(B, C, h, w) with the last row and column repeated up to multiples of ``multiple``."""
    below, beside = -x.shape[2] % multiple, -x.shape[3] % multiple
    return functional.pad(x, (0, beside, 0, below), mode="replicate") if below or beside else x
