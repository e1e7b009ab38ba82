"""A Gaussian prior whose posterior is known in closed form, with exact arithmetic.

In an orthonormal two-dimensional Haar basis of k stages the coefficients are independent: the low-pass
ones have the standard deviation ``low``, stage j's details (j = 1 finest) ``detail[j - 1]``. The denoiser
shrinks every coefficient by v / (v + sigma^2). Haar sums are exact in float64, the gain is one IEEE division,
and its product is rounded to a grid: the same bits on every machine.
"""

import hashlib
import struct

import torch

from psc.exact import to_grid
from psc.exact.haar import analyse, synthesise


class HaarGaussian:
    """Independent Haar coefficients of given standard deviations; see :class:`psc.prior.Prior`."""

    name = "gaussian"
    factor = 1
    exact = True

    def __init__(
        self, low: float = 2.0, detail: tuple[float, ...] = (0.1, 0.3, 0.6), channels: int = 3
    ) -> None:
        """A prior of pictures with independent Haar coefficients.

        Args:
            low: Standard deviation of the low-pass coefficients, in pixel units.
            detail: The details', one per Haar stage, finest first.
            channels: Of the pictures.
        """
        self.low, self.detail, self.channels = low, detail, channels
        self.multiple = 2 ** len(detail)
        packed = struct.pack(f"<B{len(detail) + 1}d", channels, low, *detail)
        self.fingerprint = hashlib.sha256(b"psc haar gaussian 1" + packed).digest()
        self.device = torch.device("cpu")

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """See :meth:`psc.prior.Prior.denoise`."""
        del scale
        low, bands = analyse(x.double(), len(self.detail))
        low = to_grid(low * _gain(self.low, sigma), 24)
        bands = [to_grid(b * _gain(s, sigma), 24) for b, s in zip(bands, self.detail, strict=True)]
        return synthesise(low, bands).float()

    def pullback(self, x: torch.Tensor, v: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """See :meth:`psc.prior.Differentiable.pullback`: denoise is linear and symmetric in x."""
        del x
        return self.denoise(v, sigma, scale)


def _gain(deviation: float, sigma: float) -> float:
    power = deviation * deviation  # not ** 2: a library's pow need not round correctly
    return power / (power + sigma * sigma)
