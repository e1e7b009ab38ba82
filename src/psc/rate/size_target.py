"""The target of a size, which a file meets from below."""

import math
from dataclasses import dataclass, replace

from psc.rate.forecast import Outcome
from psc.rate.last_rounds import choose_again, has_room
from psc.rate.targets import Found, Outlook
from psc.rate.tuning import SIZE, SIZE_AIMS
from psc.session.encoder import Encoder


@dataclass(frozen=True)
class SizeTarget:
    """A file of at most so many bytes; the excess is in bits.

    Attributes:
        size: Bytes that the file may have.
        limit: Bits of them that the body may have.
    """

    size: int
    limit: float
    aims = SIZE_AIMS

    def expected(self, outcome: Outcome) -> float:
        """The bits of an attempt over the limit."""
        return float(outcome.bits.sum()) / self.limit

    def finish(self, side: Encoder, outlook: Outlook) -> Found:
        """The file of an attempt, which the last round's multiplier fills up or brings down."""
        usable = not side.session.plan.paper  # whose numbers are float8, whatever a bit is worth
        if usable and not SIZE.full <= side.writer.bits / self.limit <= 1:
            choose_again(side, lambda _: side.writer.bits - self.limit)
        data = side.file()
        if len(data) > self.size:
            data = side.cut(self.size)
        fill = len(data) / self.size
        miss = (SIZE.left_out if side.missing else 0.0) + (0.0 if fill >= SIZE.filled else 1 - fill)
        good = miss == 0 and outlook.excess <= self.aims.first * self.aims.tolerable[1]
        return Found(data, side, outlook.excess, miss, sum(side.session.errors()), good)

    def accept(self, side: Encoder) -> Found:
        """The file as it is, filled up or cut in its last round.

        Where there was no room for all rounds, the excess is a guess, and counts as a miss (but for the
        paper's plans: to add rounds until there is no room is what they are made for).
        """
        planned, missing = side.header.settings.rounds, side.missing
        excess = side.writer.bits / self.limit * math.sqrt(planned / (planned - missing))
        found = self.finish(side, Outlook(excess, last=False))
        if not missing or side.session.plan.paper:
            return found
        return replace(found, miss=found.miss + max(excess - self.aims.tolerable[1], 0.0))

    def reached(self, side: Encoder) -> bool:
        """Whether there is no room for one more round."""
        return not has_room(side, self.limit)
