"""Drawing images that agree with the measurements."""

from psc.posterior.ddrm import Draw, draw
from psc.prior.levels import HIGHEST, level_above, schedule, sigma

__all__ = ["HIGHEST", "Draw", "draw", "level_above", "schedule", "sigma"]
