"""Does this machine rebuild the encoder's state? Round by round, and the picture at the end."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from psc.prior import Prior
from psc.session.opening import open_decoder
from psc.session.progress import Report, silent
from psc.session.restore import restore
from psc.session.session import Session


@dataclass(frozen=True)
class RoundState:
    """One round as this machine sees it.

    Attributes:
        number: Of the round, from 1.
        scale: Of the round's level: 1 at full size, 4 at a quarter of the sides.
        rows: Measured per window; 0 for the level's full basis.
        symbols: Measurements read so far.
        digest: CRC-32 of everything known after the round, 8 hex digits; equal on two machines if and
            (all but certainly) only if their states are.
        agrees: Whether it ends as the encoder's did, as far as the few bits tell that the file holds of it.
    """

    number: int
    scale: int
    rows: int
    symbols: int
    digest: str
    agrees: bool


@dataclass(frozen=True)
class Verification:
    """What :func:`psc.verify` found.

    Attributes:
        rounds: The rounds, as far as they could be read.
        planned: How many rounds the file has.
        note: What is wrong, as a sentence; empty if nothing is.
        picture: SHA-256 of the decoded picture's rows of 8-bit samples (the mean), 64 hex digits; empty if
            something is wrong.
    """

    rounds: tuple[RoundState, ...]
    planned: int
    note: str
    picture: str

    @property
    def ok(self) -> bool:
        """Whether the whole file decodes here to what was encoded."""
        return not self.note


def verify(
    data: bytes,
    /,
    *,
    prior: Prior | None = None,
    report: Callable[[RoundState], None] = silent,
    progress: Report = silent,
) -> Verification:
    """Decode a .psc file, and compare the state here with the encoder's, round by round.

    Args:
        data: The file's bytes.
        prior: The one that the file names; None for the embedded prior (:func:`psc.load_prior`).
        report: Called with every round's state as it ends.
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The rounds, what is wrong, and a digest of the picture to compare with another machine's.

    Raises:
        PscError: For what cannot be decoded at all: another prior, a damaged header.
    """
    decoder = open_decoder(data, allow_partial=True, prior=prior, progress=progress)
    rounds: list[RoundState] = []
    while not decoder.ended:
        whole = decoder.step()
        if whole or decoder.mismatched:
            rounds.append(_state(decoder.session, len(rounds), agrees=whole))
            report(rounds[-1])
    picture = ""
    if not decoder.note:
        picture = hashlib.sha256(decoder.colours(restore(decoder.session)).tobytes()).hexdigest()
    return Verification(tuple(rounds), decoder.planned, decoder.note, picture)


def _state(session: Session, index: int, *, agrees: bool) -> RoundState:
    item = session.plan.rounds[index]
    scale = session.plan.levels[item.level].scale
    return RoundState(index + 1, scale, item.rows, session.symbols, f"{session.digest:08x}", agrees)
