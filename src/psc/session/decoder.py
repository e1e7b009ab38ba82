"""The decoder's side of a session: a .psc file, round by round, and the pictures that it may show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from psc.bitstream import extras
from psc.bitstream.header import Header
from psc.bitstream.rangecoder import BodyError
from psc.errors import PscError
from psc.exact.threads import isolated
from psc.images import metadata
from psc.images.alpha import read_alpha
from psc.images.pixels import to_image
from psc.prior import Prior
from psc.session.grid import to_pictures
from psc.session.restore import Restoration, check, mean_and_deviation, restore, variations
from psc.session.round_coder import StateMismatchError
from psc.session.session import Session

MAX_VARIATIONS = 10000
PARTIAL = "--allow-partial (allow_partial=True) decodes what is certain"


@dataclass(frozen=True)
class Decoded:
    """A decoded picture and what it rests on.

    Attributes:
        image: With its alpha and metadata.
        rounds: Whole rounds that were certain.
        symbols: Single measurements that were certain.
        complete: Whether that is all that the encoder wrote; if not, ``note`` says why.
        note: What is wrong with the file, as a sentence; empty if nothing is.
        nfe: Network evaluations of the rounds, and of the restoration, over all samples, in full-resolution
            equivalents.
        deviation: If asked for, how much posterior samples differ: (height, width) float32, their standard
            deviation in 8-bit grey levels.
    """

    image: Image.Image
    rounds: int
    symbols: int
    complete: bool
    note: str
    nfe: tuple[float, float]
    deviation: NDArray[np.float32] | None = None


class Decoder:
    """A file being decoded; iterating over it gives the preview after every round, coarse to fine.

    Attributes:
        header (Header): What the file begins with: width, height, settings and more.
        metadata (Mapping[str, bytes]): icc_profile, exif and xmp, what there is: as in the pictures'
            ``info``.
        session (Session): The state after the last round, for research: measurements, particles, digest.
        note (str): What is wrong with the file, as a sentence; empty if nothing is.
        ended (bool): Whether no further round can be read.
        mismatched (bool): Whether that is because the state here is not the encoder's.
    """

    def __init__(
        self, header: Header, session: Session, note: str = "", *, allow_partial: bool = False
    ) -> None:
        """A decoder that has read nothing yet, or an encoder's session, which is its decoder's.

        Args:
            header: What the file begins with.
            session: That the header describes, with a channel that reads; or an encoder's.
            note: What is wrong with the file, if anything.
            allow_partial: Whether an end or a defect of the body ends the decoding without an error.

        Raises:
            PscError: For alpha or metadata that no encoder writes.
        """
        self.header, self.session, self.note = header, session, note
        self.ended = self.mismatched = False
        self._allow_partial = allow_partial
        parts = extras.unpack(header.extras)
        self.metadata: Mapping[str, bytes] = metadata.info(parts)
        self._alpha = read_alpha(parts, (header.width, header.height))

    @property
    def planned(self) -> int:
        """How many rounds the file has."""
        return self.header.settings.rounds

    def step(self) -> bool:
        """Read the next round, or what there is of it.

        Returns:
            Whether it was there as a whole.

        Raises:
            PscError: If the state parts from the encoder's or the body is damaged, unless ``allow_partial``
                was asked for: then ``note`` says so, and the decoding has ended.
        """
        whole = False
        try:
            whole = self.session.step()
        except (StateMismatchError, BodyError) as error:
            if not self._allow_partial:
                raise type(error)(f"{error}; {PARTIAL}") from error
            self.note = self.note or str(error)
            self.mismatched = isinstance(error, StateMismatchError)
        self.ended = not whole or self.session.rounds == self.planned
        return whole

    def run(self) -> "Decoder":
        """Read all rounds that are left.

        Returns:
            The decoder itself.

        Raises:
            PscError: As :meth:`step`.
        """
        self.session.expect(self.planned)
        while not self.ended:
            self.step()
        return self

    def __iter__(self) -> Iterator[Decoded]:
        """The preview after every round, which costs nothing beyond the decoding itself."""
        return self.progressively("preview")

    def progressively(self, restoration: Restoration) -> Iterator[Decoded]:
        """The picture after every round that is left; a cut file ends with what is certain of it.

        Args:
            restoration: How it is made: see :meth:`picture`. "preview" costs no network evaluations.

        Returns:
            The pictures as the rounds are read.

        Raises:
            PscError: As :meth:`step`.
        """
        self.session.expect(self.planned)
        while not self.ended:
            self.step()
            yield self.picture(restoration)

    @isolated()
    def picture(
        self, restoration: Restoration = "mean", *, steps: int | None = None, uncertainty: bool = False
    ) -> Decoded:
        """The picture of what has been read so far; the session stays as it is.

        Args:
            restoration: "mean" (least error), "sample" (natural), "pigdm" or "ddrm" (the published
                restorations), "preview" (no network evaluation).
            steps: Network evaluations per sample of the restoration, from 2; None for its own number.
            uncertainty: Also find how much samples differ.

        Returns:
            The picture and what it rests on; its ``nfe`` has the evaluations of the rounds and of this
            restoration.

        Raises:
            PscError: For a restoration that is unknown, or that the prior cannot make.
        """
        session, before, deviation = self.session, self.session.nfe, None
        check(restoration, steps, session.prior)
        if uncertainty:
            own = steps if restoration == "mean" else None
            found, map_ = mean_and_deviation(session, own, self._to_pictures)
            deviation = map_.float().numpy()
        if not (uncertainty and restoration == "mean"):
            found = restore(session, restoration, steps)
        return self._decoded(found, before, deviation)

    def variations(
        self, count: int, restoration: Restoration = "sample", *, steps: int | None = None
    ) -> Iterator[Decoded]:
        """Pictures that the file may show, one after another: posterior samples, each with its own noise.

        Args:
            count: How many, from 1 to 10000.
            restoration: How each is made: "sample", "pigdm" or "ddrm".
            steps: Network evaluations per sample of the restoration, from 2; None for its own number.

        Returns:
            The pictures as they are made, each with the network evaluations of its own restoration.

        Raises:
            PscError: For a count out of range, or a restoration that has no variations.
        """
        check_variations(count, restoration, steps, self.session.prior)
        return self._drawn(count, restoration, steps)

    def _drawn(self, count: int, restoration: Restoration, steps: int | None) -> Iterator[Decoded]:
        before = start = self.session.nfe
        for found in variations(self.session, count, restoration, steps):
            yield self._decoded(found, start, None, before)
            before = self.session.nfe

    def _decoded(
        self,
        found: torch.Tensor,
        rounds_nfe: float,
        deviation: NDArray[np.float32] | None,
        before: float | None = None,
    ) -> Decoded:
        """A restoration (C, h, w) as a picture with all that is said of it.

        Args:
            found: The restoration, in the grid's numbers.
            rounds_nfe: Network evaluations of the rounds.
            deviation: What the picture's ``deviation`` is to be.
            before: The session's evaluations before the restoration, if they are not the rounds'.
        """
        nfe = (rounds_nfe, self.session.nfe - (rounds_nfe if before is None else before))
        image, note = metadata.join(self.colours(found), self._alpha, self.metadata), self.note
        return Decoded(image, self.session.rounds, self.session.symbols, not note, note, nfe, deviation)

    def colours(self, x: torch.Tensor) -> Image.Image:
        """A grid's numbers as a picture without alpha and metadata.

        Args:
            x: (C, h, w): a restoration of the session, padded; pixels or latents.

        Returns:
            Mode L or RGB, of the file's size.
        """
        return to_image(self._to_pictures(x[None])[0])

    def _to_pictures(self, samples: torch.Tensor) -> torch.Tensor:
        return to_pictures(samples, self.header, self.session.prior)


def check_variations(count: int, restoration: Restoration, steps: int | None, prior: Prior) -> None:
    """Refuse, as a PscError, a number of variations or a restoration that is impossible."""
    check(restoration, steps, prior, several=True)
    if not 1 <= count <= MAX_VARIATIONS:
        raise PscError(f"{count} variations asked for; expected 1 to {MAX_VARIATIONS}")
