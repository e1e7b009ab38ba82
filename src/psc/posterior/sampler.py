"""What all samplers share: what a draw is, the prior's evaluation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.plan.noise_levels import LOWEST
from psc.prior.protocol import Prior

Project = Callable[[torch.Tensor], torch.Tensor]
"""P: pictures (B, C, h, w), moved to the measurements as far as these have trust."""
Projector = Callable[[int], Iterable[tuple[slice, Project]]]
"""P for so many pictures, in horizontal bands: their rows of pixels, and P of pictures cut to these rows."""
Count = Callable[[int], None]
"""Hears of the number of network evaluations just done."""


@dataclass(frozen=True)
class Draw:
    """One draw of particles: where it starts and which noise it takes.

    Attributes:
        start: Index j of the first noise level.
        steps: Evaluations per particle.
        sigma_y: The measurements' noise in the particles' pixel units.
        scale: Of the particles, see Prior.denoise.
        seed: Of the noise streams (seed; index, step, particle).
        index: Number of the draw.
        first: Number of the first particle.
        end: Index of the last noise level.
        of: How many particles are drawn together, of which these may be some: their noises sum to zero, and
            every other evaluation of theirs is mirrored. 1: each by itself.
    """

    start: int
    steps: int
    sigma_y: float
    scale: int
    seed: int
    index: int
    first: int = 0
    end: int = LOWEST
    of: int = 1

    def mirrored(self, step: int, particles: range) -> list[bool]:
        """Which of the particles an exact prior sees mirrored, left to right, at a step."""
        return [self.of > 1 and (self.first + i + step) % 2 == 1 for i in particles]


Sampler = Callable[[Prior, Projector, torch.Tensor, Draw, Count], None]
"""draw(prior, projector, particles, how, progress), in place: see psc.posterior.ddrm.draw."""


def projected(projector: Projector, x: torch.Tensor) -> torch.Tensor:
    """P(x) of whole pictures (B, C, h, w)."""
    out = torch.empty_like(x)
    for rows, project in projector(len(x)):
        out[:, :, rows] = project(x[:, :, rows])
    return out


def evaluate(
    prior: Prior, x: torch.Tensor, sigma: float, scale: int, mirrored: list[bool] | None = None
) -> torch.Tensor:
    """The prior's estimates for pictures of any height and width, on the CPU.

    Args:
        prior: What is asked.
        x: (B, C, h, w) at noise level sigma.
        sigma: The noise's standard deviation.
        scale: Of the pictures: see :meth:`psc.prior.Prior.denoise`.
        mirrored: Of which pictures the mirror image is evaluated, and mirrored back: with an exact prior,
            which is no more right about one than about the other, so that the two kinds' errors differ and
            their mean's is smaller (a self-ensemble that costs nothing). Others see all as they are.

    Returns:
        (B, C, h, w).

    Raises:
        PscError: If the prior returns what is no number.
    """
    turned = torch.tensor(mirrored or [False]) & prior.exact
    x = _turned(x, turned)
    height, width = x.shape[2:]
    estimate = prior.denoise(enlarge(x, prior.multiple).to(prior.device), sigma, scale)
    estimate = estimate[:, :, :height, :width].cpu()
    if not all(map(torch.isfinite, estimate.aminmax())):  # both are NaN if any number is
        raise PscError(f"the prior {prior.name!r} returned numbers that are not finite")
    return _turned(estimate, turned)


def _turned(x: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
    """Pictures x (B, C, h, w), of which some are mirrored, left to right."""
    if turned.all():
        return x.flip(3)
    if turned.any():
        x = x.clone()
        x[turned] = x[turned].flip(3)
    return x


def enlarge(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """(B, C, h, w) with the last row and column repeated up to multiples of ``multiple``."""
    below, beside = -x.shape[2] % multiple, -x.shape[3] % multiple
    return functional.pad(x, (0, beside, 0, below), mode="replicate") if below or beside else x
