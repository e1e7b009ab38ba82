"""What must hold for any bytes: a result, or a PscError; nothing else, within seconds and little memory.

The functions take bytes from a fuzzer (fuzz/run.py), or from tests/test_robustness.py, and raise whatever is
no PscError. Checksums count as right, so that what lies behind them is reached.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from unittest import mock

from psc.bitstream import header as header_module
from psc.bitstream import plan_code
from psc.bitstream.container import info
from psc.bitstream.fields import Fields
from psc.bitstream.header import FINGERPRINT_BYTES, MAGIC, VERSION, BodyField, Header, unpack
from psc.codec.decode import decode as decoded
from psc.codec.decode import decode_details, decode_progressively
from psc.codec.truncate import keep_rounds, truncate
from psc.codec.verify import verify
from psc.errors import PscError
from psc.plan.plan import FINEST_STEP, FULL_BASIS, Level, Plan, Round, Settings
from psc.prior import HaarGaussian
from psc.session.restore import Restoration

PRIOR = HaarGaussian(detail=(0.2, 0.5))
PYRAMID = Plan(
    levels=(Level(1, 4, 2), Level(2, 2, 2)),
    rounds=(
        Round(1, 1, 2), Round(1, FULL_BASIS, 2), Round(0, 1, 2), Round(0, FULL_BASIS, 2),
        Round(1, FULL_BASIS, 0), Round(0, FULL_BASIS, 0),
    ),
)  # fmt: skip
WHOLE = Plan((Level(1, 0, 2),), (Round(0, 1, 2),) * 4, paper=True)
PIXELS, STEPS = 2**12, 20
"""What a picture (padded) and a plan may cost here; others are passed over."""
CUT, GREY, FLOAT, OWN = 1, 2, 4, 8
"""Flags of a decoder's input."""
PARAMETERS = 8
"""Bytes of a decoder's input before plan and body."""


@contextmanager
def unchecked() -> Iterator[None]:
    """CRC-16s are zero, written and read."""
    with mock.patch.object(header_module, "crc16", return_value=0):
        yield


def parse(data: bytes) -> None:
    """The container's parser: data is what follows magic and version."""
    file = MAGIC + bytes([VERSION]) + data
    with unchecked(), suppress(PscError):
        said = info(file)
        header, body = unpack(file)
        assert unpack(header.pack() + body) == (header, body)
        size = len(header.pack()) + len(body)
        for shorter in {0, said["header_bytes"], size // 2, size - 1, size}:
            with suppress(PscError):
                assert len(truncate(file, size=shorter)) <= max(shorter, 0)


def decode(data: bytes) -> None:
    """The decoder: data is a few parameters (see _file), a plan if one of them says so, and the body."""
    with unchecked():
        made = _file(data)
        if made is None:
            return
        file, action = made
        part = decode_details(file, restoration="preview", allow_partial=True, prior=PRIOR)
        said = info(file)
        assert part.image.size == (said["width"], said["height"])
        assert 0 <= part.rounds <= said["rounds"]
        assert not (said["defect"] and part.complete)
        with suppress(PscError):
            _act(action, file, said["rounds"])


def _act(action: int, file: bytes, rounds: int) -> None:
    """What else reads a body."""
    if action == 0:
        assert sum(1 for _ in decode_progressively(file, prior=PRIOR)) <= rounds + 1
    elif action == 1:
        keep_rounds(file, max(1, rounds - 1), prior=PRIOR)
    elif action == 2:
        verify(file, prior=PRIOR)
    else:
        how: Restoration = "mean" if action == 3 else "preview"
        decoded(file, restoration=how, steps=2 if action == 3 else None, prior=PRIOR)


def _file(data: bytes) -> tuple[bytes, int] | None:
    """A file with a sound header of a small picture, and the number of a further action."""
    if len(data) < PARAMETERS:
        return None
    width, height, flags, step, rounds, seed, missing, action = data[:PARAMETERS]
    rest = data[PARAMETERS:]
    plan: Plan | None = PYRAMID if flags & 16 else WHOLE
    if flags & OWN:
        plan, rest = _plan(rest)
    if plan is None or sum(item.steps for item in plan.rounds) > STEPS:
        return None
    width, height = 1 + width % 32, 1 + height % 32
    if -(-width // plan.block) * -(-height // plan.block) * plan.block**2 > PIXELS:
        return None
    step = max(step, FINEST_STEP)
    fingerprint = PRIOR.fingerprint[:FINGERPRINT_BYTES]
    header = Header(
        width=width,
        height=height,
        grey=bool(flags & GREY),
        settings=Settings(plan, 1 + rounds % len(plan.rounds), step, seed),
        fingerprint=fingerprint,
        exact=not flags & FLOAT,
        body=BodyField(len(rest) + missing, 0, bool(flags & CUT)),
    )
    return header.pack() + rest, action % 8


def _plan(data: bytes) -> tuple[Plan | None, bytes]:
    """A plan as a file's header has it, and what follows."""
    fields = Fields(io.BytesIO(b"\0" + data))
    try:
        plan = plan_code.unpack_plan(fields)
    except PscError:
        return None, b""
    return plan, data[len(fields.taken) - 1 :]
