"""What the fuzzer starts from: inputs of fuzz.targets that are files of an encoder's."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from fuzz.targets import CUT, GREY, PRIOR, PYRAMID, WHOLE, unchecked

from psc.bitstream.header import MAGIC, BodyField, Condition, Header, unpack
from psc.codec.encode import encode_with
from psc.plan.plan import Settings
from psc.plan.presets import DEFAULT


def parse() -> Iterator[bytes]:
    """Headers of every kind, with the beginning of a body."""
    plain = Header(
        width=16, height=12, grey=False, settings=Settings(DEFAULT, 5, 96, 3), fingerprint=bytes(4),
        exact=True, body=BodyField(20),
    )  # fmt: skip
    kinds = [
        plain,
        replace(plain, settings=Settings(PYRAMID, 4, 96, 3)),
        replace(plain, grey=True, settings=Settings(WHOLE, 2, 96, 3), body=BodyField(20, cut=True)),
        replace(plain, latents=True, condition=Condition("a red house", 2.5)),
        replace(plain, condition=Condition("207")),
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
