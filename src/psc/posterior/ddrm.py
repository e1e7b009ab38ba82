"""DDRM: posterior samples of a picture given noisy linear measurements.

Kawar et al., "Denoising diffusion restoration models" (2022), equation 8 with eta = eta_b = 1, for rows H
that are orthonormal (all singular values are 1). One step, from the denoised estimate x0 to the level sigma:

    outside the row space    x = x0 + sigma n
    inside, sigma > sigma_y  H x = y + sqrt(sigma^2 - sigma_y^2) H n     (y brings noise sigma_y of its own)

Both at once, with P the projection onto {x: H x = y}
(in part, where measurements have little trust: psc.transform.windows) and
tau = sqrt(max(sigma^2 - sigma_y^2, 0)):

    x = P(x0 + (sigma - tau) n) + tau n

Below sigma_y tau is 0 and P still holds x to y, where DDRM leaves the measurements alone: with fresh noise at
every step nothing else would remember them. The estimates x0 = D(x; sigma) stay as the network gives them:
to project them as well would change next to nothing, since P P = P where measurements are trusted wholly, and
new rows do not see what is measured. Who shows one as a picture projects it (psc.session.restore).
"""

import math
from collections.abc import Sequence

import torch

from psc.exact import to_grid_
from psc.exact.fixed import LATENT_LIMIT, PIXEL_LIMIT
from psc.plan.noise_levels import schedule, sigma
from psc.posterior.grouping import each_group
from psc.posterior.noises import Noises
from psc.posterior.sampler import Count, Draw, Projector, evaluate
from psc.prior.protocol import Prior


def draw(
    prior: Prior,
    projector: Projector,
    particles: torch.Tensor,
    how: Draw,
    progress: Count,
    earlier: Sequence[torch.Tensor] = (),
) -> None:
    """Anneal every particle to a posterior sample, in place; float32 multiples of 2^-16.

    The particles are independent, each with a noise stream of its own: grouping them does not change them.

    Args:
        prior: D.
        projector: P.
        particles: (s, C, h, w): where each starts, and where its last estimate, the sample, is left. C is the
            prior's number of channels, or 1 for a grey picture under a colour prior.
        how: Steps, noise levels, noise.
        progress: Called with the number of network evaluations just done.
        earlier: Alike: where the estimates of the last steps but one are left, in order.
    """
    channels = particles.shape[1]
    noises = Noises(how, prior.channels, *particles.shape[2:])

    def anneal(some: range, count: Count) -> None:
        *kept, x0 = (estimates[some.start : some.stop] for estimates in (*earlier, particles))
        own = x0
        for step, j in enumerate(schedule(how.start, how.steps, how.end)):
            mirrored = how.mirrored(step, some)  # x is not named: it is to go as soon as it was seen
            estimate = evaluate(
                prior, _noised(projector, noises, x0, step, some, sigma(j)), sigma(j), how.scale, mirrored
            )
            left = how.steps - 1 - step
            x0 = kept[-left] if 0 < left <= len(kept) else own
            for rows, _ in projector(len(some)):
                x0[:, :, rows] = bounded(prior, estimate[:, :, rows], channels)
            count(len(some))

    each_group(prior, particles, anneal, progress)


def _noised(
    projector: Projector, noises: Noises, x0: torch.Tensor, step: int, some: range, sigma_j: float
) -> torch.Tensor:
    """x at noise level sigma_j as above.

    A grey picture (one channel) is a colour picture whose channels are known to be equal: their common
    noise is the mean of the prior's channels.

    Returns:
        (B, prior.channels, h, w).
    """
    ratio, sigma_y = noises.channels // x0.shape[1], noises.how.sigma_y
    tau = math.sqrt(max(sigma_j * sigma_j - ratio * (sigma_y * sigma_y), 0.0))
    x = x0.new_empty(len(x0), noises.channels, *x0.shape[2:])
    for rows, project in projector(len(x0)):
        noise = noises(step, some, rows)
        common = noise.sum(1, keepdim=True) / ratio if ratio > 1 else noise
        shift = to_grid_((sigma_j - tau) * common)
        fresh = to_grid_(noise.mul_(sigma_j)).sub_(shift)
        x[:, :, rows] = fresh.add_(project((x0[:, :, rows] + shift).float()))
    return x


def bounded(prior: Prior, estimate: torch.Tensor, channels: int) -> torch.Tensor:
    """An estimate (B, C, h, w) as multiples of 2^-16 within bounds; of a grey picture, the colours' mean."""
    limit = PIXEL_LIMIT if prior.factor == 1 else LATENT_LIMIT
    bounded = to_grid_(estimate.to(torch.float32, copy=True)).clamp_(-limit, limit)  # exact: by powers of two
    ratio = prior.channels // channels
    if ratio == 1:
        return bounded
    return to_grid_(bounded.double().sum(1, keepdim=True) / ratio).float()
