"""The encoder's side of a session: the header, the writer, and the session that writes."""

from dataclasses import replace

from psc.bitstream import extras
from psc.bitstream.container import seal, seal_cut
from psc.bitstream.header import FINGERPRINT_BYTES, MAX_SIDE, Condition, Header, unpack
from psc.bitstream.rangecoder import Writer
from psc.bitstream.regions import blocks_of
from psc.errors import PscError
from psc.images.picture import Picture
from psc.plan.plan import Settings
from psc.prior import Prior
from psc.prior.pretrained.prior import DiffusionPrior
from psc.session.context import Context
from psc.session.setup import open_session

LEAST_ROUND = 6
"""Bytes that must be left for a round to be begun: a cut nearer to its beginning might reach behind it."""


class Encoder:
    """A picture being encoded.

    Attributes:
        header: What the file begins with; the body's length is not known yet.
        writer: The body so far.
        session: The state after the last round: the same as its decoder's.
    """

    def __init__(self, picture: Picture, settings: Settings, context: Context) -> None:
        """Nothing is coded yet.

        Raises:
            PscError: For a picture, a caption or metadata that no file can hold, or too large a picture.
        """
        self.header, self.writer = new_header(picture, settings, context.prior), Writer()
        self.header.pack()  # what no file holds is refused before the work
        self.session = open_session(self.header, context, self.writer, picture.colours)
        self._rounds = 0
        self._calls = self._bits = 0  # of the writer, before the last round

    def step(self) -> None:
        """The next round."""
        self._calls, self._bits = self.writer.calls, self.writer.bits
        self.session.step(keep=True)
        self._rounds = self.session.rounds

    @property
    def last_bits(self) -> int:
        """Bits that the last round took."""
        return self.writer.bits - self._bits

    def file(self) -> bytes:
        """The file of all rounds so far."""
        return seal(self._done(), self.writer.finish())

    @property
    def missing(self) -> int:
        """How many of the rounds that were asked for have not been begun."""
        return self.header.settings.rounds - self._begun

    def step_again(self, lambda_: float) -> None:
        """The last round's measurements once more, chosen with another Lagrangian multiplier of a bit."""
        self.writer.rewind(self._calls)
        self.session.step_again(self.writer, lambda_)

    def least(self) -> int:
        """Bytes that a file needs so that the last round alone is cut."""
        return len(self.file()) - self.last_bits // 8 + LEAST_ROUND

    def cut(self, size: int) -> bytes:
        """The file cut to ``size`` bytes, within the last round; the session takes its decoder's state."""
        data = seal_cut(self._done(), self.writer.finish(), size)
        self.session.step_again(self.writer.reread(unpack(data)[1], self._calls))
        return data

    def _done(self) -> Header:
        return replace(self.header, settings=replace(self.header.settings, rounds=self._begun))

    @property
    def _begun(self) -> int:
        """Rounds, with one that was cut."""
        return max(self._rounds, self.session.rounds)


def new_header(picture: Picture, settings: Settings, prior: Prior) -> Header:
    """What a file of the picture begins with; the body's length is not known yet."""
    channels, height, width = picture.colours.shape
    if max(height, width) > MAX_SIDE:
        raise PscError(f"the picture is {width}x{height}; a side may have at most {MAX_SIDE} pixels")
    _check_regions(settings, width, height, prior)
    given = Condition()
    if isinstance(prior, DiffusionPrior):
        given = Condition(prior.condition, prior.guidance)
    return Header(
        width=width,
        height=height,
        grey=channels == 1,
        settings=settings,
        fingerprint=prior.fingerprint[:FINGERPRINT_BYTES],
        exact=prior.exact,
        latents=prior.factor > 1,
        condition=given,
        extras=extras.pack(picture.metadata),
    )


def _check_regions(settings: Settings, width: int, height: int, prior: Prior) -> None:
    """Refuse regions that no file of the picture holds."""
    if settings.regions is None:
        return
    if prior.factor > 1:
        raise PscError(
            f"regions were asked for with the prior {prior.name}, a model of latents, which have no blocks "
            "of pixels; use a prior of pixels"
        )
    expected = blocks_of(width, height, settings.plan.block)
    if settings.regions.blocks != expected:
        raise PscError(f"regions of {settings.regions.blocks} blocks came; the picture has {expected}")
