"""The file: a header, then one range-coded body."""

from dataclasses import replace
from typing import Any

from psc.bitstream import extras
from psc.bitstream.header import BodyField, Header, crc16, unpack
from psc.bitstream.plan_code import PLAN_NAMES
from psc.errors import PscError
from psc.plan.plan import step_size

NAMED_PRIORS = {bytes.fromhex("0853973c"): "embedded"}
"""By fingerprint: the priors that this version of the package can load."""


def seal(header: Header, body: bytes, *, cut: bool = False) -> bytes:
    """The bytes of a file. cut: whether the body is the beginning of a longer one."""
    cut = cut or header.body.cut
    return replace(header, body=BodyField(len(body), crc16(body), cut)).pack() + body


def seal_cut(header: Header, body: bytes, size: int) -> bytes:
    """The bytes of a file of at most ``size`` bytes with the beginning of ``body``, marked as cut."""
    least = len(seal(header, body[:1], cut=True))
    for length in range(min(size - least + 1, len(body)), 0, -1):  # a longer body has a longer length
        file = seal(header, body[:length], cut=True)
        if len(file) <= size:
            return file
    raise PscError(
        f"{size} bytes are too few for this file: its header and one byte of its body take {least}"
    )


def header_size(header: Header, size: int) -> int:
    """Bytes that the header takes in a file of ``size`` bytes."""
    return len(replace(header, body=BodyField(size)).pack())


def info(data: bytes, /) -> dict[str, Any]:
    """What a file's header says, without loading a model.

    Args:
        data: A file, or its beginning alone; ``defect`` then says that the body is cut.

    Returns:
        width, height, mode (Pillow's); plan (its name), rounds, step (of the quantiser, None for the paper's
        plan), seed; latents; condition and guidance; prior (its name, or "unknown"), fingerprint, exact;
        carries (bytes of alpha, icc_profile, exif, xmp in the file), cut; header_bytes, body_bytes, nfe
        (network evaluations of the rounds), bpp (bits per pixel of the whole file), defect (a sentence, or
        empty).

    Raises:
        PscError: If the data is not a .psc file, or its header is damaged.
    """
    header, body = unpack(data)
    settings = header.settings
    size = len(data) - len(body) + header.body.length
    return {
        "width": header.width,
        "height": header.height,
        "mode": header.mode,
        "plan": PLAN_NAMES.get(settings.plan, "custom"),
        "rounds": settings.rounds,
        "step": None if settings.plan.paper else step_size(settings.step_index),
        "seed": settings.seed,
        "latents": header.latents,
        "condition": header.condition.text,
        "guidance": header.condition.guidance,
        "prior": NAMED_PRIORS.get(header.fingerprint, "unknown"),
        "fingerprint": header.fingerprint.hex(),
        "exact": header.exact,
        "carries": extras.sizes(header.extras),
        "cut": header.body.cut,
        "header_bytes": len(data) - len(body),
        "body_bytes": header.body.length,
        "nfe": settings.plan.nfe(settings.rounds),
        "bpp": 8 * size / (header.width * header.height),
        "defect": header.body.defect(body),
    }
