"""What a search for a target has cost, and what it may still cost."""

from dataclasses import replace

from psc.plan.plan import Settings
from psc.rate.tuning import Aims
from psc.session.context import Context
from psc.session.progress import Progress


class Budget:
    """Network evaluations of all attempts at a target.

    Attributes:
        plain: Those of one plain encode.
        spent: Those of all attempts that have ended.
        attempt: What the next attempt is expected to cost, in plain encodes.
        restarts: How many attempts were given up for a better step.
        late: Whether one of them was given up when only full resolution was left.
    """

    def __init__(self, start: Settings, aims: Aims) -> None:
        """Nothing is spent yet.

        Args:
            start: The settings that all attempts share, but for the step.
            aims: What an attempt is expected to cost, and all of them may.
        """
        self.plain = start.plan.nfe(start.rounds)
        self.spent = 0.0
        self.attempt, self._cost = aims.attempt, aims.cost
        self.restarts = 0
        self.late = False
        self._planned = start.rounds

    def affords(self, times: float, current: float = 0.0) -> bool:
        """Whether one more attempt is within so many times the cost that rate control may have.

        Args:
            times: Of the usual cost.
            current: Evaluations of the attempt that is in the making.
        """
        left = times * self._cost * self.plain - self.spent - current
        return self.attempt * self.plain <= left

    def reporting(self, context: Context) -> Context:
        """The context of the next attempt: its progress is told with what was spent before."""

        def report(now: Progress) -> None:
            nfe, total = self.spent + now.nfe, self.spent + self.plain
            context.progress(replace(now, planned=self._planned, nfe=nfe, total=max(nfe, total)))

        return replace(context, progress=report)
