"""FORMAT.md, section 1: the header."""

import binascii
from dataclasses import dataclass

import numpy as np

from reference import constants, plan
from reference.errors import DamagedFileError


class Reader:
    """Bytes, one field after the other."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        out = self.data[self.position : self.position + count]
        if len(out) < count:
            raise DamagedFileError("the header is not complete")
        self.position += count
        return out

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def varint(self, limit: int) -> int:
        """A LEB128 number up to ``limit``."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if value > limit or shift > 70:
                raise DamagedFileError("a number of the header is too large")
            if byte < 128:
                return value


@dataclass(frozen=True)
class Header:
    """The fields of section 1, and the body."""

    grey: bool
    exact: bool
    cut: bool
    latent: bool
    width: int
    height: int
    plan: plan.Plan
    rounds: int
    step: int
    seed: int
    prior: bytes
    condition: bytes
    guidance: float
    extras: bytes
    regions: tuple[tuple[int, int], ...]
    body: bytes

    @property
    def channels(self) -> int:
        """Of the picture."""
        return 1 if self.grey else 3

    @property
    def blocks(self) -> np.ndarray:
        """Section 19: the offsets of the blocks (rows, columns)."""
        b = self.plan.block
        shape = -(-self.height // b), -(-self.width // b)
        counts, offsets = np.array(self.regions or ((shape[0] * shape[1], 0),)).T
        return np.repeat(offsets, counts).reshape(shape)


def delta(index: int) -> float:
    """Section 7: the quantiser's step, Delta."""
    return constants.STEPS[index % 16] * 2.0 ** (index // 16 - 24)


def parse(data: bytes, allow_partial: bool = False) -> Header:
    """The header of a file; a body of which bytes are missing is a cut one, where that is allowed."""
    reader = Reader(data)
    if reader.take(4) != constants.MAGIC:
        raise DamagedFileError("not a .psc file")
    if (version := reader.byte()) != constants.VERSION:
        raise DamagedFileError(f"version {version} of the format; this decoder reads {constants.VERSION}")
    flags = reader.byte()
    if (flags >> 7 and flags >> 3 & 1) or (flags >> 5 & 1 and not flags >> 4 & 1):
        raise DamagedFileError("flags that have no meaning")
    width, height = reader.varint(constants.MAX_SIDE), reader.varint(constants.MAX_SIDE)
    chosen = plan.parse(reader)
    rounds, step = reader.byte(), reader.byte()
    seed = reader.varint(2**64 - 1)
    prior = reader.take(4)
    condition = reader.take(reader.varint(constants.MAX_CAPTION_BYTES)) if flags >> 4 & 1 else b""
    guidance = reader.byte() if flags >> 5 & 1 else 8
    extras = reader.take(reader.varint(constants.MAX_EXTRAS)) if flags >> 6 & 1 else b""
    regions = _regions(reader, chosen, width, height) if flags >> 7 else ()
    length = reader.varint(2**63)
    body_check = int.from_bytes(reader.take(2), "big")
    if binascii.crc_hqx(data[: reader.position], 0) != int.from_bytes(reader.take(2), "big"):
        raise DamagedFileError("the header's check fails")
    if min(width, height, rounds) < 1 or rounds > len(chosen.rounds) or (flags >> 5 & 1 and guidance == 8):
        raise DamagedFileError("a field of the header is out of range")
    if step < constants.LOWEST_STEP and not chosen.paper:
        raise DamagedFileError("the quantiser's step is too small")
    if (flags >> 4 & 1 and not condition) or (flags >> 6 & 1 and not extras):
        raise DamagedFileError("an empty field has a flag")
    body = data[reader.position :]
    missing = length - len(body)
    if missing < 0 or (missing > 0 and not allow_partial):
        raise DamagedFileError("the body has not the length that the header says")
    if missing == 0 and binascii.crc_hqx(body, 0) != body_check:
        raise DamagedFileError("the body's check fails")
    return Header(
        grey=bool(flags & 1), exact=bool(flags >> 1 & 1), cut=bool(flags >> 2 & 1) or missing > 0,
        latent=bool(flags >> 3 & 1), width=width, height=height, plan=chosen, rounds=rounds, step=step,
        seed=seed, prior=prior, condition=condition, guidance=guidance / 8, extras=extras, regions=regions,
        body=body,
    )  # fmt: skip


def _regions(reader: Reader, chosen: plan.Plan, width: int, height: int) -> tuple[tuple[int, int], ...]:
    """Section 19: runs of blocks (count, offset)."""
    left = -(-width // chosen.block) * -(-height // chosen.block)
    runs: list[tuple[int, int]] = []
    while left > 0:
        runs.append((reader.varint(left), reader.byte()))
        left -= runs[-1][0]
        count, offset = runs[-1]
        if count == 0 or (offset > constants.LARGEST_OFFSET and offset != constants.NOTHING):
            raise DamagedFileError("a run of blocks that means nothing")
    if chosen.paper or chosen.levels[0].window == 0 or all(offset for _, offset in runs):
        raise DamagedFileError("regions that no file has")
    return tuple(runs)
