"""DDRM: posterior samples of a picture given noisy linear measurements.

Kawar et al., "Denoising diffusion restoration models" (2022), equation 8 with eta = eta_b = 1, for rows H
that are orthonormal (all singular values are 1). One step, from the denoised estimate x0 to the level sigma:

    outside the row space    x = x0 + sigma n
    inside, sigma > sigma_y  H x = y + sqrt(sigma^2 - sigma_y^2) H n     (y brings noise sigma_y of its own)

Both at once, with P the projection onto {x: H x = y} and tau = sqrt(max(sigma^2 - sigma_y^2, 0)):

    x = P(x0 + (sigma - tau) n) + tau n

The estimates themselves are projected, too (x0 := P(D(x; sigma))): with fresh noise at every step nothing
else would remember y below sigma_y, where DDRM leaves the measurements alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.exact import gaussian, to_grid
from psc.exact.fixed import LATENT_LIMIT, PIXEL_LIMIT
from psc.prior.levels import schedule, sigma
from psc.prior.protocol import Prior

GROUP, LATENT_GROUP = 2**20, 2**16
"""Pixels (particles x height x width) that go through a step together at most, one particle at least."""


@dataclass(frozen=True)
class Draw:
    """One draw of s particles: where it starts and which noise it takes.

    level: index of the first noise level. steps: evaluations per particle. sigma_y: the measurements'
    noise in the particles' pixel units. scale: of the particles, see Prior.denoise. seed, index: the noise
    streams (seed; index, step, particle).
    """

    level: int
    steps: int
    sigma_y: float
    scale: int
    seed: int
    index: int


def draw(
    prior: Prior,
    agree: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    how: Draw,
    progress: Callable[[int], None],
) -> torch.Tensor:
    """Anneal every particle of ``start`` (s, C, h, w) to a posterior sample; float32 multiples of 2^-16.

    agree is P. C is the prior's number of channels, or 1 for a grey picture under a colour prior.
    ``progress`` is called with the number of network evaluations just done. The particles are
    independent, each with a noise stream of its own: grouping them does not change them.
    """
    out = torch.empty_like(start)
    together = GROUP if prior.factor == 1 else LATENT_GROUP
    group = max(1, together // (start.shape[2] * start.shape[3]))
    for first in range(0, len(start), group):
        some = range(first, min(first + group, len(start)))
        out[some.start : some.stop] = _anneal(
            prior, agree, start[some.start : some.stop], how, some, progress
        )
    return out


def _anneal(
    prior: Prior,
    agree: Callable[[torch.Tensor], torch.Tensor],
    x0: torch.Tensor,
    how: Draw,
    particles: range,
    progress: Callable[[int], None],
) -> torch.Tensor:
    for step, level in enumerate(schedule(how.level, how.steps)):
        noise = _noise(how, step, particles, (prior.channels, *x0.shape[2:]))
        x0 = agree(_denoise(prior, agree, x0, sigma(level), noise, how))
        progress(len(x0))
    return x0


def _denoise(
    prior: Prior,
    agree: Callable[[torch.Tensor], torch.Tensor],
    x0: torch.Tensor,
    level: float,
    noise: torch.Tensor,
    how: Draw,
) -> torch.Tensor:
    """Noise x0 to ``level`` as above and estimate it anew; noise has the prior's channels.

    A grey picture (one channel) is a colour picture whose channels are known to be equal: their common
    noise is the mean of the prior's channels, and the estimate is the mean of the prior's estimates.
    """
    ratio = prior.channels // x0.shape[1]
    common = noise.sum(1, keepdim=True) / ratio if ratio > 1 else noise
    tau = math.sqrt(max(level * level - ratio * (how.sigma_y * how.sigma_y), 0.0))
    shift = to_grid((level - tau) * common)
    x = agree((x0 + shift).float()) - shift + to_grid(level * noise)
    estimate = _any_size(prior, x.float().to(prior.device), level, how.scale).cpu()
    if not bool(torch.isfinite(estimate).all()):
        raise PscError(f"the prior {prior.name!r} returned numbers that are not finite")
    limit = PIXEL_LIMIT if prior.factor == 1 else LATENT_LIMIT
    estimate = to_grid(estimate).clamp(-limit, limit)
    return (to_grid(estimate.sum(1, keepdim=True) / ratio) if ratio > 1 else estimate).float()


def _any_size(prior: Prior, x: torch.Tensor, level: float, scale: int) -> torch.Tensor:
    """prior.denoise for any height and width: the last row and column repeated up to its multiple."""
    height, width = x.shape[2:]
    below, beside = -height % prior.multiple, -width % prior.multiple
    if below or beside:
        x = functional.pad(x, (0, beside, 0, below), mode="replicate")
    return prior.denoise(x, level, scale)[:, :, :height, :width]


def _noise(how: Draw, step: int, particles: range, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.stack([gaussian(how.seed, (how.index, step, particle), shape) for particle in particles])
