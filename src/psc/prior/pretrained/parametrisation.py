"""From what a network predicts to E[x0 | x0 + sigma n = x]: one formula for each kind of prediction.

A variance-preserving model of T timesteps was trained on (Ho et al., 2020, equation 4)

    x_t = a x0 + b n,    a = sqrt(abar_t),  b = sqrt(1 - abar_t),  sigma_t = b / a

so x0 + sigma_t n, scaled by a, is its input. From its prediction p of it:

    epsilon  (the noise n)     x0 = (x_t - b p) / a     Ho et al., 2020, equation 15
    v        (a n - b x0)      x0 = a x_t - b p         Salimans and Ho, 2022, appendix D
    sample   (x0)              x0 = p

A flow-matching model was trained on x_t = (1 - t) x0 + t n, t in [0, 1], to predict u = n - x0 (Lipman et
al., 2023; Esser et al., 2024, section 2), so

    t = sigma / (1 + sigma),   x_t = (1 - t) (x0 + sigma n),   x0 = x_t - t u
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from psc.errors import PscError

Predict = Callable[[torch.Tensor, float], torch.Tensor]
"""A network: its input x_t (B, C, H, W) and its timestep to its prediction, of the same shape and type."""
KINDS = ("epsilon", "v", "sample")


class Parametrisation(Protocol):
    """How a network is asked for E[x0 | x].

    Attributes:
        sigma_min: The lowest noise level that it was trained on.
        sigma_max: The highest one.
    """

    sigma_min: float
    sigma_max: float

    def estimate(self, predict: Predict, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """E[x0 | x0 + sigma n = x].

        Args:
            predict: The network.
            x: (B, C, H, W).
            sigma: The noise's standard deviation.

        Returns:
            x's shape and type.
        """
        ...


class Discrete:
    """A variance-preserving model: sigma is rounded to the nearest timestep's, in its logarithm.

    Above sigma_max the input is scaled down to the noise that the last timestep expects.

    Args:
        alpha_bar: abar_t for t = 0, 1, ..., decreasing.
        kind: What it predicts: "epsilon", "v" or "sample".
    """

    def __init__(self, alpha_bar: Sequence[float], kind: str) -> None:
        if kind not in KINDS:
            raise PscError(f"prediction {kind!r} is unknown; expected one of: {', '.join(KINDS)}")
        self._alpha_bar, self._kind = [float(a) for a in alpha_bar], kind
        sigmas = [math.sqrt((1 - a) / a) for a in self._alpha_bar if a > 0]  # the last may be pure noise
        self._logs = [math.log(s) for s in sigmas]
        self.sigma_min, self.sigma_max = sigmas[0], sigmas[-1]

    def timestep(self, sigma: float) -> int:
        """The t whose sigma_t is nearest to sigma > 0."""
        log = math.log(sigma)
        return min(range(len(self._logs)), key=lambda t: abs(self._logs[t] - log))

    def estimate(self, predict: Predict, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """See :meth:`Parametrisation.estimate`."""
        t = self.timestep(sigma)
        a, b = math.sqrt(self._alpha_bar[t]), math.sqrt(1 - self._alpha_bar[t])
        x_t = x * (a * min(1.0, self.sigma_max / sigma))
        p = predict(x_t, t)
        if self._kind == "epsilon":
            return (x_t - b * p) / a
        return a * x_t - b * p if self._kind == "v" else p


class Flow:
    """A flow-matching model (rectified flow).

    Args:
        steps: Its timestep is steps * t.
    """

    sigma_min, sigma_max = 0.0, math.inf

    def __init__(self, steps: float = 1000) -> None:
        self._steps = steps

    def estimate(self, predict: Predict, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """See :meth:`Parametrisation.estimate`."""
        t = sigma / (1 + sigma)
        x_t = x * (1 - t)
        return x_t - t * predict(x_t, self._steps * t)


def linear_schedule(steps: int) -> list[float]:
    """abar_t of Ho et al., 2020: beta_t from 1e-4 to 0.02 in 1,000 steps, scaled for another number."""
    first, last = 0.1 / steps, 20 / steps
    return _products([first + (last - first) * t / (steps - 1) for t in range(steps)])


def cosine_schedule(steps: int) -> list[float]:
    """abar_t of Nichol and Dhariwal, 2021, equation 17, with beta_t at most 0.999."""

    def f(t: int) -> float:
        return math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2

    return _products([min(1 - f(t + 1) / f(t), 0.999) for t in range(steps)])


def _products(betas: list[float]) -> list[float]:
    out, product = [], 1.0
    for beta in betas:
        product *= 1 - beta
        out.append(product)
    return out
