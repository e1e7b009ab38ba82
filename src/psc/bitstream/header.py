"""The header, which can be read without any model. FORMAT.md specifies it.

magic 4 | version 1 | flags 1 | width, height (varints) | plan 1 or more | rounds 1 | step 1
| seed (varint) | prior 4 | where flags say so: condition (varint, bytes), guidance 1, extras (varint, bytes),
regions (psc.bitstream.regions)
| body length (varint) | body CRC-16 2 | header CRC-16 2
"""

import binascii
import io
from dataclasses import dataclass
from typing import IO

from psc.bitstream import captions, extras, regions
from psc.bitstream.fields import Fields, varint
from psc.bitstream.plan_code import pack_plan, unpack_plan
from psc.errors import PscError
from psc.plan.plan import Settings

MAGIC = b"\x89PSC"
VERSION = 5
GREY, EXACT, CUT, LATENTS, CONDITION, GUIDANCE, EXTRAS, REGIONS = 1, 2, 4, 8, 16, 32, 64, 128
"""Flags."""
GUIDANCE_UNITS = 8
"""Guidance is a byte, in eighths."""
MAX_SIDE = 65535
FINGERPRINT_BYTES = 4


@dataclass(frozen=True)
class Condition:
    """What the prior was given, and its weight (psc.prior.pretrained.prior.DiffusionPrior.conditioned).

    Attributes:
        text: A caption, or a class's number; empty for none.
        guidance: Of classifier-free guidance: a multiple of 1/8 from 0 to 31.875.
    """

    text: str = ""
    guidance: float = 1.0

    def pack(self) -> bytes:
        """The fields' bytes; PscError for what no file holds."""
        packed = captions.pack(self.text) if self.text else b""
        units = GUIDANCE_UNITS * self.guidance
        if units not in range(256):
            raise PscError(
                f"a guidance of {self.guidance} came; a file holds multiples of {1 / GUIDANCE_UNITS} "
                f"from 0 to {255 / GUIDANCE_UNITS}"
            )
        text = varint(len(packed)) + packed if packed else b""
        return text + (bytes([int(units)]) if self.guidance != 1 else b"")


