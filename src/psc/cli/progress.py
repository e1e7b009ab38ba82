"""The command's progress: a bar or lines on stderr, with an estimate of the time left."""

import math
import time
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from psc.cli import console

if TYPE_CHECKING:
    from psc.session.progress import Progress

MEMORY = 30.0
"""Seconds over which the pace is forgotten: evaluations at full size are the slowest, for their number."""
MIN_SECONDS = 3.0
"""How long must have been drawn before a pace is known."""


class Pace:
    """The pace of late in network evaluations per second; what a journal had says nothing of it."""

    def __init__(self) -> None:
        self._moment, self._last = time.perf_counter(), 0.0
        self._seconds = self._nfe = self._drawing = 0.0

    def note(self, nfe: float, replayed: bool) -> None:
        """Take note of how many evaluations are done.

        Args:
            nfe: Done so far.
            replayed: Whether the last ones came from a journal.
        """
        now = time.perf_counter()
        if not replayed:
            took = now - self._moment
            kept = math.exp(-took / MEMORY)
            self._drawing += took
            self._seconds, self._nfe = self._seconds * kept + took, self._nfe * kept + nfe - self._last
        self._moment, self._last = now, nfe

    def left(self, total: float) -> str:
        """The time that ``total`` evaluations still take, as minutes and seconds; empty if unknown."""
        ahead = total - self._last
        if self._drawing < MIN_SECONDS or self._nfe <= 0 or ahead < 0:
            return ""
        return f", about {tqdm.format_interval(round(ahead * self._seconds / self._nfe))} left"


class ProgressBar:
    """Follows a session: with a bar if stderr is a terminal, with lines if verbose; keeps the last figures.

    The time left is that of the rounds; what a target takes beyond the attempts that are foreseen, or a
    restoration, is not in it.
    """

    def __init__(self, verb: str, *, quiet: bool, verbose: bool = False) -> None:
        self._rounds, self._nfe, self._start = 0, 0.0, time.perf_counter()
        self._pace = Pace()
        self._lines = verbose and not quiet
        self._bar = tqdm(
            desc=verb,
            disable=True if quiet or verbose else None,
            leave=False,
            miniters=0,
            bar_format="{desc}: {n_fmt}/{total_fmt} rounds |{bar}| {elapsed}{postfix}",
        )

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, now: "Progress") -> None:
        """Take note of where the session stands; called many times per round."""
        self._pace.note(now.nfe, now.replayed)
        figures = f"{now.nfe:.0f} NFE, {-(-now.bits // 8)} bytes"
        if now.rounds < now.planned:
            figures += self._pace.left(now.total)
        if self._lines and now.rounds > self._rounds:
            console.say(f"round {now.rounds} of {now.planned}: {figures}")
        self._bar.total = now.planned
        self._bar.set_postfix_str(figures, refresh=False)
        if now.rounds == now.planned:
            self._bar.set_description_str("finish", refresh=False)
        self._bar.update(now.rounds - self._rounds)
        self._rounds, self._nfe = now.rounds, now.nfe

    def figures(self) -> dict[str, Any]:
        """The rounds, the network evaluations (nfe) and the seconds since this was made."""
        return {"rounds": self._rounds, "nfe": self._nfe, "seconds": time.perf_counter() - self._start}
