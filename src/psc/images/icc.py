"""ICC profiles of curves and primaries (ICC.1:2010): what they mean, and compact ones.

A colour's linear channels are its numbers through the curves; X, Y, Z under D50, the profile connection
space, are those times the colorants. Profiles with tables of their own (A2B0, ...) are of another kind.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from psc.images.curves import UNIT, Curve, Floats, fixed, parse_curve

Point = Sequence[float] | Floats
"""A chromaticity, x and y."""

HEADER, SIGNATURE = 128, b"acsp"
D50: Floats = np.array([0.9642, 1.0, 0.8249])
TABLES = frozenset({b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2", b"D2B3"})
SRGB_TRANSFER = 13
"""In a cicp tag, which goes before the curves; H.273."""
DATE = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
"""The same in every profile that is written, so that they are the same to the byte."""
BRADFORD: Floats = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Profile:
    """A profile of curves and primaries.

    Attributes:
        colorants: (3, channels): X, Y, Z of each channel, under D50.
        curves: One per channel: 3 (RGB) or 1 (grey).
    """

    colorants: Floats
    curves: tuple[Curve, ...]

    def xyz(self, colours: Floats) -> Floats:
        """X, Y, Z (N, 3) under D50 of colours (N, channels) in [0, 1]."""
        linear = np.stack([curve(colours[:, i]) for i, curve in enumerate(self.curves)], 1)
        return np.asarray(linear @ self.colorants.T)


def space(data: bytes) -> bytes:
    """The four letters of the colour space that a profile is of; nothing if it is no profile."""
    return data[16:20] if data[36:40] == SIGNATURE and len(data) > HEADER else b""


def parse(data: bytes) -> Profile | None:
    """What a profile means; None for those of other kinds and for damaged ones."""
    try:
        tags = _tags(data)
        if TABLES & tags.keys() or data[20:24] != b"XYZ " or not _plain_transfer(tags.get(b"cicp")):
            return None
        if space(data) == b"GRAY":
            return Profile(D50[:, None], (parse_curve(tags[b"kTRC"]),))
        if space(data) != b"RGB ":
            return None
        colorants = np.stack([_xyz(tags[name + b"XYZ"]) for name in (b"r", b"g", b"b")], 1)
        return Profile(colorants, tuple(parse_curve(tags[name + b"TRC"]) for name in (b"r", b"g", b"b")))
    except (KeyError, ValueError, struct.error):
        return None


def _tags(data: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", data, HEADER)
    if count > len(data) // 12:
        raise ValueError("a table of tags that is longer than the profile")
    found = {}
    for i in range(count):
        name, start, length = struct.unpack_from(">4sII", data, HEADER + 4 + 12 * i)
        found[name] = data[start : start + length]
    return found


def _plain_transfer(tag: bytes | None) -> bool:
    return tag is None or tag[9:10] == bytes([SRGB_TRANSFER])


def _xyz(tag: bytes) -> Floats:
    return np.array(struct.unpack_from(">3i", tag, 8)) / UNIT


def colorants(primaries: Sequence[Point], white: Point) -> Floats:
    """The colorants of primaries under a white, adapted to D50 (Bradford).

    Args:
        primaries: x and y of each channel.
        white: x and y.

    Returns:
        (3, channels).

    Raises:
        ValueError: If the primaries span no colours.
    """
    if min(white[1], *(y for _, y in primaries)) <= 0:
        raise ValueError("a chromaticity without luminance")
    columns = np.stack([_from_xy(*xy) for xy in primaries], 1)
    try:
        scaled = columns * np.linalg.solve(columns, _from_xy(*white))
    except np.linalg.LinAlgError as error:
        raise ValueError("primaries on one line") from error
    adapted = adaptation(white) @ scaled
    adapted[:, 1] += D50 - adapted.sum(1)  # white is white to the last digit
    return np.asarray(adapted)


def adaptation(white: Point) -> Floats:
    """The matrix that brings X, Y, Z under a white (x, y) to D50, by Bradford's cones."""
    ratio = (BRADFORD @ D50) / (BRADFORD @ _from_xy(*white))
    return np.asarray(np.linalg.inv(BRADFORD) @ (ratio[:, None] * BRADFORD))


def _from_xy(x: float, y: float) -> Floats:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def build(name: str, profile: Profile, white: Point) -> bytes:
    """A display profile of version 4 as small as can be; its channels share the first curve."""
    grey, curve = len(profile.curves) == 1, profile.curves[0].tag()
    tags = {b"desc": _text(name), b"cprt": _text("CC0"), b"wtpt": _xyz_tag(D50)}
    tags[b"chad"] = b"sf32" + bytes(4) + fixed(adaptation(white).ravel())
    if grey:
        tags[b"kTRC"] = curve
    else:
        tags |= {key + b"XYZ": _xyz_tag(profile.colorants[:, i]) for i, key in enumerate((b"r", b"g", b"b"))}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    start, table, body, places = HEADER + 4 + 12 * len(tags), b"", b"", dict[bytes, int]()
    for key, tag in tags.items():
        if tag not in places:
            places[tag] = start + len(body)
            body += tag + bytes(-len(tag) % 4)
        table += struct.pack(">4sII", key, places[tag], len(tag))
    head = struct.pack(">I4xI", start + len(body), 0x04200000) + b"mntr" + (b"GRAY" if grey else b"RGB ")
    head += b"XYZ " + DATE + SIGNATURE + bytes(28) + fixed(D50)
    return head.ljust(HEADER, b"\0") + struct.pack(">I", len(tags)) + table + body


def _text(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(coded), 28) + coded


def _xyz_tag(values: Floats) -> bytes:
    return b"XYZ " + bytes(4) + fixed(values)
