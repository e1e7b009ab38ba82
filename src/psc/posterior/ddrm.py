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
from collections import deque

import torch

from psc.exact import to_grid
from psc.exact.fixed import LATENT_LIMIT, PIXEL_LIMIT
from psc.levels import schedule, sigma
from psc.posterior.particles import Agree, Count, Draw, evaluate
from psc.posterior.threads import each_group
from psc.prior.protocol import Prior


def draw(prior: Prior, agree: Agree, start: torch.Tensor, how: Draw, progress: Count) -> torch.Tensor:
    """Anneal every particle of ``start`` (s, C, h, w) to a posterior sample; float32 multiples of 2^-16.

    Returns the last how.estimates estimates of each, (s, estimates x C, h, w): the last one is the sample.
    agree is P. C is the prior's number of channels, or 1 for a grey picture under a colour prior.
    ``progress`` is called with the number of network evaluations just done. The particles are
    independent, each with a noise stream of its own: grouping them does not change them.
    """

    def anneal(some: range, count: Count) -> torch.Tensor:
        x0 = start[some.start : some.stop]
        kept: deque[torch.Tensor] = deque(maxlen=how.estimates)
        for step, level in enumerate(schedule(how.level, how.steps, how.end)):
            noise = how.noise(step, some, (prior.channels, *x0.shape[2:]))
            x0 = agree(_denoise(prior, agree, x0, sigma(level), noise, how))
            kept.append(x0)
            count(len(x0))
        return torch.cat(list(kept), 1)

    return each_group(prior, start, anneal, progress)


def _denoise(
    prior: Prior, agree: Agree, x0: torch.Tensor, level: float, noise: torch.Tensor, how: Draw
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
    limit = PIXEL_LIMIT if prior.factor == 1 else LATENT_LIMIT
    estimate = to_grid(evaluate(prior, x.float(), level, how.scale)).clamp(-limit, limit)
    return (to_grid(estimate.sum(1, keepdim=True) / ratio) if ratio > 1 else estimate).float()
