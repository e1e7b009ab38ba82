"""Regions of interest as the command line has them: ``alpha``, the name of a mask, or boxes."""

import re
from collections.abc import Sequence
from pathlib import Path

from psc.errors import PscError
from psc.images import opening
from psc.images.regions import ALPHA, Roi

NUMBER = r"-?[0-9]*[.]?[0-9]+"
BOXLIKE = re.compile("[-0-9.]*(,[-0-9.]*)+")
BOX = re.compile(f"{NUMBER}(,{NUMBER}){{3,4}}")


def read_roi(values: Sequence[str]) -> Roi | None:
    """What the values of --roi say; None if there are none.

    Args:
        values: ALPHA alone, a mask's name alone, or any number of boxes x,y,width,height[,weight].

    Raises:
        PscError: For other combinations, or a mask that cannot be read.
    """
    if not values:
        return None
    if all(BOX.fullmatch(value) for value in values):
        return [[float(number) for number in value.split(",")] for value in values]
    if len(values) > 1:
        raise PscError(
            f"--roi came {len(values)} times, and not every time with a box x,y,width,height[,weight]: give "
            "one mask, alpha, or boxes alone"
        )
    if BOXLIKE.fullmatch(values[0]) and not Path(values[0]).exists():
        raise PscError(f"the box {values[0]} came; expected x,y,width,height[,weight]")
    return ALPHA if values[0] == ALPHA else opening.read_picture(values[0])
