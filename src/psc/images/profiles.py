"""Well-known colour profiles, which cost a byte in a file; profiles that fit a picture's mode.

A profile is recognised by what it does, not by its bytes: on every colour of a grid it renders as the
standard one, within half an 8-bit level, on a display of the standard's own primaries and on one of sRGB.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Any

import numpy as np

from psc.errors import PscError
from psc.images import icc
from psc.images.curves import Curve, Floats, Parametric, Table

SRGB_CURVE = Parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
REC709_CURVE = Parametric(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
GAMMA22, GAMMA18 = Parametric(563 / 256), Parametric(461 / 256)
"""In the 256ths that their published profiles have."""
D65, D50 = (0.3127, 0.3290), (0.3457, 0.3585)
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


@dataclass(frozen=True)
class Standard:
    """A well-known profile.

    Attributes:
        name: As the profile's description has it.
        curve: From a number to linear light.
        primaries: x and y of red, green and blue; none: grey.
        white: x and y.
    """

    name: str
    curve: Curve
    primaries: tuple[tuple[float, float], ...] = ()
    white: tuple[float, float] = D65


STANDARDS = {
    1: Standard("sRGB", SRGB_CURVE, SRGB_PRIMARIES),
    2: Standard("Display P3", SRGB_CURVE, ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))),
    3: Standard("Adobe RGB (1998) compatible", GAMMA22, ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))),
    4: Standard("ProPhoto RGB", GAMMA18, ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), D50),
    5: Standard("Rec. 2020", REC709_CURVE, ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))),
    6: Standard("sRGB, gamma 1.0", Parametric(1.0), SRGB_PRIMARIES),
    7: Standard("sRGB, gamma 2.2", GAMMA22, SRGB_PRIMARIES),
    16: Standard("Grey, sRGB curve", SRGB_CURVE),
    17: Standard("Grey, gamma 2.2", GAMMA22),
    18: Standard("Grey, gamma 1.8", GAMMA18),
    19: Standard("Grey, gamma 1.0", Parametric(1.0)),
}
"""By their number in a file (FORMAT.md, section 17)."""
TOLERANCE = 0.5 / 255
NEAR, NEAR_GAMMA = 0.003, 0.05
"""How far a PNG file's chromaticities may be from sRGB's, and its exponent from 2.2 (a share of it), to mean
sRGB: they are rounded, and 2.2 is the nearest that it can say of sRGB's curve."""
LEVELS = np.linspace(0, 1, 256)
GRID: Floats = np.concatenate(
    [np.array(list(product(np.linspace(0, 1, 9), repeat=3)))]
    + [LEVELS[:, None] * np.array(ramp) for ramp in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1))]
)


@cache
def standard(number: int) -> bytes:
    """The profile that a number in a file means, always the same bytes.

    Args:
        number: One of STANDARDS.

    Returns:
        An ICC profile of 400 to 500 bytes.

    Raises:
        PscError: For a number that is not known.
    """
    if number not in STANDARDS:
        raise PscError(
            f"the file names the colour profile {number}, which this psc does not know: a newer may"
        )
    chosen = STANDARDS[number]
    return _built(chosen.name, chosen.curve, chosen.primaries, chosen.white)


@lru_cache(maxsize=64)
def recognised(profile: bytes, grey: bool) -> int | None:
    """The number of the standard profile that renders a picture as this one does, if there is one.

    Args:
        profile: ICC profile.
        grey: Whether the picture is; a profile of RGB is taken at its greys then.
    """
    found = icc.parse(profile)
    if found is None or (len(found.curves) == 1 and not grey):
        return None
    colours = LEVELS[:, None] if grey else GRID
    seen = found.xyz(np.broadcast_to(colours, (len(colours), len(found.curves))))
    for number, known in STANDARDS.items():
        if (not known.primaries) == grey and _alike(seen, number, colours):
            return number
    return None


def fitting(profile: bytes, grey: bool) -> bytes:
    """A profile that fits a picture's mode.

    A profile of RGB on a grey picture (which PNG files must not have) becomes the one of its greys.

    Args:
        profile: ICC profile.
        grey: Whether the picture is.

    Returns:
        The profile, or one of the other kind that renders the same; empty, with a warning, if there is none.
    """
    space = icc.space(profile)
    if not space or space == (b"GRAY" if grey else b"RGB "):
        return profile
    found = icc.parse(profile)
    if grey and found is not None:
        number = recognised(profile, True)
        if number is not None:
            return standard(number)
        luminance = found.xyz(np.repeat(LEVELS[:, None], 3, 1))[:, 1]
        return _built("Grey", Table(tuple(map(float, luminance))), (), D50)
    kind = space.decode("latin-1").strip()
    warnings.warn(
        f"the colour profile is one of {kind} and the picture is {'grey' if grey else 'RGB'}: it is left out",
        stacklevel=6,
    )
    return b""


def from_png(info: Mapping[Any, Any], grey: bool) -> bytes:
    """The profile that a PNG file's gAMA and cHRM chunks mean.

    Args:
        info: Of the picture, as Pillow fills it in: gamma, chromaticity, srgb.
        grey: Whether the picture is.

    Returns:
        ICC profile; nothing if the chunks mean sRGB, or, with a warning, if they are unsound.
    """
    gamma, points = info.get("gamma"), info.get("chromaticity")
    if "srgb" in info or (gamma is None and points is None):
        return b""
    try:
        curve = SRGB_CURVE if gamma is None else Parametric(1 / float(gamma))
        usual = np.array([D65, *SRGB_PRIMARIES])
        white, *primaries = usual if points is None else np.reshape(points, (4, 2)).astype(float)
        close = grey or np.abs(np.stack([white, *primaries]) - usual).max() < NEAR
        if close and (gamma is None or abs(curve.g / 2.2 - 1) < NEAR_GAMMA):
            return b""
        return _built("PNG", curve, () if grey else primaries, white)
    except (ValueError, TypeError, ArithmeticError):
        warnings.warn("the PNG file's gamma or chromaticities are unsound: they are left out", stacklevel=6)
        return b""


def _built(name: str, curve: Curve, primaries: Sequence[icc.Point], white: icc.Point) -> bytes:
    colorants = icc.colorants(primaries, white) if primaries else icc.D50[:, None]
    return icc.build(name, icc.Profile(colorants, (curve,) * colorants.shape[1]), white)


def _alike(seen: Floats, number: int, colours: Floats) -> bool:
    """Whether colours look the same under a profile and under a standard one.

    Args:
        seen: (N, 3) X, Y, Z of the colours under the profile.
        number: Of the standard profile.
        colours: Those of the grid.
    """
    for display in {number if STANDARDS[number].primaries else 1, 1}:
        difference = _displayed(seen, display) - _shown(number, display, len(colours))
        if not np.abs(difference).max() <= TOLERANCE:  # NaN is no likeness
            return False
    return True


@cache
def _shown(number: int, display: int, count: int) -> Floats:
    del count  # of colours, which the standard's kind determines
    found = icc.parse(standard(number))
    assert found is not None
    return _displayed(found.xyz(GRID if STANDARDS[number].primaries else LEVELS[:, None]), display)


def _displayed(xyz: Floats, display: int) -> Floats:
    """What a display of a standard's primaries and of sRGB's curve is told to show."""
    known = STANDARDS[display]
    linear = xyz @ np.linalg.inv(icc.colorants(known.primaries, known.white)).T
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
