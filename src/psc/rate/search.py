"""The search for a target with the plans that there is a forecast for: attempts until one is good enough."""

from dataclasses import replace

from psc.images.picture import Picture
from psc.plan.plan import Settings
from psc.rate.attempt import Attempt
from psc.rate.budget import Budget
from psc.rate.forecast import Forecast
from psc.rate.steps import Steps
from psc.rate.targets import SHORT, Found, Target
from psc.rate.tuning import SEARCH
from psc.session.context import Context
from psc.session.encoder import Encoder


class Search:
    """Attempts at one target, and what they have taught."""

    def __init__(self, picture: Picture, target: Target, start: Settings, context: Context) -> None:
        """No attempt was made yet.

        Args:
            picture: What is encoded.
            target: What is to be reached.
            start: The settings, but for the step index.
            context: The prior, whom to tell of progress, the journal.
        """
        self._picture, self._target, self._start, self._context = picture, target, start, context
        self._steps = Steps(target, Forecast(picture.colours, start.regions))
        self._budget = Budget(start, target.aims)

    def run(self) -> tuple[Found, bool]:
        """The best file, and whether the finest step was tried."""
        best: Found | None = None
        while best is None or not (best.good or self._is_over(best)):
            found = self._attempt()
            if best is None or (found is not None and found.better(best)):
                best = found
        return best, self._steps.finest_tried

    def _is_over(self, best: Found) -> bool:
        """Whether no further attempt is possible, or none may be paid for."""
        steps = self._steps
        if best.miss >= SHORT and len(steps.done) >= SEARCH.patience and not steps.finest_tried:
            steps.only_finest()
        if steps.none_left or best.miss >= SHORT:
            return steps.none_left
        return not self._budget.affords(2 if best.miss > self._target.aims.negligible else 1)

    def _attempt(self) -> Found | None:
        """An encode with the likeliest step; None if it was given up early for what it taught."""
        self._budget.attempt = self._target.aims.attempt
        settings = replace(self._start, step_index=self._steps.next_index())
        side = Encoder(self._picture, settings, self._budget.reporting(self._context))
        found = Attempt(side, self._steps, self._budget).run()
        self._budget.spent += side.session.nfe
        return found
