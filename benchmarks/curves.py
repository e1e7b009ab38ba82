"""Curves of (bits per pixel, PSNR), and the distance between two."""

import numpy as np

Curve = list[tuple[float, float]]


def bd_rate(anchor: Curve, test: Curve) -> float:
    """Mean change of rate at equal PSNR, in per cent, of curves of (bpp, PSNR)."""
    low = max(min(p for _, p in anchor), min(p for _, p in test))
    high = min(max(p for _, p in anchor), max(p for _, p in test))
    grid = np.linspace(low, high, 200)

    def log_rate(curve: Curve) -> np.ndarray:
        rates, psnrs = zip(*sorted(curve, key=lambda point: point[1]), strict=True)
        return np.interp(grid, psnrs, np.log(rates))

    return float(100 * np.expm1(np.mean(log_rate(test) - log_rate(anchor))))
