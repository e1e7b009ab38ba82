"""What the fuzzer starts from: inputs of fuzz.targets that are files of an encoder's."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from fuzz.targets import CUT, GREY, PRIOR, PYRAMID, WHOLE, unchecked

from psc.bitstream.container import MAGIC, Header, unpack
from psc.codec import encode_with
from psc.plan import Settings
from psc.presets import DEFAULT


def parse() -> Iterator[bytes]:
    """Headers of every kind, with the beginning of a body."""
    fields = (16, 12, False, DEFAULT, 5, 96, 3, bytes(4), True, 20)
    plain = Header(*fields)
    kinds = [
        plain,
        Header(*fields[:3], PYRAMID, 4, *fields[5:]),
        Header(*fields[:2], True, WHOLE, 2, *fields[5:], cut=True),
        Header(*fields, latents=True, condition="a red house", guidance=2.5),
        Header(*fields, condition="207"),
    ]
    with unchecked():
        for header, length in product(kinds, (0, 9, 20)):
            yield header.pack()[len(MAGIC) + 1 :] + bytes(range(length))


def decode() -> Iterator[bytes]:
    """Files of two plans, in colours and grey, whole and cut, at two steps."""
    y, x = np.mgrid[:7, :10]
    picture = (128 + 90 * np.sin(x / 5 + y / 7)).astype(np.uint8)
    for plan, grey, step, share in product((PYRAMID, WHOLE), (False, True), (96, 140), (1.0, 0.6)):
        array = picture if grey else np.stack([picture, picture // 2, picture], 2)
        data = encode_with(array, Settings(plan, len(plan.rounds), step, 3), prior=PRIOR)
        body = unpack(data)[1]
        body = body[: int(share * len(body))]
        flags = GREY * grey + CUT * (share < 1) + 16 * (plan is PYRAMID)
        for action in range(4 if share == 1 else 1):
            yield bytes([9, 6, flags, step, len(plan.rounds) - 1, 3, 0, action]) + body
