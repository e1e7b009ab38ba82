"""The map of uncertainty: where posterior samples differ, as colours, with its scale beside it for a file."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from psc.images.orientation import turned

STOPS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Colours of evenly spaced values, of Matplotlib's "inferno": dark where the samples agree, bright where they
do not. The page of ``psc view`` draws its scale with the same ones, in CSS."""
SHOWN = 99.8
"""Per cent of the pixels that the scale covers; the few above have its last colour."""
LEAST_SIDE = 480
"""A smaller map is enlarged, each of its pixels to a square."""
BAR, GAP, MARGIN, LABELS = 18, 12, 14, 60
"""Pixels: width of the scale bar, its distance, the border, room for the bar's labels."""
LEAST_BAR = 240
"""Height of the scale bar beside a low map: its label fits."""
LABEL = "standard deviation, grey levels"
TEXT, TICK, TICKS = 13, 4, 8
"""Height of the text and length of a tick in pixels; ticks on the bar at the most."""


def top_of(deviation: NDArray[np.float32]) -> float:
    """The value that the scale ends with: at least one grey level."""
    return max(float(np.percentile(deviation, SHOWN)), 1.0)


def coloured(deviation: NDArray[np.float32]) -> Image.Image:
    """The deviations (H, W), in 8-bit grey levels, as an RGB picture of the same size."""
    return _coloured(deviation / top_of(deviation))


def uncertainty_map(deviation: NDArray[np.float32], orientation: int = 1) -> Image.Image:
    """A map that is upright, and its scale on the right.

    Args:
        deviation: (H, W), in 8-bit grey levels.
        orientation: Of the picture, 1 to 8 as in EXIF.

    Returns:
        An RGB picture.
    """
    map_ = turned(coloured(deviation), orientation)
    zoom = max(1, round(LEAST_SIDE / max(map_.size)))
    map_ = map_.resize((zoom * map_.width, zoom * map_.height), Image.Resampling.NEAREST)
    bar = _scale(top_of(deviation), max(map_.height, LEAST_BAR))
    whole = Image.new("RGB", (MARGIN + map_.width + GAP + bar.width, bar.height), "white")
    whole.paste(map_, (MARGIN, MARGIN))
    whole.paste(bar, (MARGIN + map_.width + GAP, 0))
    return whole


def _coloured(shares: NDArray[np.floating]) -> Image.Image:
    """Colours of numbers (H, W): 0 is the scale's beginning, 1 its end."""
    at = np.linspace(0, 1, len(STOPS))
    planes = [np.interp(np.clip(shares, 0, 1), at, channel) for channel in zip(*STOPS, strict=True)]
    return Image.fromarray(np.stack(planes, 2).round().astype(np.uint8))


def _scale(top: float, height: int) -> Image.Image:
    """The scale from 0 at the bottom to ``top``, with its numbers and its label, and a margin all around."""
    whole = Image.new("RGB", (BAR + LABELS + MARGIN, height + 2 * MARGIN), "white")
    whole.paste(_coloured(np.linspace(1, 0, height)[:, None].repeat(BAR, 1)), (0, MARGIN))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(TEXT if features.check("freetype2") else None)
    for tick in _ticks(top):
        y = MARGIN + (height - 1) * (1 - tick / top)
        draw.line((BAR, y, BAR + TICK - 1, y), "black")
        draw.text((BAR + TICK + 3, y - TEXT / 2 - 1), f"{tick:g}", "black", font)
    long = math.ceil(draw.textlength(LABEL, font))
    label = Image.new("RGB", (long, TEXT + 4), "white")
    ImageDraw.Draw(label).text((0, 0), LABEL, "black", font)
    whole.paste(label.rotate(90, expand=True), (BAR + LABELS - TEXT, MARGIN + (height - long) // 2))
    return whole


def _ticks(top: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, from 0 to ``top``: as many as are allowed."""
    least = top / (TICKS - 1)
    power = 10 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    return [round(number * step, 6) for number in range(math.floor(top / step) + 1)]
