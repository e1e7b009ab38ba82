"""The file: a header that can be read without any model, and one range-coded body. FORMAT.md specifies it.

magic 4 | version 1 | flags 1 | width, height (varints) | plan 1 or more | rounds 1 | step 1
| seed (varint) | prior 4 | condition (varint, bytes), guidance 1, extras (varint, bytes) where flags say so
| body length (varint) | body CRC-16 2 | header CRC-16 2 | body
"""

import binascii
import io
from dataclasses import dataclass, replace
from typing import IO, Any

from psc.bitstream import extras, text
from psc.bitstream.fields import Fields, varint
from psc.errors import PscError
from psc.plan import FINEST_STEP, Level, Plan, Round, step_size
from psc.presets import DEFAULT, DEFAULT_EFFORT, EFFORTS, LATENT, LATENT_PAPER, PAPER, PROGRESSIVE

MAGIC = b"\x89PSC"
VERSION = 4
NAMED_PLANS = {1: DEFAULT, 2: PAPER, 3: LATENT, 4: LATENT_PAPER, 5: PROGRESSIVE}
PLAN_NAMES = {
    DEFAULT: "default",
    PAPER: "paper",
    LATENT: "latent",
    LATENT_PAPER: "latent-paper",
    PROGRESSIVE: "progressive",
}
_OTHERS = {effort: plan for effort, plan in EFFORTS.items() if effort != DEFAULT_EFFORT}
NAMED_PLANS |= {len(NAMED_PLANS) + n: plan for n, plan in enumerate(_OTHERS.values(), start=1)}
PLAN_NAMES |= {plan: f"effort {effort}" for effort, plan in _OTHERS.items()}
EXPLICIT_PLAN = 0
GREY, EXACT, CUT, LATENTS, CONDITION, GUIDANCE, EXTRAS = 1, 2, 4, 8, 16, 32, 64
"""Flags."""
GUIDANCE_UNITS = 8
"""Guidance is a byte, in eighths."""
MAX_SIDE = 65535
FINGERPRINT_BYTES = 4
NAMED_PRIORS = {bytes.fromhex("0853973c"): "embedded"}
"""By fingerprint: the priors that this version of the package can load."""


