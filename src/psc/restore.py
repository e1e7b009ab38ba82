"""From a session's measurements to the picture: the decoder's choice.

preview: what the particles at hand say, no further network evaluation. mean: the mean of posterior samples,
the estimate of least squared error, hence the highest PSNR. sample: one posterior sample, sharper
and more natural, at a larger error (the perception-distortion trade-off: Blau and Michaeli, 2018).
"""

from typing import Literal, get_args

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.plan import FULL_BASIS
from psc.session import Session

Restoration = Literal["mean", "sample", "preview"]


def restore(session: Session, how: Restoration = "mean") -> torch.Tensor:
    """The picture (C, H, W) in [-1, 1], still padded, from all that the session has measured."""
    if how not in get_args(Restoration):
        raise PscError(f"restoration {how!r} is unknown; choose one of: {', '.join(get_args(Restoration))}")
    last = session.plan.rounds[max(session.rounds, 1) - 1]
    if how == "preview" or (session.rounds > 0 and last.level == 0 and last.rows == FULL_BASIS):
        return _preview(session)
    particles = session.sample(0, last.steps, 1 if how == "sample" else None)
    return particles.double().mean(0).float()


def _preview(session: Session) -> torch.Tensor:
    """The particles' mean at the level they have, enlarged, then moved to agree with the measurements."""
    channels, (height, width) = session.pyramid.channels, session.pyramid.shape(0)
    if session.particles is None:
        return torch.zeros(channels, height, width)
    mean = session.particles.double().mean(0, keepdim=True).float()
    if mean.shape[2:] != (height, width):
        mean = functional.interpolate(mean, (height, width), mode="bicubic", align_corners=False)
    return session.pyramid.agree(0, mean.clamp(-1, 1))[0]
