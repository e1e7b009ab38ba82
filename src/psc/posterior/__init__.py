"""Drawing images that agree with the measurements."""

from psc.levels import HIGHEST, level_above, schedule, sigma
from psc.posterior import ddrm, pigdm
from psc.posterior.particles import Draw, Sampler, projected
from psc.posterior.threads import side_by_side

__all__ = [
    "HIGHEST",
    "Draw",
    "Sampler",
    "ddrm",
    "level_above",
    "pigdm",
    "projected",
    "schedule",
    "side_by_side",
    "sigma",
]
