"""Drawing images that agree with the measurements."""

from psc.plan.noise_levels import HIGHEST, level_above, schedule, sigma
from psc.posterior import ddrm, multistep, pigdm
from psc.posterior.grouping import side_by_side
from psc.posterior.sampler import Draw, Sampler, projected

__all__ = [
    "HIGHEST",
    "Draw",
    "Sampler",
    "ddrm",
    "level_above",
    "multistep",
    "pigdm",
    "projected",
    "schedule",
    "side_by_side",
    "sigma",
]
