"""PSC itself, as one more codec: files of a given size by every preset, pictures by every restoration."""

from pathlib import Path

from PIL import Image

from psc.errors import PscError
from psc.images.picture import Picture
from psc.images.pixels import to_image
from psc.plan.plan import Settings
from psc.plan.presets import DEFAULT_EFFORT, EFFORTS, finest
from psc.prior import Prior
from psc.rate import control
from psc.session.context import Context
from psc.session.opening import open_decoder
from psc.session.progress import Progress, Report
from psc.session.restore import Restoration, restore
from psc.session.session import Session

ABOUT = {
    "default": "pyramid, principal components and full bases; rate control; never exceeds the target",
    "paper": "the published scheme: 12 rows a round, 16 samples, 20 steps, float8; cut at the target",
} | {f"effort{n}": f"the default at effort {n}" for n in EFFORTS if n != DEFAULT_EFFORT}
"""What can be evaluated, and what it is: presets, and the default preset's other efforts."""


def encode(image: Image.Image, preset: str, size: int, prior: Prior, report: Report) -> tuple[bytes, Session]:
    """A file of at most ``size`` bytes, and the encoder's session; PscError if the picture has none.

    This is ``psc.encode(image, preset=preset, target_size=size, strip=True)``; of "effort9", with
    ``effort=9``.
    """
    if prior.factor > 1:
        raise PscError(f"{prior.name} is a model of latents, which is not evaluated; choose one of pixels")
    picture, context = Picture.of(image, strip=True), Context(prior, report)
    found = control.to_size(picture, size, _start(preset), context)
    return found.data, found.session


def _start(name: str) -> Settings:
    """The settings that rate control starts from, of one of ABOUT."""
    effort = name.removeprefix("effort")
    return finest(name) if effort == name else finest("default", effort=int(effort))


def decode(path: Path, prior: Prior) -> Session:
    """The decoder's session after all rounds of a .psc file."""
    return open_decoder(path.read_bytes(), prior=prior).run().session


def restored(session: Session, size: tuple[int, int], how: Restoration) -> tuple[Image.Image, float]:
    """The picture that a session stands for.

    Args:
        session: After its last round.
        size: The picture's width and height.
        how: The restoration.

    Returns:
        The picture, and the restoration's own network evaluations.
    """
    before = session.nfe
    picture = restore(session, how)
    return to_image(picture[:, : size[1], : size[0]]), session.nfe - before


class Counter:
    """Remembers the network evaluations that a session last reported."""

    nfe = 0.0

    def __call__(self, now: Progress) -> None:
        """Take note of a session's progress; called many times per round."""
        self.nfe = now.nfe
