"""The file: a header, then one range-coded body."""

from dataclasses import replace
from typing import Any

from psc.bitstream import extras
from psc.bitstream.header import BodyField, Header, crc16, unpack
from psc.bitstream.plan_code import PLAN_NAMES
from psc.errors import PscError
from psc.plan.plan import step_size

NAMED_PRIORS = {bytes.fromhex("82353a88"): "embedded"}
"""By fingerprint: the priors that this version of the package can load."""


def seal(header: Header, body: bytes, *, cut: bool = False) -> bytes:
    """The bytes of a file.

    Args:
        header: What it is of; length and checksum of the body are filled in.
        body: What a range coder wrote.
        cut: Whether the body is the beginning of a longer one.
    """
    cut = cut or header.body.cut
    return replace(header, body=BodyField(len(body), crc16(body), cut)).pack() + body


def seal_cut(header: Header, body: bytes, size: int) -> bytes:
    """The bytes of a file with the beginning of a body, marked as cut.

    Args:
        header: Of the whole file.
        body: The whole body.
        size: Bytes that the file may have at most.

    Raises:
        PscError: If not even the header and one byte of the body fit.
    """
    least = len(seal(header, body[:1], cut=True))
    for length in range(min(size - least + 1, len(body)), 0, -1):  # a longer body has a longer length
        file = seal(header, body[:length], cut=True)
        if len(file) <= size:
            return file
    raise PscError(
        f"{size} bytes are too few for this file: its header and one byte of its body take {least}"
    )


def header_size(header: Header, size: int) -> int:
    """Bytes that a header takes.

    Args:
        header: Without the body's length, which takes more digits the longer it is.
        size: Bytes of the body, about.
    """
    return len(replace(header, body=BodyField(size)).pack())


def info(data: bytes, /) -> dict[str, Any]:
    """What a file's header says, without loading a model.

    Args:
        data: A file, or its beginning alone; ``defect`` then says that the body is cut.

    Returns:
        width, height, mode (Pillow's); plan (its name), rounds, step (of the quantiser, None for the paper's
        plan), seed; latents; condition and guidance; prior (its name, or "unknown"), fingerprint (8 hex
        digits), exact; regions (None, or how many blocks have which offset from the step, in sixteenths of an
        octave, or "nothing"); carries (bytes of alpha, icc_profile, exif, xmp in the file), cut;
        header_bytes, body_bytes, nfe (network evaluations of the rounds), bpp (bits per pixel of the whole
        file), defect (a sentence, or empty).

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
        "regions": None if settings.regions is None else settings.regions.counts(),
        "carries": extras.sizes(header.extras),
        "cut": header.body.cut,
        "header_bytes": len(data) - len(body),
        "body_bytes": header.body.length,
        "nfe": settings.plan.nfe(settings.rounds),
        "bpp": 8 * size / (header.width * header.height),
        "defect": header.body.defect(body),
    }