@dataclass(frozen=True)
class Header:
    """What a file says before its body.

    width, height: of the picture in pixels. grey: one channel instead of three (RGB). rounds: how many of
    the plan's rounds the body holds. step_index: the quantiser's step. seed: of the noise.
    fingerprint: the first four bytes of the prior's fingerprint. exact: whether that prior gives the same
    bits on every machine. body: length in bytes and CRC-16. cut: whether the body is the beginning of a
    longer one. latents: whether the body is of a model's latents instead of pixels. condition: the caption,
    or the class's number, that the prior was given, and guidance its weight (DiffusionPrior.conditioned).
    extras: what the picture carries besides its colours, packed (psc.bitstream.extras).
    """

    width: int
    height: int
    grey: bool
    plan: Plan
    rounds: int
    step_index: int
    seed: int
    fingerprint: bytes
    exact: bool
    body_length: int = 0
    body_crc: int = 0
    cut: bool = False
    latents: bool = False
    condition: str = ""
    guidance: float = 1.0
    extras: bytes = b""

    @property
    def mode(self) -> str:
        """The decoded picture's, in Pillow's words."""
        return ("L" if self.grey else "RGB") + "A" * ("alpha" in extras.sizes(self.extras))

    def pack(self) -> bytes:
        """The header's bytes."""
        fields = MAGIC + bytes([VERSION, self._flags()])
        fields += varint(self.width) + varint(self.height) + _pack_plan(self.plan)
        fields += bytes([self.rounds, self.step_index]) + varint(self.seed) + self.fingerprint
        fields += self._pack_condition()
        fields += varint(len(self.extras)) + self.extras if self.extras else b""
        fields += varint(self.body_length) + self.body_crc.to_bytes(2, "big")
        return fields + crc16(fields).to_bytes(2, "big")

    def _flags(self) -> int:
        flags = GREY * self.grey + EXACT * self.exact + CUT * self.cut + LATENTS * self.latents
        flags += CONDITION * bool(self.condition) + GUIDANCE * (self.guidance != 1)
        return flags + EXTRAS * bool(self.extras)

    def _pack_condition(self) -> bytes:
        out = b""
        if self.condition:
            packed = text.pack(self.condition)
            out = varint(len(packed)) + packed
        units = GUIDANCE_UNITS * self.guidance
        if units not in range(256):
            raise PscError(
                f"a guidance of {self.guidance} came; a file holds multiples of {1 / GUIDANCE_UNITS} "
                f"from 0 to {255 / GUIDANCE_UNITS}"
            )
        return out + (bytes([int(units)]) if self.guidance != 1 else b"")

    def defect(self, body: bytes) -> str:
        """What is wrong with the body as a whole, as a sentence; empty if nothing is."""
        if len(body) < self.body_length:
            return f"the file is cut: {len(body)} of the body's {self.body_length} bytes are there"
        if len(body) > self.body_length:
            return f"{len(body) - self.body_length} bytes follow the end of the body"
        return "" if crc16(body) == self.body_crc else "the body's checksum is wrong: the file is damaged"


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM: polynomial 0x1021, start 0."""
    return binascii.crc_hqx(data, 0)


def unpack(data: bytes) -> tuple[Header, bytes]:
    """The header and whatever follows it; PscError says what is wrong with a file that is not ours."""
    file = io.BytesIO(data)
    return read_header(file), data[file.tell() :]


def read_header(file: IO[bytes]) -> Header:
    """The header of a file, which is read up to its body; otherwise as :func:`unpack`."""
    reader = Fields(file)
    _check_version(file, reader)
    flags, width, height = reader.byte(), reader.varint(), reader.varint()
    plan = _unpack_plan(reader)
    rounds, step_index, seed = reader.byte(), reader.byte(), reader.varint()
    fingerprint = reader.take(FINGERPRINT_BYTES)
    packed = reader.counted(text.PACKED_LIMIT) if flags & CONDITION else b""
    units = reader.byte() if flags & GUIDANCE else GUIDANCE_UNITS
    carried = reader.counted(extras.PACKED_LIMIT) if flags & EXTRAS else b""
    body_length = reader.varint()
    body_crc = int.from_bytes(reader.take(2), "big")
    checksum = crc16(reader.taken)
    if int.from_bytes(reader.take(2), "big") != checksum:
        raise PscError("the header's checksum is wrong: the file's first bytes are damaged")
    if (
        flags > GREY | EXACT | CUT | LATENTS | CONDITION | GUIDANCE | EXTRAS
        or (units == GUIDANCE_UNITS) == bool(flags & GUIDANCE)
        or (flags & GUIDANCE and not flags & CONDITION)
        or bool(carried) != bool(flags & EXTRAS)
        or not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE)
        or not (0 < rounds <= len(plan.rounds))
        or not (plan.paper or step_index >= FINEST_STEP)
    ):
        raise PscError("the header holds values that no encoder writes; the file is damaged or forged")
    return Header(
        width,
        height,
        bool(flags & GREY),
        plan,
        rounds,
        step_index,
        seed,
        fingerprint,
        bool(flags & EXACT),
        body_length,
        body_crc,
        bool(flags & CUT),
        bool(flags & LATENTS),
        text.unpack(packed) if flags & CONDITION else "",
        units / GUIDANCE_UNITS,
        carried,
    )


def _check_version(file: IO[bytes], reader: Fields) -> None:
    """Read what every version begins with."""
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


def seal(header: Header, body: bytes) -> bytes:
    """The bytes of a file."""
    return replace(header, body_length=len(body), body_crc=crc16(body)).pack() + body


def seal_cut(header: Header, body: bytes, size: int) -> bytes:
    """The bytes of a file of at most ``size`` bytes with the beginning of ``body``, marked as cut."""
    header = replace(header, cut=True)
    least = len(seal(header, body[:1]))
    for length in range(min(size - least + 1, len(body)), 0, -1):  # a longer body has a longer length
        file = seal(header, body[:length])
        if len(file) <= size:
            return file
    raise PscError(
        f"{size} bytes are too few for this file: its header and one byte of its body take {least}"
    )


def info(data: bytes, /) -> dict[str, Any]:
    """What a file's header says, without loading a model.

    ``data`` may be the file's beginning alone; ``defect`` then says that the body is cut.
    """
    header, body = unpack(data)
    size = len(data) - len(body) + header.body_length
    return {
        "width": header.width,
        "height": header.height,
        "mode": header.mode,
        "plan": PLAN_NAMES.get(header.plan, "custom"),
        "rounds": header.rounds,
        "step": None if header.plan.paper else step_size(header.step_index),
        "seed": header.seed,
        "latents": header.latents,
        "condition": header.condition,
        "guidance": header.guidance,
        "prior": NAMED_PRIORS.get(header.fingerprint, "unknown"),
        "fingerprint": header.fingerprint.hex(),
        "exact": header.exact,
        "carries": extras.sizes(header.extras),
        "cut": header.cut,
        "header_bytes": len(data) - len(body),
        "body_bytes": header.body_length,
        "nfe": header.plan.nfe(header.rounds),
        "bpp": 8 * size / (header.width * header.height),
        "defect": header.defect(body),
    }


def _pack_plan(plan: Plan) -> bytes:
    for number, named in NAMED_PLANS.items():
        if plan == named:
            return bytes([number])
    groups: list[list[int]] = []
    for item in plan.rounds:
        fields = [item.level, item.rows, item.steps]
        if groups and groups[-1][1:] == fields:
            groups[-1][0] += 1
        else:
            groups.append([1, *fields])
    out = [EXPLICIT_PLAN, int(plan.paper), len(plan.levels)]
    for level in plan.levels:
        out += [level.scale, level.window, level.samples, level.start, level.end, level.estimates]
    return bytes([*out, len(groups), *(value for group in groups for value in group)])


def _unpack_plan(reader: Fields) -> Plan:
    number = reader.byte()
    if number in NAMED_PLANS:
        return NAMED_PLANS[number]
    if number != EXPLICIT_PLAN:
        raise PscError(f"plan number {number} is unknown to this version of psc; a newer one may know it")
    paper, levels = reader.byte(), reader.byte()
    pyramid = tuple(Level(*(reader.byte() for _ in range(6))) for _ in range(min(levels, 9)))
    rounds: list[Round] = []
    for _ in range(reader.byte()):
        repeat, level, rows, steps = (reader.byte() for _ in range(4))
        rounds += [Round(level, rows, steps)] * repeat
    try:
        return Plan(pyramid, tuple(rounds), bool(paper))
    except PscError:  # which quotes the plan, and here it may be endless
        raise PscError(
            f"the header's plan of {levels} levels and {len(rounds)} rounds is not a valid one (FORMAT.md, "
            "section 2); the file is damaged or forged"
        ) from None
