"""What the codec asks of a diffusion model."""

from typing import Protocol, runtime_checkable

import torch


class Prior(Protocol):
    """A denoiser in the variance-exploding parametrisation of EDM.

    Karras, Aittala, Aila and Laine, "Elucidating the design space of diffusion-based generative models"
    (2022), section 2.

    Attributes:
        channels: Of the pictures it models: 3 for RGB; for a model of latents the latents' (4 for Stable
            Diffusion), and sizes and noise levels are then the latents', too.
        multiple: Heights and widths must be multiples of it.
        factor: Side, in the picture's pixels, of what one of its pixels stands for: 1, or more for latents.
        fingerprint: SHA-256 digest (32 bytes) of what determines its output; a file names its prior by it.
        exact: Whether denoise gives the same bits on every machine.
        name: For messages.
        device: Where it is evaluated.
    """

    channels: int
    multiple: int
    factor: int
    fingerprint: bytes
    exact: bool
    name: str
    device: torch.device

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """The estimate E[x0 | x0 + sigma n = x] of the clean picture, for n standard normal.

        Args:
            x: (B, channels, H, W) float32: pixels in [-1, 1] plus noise.
            sigma: One of the sampler's noise levels (:mod:`psc.plan.noise_levels`); a prior that takes
                others, too, rounds them to its own.
            scale: Each pixel of x0 is the mean of a square of so many pixels a side (a prior need not care).

        Returns:
            The same shape, float32.
        """
        ...


@runtime_checkable
class Differentiable(Prior, Protocol):
    """A prior that knows its derivative, which need not be exact: only restorations use it."""

    def pullback(self, x: torch.Tensor, v: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """J^T v, with J the derivative of denoise(x, sigma, scale) with respect to x.

        Args:
            x: (B, channels, H, W) float32: pixels in [-1, 1] plus noise.
            v: What is pulled back, of the same shape.
            sigma: The noise level.
            scale: Of x, as for denoise.

        Returns:
            The same shape, float32.
        """
        ...
