"""Tone curves of ICC profiles: a channel's number to its linear light, both in [0, 1]."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UNIT = 65536
"""One, in numbers with 16 binary digits behind the point."""


@dataclass(frozen=True)
class Parametric:
    """y = (a x + b)^g + e for x from d on, c x + f below; by default y = x^g."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0

    def __call__(self, x: Floats) -> Floats:
        """The linear light, in [0, 1], of numbers in [0, 1]."""
        power = np.maximum(self.a * x + self.b, 0) ** self.g + self.e
        return np.where(x >= self.d, power, self.c * x + self.f)

    def tag(self) -> bytes:
        """The curve as an ICC tag of type para, without e and f, which are 0 in all that is written."""
        values = (
            (self.g,) if (self.a, self.b, self.d) == (1, 0, 0) else (self.g, self.a, self.b, self.c, self.d)
        )
        return b"para" + bytes(4) + struct.pack(">HH", 0 if len(values) == 1 else 3, 0) + fixed(values)


@dataclass(frozen=True)
class Table:
    """Samples at equal distances, with straight lines between them."""

    values: tuple[float, ...]

    def __call__(self, x: Floats) -> Floats:
        """The linear light, in [0, 1], of numbers in [0, 1]."""
        return np.interp(x, np.linspace(0, 1, len(self.values)), self.values)

    def tag(self) -> bytes:
        """The curve as an ICC tag of type curv."""
        rounded = [round(min(max(value, 0.0), 1.0) * 65535) for value in self.values]
        return b"curv" + bytes(4) + struct.pack(f">I{len(rounded)}H", len(rounded), *rounded)


Curve = Parametric | Table
COUNTS = (1, 3, 4, 5, 7)
"""Parameters of the functions that a tag of type para may name."""


def parse_curve(tag: bytes) -> Curve:
    """The curve in an ICC tag of type para or curv; ValueError or struct.error for what is none."""
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        if kind >= len(COUNTS):
            raise ValueError("a curve of an unknown function")
        return _parametric(kind, [v / UNIT for v in struct.unpack_from(f">{COUNTS[kind]}i", tag, 12)])
    if tag[:4] != b"curv":
        raise ValueError("a curve of an unknown type")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count < 2:
        return Parametric(struct.unpack_from(">H", tag, 12)[0] / 256 if count else 1.0)
    if count > len(tag):
        raise ValueError("a curve that is longer than its tag")
    return Table(tuple(value / 65535 for value in struct.unpack_from(f">{count}H", tag, 12)))


def _parametric(kind: int, p: Sequence[float]) -> Parametric:
    if kind in (1, 2):
        if p[1] == 0:
            raise ValueError("a curve that divides by zero")
        floor = p[3] if kind == 2 else 0.0
        return Parametric(p[0], p[1], p[2], 0.0, -p[2] / p[1], floor, floor)
    return Parametric(*p)


def fixed(values: Sequence[float] | Floats) -> bytes:
    """Numbers as ICC profiles have them, s15Fixed16."""
    return b"".join(round(float(value) * UNIT).to_bytes(4, "big", signed=True) for value in values)
