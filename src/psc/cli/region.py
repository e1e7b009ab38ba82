"""Regions of interest as the command line has them: ``alpha``, the name of a mask, or boxes."""

import re
from collections.abc import Sequence
from pathlib import Path

from psc import files
from psc.errors import PscError
from psc.images import opening
from psc.images.regions import ALPHA, Roi, Seen

NUMBER = r"-?[0-9]*[.]?[0-9]+"
BOXLIKE = re.compile("[-0-9.]*(,[-0-9.]*)+")
BOX = re.compile(f"{NUMBER}(,{NUMBER}){{3,4}}")


def check_mask(values: Sequence[str], sources: Sequence[str], *, many: bool) -> None:
    """Refuse, as a PscError, a mask that can be read only once, or not by those who need it.

    Args:
        values: As of :func:`read_roi`.
        sources: The pictures' names.
        many: Whether they are encoded as many, perhaps by other processes.
    """
    for value in values:
        if value == files.STDIO and files.STDIO in sources:
            raise PscError("the picture and its mask cannot both be standard input: name a file for one")
        if many and (value == files.STDIO or files.is_stream(value)):
            raise PscError(f"the mask {value} can be read only once: for many pictures, name a file")


def read_roi(values: Sequence[str]) -> Roi | None:
    """What the values of --roi say, of the picture as it is seen; None if there are none.

    Args:
        values: ALPHA alone, a mask's name alone, or any number of boxes x,y,width,height[,weight].

    Raises:
        PscError: For other combinations, or a mask that cannot be read.
    """
    if not values:
        return None
    close = [value.replace(" ", "") for value in values]
    if all(BOX.fullmatch(value) for value in close):
        return Seen([[float(number) for number in value.split(",")] for value in close])
    if len(values) > 1:
        raise PscError(
            f"--roi came {len(values)} times, and not every time with a box x,y,width,height[,weight]: give "
            "one mask, alpha, or boxes alone"
        )
    if BOXLIKE.fullmatch(close[0]) and not Path(values[0]).exists():
        raise PscError(f"the box {values[0]} came; expected x,y,width,height[,weight]")
    return ALPHA if values[0] == ALPHA else Seen(opening.seen(opening.read_picture(values[0])))
