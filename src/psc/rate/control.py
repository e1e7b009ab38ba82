"""Rate control: a file of a given size, or a picture of a given PSNR, with any plan.

An encoder's session is its decoder's, so the encoder knows the true bits and the true error after every
round. There are three searches, by what the plan lets vary:

* The efforts' plans have a quantiser step, and a forecast (:mod:`psc.rate.forecast`) of what a step comes to,
  which every coded level of the pyramid corrects: coarse levels are nearly free, so a wrong step is found
  early and the encode begins again. What is missing in the end is made up for in the last two rounds, nearly
  without evaluations (:mod:`psc.rate.last_rounds`).
* Other plans with a step are encoded whole, with a few steps (:func:`psc.rate.without_forecast.by_step`).
* The paper's plans have no step: rounds are added until the file is full, and its end is cut off, or until
  the PSNR is reached (:func:`psc.rate.without_forecast.by_rounds`).
"""

import math

import torch

from psc.bitstream.container import header_size
from psc.bitstream.regions import pixels_of
from psc.errors import PscError
from psc.images.picture import Picture
from psc.plan.plan import Settings
from psc.plan.presets import EFFORTS
from psc.rate.goals import LARGEST_SIZE
from psc.rate.psnr_target import PsnrTarget
from psc.rate.search import Search
from psc.rate.size_target import SizeTarget
from psc.rate.targets import SHORT, Found, Target
from psc.rate.without_forecast import by_rounds, by_step
from psc.session.context import Context
from psc.session.encoder import LEAST_ROUND, new_header


def to_size(picture: Picture, goal: int, start: Settings, context: Context) -> Found:
    """A file of at most so many bytes.

    Args:
        picture: What is encoded.
        goal: Bytes of the whole file, metadata included.
        start: The settings; the step is the finest that may be taken (efforts: it is found anew).
        context: The prior, whom to tell of progress, the journal.

    Returns:
        The file, and the encoder that stands where its decoder will.

    Raises:
        PscError: If that is too few bytes for the picture, or more than it takes.
    """
    size = min(goal, LARGEST_SIZE)
    fixed = header_size(new_header(picture, start, context.prior), size)
    if size < fixed + LEAST_ROUND:
        raise PscError(f"{goal} bytes came as the target; this picture takes {fixed + LEAST_ROUND} at least")
    target = SizeTarget(size, 8.0 * (size - fixed))
    found, exhausted = _search(picture, target, start, context)
    if found.excess < 1 and found.miss and exhausted:
        raise PscError(
            f"{goal} bytes came as the target; the most that this picture takes is {len(found.data)}"
        )
    return found


def to_psnr(picture: Picture, goal: float, start: Settings, context: Context) -> Found:
    """A file whose mean restoration has at least so many dB, after rounding to 8 bits.

    Args:
        picture: What is encoded.
        goal: dB; of the important blocks alone if the settings have regions.
        start: The settings, as for :func:`to_size`.
        context: The same.

    Returns:
        The file, and the encoder that stands where its decoder will.

    Raises:
        PscError: If no file of the picture reaches it.
    """
    important = torch.from_numpy(pixels_of(start, *picture.colours.shape[1:]))
    target = PsnrTarget(min(goal, _only_equal(picture)), picture.colours, important)
    found, _ = _search(picture, target, start, context)
    if found.miss >= SHORT:
        best = target.target - (found.miss - SHORT)
        raise PscError(f"{goal:g} dB came as the target; the most that this picture reaches is {best:.2f}")
    return found


def _search(picture: Picture, target: Target, start: Settings, context: Context) -> tuple[Found, bool]:
    """The best file of a plan, and whether the plan has nothing finer."""
    if start.plan.paper:
        return by_rounds(picture, target, start, context)
    if start.plan in EFFORTS.values() and start.rounds == len(start.plan.rounds):
        return Search(picture, target, start, context).run()
    return by_step(picture, target, start, context)


def _only_equal(picture: Picture) -> float:
    """A PSNR that only an equal picture has: one grey level off in one sample is just below."""
    return 10 * math.log10(255**2 * picture.colours.numel()) + 0.1
