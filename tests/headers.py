"""Headers from plain fields, also such as no encoder writes."""

from typing import Any

from psc.bitstream.header import BodyField, Condition, Header
from psc.plan.plan import Plan, Settings


def settings_of(plan: Plan, rounds: int, step_index: int, seed: int) -> Settings:
    """Settings that may be invalid."""
    found = object.__new__(Settings)
    for name, value in {"plan": plan, "rounds": rounds, "step_index": step_index, "seed": seed}.items():
        object.__setattr__(found, name, value)
    return found


def header_of(
    width: int,
    height: int,
    grey: bool,
    plan: Plan,
    rounds: int,
    step_index: int,
    seed: int,
    fingerprint: bytes,
    exact: bool,
    body_length: int = 0,
    body_crc: int = 0,
    cut: bool = False,
    condition: str = "",
    guidance: float = 1.0,
    **others: Any,
) -> Header:
    return Header(
        width=width, height=height, grey=grey, settings=settings_of(plan, rounds, step_index, seed),
        fingerprint=fingerprint, exact=exact, condition=Condition(condition, guidance),
        body=BodyField(body_length, body_crc, cut), **others,
    )  # fmt: skip
