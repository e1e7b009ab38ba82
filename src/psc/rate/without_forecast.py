"""The search for a target with plans that there is no forecast for: the paper's, and any with a step."""

import math
from dataclasses import replace

from psc.images.picture import Picture
from psc.plan.plan import Settings
from psc.rate.bracket import Bracket
from psc.rate.budget import Budget
from psc.rate.last_rounds import has_room
from psc.rate.targets import SHORT, Found, Target
from psc.rate.tuning import SEARCH
from psc.session.context import Context
from psc.session.encoder import Encoder


def by_rounds(picture: Picture, target: Target, start: Settings, context: Context) -> tuple[Found, bool]:
    """One encode of a plan without a step, to which rounds are added until the target is reached.

    It costs one encode of those rounds, and for a PSNR a mean restoration after each of the last few.

    Args:
        picture: What is encoded.
        target: What is to be reached.
        start: The settings.
        context: The prior, whom to tell of progress, the journal.

    Returns:
        The file, and whether it has all rounds.
    """
    side = Encoder(picture, start, context)
    side.session.expect(start.rounds)
    while side.missing and not target.reached(side):
        side.step()
    return target.accept(side), not side.missing


def by_step(picture: Picture, target: Target, start: Settings, context: Context) -> tuple[Found, bool]:
    """Encodes with different steps, until one is good.

    There are at most eight: seven by interpolation between those that were too coarse and too fine, and one
    more with the finest step if none of them has reached a PSNR. Three or four are usual.

    Args:
        picture: What is encoded.
        target: What is to be reached.
        start: The settings, with the finest step that may be taken.
        context: The prior, whom to tell of progress, the journal.

    Returns:
        The best file, and whether the finest step was tried.
    """
    budget, best = Budget(start, target.aims), None
    bracket = Bracket(start.step_index)
    for index in bracket.indices():
        found = _attempt(picture, target, replace(start, step_index=index), budget.reporting(context))
        budget.spent += found.session.nfe
        bracket.tried[index] = math.log(found.excess / target.aims.first)
        best = found if best is None or found.better(best) else best
        if best.good or (len(bracket.tried) >= SEARCH.usual and best.miss <= target.aims.negligible):
            break
    assert best is not None
    if best.miss >= SHORT and bracket.first not in bracket.tried:
        return _attempt(picture, target, start, budget.reporting(context)), True
    return best, bracket.first in bracket.tried


def _attempt(picture: Picture, target: Target, settings: Settings, context: Context) -> Found:
    """An encode, as far as there is room."""
    side = Encoder(picture, settings, context)
    side.session.expect(settings.rounds)
    while side.missing and has_room(side, target.limit):
        side.step()
    return target.accept(side)
