"""diffusers' autoencoders as two functions: a picture's latent in the network's units, and back.

AutoencoderKL (Stable Diffusion, FLUX.1, PixArt) returns a distribution of latents, of which the mean is
taken; AutoencoderDC (Sana) the latent itself; AutoencoderKLQwenImage is of videos, so a picture is one frame.
"""

from typing import Any

import torch


def channels(autoencoder: Any) -> int:
    """Of a latent."""
    config = autoencoder.config
    return int(config.z_dim if _of_videos(autoencoder) else config.latent_channels)


def encode(autoencoder: Any, picture: torch.Tensor) -> torch.Tensor:
    """The latents (B, C, H / f, W / f), in the network's units, of pictures (B, 3, H, W)."""
    shift, scale = _units(autoencoder.config, picture.device)
    video = _of_videos(autoencoder)
    coded = autoencoder.encode(picture[:, :, None] if video else picture)
    latent: torch.Tensor = coded.latent_dist.mode() if hasattr(coded, "latent_dist") else coded.latent
    latent = latent[:, :, 0] if video else latent
    return (latent - shift) * scale


def decode(autoencoder: Any, latent: torch.Tensor) -> torch.Tensor:
    """The pictures (B, 3, H, W) of latents in the network's units; not clamped."""
    shift, scale = _units(autoencoder.config, latent.device)
    latent = latent / scale + shift
    picture: torch.Tensor
    if _of_videos(autoencoder):
        picture = autoencoder.decode(latent[:, :, None]).sample[:, :, 0]
    else:
        picture = autoencoder.decode(latent).sample
    return picture


def _of_videos(autoencoder: Any) -> bool:
    return hasattr(autoencoder.config, "z_dim")


def _units(config: Any, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """What is subtracted from the autoencoder's numbers, and what they are multiplied by then: (C, 1, 1).

    Newer autoencoders have a mean and a standard deviation for each channel (``latents_mean``,
    ``latents_std``), as diffusers' pipelines use them; others a shift for all.
    """
    mean, deviation = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
    shift = mean if mean and deviation else [getattr(config, "shift_factor", None) or 0.0]
    divisor = deviation if mean and deviation else [1.0]
    column = torch.tensor([*shift, *divisor], dtype=torch.float32, device=device)[:, None, None]
    return column[: len(shift)], getattr(config, "scaling_factor", 1.0) / column[len(shift) :]
