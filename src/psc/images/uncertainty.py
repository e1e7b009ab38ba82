"""Drawing the uncertainty map with its scale; needs Matplotlib (``pip install psc-codec[plot]``)."""

import importlib.util
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from psc.errors import PscError
from psc.images.orientation import turned

DPI = 100
LEAST_SIDE = 480
"""A smaller map is enlarged, each of its pixels to a square."""
BAR, GAP, MARGIN, LABELS = 18, 12, 14, 60
"""Pixels: width of the scale bar, its distance, the border, room for the bar's labels."""
LEAST_BAR = 240
"""Height of the scale bar beside a low map: its label fits."""
SHOWN = 99.8
"""Per cent of the pixels that the scale covers; the few above have its last colour."""


def require() -> None:
    """PscError if Matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise PscError(
            "the uncertainty map is drawn by Matplotlib, which is not installed: pip install psc-codec[plot]"
        )


def uncertainty_map(deviation: NDArray[np.float32], orientation: int = 1) -> Image.Image:
    """A map that is upright, and its scale on the right.

    Args:
        deviation: (H, W), in 8-bit grey levels.
        orientation: Of the picture, 1 to 8 as in EXIF.

    Returns:
        An RGB picture.
    """
    require()
    deviation = np.asarray(turned(Image.fromarray(deviation), orientation))
    from matplotlib.figure import Figure

    zoom = max(1, round(LEAST_SIDE / max(deviation.shape)))
    height, width = (zoom * side for side in deviation.shape)
    long = max(height, LEAST_BAR)
    whole = (width + GAP + BAR + LABELS + 2 * MARGIN, long + 2 * MARGIN)
    figure = Figure(figsize=(whole[0] / DPI, whole[1] / DPI), dpi=DPI)

    def place(left: int, wide: int, high: int) -> tuple[float, float, float, float]:
        return left / whole[0], 1 - (MARGIN + high) / whole[1], wide / whole[0], high / whole[1]

    axes = figure.add_axes(place(MARGIN, width, height))
    axes.set_axis_off()
    top = max(float(np.percentile(deviation, SHOWN)), 1.0)
    shown = axes.imshow(deviation, cmap="inferno", vmin=0, vmax=top, interpolation="nearest", aspect="auto")
    bar = figure.add_axes(place(MARGIN + width + GAP, BAR, long))
    figure.colorbar(shown, cax=bar, label="standard deviation, grey levels")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")
