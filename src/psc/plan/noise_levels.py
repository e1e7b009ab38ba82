"""The fixed list of noise levels: sigma_j = (j / 64)^5.

Evenly spaced in sigma^(1/5), nearly the spacing of Karras et al. (2022, equation 5, rho = 7); with j an
integer every level is an exact multiple of 2^-30, and a schedule is a list of integers.
"""

LOWEST = 32
"""sigma = 0.031: where schedules end, if nothing else is asked for."""
HIGHEST = 117
"""sigma = 20.4, where a picture is drowned: draws from pure noise start here."""


def sigma(j: int) -> float:
    """The noise's standard deviation at noise level j, in pixel units (pixels are in [-1, 1])."""
    return j**5 / 2.0**30


def level_above(variance: float, lowest: int = LOWEST) -> int:
    """The lowest noise level, from ``lowest`` to HIGHEST, whose sigma^2 is at least ``variance``."""
    return next((j for j in range(lowest, HIGHEST) if sigma(j) * sigma(j) >= variance), HIGHEST)


def schedule(start: int, steps: int, end: int = LOWEST) -> list[int]:
    """``steps`` noise levels from ``start`` down to ``end``, evenly spaced (ties round down)."""
    span = start - end
    return [start - (2 * i * span + steps - 1) // (2 * (steps - 1)) for i in range(steps)]
