"""What a session codes of a picture: its own pixels, or a model's latents of them; and back.

A grid's sides are the picture's, in units of the prior's ``factor``, padded to whole blocks. Everything that
turns a picture into latents and latents into a picture is here; the session knows only grids.
"""

import math

import torch

from psc.bitstream.header import Header
from psc.errors import PscError
from psc.exact.fixed import LATENT_LIMIT
from psc.exact.threads import isolated
from psc.images.pixels import pad, padded_size
from psc.plan.plan import Plan
from psc.prior import Prior
from psc.prior.pretrained.latent import LatentPrior

MAX_PICTURE = 2**22
"""Pixels of a picture (padded) whose latents can be coded: autoencoders see it whole."""
MAX_WINDOW = 2**16
"""Numbers in the pixels below a window of latents: with LATENT_LIMIT their norm is at most 2^11."""


def grid(header: Header, prior: Prior) -> tuple[int, int, int]:
    """(channels, height, width) of what the session of this file codes."""
    if header.latents != isinstance(prior, LatentPrior):
        raise PscError(f"the file is of {'latents' if header.latents else 'pixels'}, {prior.name} is not")
    height, width = padded_size(header.height, header.width, _block(header.settings.plan, prior))
    if not header.latents:
        return 1 if header.grey else 3, height, width
    if height * width > MAX_PICTURE:
        raise PscError(
            f"{width}x{height} pixels (padded) are too many for a model of latents, which sees a picture "
            f"whole; the limit is {MAX_PICTURE}: scale the picture down or cut it into parts"
        )
    shape = prior.channels, height // prior.factor, width // prior.factor
    _check_windows(header.settings.plan, shape)
    return shape


def _block(plan: Plan, prior: Prior) -> int:
    """The sides of padded pictures are multiples of this."""
    return plan.block if prior.factor == 1 else prior.factor * math.lcm(plan.block, prior.multiple)


def _check_windows(plan: Plan, shape: tuple[int, int, int]) -> None:
    """Sums are exact as long as a window's norm is bounded: FORMAT.md, section 11."""
    channels, height, width = shape
    for level in plan.levels:
        numbers = channels * (level.scale * level.window) ** 2 or channels * height * width
        if numbers > MAX_WINDOW:
            raise PscError(
                f"a window of {numbers} latents is too large for exact sums, the limit is {MAX_WINDOW}: "
                "use preset latent"
            )


@isolated()
def from_picture(picture: torch.Tensor, plan: Plan, prior: Prior) -> torch.Tensor:
    """The grid's numbers for a picture (1 or 3, H, W) in [-1, 1]."""
    padded = pad(picture, _block(plan, prior))
    if not isinstance(prior, LatentPrior):
        return padded
    latent = prior.to_latent(padded.expand(3, -1, -1)[None])[0]
    return latent.cpu().clamp(-LATENT_LIMIT, LATENT_LIMIT)


@isolated()
def to_pictures(x: torch.Tensor, header: Header, prior: Prior) -> torch.Tensor:
    """The pictures (B, 1 or 3, H, W), without padding, of grids' numbers (B, channels, height, width)."""
    if isinstance(prior, LatentPrior):
        x = torch.cat([prior.to_picture(one[None]).cpu() for one in x])
        x = x.mean(1, keepdim=True) if header.grey else x
    return x[..., : header.height, : header.width]
