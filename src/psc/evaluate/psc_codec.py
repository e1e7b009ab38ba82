"""PSC itself, as one more codec: files of a given size by every preset, pictures by every restoration."""

from pathlib import Path

from PIL import Image

from psc.bitstream.container import header_size
from psc.errors import PscError
from psc.images.picture import Picture
from psc.images.pixels import to_image
from psc.plan.presets import finest
from psc.prior import Prior
from psc.rate import control
from psc.session.context import Context
from psc.session.decoder import open_decoder
from psc.session.encoder import LEAST_ROUND, Encoder
from psc.session.progress import Progress, Report
from psc.session.restore import Restoration, restore
from psc.session.session import Session

ABOUT = {
    "default": "pyramid, principal components and full bases; rate control; never exceeds the target",
    "paper": "the published scheme: 12 rows a round, 16 samples, 20 steps, float8; cut at the target",
}
FILLED = 0.98
"""Share of a size that a file must have; less is all that a picture takes."""


def encode(image: Image.Image, preset: str, size: int, prior: Prior, report: Report) -> tuple[bytes, Session]:
    """A file of at most ``size`` bytes, and the encoder's session; PscError if the picture has none.

    For the default preset this is ``psc.encode(image, target_size=size)``.
    """
    if prior.factor > 1:
        raise PscError(f"{prior.name} is a model of latents, which has no rate control; choose one of pixels")
    picture, context = Picture.of(image, strip=True), Context(prior, report)
    if preset == "default":
        found = control.to_size(picture, size, finest(preset), context)
        return found.data, found.session
    side = Encoder(picture, finest(preset), context)
    header = header_size(side.header, size)
    if size < header + LEAST_ROUND:
        raise PscError(f"{size} bytes came as the target; this picture takes {header + LEAST_ROUND} at least")
    planned, limit = side.header.settings.rounds, 8 * (size - header)
    while side.session.rounds < planned and limit - side.writer.bits >= 8 * LEAST_ROUND:
        side.step()
    data = side.file()
    if len(data) > size:
        data = side.cut(size)
    elif side.session.rounds == planned and len(data) < FILLED * size:
        raise PscError(f"{size} bytes came as the target; {len(data)} is the most of preset {preset}")
    return data, side.session


def decode(path: Path, prior: Prior) -> Session:
    """The decoder's session after all rounds of a .psc file."""
    return open_decoder(path.read_bytes(), prior=prior).run().session


def restored(session: Session, size: tuple[int, int], how: Restoration) -> tuple[Image.Image, float]:
    """The picture of this (width, height) that a session stands for, and the restoration's own NFE."""
    before = session.nfe
    picture = restore(session, how)
    return to_image(picture[:, : size[1], : size[0]]), session.nfe - before


class Counter:
    """Remembers the network evaluations that a session last reported."""

    nfe = 0.0

    def __call__(self, now: Progress) -> None:
        """Take note; called many times per round."""
        self.nfe = now.nfe
