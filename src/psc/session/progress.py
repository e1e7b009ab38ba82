"""How far a session is, as its callers hear of it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a session stands.

    Attributes:
        rounds: Rounds done.
        planned: Rounds that are to be done.
        nfe: Network evaluations so far, summed over the samples, in full-resolution equivalents (an
            evaluation at scale S counts 1 / S^2).
        bits: Of the body, so far.
        total: nfe of all planned rounds.
        replayed: Whether the last evaluations came from a journal.
    """

    rounds: int
    planned: int
    nfe: float
    bits: int
    total: float
    replayed: bool


Report = Callable[[Progress], None]


def silent(_: object) -> None:
    """Report to nobody."""
