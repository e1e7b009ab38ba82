"""From a session's measurements to the picture: the decoder's choice.

preview: what the particles at hand say, no further network evaluation. mean: the mean of posterior samples,
the estimate of least squared error, hence the highest PSNR. sample: one posterior sample, sharper
and more natural, at a larger error (the perception-distortion trade-off: Blau and Michaeli, 2018).
"""

from typing import Literal, get_args

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.exact import to_grid
from psc.exact.fixed import LATENT_LIMIT
from psc.session import Session

LOWEST, STEPS = 50, 4
"""A restoration starts at this noise level at least (sigma = .29), and takes so many steps from there."""
Restoration = Literal["mean", "sample", "preview"]


def restore(session: Session, how: Restoration = "mean") -> torch.Tensor:
    """The picture (C, H, W) in [-1, 1] (or latents), still padded, from all that the session has measured."""
    if how not in get_args(Restoration):
        raise PscError(f"restoration {how!r} is unknown; choose one of: {', '.join(get_args(Restoration))}")
    if how == "preview":
        return _preview(session)
    particles = session.sample(0, STEPS, 1 if how == "sample" else None, LOWEST)
    return _mean(particles)[0].float()


def _preview(session: Session) -> torch.Tensor:
    """The particles' mean at the level they have, enlarged, then moved to agree with the measurements."""
    channels, (height, width) = session.pyramid.channels, session.pyramid.shape(0)
    if session.particles is None:
        return torch.zeros(channels, height, width)
    mean, limit = _mean(session.particles), 1.0 if session.prior.factor == 1 else LATENT_LIMIT
    if mean.shape[2:] != (height, width):
        # Exact: the scale is a power of two, so weights are multiples of 2^-34, and pixels of 2^-16.
        mean = functional.interpolate(mean, (height, width), mode="bicubic", align_corners=False)
    return session.pyramid.agree(0, mean.clamp(-limit, limit).float())[0]


def _mean(particles: torch.Tensor) -> torch.Tensor:
    """(1, C, h, w) float64 multiples of 2^-16."""
    return to_grid(particles.double().sum(0, keepdim=True) / len(particles))
