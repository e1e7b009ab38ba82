"""The target of a PSNR, which a picture reaches from above."""

import math
from dataclasses import dataclass

import torch

from psc.bitstream.quantizer_constants import LAMBDA
from psc.images.pixels import psnr, to_image
from psc.rate.forecast import Outcome
from psc.rate.last_rounds import raise_error
from psc.rate.targets import SHORT, Found, Outlook
from psc.rate.tuning import FAIR, PSNR, PSNR_AIMS
from psc.session.encoder import Encoder
from psc.session.grid import to_pictures
from psc.session.restore import Restoration, restore


@dataclass(frozen=True)
class PsnrTarget:
    """A PSNR of the mean restoration, after rounding to 8 bits; the excess is in squared error.

    Attributes:
        target: dB, at least.
        picture: (C, H, W) in [-1, 1].
        important: (H, W) which of its pixels count.
    """

    target: float
    picture: torch.Tensor
    important: torch.Tensor
    limit = math.inf
    aims = PSNR_AIMS

    @property
    def allowed(self) -> float:
        """The squared error that the target allows, in [-1, 1] and summed over all samples."""
        return 4 * len(self.picture) * int(self.important.sum()) / 10 ** (self.target / 10)

    def expected(self, outcome: Outcome) -> float:
        """What is allowed over the squared error of an attempt."""
        return self.allowed / float(outcome.error.sum())

    def finish(self, side: Encoder, outlook: Outlook) -> Found:
        """The file of an attempt, measured, and corrected if it is a little too good."""
        data, lambda_, first = side.file(), LAMBDA, self._over(side)
        over, mended = first, PSNR.forced if outlook.last else PSNR.corrected
        if PSNR.excess < first < mended and (corrected := self._corrected(side, first)):
            data, lambda_, over = corrected
        fair = 1 / FAIR <= lambda_ / LAMBDA <= FAIR
        return self._found(side, data, over, fair=fair, first=first)

    def accept(self, side: Encoder) -> Found:
        """The file as it is, measured."""
        return self._found(side, side.file(), self._over(side))

    def reached(self, side: Encoder) -> bool:
        """Whether the mean restoration reaches the target; measured once the particles' mean is near it."""
        if side.session.particles.values is None or self._over(side, "preview") < -PSNR.doubt:
            return False
        return self._over(side) >= 0

    def _found(
        self,
        side: Encoder,
        data: bytes,
        over: float,
        *,
        fair: bool = True,
        first: float | None = None,
    ) -> Found:
        """A file that exceeds the target by ``over`` dB, and by ``first`` before it was corrected."""
        miss = SHORT - over if over < 0 else max(over - PSNR.excess, 0.0)
        excess = 10 ** ((over if first is None else first) / 10)
        return Found(data, side, excess, miss, len(data), miss == 0 and fair)

    def _corrected(self, side: Encoder, over: float) -> tuple[bytes, float, float] | None:
        """A file that exceeds the target by less than ``over`` dB, its multiplier, by how much it does.

        The particles' error, which costs no evaluation, stands for the picture's. If that goes wrong, once
        more; if that does, too, None, and the encoder is as it was.
        """
        share = PSNR.share
        for _ in range(PSNR.corrections):
            side.step_again(LAMBDA)
            given = 10 ** (-PSNR.excess / 20) - 10 ** (-over / 10)
            data, lambda_ = raise_error(side, sum(side.session.errors()) + share * given * self.allowed)
            measured = self._over(side)
            if measured >= 0:
                return data, lambda_, measured
            share *= given / (10 ** (-measured / 10) - 10 ** (-over / 10))
        side.step_again(LAMBDA)
        return None

    def _over(self, side: Encoder, how: Restoration = "mean") -> float:
        """By how many dB a restoration exceeds the target."""
        decoded = to_pictures(restore(side.session, how)[None], side.header, side.session.prior)[0]
        parts = (x[:, self.important][:, None] for x in (self.picture, decoded))
        return min(psnr(*map(to_image, parts)) - self.target, PSNR.highest)
