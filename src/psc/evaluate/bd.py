"""The mean difference of rate between two curves at equal quality (Bjontegaard, VCEG-M33, 2001).

    BD-rate = exp(mean over q of (log R_test(q) - log R_anchor(q))) - 1

where q runs over the qualities that both curves reach, and log R(q) interpolates a curve's points: by Akima's
method ("A new method of interpolation and smooth curve fitting", 1970) or by monotone cubic Hermite pieces
(PCHIP; Fritsch and Butland, 1984). Neither swings between points as Bjontegaard's cubic polynomial does.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

Method = Literal["akima", "pchip"]
Points = Sequence[tuple[float, float]]
"""(rate, quality); a higher quality is better."""


def bd_rate(anchor: Points, test: Points, method: Method = "pchip") -> float | None:
    """The rate that one curve takes more than another, at equal quality.

    Args:
        anchor: Points (rate, quality) of the curve that is compared with; a higher quality is better.
        test: Points of the other curve.
        method: How log rate is interpolated over quality: "akima" or "pchip".

    Returns:
        Per cent of the anchor's rate; below zero where ``test`` takes less. None where the curves have no
        interval of quality in common, or fewer than two points.
    """
    kept = [ascending(points) for points in (anchor, test)]
    if min(map(len, kept)) < 2:
        return None
    low, high = (choice(p[i][1] for p in kept) for choice, i in ((max, 0), (min, -1)))
    if low >= high:
        return None
    before, after = (float(_log_rate(points, method).integrate(low, high)) for points in kept)
    return 100 * math.expm1((after - before) / (high - low))


def ascending(points: Points) -> list[tuple[float, float]]:
    """The points that no other one beats in both rate and quality, by rising rate and quality."""
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if rate > 0 and math.isfinite(quality) and (not kept or quality > kept[-1][1]):
            kept.append((rate, quality))
    return kept


def _log_rate(points: Points, method: Method) -> Any:
    """The piecewise polynomial through (quality, log rate)."""
    from scipy import interpolate

    kind = {"akima": interpolate.Akima1DInterpolator, "pchip": interpolate.PchipInterpolator}[method]
    return kind([quality for _, quality in points], [math.log(rate) for rate, _ in points])
