"""Drawing images that agree with the measurements."""

from psc.posterior import ddrm, pigdm
from psc.posterior.particles import Draw, Sampler
from psc.prior.levels import HIGHEST, level_above, schedule, sigma

__all__ = ["HIGHEST", "Draw", "Sampler", "ddrm", "level_above", "pigdm", "schedule", "sigma"]
