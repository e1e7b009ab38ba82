"""Denoising error against the noise level, at the codec's scales, on the val photographs."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from psc.plan.noise_levels import sigma
from psc.prior.embedded.network import SCALES as ALL_SCALES
from training.data import files, read
from training.network import Net

LEVELS = (32, 38, 44, 50, 56, 64, 76, 96)
"""sigma = .03, .07, .15, .29, .51, 1, 2.4, 7.6"""
SCALES = (1, 4, 16)
Denoise = Callable[[torch.Tensor, int, int], torch.Tensor]


def denoising_error(net: nn.Module, folder: Path, device: str) -> dict[str, list[float]]:
    """For every scale, 10 log10(mean error^2 / sigma_data^2) at LEVELS in dB (lower is better)."""
    assert isinstance(net, Net)

    def denoise(x: torch.Tensor, level: int, scale: int) -> torch.Tensor:
        some = torch.full((len(x),), level, device=device)
        where = torch.full((len(x),), ALL_SCALES.index(scale), device=device)
        with torch.autocast(device, dtype=torch.bfloat16):
            return net(x, some, where)

    return errors(denoise, folder, device)


@torch.no_grad()
def errors(denoise: Denoise, folder: Path, device: str = "cpu") -> dict[str, list[float]]:
    """The same for any denoiser (x, level, scale) -> x0."""
    photos = torch.stack([torch.from_numpy(read(f).copy()) for f in files([folder])])
    full = photos.permute(0, 3, 1, 2).float() / 127.5 - 1
    out: dict[str, list[float]] = {}
    for scale in SCALES:
        side = {1: 96, 4: 64, 16: 16}[scale]
        x = (
            functional.avg_pool2d(full, scale)[:, :, :side, :side]
            if scale > 1
            else full[:, :, 80:176, 80:208]
        )
        random = torch.Generator().manual_seed(scale)
        row = []
        for level in LEVELS:
            n = torch.randn(x.shape, generator=random)
            error = denoise((x + sigma(level) * n).to(device), level, scale).cpu() - x
            row.append(round(float(10 * torch.log10((error**2).mean() / 0.25)), 3))
        out[str(scale)] = row
    return out
