"""A file's rounds, the preview of each, and restorations of any, also after the decoder has gone on."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import torch
from PIL import Image

from psc.bitstream.container import header_size
from psc.errors import PscError
from psc.images.orientation import SIDEWAYS, orientation, turned
from psc.images.pixels import psnr, to_image
from psc.prior import Prior
from psc.session.decoder import open_decoder
from psc.session.grid import to_pictures
from psc.session.progress import Progress
from psc.session.restore import mean_and_deviation, restore, usual_steps
from psc.session.session import Session
from psc.view import tints

View = Literal["preview", "mean", "sample", "uncertainty"]
VIEWS: tuple[View, ...] = get_args(View)
KEPT_BYTES = 2 * 2**30
"""Of snapshots. Rounds of a large picture that would exceed it have a preview only, except for the last."""


@dataclass(frozen=True)
class Moment:
    """After a round: its number, from 1, its level's scale, and the numbers read so far.

    size: bytes of a file that ends here. whole: False for what is certain of a cut file's last round.
    """

    number: int
    scale: int
    size: int
    symbols: int
    whole: bool


@dataclass(frozen=True)
class Picture:
    """A PNG. figure: its PSNR in dB, if the original is known; of the uncertainty, where its scale ends."""

    png: bytes
    figure: float | None


class Decoding:
    """A file on its way. ``moments`` and ``pictures`` only grow: other threads may read them at any time.

    Pictures are upright. original: what the file was made of, upright, for PSNRs. report: called with the
    share of a step or a draw that is done; what it raises ends that. Raises PscError for what cannot be
    decoded at all; what is wrong with the rest of the file becomes ``note``, and the decoding has ``ended``.
    """

    def __init__(
        self, data: bytes, prior: Prior, original: Image.Image | None, report: Callable[[float], None]
    ) -> None:
        self.data, self.original, self._report = data, original, report
        self._decoder = open_decoder(data, allow_partial=True, prior=prior, progress=self._follow)
        header = self._decoder.header
        self._orientation, self.planned = orientation(self._decoder.metadata), self._decoder.planned
        self.size = (header.width, header.height)
        if self._orientation in SIDEWAYS:
            self.size = self.size[::-1]
        if original is not None and original.size != self.size:
            there, here = ("{}x{}".format(*size) for size in (original.size, self.size))
            raise PscError(f"the original has {there} pixels, the file {here}: they are not of one picture")
        self.moments: list[Moment] = []
        self.pictures: dict[tuple[int, View], Picture] = {}
        self.note, self.ended = self._decoder.note, False
        self._snapshots: dict[int, Session] = {}
        self._kept = 0
        self._start, self._expected, self._bits = 0.0, 1.0, 0

    def step(self) -> None:
        """Decode the next round and make its preview."""
        session, number = self._decoder.session, len(self.moments) + 1
        self._expect(session, session.plan.nfe(number) - session.plan.nfe(number - 1))
        whole = self._decoder.step()
        last = self._decoder.ended
        self._keep(number, last)
        self._show(number, "preview", session, restore(session, "preview"))
        scale = session.plan.levels[session.plan.rounds[number - 1].level].scale
        size = len(self.data) if last else self._size(number)
        self.moments.append(Moment(number, scale, size, session.symbols, whole))
        self.note, self.ended = self._decoder.note, last

    def can_draw(self, number: int, view: View) -> bool:
        """Whether this picture is not there yet, and can be."""
        return number in self._snapshots and (number, view) not in self.pictures

    def draw(self, number: int, view: View) -> None:
        """Make a restoration after a round; the mean and the uncertainty come together."""
        session = self._snapshots[number]
        samples = 1 if view == "sample" else session.plan.levels[0].samples
        self._expect(session, samples * usual_steps(session))
        if view == "sample":
            self._show(number, view, session, restore(session, view))
            return
        mean, deviation = mean_and_deviation(session, shown=self._shown(session))
        self._show(number, "mean", session, mean)
        values = deviation.float().numpy()
        map_ = turned(tints.tinted(values), self._orientation)
        self._put(number, "uncertainty", map_, tints.top_of(values))

    def _keep(self, number: int, last: bool) -> None:
        """Keep the session as it is now. Rows are counted anew in each round: appending copies them."""
        session = self._decoder.session
        windows, particles = session.pyramid.levels, session.particles.values
        arrays = [*(w.rows for w in windows), *([] if particles is None else [particles])]
        size = sum(array.nbytes for array in arrays)
        if last or self._kept + size <= KEPT_BYTES:
            self._kept += size
            self._snapshots[number] = session.snapshot()

    def _size(self, number: int) -> int:
        """Bytes of the file of the first rounds alone (psc.keep_rounds)."""
        body = -(-self._bits // 8)
        header = self._decoder.header
        return body + header_size(replace(header, settings=replace(header.settings, rounds=number)), body)

    def _show(self, number: int, view: View, session: Session, picture: torch.Tensor) -> None:
        image = turned(to_image(self._shown(session)(picture[None])[0]), self._orientation)
        figure = None if self.original is None else psnr(image, self.original.convert(image.mode))
        self._put(number, view, image, figure)

    def _shown(self, session: Session) -> Callable[[torch.Tensor], torch.Tensor]:
        return partial(to_pictures, header=self._decoder.header, prior=session.prior)

    def _put(self, number: int, view: View, image: Image.Image, figure: float | None) -> None:
        self.pictures[number, view] = Picture(to_png(image), figure)

    def _expect(self, session: Session, nfe: float) -> None:
        self._start, self._expected = session.nfe, max(nfe, 1e-9)

    def _follow(self, now: Progress) -> None:
        self._bits = now.bits
        self._report(min(1.0, (now.nfe - self._start) / self._expected))


def to_png(image: Image.Image) -> bytes:
    """Quickly: it goes no further than this machine."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
