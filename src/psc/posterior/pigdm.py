"""PiGDM: posterior samples guided by the measurements through the denoiser's derivative.

Song, Vahdat, Mardani and Kautz, "Pseudoinverse-guided diffusion models for inverse problems" (2023), in the
variance-exploding form and for rows H that are orthonormal (H H^T = I: the pseudoinverse is H^T). With
x_t = x + sigma n and y = H x + sigma_y n', the picture given x_t is taken as normal around its denoised
estimate D = D(x_t; sigma): N(D, r^2 I). Then y given x_t is N(H D, (r^2 + sigma_y^2) I), and with J = dD/dx_t

    grad log p(y | x_t) = J^T H^T (y - H D) / (r^2 + sigma_y^2)

By Tweedie's formula the posterior's denoised estimate, E[x | x_t, y], is

    D_y = x_t + sigma^2 grad log p(x_t | y) = D + sigma^2 / (r^2 + sigma_y^2) J^T v,    v = H^T (y - H D)

v is P(D) - D, with P the projection onto {x: H x = y}; J^T is applied to it as to a constant.

**r^2.** The paper's choice is for pictures whose numbers have one variance s^2: r^2 = s^2 sigma^2 / (s^2 +
sigma^2). Photographs have no such s: along the rows that are measured first it is several times the range of
a pixel, along others a tenth. But the derivative knows: the covariance of x given x_t is sigma^2 J (Tweedie's
formula of second order), so the variance that matters, along the measurements' error v, is

    r^2 = sigma^2 (v . J^T v) / (v . v)

which costs nothing more, is the paper's r^2 where there is one s, and keeps D_y from overshooting where there
is none. (It is the step length of steepest descent for (sigma^2 H J H^T + sigma_y^2 I) w = y - H D, the
system behind the exact D_y = D + sigma^2 J^T H^T w of a normal picture.)

The steps are those of psc.posterior.multistep, around this D_y.
"""

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.posterior.grouping import each_group
from psc.posterior.multistep import annealed, coloured, own
from psc.posterior.noises import Noises
from psc.posterior.sampler import Count, Draw, Projector, enlarge, evaluate, projected
from psc.prior.protocol import Differentiable, Prior

LEAST = 1e-4
"""r^2 is at least so many sigma^2: a network's J need not be positive along v, as a covariance is."""


def draw(prior: Prior, projector: Projector, particles: torch.Tensor, how: Draw, progress: Count) -> None:
    """Anneal every particle to a posterior sample, in place; float32, not exact.

    Args:
        prior: D, with its derivative.
        projector: P.
        particles: (s, C, h, w): where each starts. C is the prior's number of channels, or 1 for a grey
            picture under a colour prior.
        how: Steps, noise levels, noise; one estimate.
        progress: Called with the number of network evaluations just done.

    Raises:
        PscError: If the prior has no derivative.
    """
    if not isinstance(prior, Differentiable):
        raise PscError(f"pigdm needs the prior's derivative, and {prior.name!r} has none; choose ddrm")
    guide = Guide(prior, projector, how, particles.shape[1])
    noises = Noises(how, prior.channels, *particles.shape[2:])

    def anneal(some: range, count: Count) -> None:
        where = slice(some.start, some.stop)
        particles[where] = annealed(guide, particles[where], noises, some, count)

    each_group(prior, particles, anneal, progress)


class Guide:
    """D_y of pictures with ``channels`` channels: the prior's number, or 1 for grey under a colour prior.

    Of a grey picture that is made a colour picture (psc.posterior.multistep.coloured) the mean of the prior's
    estimates is a denoiser of grey pictures.
    """

    def __init__(self, prior: Differentiable, projector: Projector, how: Draw, channels: int) -> None:
        self.prior, self._projector, self._how = prior, projector, how
        self._ratio = prior.channels // channels

    def __call__(self, x: torch.Tensor, noise: torch.Tensor, sigma_t: float, step: int) -> torch.Tensor:
        """The posterior's denoised estimate D_y.

        Args:
            x: (B, C, h, w) at noise level sigma.
            noise: (B, prior.channels, h, w) standard normal: for a grey picture's colours.
            sigma_t: sigma.
            step: Which of the draw's steps; all are alike.
        """
        del step
        colours = coloured(x, noise, sigma_t)
        estimate = own(evaluate(self.prior, colours, sigma_t, self._how.scale), x.shape[1])
        power = sigma_t * sigma_t / self._ratio
        v = projected(self._projector, estimate) - estimate
        pulled = self._pulled_back(colours, v, sigma_t)
        share = _dot(v, pulled) / _dot(v, v).clamp_min(torch.finfo(v.dtype).tiny)
        variance = power * share.clamp_min(LEAST)
        return estimate + power / (variance + self._how.sigma_y**2) * pulled

    def _pulled_back(self, colours: torch.Tensor, v: torch.Tensor, sigma_t: float) -> torch.Tensor:
        """J^T v for any height and width, J the derivative of the own channels' estimate."""
        prior, (height, width) = self.prior, v.shape[2:]
        large, collect = torch.func.vjp(lambda x: enlarge(x, prior.multiple), colours)[:2]
        v = (v / self._ratio).expand_as(colours)
        v = functional.pad(v, (0, large.shape[3] - width, 0, large.shape[2] - height))
        gradient = prior.pullback(large.to(prior.device), v.to(prior.device), sigma_t, self._how.scale)
        out: torch.Tensor = collect(gradient.cpu())[0]
        return out.sum(1, keepdim=True) if self._ratio > 1 else out


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Inner products of pictures (B, C, h, w), as (B, 1, 1, 1)."""
    return (a * b).sum((1, 2, 3), keepdim=True)
