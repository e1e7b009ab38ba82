"""Regions: blocks of a picture that are quantised more coarsely than others, or not measured at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from psc.errors import PscError

MOST_OFFSET = 64
"""Step indices: four octaves."""
NOTHING = 255
"""In an offset's place: nothing is measured in these blocks."""


@dataclass(frozen=True)
class Regions:
    """By how many step indices each block's step is coarser than the file's.

    Attributes:
        runs: Of the picture's blocks (of the plan's size) in raster order: how many in a row have an offset,
            0 to MOST_OFFSET or NOTHING, and which. The important ones have 0; there must be one at least.

    Raises:
        PscError: For runs that say anything else.
    """

    runs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        for count, offset in self.runs:
            if count < 1 or not (0 <= offset <= MOST_OFFSET or offset == NOTHING):
                raise PscError(
                    f"regions have a run of {count} blocks with the offset {offset}; expected 1 or more, and "
                    f"0 to {MOST_OFFSET} or {NOTHING} (nothing)"
                )
        if all(offset for _, offset in self.runs):
            raise PscError("regions have no block with the offset 0; one at least must be the most important")

    @classmethod
    def of(cls, offsets: Iterable[int]) -> "Regions":
        """The regions of these offsets, block by block in raster order."""
        return cls(tuple((len(list(same)), offset) for offset, same in groupby(offsets)))

    @property
    def blocks(self) -> int:
        """How many blocks the picture has."""
        return sum(count for count, _ in self.runs)

    def counts(self) -> dict[str, int]:
        """How many blocks have which offset."""
        counts: dict[str, int] = {}
        for count, offset in sorted(self.runs, key=lambda run: run[1]):
            name = "nothing" if offset == NOTHING else f"+{offset}"
            counts[name] = counts.get(name, 0) + count
        return counts
