"""Samples of more texture: a stochastic multistep sampler around the posterior's estimates.

Lu et al., "DPM-Solver++" (2022), SDE-DPM-Solver++(2M), in the variance-exploding form. From sigma to sigma',
with q = sigma' / sigma and D~ the posterior's denoised estimate D_y, extrapolated half a step ahead in log
sigma from this one and the last:

    x = D~ + q^2 (x - D~) + sigma' sqrt(1 - q^2) n

Its fresh noise forgets errors of higher levels, but what a step has found stays in x, where DDRM
(psc.posterior.ddrm) draws everything that is not measured anew at every step and so ends nearer to the mean.
The second order gives the samples their spread: in 20 to 40 steps samples of first order (D~ = D_y: the
ancestral sampler) have 60 to 80 % of the variance.

``draw`` takes D_y = P(D(x; sigma)), the estimate moved to the measurements, as DDRM does: the same
evaluations, and all exact. psc.posterior.pigdm has another D_y.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch

from psc.exact import to_grid, to_grid_
from psc.plan.noise_levels import schedule, sigma
from psc.posterior.ddrm import bounded
from psc.posterior.grouping import each_group
from psc.posterior.noises import Noises
from psc.posterior.sampler import Count, Draw, Projector, evaluate, projected
from psc.prior.protocol import Prior

AHEAD_BITS = 12
"""The weight of the last estimate in D~ is rounded to so many bits: no logarithm's last bit counts."""
Estimate = Callable[[torch.Tensor, torch.Tensor, float, int], torch.Tensor]
"""D_y of x (B, C, h, w), with a step's noise (B, prior.channels, h, w), at a sigma and a step's number."""


def draw(prior: Prior, projector: Projector, particles: torch.Tensor, how: Draw, progress: Count) -> None:
    """Anneal every particle to a posterior sample, in place; float32 multiples of 2^-16.

    Args:
        prior: D.
        projector: P.
        particles: (s, C, h, w): where each starts. C is the prior's number of channels, or 1 for a grey
            picture under a colour prior.
        how: Steps, noise levels, noise; one estimate.
        progress: Called with the number of network evaluations just done.
    """
    channels = particles.shape[1]
    noises = Noises(how, prior.channels, *particles.shape[2:])

    def anneal(some: range, count: Count) -> None:
        def estimate(x: torch.Tensor, noise: torch.Tensor, sigma_t: float, step: int) -> torch.Tensor:
            x = coloured(x, noise, sigma_t)
            found = evaluate(prior, x, sigma_t, how.scale, how.mirrored(step, some))
            return projected(projector, bounded(prior, found, channels))

        where = slice(some.start, some.stop)
        particles[where] = annealed(estimate, particles[where], noises, some, count)

    each_group(prior, particles, anneal, progress)


def annealed(estimate: Estimate, x0: torch.Tensor, noises: Noises, some: range, count: Count) -> torch.Tensor:
    """The last D_y of pictures x0 (B, C, h, w) that are noised to a draw's first level and annealed.

    Args:
        estimate: D_y.
        x0: Where each starts.
        noises: Of the draw, whose steps and levels these are.
        some: The pictures' numbers in the draw.
        count: Called with the number of evaluations just done.
    """
    sigmas = [sigma(j) for j in schedule(noises.how.start, noises.how.steps, noises.how.end)]
    noise = noises(0, some)
    x = x0 + to_grid_(sigmas[0] * own(noise, x0.shape[1]))
    last = now = estimate(x.float(), noise, sigmas[0], 0)
    count(len(x))
    h_last = math.inf
    for step, (sigma_t, sigma_next) in enumerate(pairwise(sigmas), start=1):
        h, q = math.log(sigma_t / sigma_next), sigma_next / sigma_t
        weight = round(2**AHEAD_BITS * h / (2 * h_last)) / 2**AHEAD_BITS
        ahead = now + weight * (now.double() - last)
        noise = noises(step, some)
        x = to_grid_(ahead + (q * q) * (x - ahead))
        x += to_grid_((sigma_next * math.sqrt(1 - q * q)) * own(noise, x0.shape[1]))
        last, h_last = now, h
        now = estimate(x.float(), noise, sigma_next, step)
        count(len(x))
    return now


def own(noise: torch.Tensor, channels: int) -> torch.Tensor:
    """The noise of pictures (B, channels, h, w): the prior's, or the mean of its channels for grey ones."""
    return noise if noise.shape[1] == channels else noise.sum(1, keepdim=True) / noise.shape[1]


def coloured(x: torch.Tensor, noise: torch.Tensor, sigma_t: float) -> torch.Tensor:
    """Pictures x (B, C, h, w) at noise level sigma, in the prior's channels.

    A grey picture is a colour picture whose channels are known to be equal. What the colours' noise adds to
    their mean is noise of standard deviation sigma / sqrt(3); the rest says nothing of the picture, so it may
    be drawn anew at every step.
    """
    if noise.shape[1] == x.shape[1]:
        return x
    return x + to_grid(sigma_t * (noise - own(noise, x.shape[1]))).float()
