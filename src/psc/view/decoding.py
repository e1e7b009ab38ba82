"""A file's rounds, the preview of each, and restorations of any, also after the decoder has gone on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image

from psc.bitstream.container import header_size
from psc.images import uncertainty
from psc.images.orientation import orientation
from psc.prior import Prior
from psc.session.grid import to_pictures
from psc.session.opening import open_decoder
from psc.session.progress import Progress
from psc.session.restore import evaluations, mean_and_deviation, restore
from psc.session.session import Session
from psc.view.gallery import Gallery, View

KEPT_BYTES = 2 * 2**30
"""Of snapshots. Rounds of a large picture that would exceed it have a preview only, except for the last."""


@dataclass(frozen=True)
class Moment:
    """After a round.

    Attributes:
        number: Of the round, from 1.
        scale: Of its level: 1 at full size, 4 at a quarter of the sides.
        size: Bytes of a file that ends here.
        symbols: Single measurements read so far.
        whole: False for what is certain of a cut file's last round.
    """

    number: int
    scale: int
    size: int
    symbols: int
    whole: bool


class Decoding:
    """A file on its way. ``moments`` and the gallery only grow: other threads may read them at any time.

    Attributes:
        data: The file.
        gallery: The pictures, and the original if it is known.
        moments: Of the rounds so far.
        note: What is wrong with the rest of the file, as a sentence; empty if nothing is.
        ended: Whether no further round can be read.
    """

    def __init__(
        self, data: bytes, prior: Prior, original: Image.Image | None, report: Callable[[float], None]
    ) -> None:
        """A decoding that has read nothing of the file's body yet.

        Args:
            data: The file; it may be cut or damaged.
            prior: The one that the file names.
            original: What the file was made of, upright, for PSNRs.
            report: Called with the share of a round or a draw that is done; what it raises ends that.

        Raises:
            PscError: For what cannot be decoded at all, or an original of another size.
        """
        self.data, self._share = data, _Share(report)
        self._decoder = open_decoder(data, allow_partial=True, prior=prior, progress=self._share)
        header = self._decoder.header
        self.gallery = Gallery((header.width, header.height), orientation(self._decoder.metadata), original)
        self.moments: list[Moment] = []
        self.note, self.ended = self._decoder.note, False
        self._snapshots = _Snapshots()

    def step(self) -> None:
        """Decode the next round and make its preview."""
        session, number = self._decoder.session, len(self.moments) + 1
        self._share.begin(session.nfe, session.plan.nfe(number) - session.plan.nfe(number - 1))
        whole = self._decoder.step()
        last = self._decoder.ended
        self._snapshots.keep(number, session, last)
        self.gallery.add(number, "preview", self._decoder.colours(restore(session, "preview")))
        scale = session.plan.levels[session.plan.rounds[number - 1].level].scale
        size = len(self.data) if last else self._size(number)
        self.moments.append(Moment(number, scale, size, session.symbols, whole))
        self.note, self.ended = self._decoder.note, last

    def can_draw(self, number: int, view: View) -> bool:
        """Whether this picture is not there yet, and can be."""
        return number in self._snapshots.by_round and (number, view) not in self.gallery.pictures

    def draw(self, number: int, view: View) -> None:
        """Make a restoration after a round; the mean and the uncertainty come together."""
        session = self._snapshots.by_round[number]
        self._share.begin(session.nfe, evaluations(session, "sample" if view == "sample" else "mean"))
        if view == "sample":
            self.gallery.add(number, view, self._decoder.colours(restore(session, view)))
            return
        shown = partial(to_pictures, header=self._decoder.header, prior=session.prior)
        mean, deviation = mean_and_deviation(session, shown=shown)
        self.gallery.add(number, "mean", self._decoder.colours(mean))
        values = deviation.float().numpy()
        self.gallery.add(number, "uncertainty", uncertainty.coloured(values), uncertainty.top_of(values))

    def _size(self, number: int) -> int:
        """Bytes of the file of the first rounds alone (psc.keep_rounds)."""
        body = -(-self._share.bits // 8)
        header = self._decoder.header
        return body + header_size(replace(header, settings=replace(header.settings, rounds=number)), body)


class _Share:
    """The round or the draw that is being made: how much of it is done, in network evaluations."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report, self._start, self._expected, self.bits = report, 0.0, 1.0, 0

    def begin(self, start: float, nfe: float) -> None:
        """Something that takes ``nfe`` evaluations begins after ``start`` of them."""
        self._start, self._expected = start, max(nfe, 1e-9)

    def __call__(self, now: Progress) -> None:
        """Hear of a group of evaluations."""
        self.bits = now.bits
        self._report(min(1.0, (now.nfe - self._start) / self._expected))


class _Snapshots:
    """Sessions as they were after a round, as many as the memory may take."""

    def __init__(self) -> None:
        self.by_round: dict[int, Session] = {}
        self._bytes = 0

    def keep(self, number: int, session: Session, last: bool) -> None:
        """Keep the session as it is now. Rows are counted anew in each round: appending copies them."""
        particles = session.particles.values
        arrays = [window.rows for window in session.pyramid.levels]
        size = sum(array.nbytes for array in arrays) + (0 if particles is None else particles.nbytes)
        if last or self._bytes + size <= KEPT_BYTES:
            self._bytes += size
            self.by_round[number] = session.snapshot()
