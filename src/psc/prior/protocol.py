"""What the codec asks of a diffusion model."""

from typing import Protocol, runtime_checkable

import torch


class Prior(Protocol):
    """A denoiser in the variance-exploding parametrisation of EDM (Karras et al., 2022, section 2).

    channels: of the pictures it models: 3 for RGB; for a model of latents the latents' (4 for Stable
    Diffusion), and sizes and noise levels are then the latents', too. multiple: heights and widths must be
    multiples of it. factor: side in the picture's pixels of what one of its pixels stands for: 1, or more for
    latents. sigma_min, sigma_max: the noise levels it was trained on. native_size: the
    side of its training pictures (0: unknown). fingerprint: SHA-256 digest (32 bytes) of whatever determines
    its output; a file names its prior by it. exact: whether denoise gives the same bits on every machine.
    """

    channels: int
    multiple: int
    factor: int
    sigma_min: float
    sigma_max: float
    native_size: int
    fingerprint: bytes
    exact: bool
    name: str
    device: torch.device

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """E[x0 | x0 + sigma n = x] for n standard normal.

        x: (B, channels, H, W) float32, pixels in [-1, 1] plus noise; returns the same shape, float32.
        sigma: one of the sampler's (psc.plan.noise_levels); a prior that takes others, too, rounds them
        to its own. scale: each pixel of x0 is the mean of a
        square of so many pixels a side (a prior need not care).
        """
        ...


@runtime_checkable
class Differentiable(Prior, Protocol):
    """A prior that knows its derivative, which need not be exact: only restorations use it."""

    def pullback(self, x: torch.Tensor, v: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """J^T v, with J the derivative of denoise(x, sigma, scale) with respect to x.

        x, v: (B, channels, H, W) float32; returns the same shape, float32.
        """
        ...
