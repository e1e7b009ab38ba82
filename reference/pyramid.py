"""FORMAT.md, section 3: the Haar pyramid, and windows of its coefficients.

Pictures are arrays (particles, channels, height, width); a level's coefficients are (particles, windows,
coefficients).
"""

from collections.abc import Sequence

import numpy as np

from reference.grids import grid
from reference.plan import Level


def haar(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One stage: the low band (..., h, w) and the three bands of details (..., 3, h, w)."""
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    details = (a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2
    return (a + b + c + d) / 2, np.stack(details, -3)


def inverse_haar(low: np.ndarray, details: np.ndarray) -> np.ndarray:
    """What haar() gave, back in pixels."""
    u, v, w = details[..., 0, :, :], details[..., 1, :, :], details[..., 2, :, :]
    out = np.empty((*low.shape[:-2], 2 * low.shape[-2], 2 * low.shape[-1]))
    out[..., ::2, ::2], out[..., ::2, 1::2] = (low + u + v + w) / 2, (low - u + v - w) / 2
    out[..., 1::2, ::2], out[..., 1::2, 1::2] = (low + u - v - w) / 2, (low - u - v + w) / 2
    return out


def stages(levels: tuple[Level, ...], j: int) -> int:
    """Haar stages between level j and the next; 0 at the last, whose coefficients are its low band."""
    return (levels[j + 1].scale // levels[j].scale).bit_length() - 1 if j + 1 < len(levels) else 0


def coefficients(x: np.ndarray, levels: tuple[Level, ...], k: int) -> dict[int, np.ndarray]:
    """The coefficients of levels k, k + 1, ... of pictures at level k."""
    low = x * levels[k].scale
    out = {}
    for j in range(k, len(levels)):
        bands = []
        for _ in range(stages(levels, j)):
            low, details = haar(low)
            bands.append(details)
        out[j] = grid(_into_windows(bands or [low[:, :, None]], levels[j].window), 16)
    return out


def pixels(
    coefficients: dict[int, np.ndarray], levels: tuple[Level, ...], k: int, shape: tuple[int, ...]
) -> np.ndarray:
    """The pictures of ``shape`` at level k that have these coefficients, on the grid 2^-16."""
    _, channels, height, width = shape
    ratio = levels[-1].scale // levels[k].scale
    low_shape = (channels, 1, height // ratio, width // ratio)
    last = len(levels) - 1
    (bands,) = _out_of_windows(coefficients[last], levels[last].window, [low_shape])
    low = bands[:, :, 0]
    for j in range(last - 1, k - 1, -1):
        ratio = levels[j].scale // levels[k].scale
        shapes = [
            (channels, 3, height // ratio >> s, width // ratio >> s) for s in range(1, stages(levels, j) + 1)
        ]
        for details in reversed(_out_of_windows(coefficients[j], levels[j].window, shapes)):
            low = inverse_haar(low, details)
    return grid(low / levels[k].scale, 16)


def _into_windows(bands: list[np.ndarray], window: int) -> np.ndarray:
    """Stages of bands (particles, channels, bands, h, w), finest first -> (particles, windows, numbers)."""
    parts = []
    for i, band in enumerate(bands):
        p, c, d, h, w = band.shape
        wy, wx = _window_of_stage(window, i + (d == 3), h, w)
        split = band.reshape(p, c, d, h // wy, wy, w // wx, wx).transpose(0, 3, 5, 1, 2, 4, 6)
        parts.append(split.reshape(p, (h // wy) * (w // wx), c, d * wy * wx))
    joined = np.concatenate(parts, -1)
    return joined.reshape(*joined.shape[:2], -1)


def _out_of_windows(f: np.ndarray, window: int, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The reverse; shapes: (channels, bands, h, w) of every stage."""
    p, count, _ = f.shape
    f = f.reshape(p, count, shapes[0][0], -1)
    bands, at = [], 0
    for i, (c, d, h, w) in enumerate(shapes):
        wy, wx = _window_of_stage(window, i + (d == 3), h, w)
        size = d * wy * wx
        part = f[..., at : at + size].reshape(p, h // wy, w // wx, c, d, wy, wx)
        bands.append(part.transpose(0, 3, 4, 1, 5, 2, 6).reshape(p, c, d, h, w))
        at += size
    return bands


def _window_of_stage(window: int, stage: int, height: int, width: int) -> tuple[int, int]:
    """A window's height and width among the bands of a stage."""
    return (window >> stage, window >> stage) if window else (height, width)