@dataclass(frozen=True)
class BodyField:
    """What the header says of the body.

    Attributes:
        length: In bytes.
        crc: Its CRC-16.
        cut: Whether the body is the beginning of a longer one.
    """

    length: int = 0
    crc: int = 0
    cut: bool = False

    def defect(self, body: bytes) -> str:
        """What is wrong with these bytes as the body, as a sentence; empty if nothing is."""
        if len(body) < self.length:
            return f"the file is cut: {len(body)} of the body's {self.length} bytes are there"
        if len(body) > self.length:
            return f"{len(body) - self.length} bytes follow the end of the body"
        return "" if crc16(body) == self.crc else "the body's checksum is wrong: the file is damaged"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says before its body.

    Attributes:
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        grey: One channel instead of three (RGB).
        settings: Plan, how many of its rounds the body holds, step, seed, regions.
        fingerprint: The first four bytes of the prior's fingerprint.
        exact: Whether that prior gives the same bits on every machine.
        latents: Whether the body is of a model's latents instead of pixels.
        condition: The caption or class that the prior was given.
        body: Length, checksum, whether it is cut.
        extras: What the picture carries besides its colours, packed (psc.bitstream.extras).
    """

    width: int
    height: int
    grey: bool
    settings: Settings
    fingerprint: bytes
    exact: bool
    latents: bool = False
    condition: Condition = Condition()
    body: BodyField = BodyField()
    extras: bytes = b""

    @property
    def mode(self) -> str:
        """The decoded picture's mode, as Pillow names it: L, LA, RGB or RGBA."""
        return ("L" if self.grey else "RGB") + "A" * ("alpha" in extras.sizes(self.extras))

    def pack(self) -> bytes:
        """The header's bytes."""
        chosen = self.settings
        fields = MAGIC + bytes([VERSION, self._flags()])
        fields += varint(self.width) + varint(self.height) + pack_plan(chosen.plan)
        fields += bytes([chosen.rounds, chosen.step_index]) + varint(chosen.seed) + self.fingerprint
        fields += self.condition.pack()
        fields += varint(len(self.extras)) + self.extras if self.extras else b""
        fields += regions.pack(chosen.regions) if chosen.regions else b""
        fields += varint(self.body.length) + self.body.crc.to_bytes(2, "big")
        return fields + crc16(fields).to_bytes(2, "big")

    def _flags(self) -> int:
        flags = GREY * self.grey + EXACT * self.exact + CUT * self.body.cut + LATENTS * self.latents
        flags += CONDITION * bool(self.condition.text) + GUIDANCE * (self.condition.guidance != 1)
        return flags + EXTRAS * bool(self.extras) + REGIONS * bool(self.settings.regions)


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM: polynomial 0x1021, start 0."""
    return binascii.crc_hqx(data, 0)


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Read a file's header.

    Args:
        data: The file.

    Returns:
        The header, and whatever follows it.

    Raises:
        PscError: That says what is wrong with a file that is not ours, or is damaged.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise PscError(f"an object of type {type(data).__name__} came; expected the bytes of a .psc file")
    data = bytes(data)
    file = io.BytesIO(data)
    return read_header(file), data[file.tell() :]


def read_header(file: IO[bytes]) -> Header:
    """Read the header of an open file, up to its body.

    Args:
        file: Of bytes, at the header's beginning.

    Raises:
        PscError: That says what is wrong with a file that is not ours, or is damaged.
    """
    reader = Fields(file)
    _check_version(file, reader)
    flags, width, height = reader.byte(), reader.varint(), reader.varint()
    plan = unpack_plan(reader)
    rounds, step_index, seed = reader.byte(), reader.byte(), reader.varint()
    fingerprint = reader.take(FINGERPRINT_BYTES)
    caption = reader.counted(captions.PACKED_LIMIT) if flags & CONDITION else b""
    units = reader.byte() if flags & GUIDANCE else GUIDANCE_UNITS
    packed = reader.counted(extras.PACKED_LIMIT) if flags & EXTRAS else b""
    blocks = regions.blocks_of(width, height, plan.block)
    found = regions.unpack(reader, blocks) if flags & REGIONS else None
    length = reader.varint()
    crc = int.from_bytes(reader.take(2), "big")
    checksum = crc16(reader.taken)
    if int.from_bytes(reader.take(2), "big") != checksum:
        raise PscError("the header's checksum is wrong: the file's first bytes are damaged")
    _check(flags, units, (caption, packed), (width, height))
    try:
        settings = Settings(plan, rounds, step_index, seed, found)
    except PscError as error:
        raise PscError(f"{error}; the file is damaged or forged") from None
    return Header(
        width=width,
        height=height,
        grey=bool(flags & GREY),
        settings=settings,
        fingerprint=fingerprint,
        exact=bool(flags & EXACT),
        latents=bool(flags & LATENTS),
        condition=Condition(captions.unpack(caption) if caption else "", units / GUIDANCE_UNITS),
        body=BodyField(length, crc, bool(flags & CUT)),
        extras=packed,
    )


def _check(flags: int, units: int, fields: tuple[bytes, bytes], size: tuple[int, int]) -> None:
    """Refuse, as a PscError that names the field, a header that no encoder writes."""
    conditions = (
        (not flags & GUIDANCE or units != GUIDANCE_UNITS, "its guidance is 1, and written all the same"),
        (not flags & GUIDANCE or flags & CONDITION, "it has a guidance and no caption"),
        (not flags & CONDITION or fields[0], "its caption is empty"),
        (not flags & EXTRAS or fields[1], "its extras are empty"),
        (not flags & REGIONS or not flags & LATENTS, "it has regions of latents"),
        (all(0 < side <= MAX_SIDE for side in size), f"a picture of {size[0]}x{size[1]} pixels"),
    )
    for holds, otherwise in conditions:
        if not holds:
            raise PscError(f"no encoder writes this header: {otherwise}; the file is damaged or forged")


def _check_version(file: IO[bytes], reader: Fields) -> None:
    """Read the magic number and the version, with which every version begins; PscError for another one."""
    magic = file.read(len(MAGIC))
    reader.taken = magic
    if magic != MAGIC:
        raise PscError(f"not a PSC file: it starts with {magic!r}, a PSC file with {MAGIC!r}")
    version = reader.byte()
    if version != VERSION:
        raise PscError(
            f"format version {version}; this program reads version {VERSION}: "
            + ("a newer psc may read it" if version > VERSION else "an unreleased psc wrote the file")
        )
