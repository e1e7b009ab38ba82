"""What an encode is to reach, as a search sees it: the same of a size and of a PSNR."""

from dataclasses import dataclass
from typing import Protocol

from psc.rate.forecast import Outcome
from psc.rate.tuning import Aims
from psc.session.encoder import Encoder
from psc.session.session import Session

SHORT = 1000.0
"""Missed by more than anything else: a PSNR that is not reached."""


@dataclass(frozen=True)
class Found:
    """A file, and the session that its decoder will have.

    Attributes:
        data: The file's bytes.
        side: The encoder, whose session stands where the file's decoder will.
        excess: Of the attempt, before its last rounds were chosen anew: see :class:`psc.rate.tuning.Aims`.
        miss: By how much the file misses the target, 0 if it does not.
        loss: What counts among files that miss by the same: squared error, or bytes.
        good: Whether no other file could be much better.
    """

    data: bytes
    side: Encoder
    excess: float
    miss: float
    loss: float
    good: bool

    @property
    def session(self) -> Session:
        """The session that the file's decoder will have."""
        return self.side.session

    def better(self, other: "Found") -> bool:
        """Whether it misses the target by less, or meets it for less."""
        return (self.miss, self.loss) < (other.miss, other.loss)


@dataclass(frozen=True)
class Outlook:
    """What is known of an attempt when it ends.

    Attributes:
        excess: The one that is expected of it.
        last: Whether no further attempt may be paid for.
    """

    excess: float
    last: bool


class Target(Protocol):
    """What a search knows of its target."""

    @property
    def limit(self) -> float:
        """Bits that the body may have; infinite if the target is no size."""
        ...

    @property
    def aims(self) -> Aims:
        """What attempts aim at."""
        ...

    def expected(self, outcome: Outcome) -> float:
        """The excess that is expected of an attempt with this outcome."""
        ...

    def finish(self, side: Encoder, outlook: Outlook) -> Found:
        """The file of an attempt of which there was a forecast, mended in its last rounds."""
        ...

    def accept(self, side: Encoder) -> Found:
        """The file of any other plan's attempt, which may be filled up or cut in its last round."""
        ...

    def reached(self, side: Encoder) -> bool:
        """Whether further rounds would be of no use."""
        ...
