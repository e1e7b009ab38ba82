"""The one thread that decodes: the rounds, then the last one's restorations; a wish comes before either."""

import threading
from typing import Any

from PIL import Image

from psc.prior import Prior
from psc.view.decoding import Decoding
from psc.view.gallery import VIEWS, View

Job = tuple[int, View]
"""A round's number, from 1, and what is to be made of it; its preview: the round itself."""


class _DroppedError(Exception):
    """Ends a draw half-way: another picture is wanted instead, or none any more."""


class Worker:
    """Decodes a file in a thread of its own, from :meth:`start` to :meth:`close`.

    Attributes:
        decoding: The file and its pictures so far.
        failure: What has ended the thread, if something has.
    """

    def __init__(self, data: bytes, prior: Prior, original: Image.Image | None = None) -> None:
        self.decoding = Decoding(data, prior, original, self._follow)
        self.failure: BaseException | None = None
        self._wish: Job | None = None
        self._job: Job | None = None
        self._done = 0.0
        self._closed = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="psc view: decoding")

    def start(self) -> None:
        """Begin to decode."""
        self._thread.start()

    def close(self) -> None:
        """End after the network evaluation that is being made."""
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def wish(self, job: Job | None) -> None:
        """Make a restoration next, if it can be made.

        A draw that is no longer wished for while another one is gets dropped half-way; a round never.

        Args:
            job: What the page would like to show; None: nothing but what comes anyway.
        """
        with self._change:
            self._wish = job
            self._change.notify()

    def state(self) -> dict[str, Any]:
        """What there is and what is being done: as the page reads it."""
        decoding, job = self.decoding, self._job
        width, height = decoding.gallery.size
        return {
            "width": width,
            "height": height,
            "moments": [vars(moment) | self._views(moment.number) for moment in list(decoding.moments)],
            "job": job and {"number": job[0], "view": job[1], "done": self._done},
            "ended": decoding.ended or self.failure is not None,
            "note": f"stopped: {self.failure!r}" if self.failure else decoding.note,
        }

    def _views(self, number: int) -> dict[str, Any]:
        pictures = self.decoding.gallery.pictures
        views = {view: pictures[number, view].figure for view in VIEWS if (number, view) in pictures}
        open_ = [view for view in VIEWS if self.decoding.can_draw(number, view)]
        return {"views": views, "possible": open_}

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                self._do(job)
        except BaseException as error:
            self.failure, self._job = error, None

    def _do(self, job: Job) -> None:
        try:
            if job[1] == "preview":
                self.decoding.step()
            else:
                self.decoding.draw(*job)
        except _DroppedError:
            pass

    def _next(self) -> Job | None:
        """What to do now, as soon as there is something; None: the end."""
        with self._change:
            while not self._closed:
                self._done, self._job = 0.0, next(iter(self._jobs()), None)
                if self._job:
                    return self._job
                self._change.wait()
        return None

    def _jobs(self) -> list[Job]:
        """What can be done, the most urgent first."""
        decoding, last = self.decoding, len(self.decoding.moments)
        rounds: list[Job] = [] if decoding.ended else [(last + 1, "preview")]
        draws: list[Job] = [(last, "mean"), (last, "sample")] if decoding.ended else []
        wishes = [self._wish] if self._wish else []
        return [
            *(job for job in wishes if decoding.can_draw(*job)),
            *rounds,
            *(job for job in draws if decoding.can_draw(*job)),
        ]

    def _follow(self, done: float) -> None:
        """Hear of every network evaluation: the share of the job that is done."""
        self._done, job, wish = done, self._job, self._wish
        redundant = job and job[1] != "preview" and wish and self._other(job, wish)
        if self._closed or redundant:
            raise _DroppedError

    def _other(self, job: Job, wish: Job) -> bool:
        """Whether a wish is for something that can be drawn, but not by this draw."""
        same = job[0] == wish[0] and (job[1] == "sample") == (wish[1] == "sample")
        return not same and self.decoding.can_draw(*wish)
