"""What all samplers share: what a draw is, its noise, the prior's evaluation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.exact import gaussian
from psc.plan.noise_levels import LOWEST
from psc.prior.protocol import Prior

Project = Callable[[torch.Tensor], torch.Tensor]
"""P: pictures (B, C, h, w), moved least to projector with the measurements."""
Projector = Callable[[int], Iterable[tuple[slice, Project]]]
"""P for so many pictures, in horizontal bands: their rows of pixels, and P of pictures cut to these rows."""
Count = Callable[[int], None]
"""Hears of the number of network evaluations just done."""


@dataclass(frozen=True)
class Draw:
    """One draw of particles: where it starts and which noise it takes.

    start: index j of the first noise level. steps: evaluations per particle. sigma_y: the measurements'
    noise in the particles' pixel units. scale: of the particles, see Prior.denoise. seed, index: the noise
    streams (seed; index, step, particle). first: number of the first particle. end: index of the last noise
    level. estimates: how many of the last steps' estimates are kept.
    """

    start: int
    steps: int
    sigma_y: float
    scale: int
    seed: int
    index: int
    first: int = 0
    end: int = LOWEST
    estimates: int = 1

    def noise(
        self, step: int, particles: range, shape: tuple[int, ...], rows: slice = slice(None)
    ) -> torch.Tensor:
        """Standard normal noise of a step for pictures (B, C, h, w), float64; some of its rows, if not all.

        ``particles`` count from 0 in this draw.
        """
        channels, height, width = shape[1:]
        top, bottom, _ = rows.indices(height)
        planes = [
            gaussian(
                self.seed,
                (self.index, step, self.first + i),
                (bottom - top, width),
                (c * height + top) * width,
            )
            for i in particles
            for c in range(channels)
        ]
        return torch.stack(planes).reshape(-1, channels, bottom - top, width)


Sampler = Callable[[Prior, Projector, torch.Tensor, Draw, Count], None]
"""draw(prior, projector, particles, how, progress), in place: see psc.posterior.ddrm.draw."""


def projected(projector: Projector, x: torch.Tensor) -> torch.Tensor:
    """P(x) of whole pictures (B, C, h, w)."""
    out = torch.empty_like(x)
    for rows, project in projector(len(x)):
        out[:, :, rows] = project(x[:, :, rows])
    return out


def evaluate(prior: Prior, x: torch.Tensor, sigma: float, scale: int) -> torch.Tensor:
    """prior.denoise on the CPU for any height and width; PscError if it returns what is no number."""
    height, width = x.shape[2:]
    estimate = prior.denoise(enlarge(x, prior.multiple).to(prior.device), sigma, scale)
    estimate = estimate[:, :, :height, :width].cpu()
    if not all(map(torch.isfinite, estimate.aminmax())):  # both are NaN if any number is
        raise PscError(f"the prior {prior.name!r} returned numbers that are not finite")
    return estimate


def enlarge(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """(B, C, h, w) with the last row and column repeated up to multiples of ``multiple``."""
    below, beside = -x.shape[2] % multiple, -x.shape[3] % multiple
    return functional.pad(x, (0, beside, 0, below), mode="replicate") if below or beside else x
