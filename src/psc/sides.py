"""The two sides of a session: an encoder's, from a picture and settings; a decoder's, from a file."""

import os
from collections.abc import Callable
from dataclasses import replace

import torch

from psc import carried
from psc.bitstream.container import FINGERPRINT_BYTES, MAX_SIDE, Header, seal, seal_cut, unpack
from psc.bitstream.rangecoder import Channel, Reader, Writer
from psc.errors import PscError
from psc.journal import Journal
from psc.latents import from_picture, grid
from psc.plan import Plan, Settings
from psc.prior import Prior
from psc.prior.diffusion import DiffusionPrior
from psc.session import Progress, Session

MAX_STATE_BYTES = 16 * 2**30
"""Pictures whose particles and rows would need more are refused, before anything is allocated."""
WHOLE_WINDOW_PIXELS = 256 * 256
LEAST_ROUND = 6
"""Bytes that must be left for a round to be begun: a cut nearer to its beginning might reach behind it."""

PARTIAL = "--allow-partial (allow_partial=True) decodes what is certain"

Report = Callable[[Progress], None]


def silent(_: object) -> None:
    """Report to nobody."""


class Encoder:
    """An encoder's side: the header without the body's length, the writer, and the session that writes."""

    def __init__(self, header: Header, writer: Writer, session: Session) -> None:
        self.header, self.writer, self.session = header, writer, session
        self._rounds = 0
        self._calls = self._bits = 0  # of the writer, before the last round

    def step(self) -> None:
        """The next round."""
        self._calls, self._bits = self.writer.calls, self.writer.bits
        self.session.step(keep=True)
        self._rounds = self.session.rounds

    @property
    def last_bits(self) -> int:
        """That the last round took."""
        return self.writer.bits - self._bits

    def file(self) -> bytes:
        """The file of all rounds so far."""
        return seal(self._done(), self.writer.finish())

    @property
    def complete(self) -> bool:
        """Whether all of the plan's rounds are done."""
        return self.missing == 0

    @property
    def missing(self) -> int:
        """How many of the plan's rounds have not been begun."""
        return len(self.session.plan.rounds) - self._begun

    def step_again(self, price: float) -> None:
        """The last round's numbers once more, chosen with another price of a bit."""
        self.writer.rewind(self._calls)
        self.session.step_again(self.writer, price)

    def least(self) -> int:
        """Bytes that a file needs so that the last round alone is cut."""
        return len(self.file()) - self.last_bits // 8 + LEAST_ROUND

    def cut(self, size: int) -> bytes:
        """The file cut to ``size`` bytes, within the last round; the session takes its decoder's state."""
        data = seal_cut(self._done(), self.writer.finish(), size)
        self.session.step_again(self.writer.reread(unpack(data)[1], self._calls))
        return data

    def _done(self) -> Header:
        return replace(self.header, rounds=self._begun)

    @property
    def _begun(self) -> int:
        """Rounds, with one that was cut."""
        return max(self._rounds, self.session.rounds)


def encoder(
    picture: torch.Tensor,
    chosen: Settings,
    prior: Prior,
    progress: Report,
    journal: Journal | None = None,
    extras: bytes = b"",
) -> Encoder:
    """The side that has the picture (C, H, W) in [-1, 1]; nothing is coded yet. extras: packed."""
    header, writer = new_header(picture, chosen, prior, extras), Writer()
    header.pack()  # a caption that no file holds is refused before the work
    return Encoder(header, writer, open_session(header, prior, writer, progress, picture, journal))


def new_header(picture: torch.Tensor, chosen: Settings, prior: Prior, extras: bytes = b"") -> Header:
    """What a file of the picture (C, H, W) begins with; the body's length is not known yet."""
    channels, height, width = picture.shape
    if max(height, width) > MAX_SIDE:
        raise PscError(f"the picture is {width}x{height}; a side may have at most {MAX_SIDE} pixels")
    header = Header(
        width,
        height,
        channels == 1,
        chosen.plan,
        chosen.rounds,
        chosen.step_index,
        chosen.seed,
        prior.fingerprint[:FINGERPRINT_BYTES],
        prior.exact,
        latents=prior.factor > 1,
        extras=extras,
    )
    if isinstance(prior, DiffusionPrior):
        return replace(header, condition=prior.condition, guidance=prior.guidance)
    return header


def decoder(data: bytes, prior: Prior, allow_partial: bool, progress: Report) -> tuple[Header, Session, str]:
    """A file's header, a decoder's session that has read nothing yet, and what is wrong with the body."""
    header, prior, reader, note = open_body(data, prior, allow_partial)
    session = open_session(header, prior, reader, progress, None)
    carried.unpack(
        header.extras, (header.width, header.height)
    )  # what is wrong there is found before the work
    return header, session, note


def open_body(data: bytes, prior: Prior, allow_partial: bool) -> tuple[Header, Prior, Reader, str]:
    """The same without a session; the prior under the file's caption or class."""
    header, body = unpack(data)
    if header.condition and isinstance(prior, DiffusionPrior) and prior.bind is not None:
        prior = prior.conditioned(header.condition, header.guidance)
    if prior.fingerprint[:FINGERPRINT_BYTES] != header.fingerprint:
        raise PscError(
            f"the file was made with the prior {header.fingerprint.hex()}, this one is "
            f"{prior.name} {prior.fingerprint[:FINGERPRINT_BYTES].hex()}: decode it with the prior it names "
            "(--prior)"
        )
    note = header.defect(body)
    if note and not allow_partial:
        raise PscError(f"{note}; {PARTIAL}")
    reader = Reader(body[: header.body_length], header.cut or len(body) < header.body_length)
    return header, prior, reader, note


def open_session(
    header: Header,
    prior: Prior,
    channel: Channel,
    progress: Report,
    picture: torch.Tensor | None,
    journal: Journal | None = None,
) -> Session:
    """The session that a header describes; with the picture (C, H, W) it is an encoder's."""
    plan, shape = header.plan, grid(header, prior)
    if not header.latents and prior.channels not in (3, shape[0]):
        raise PscError(
            f"the prior {prior.name} models {prior.channels} channels; a picture of {shape[0]} needs one of "
            f"{' or '.join(map(str, sorted({3, shape[0]})))}"
        )
    _check_size(plan, header.rounds, *shape)
    return Session(
        plan,
        prior,
        channel,
        step_index=header.step_index,
        seed=header.seed,
        shape=shape,
        picture=None if picture is None else from_picture(picture, plan, prior),
        progress=progress,
        journal=journal,
    )


def _memory() -> int:
    """Bytes of memory that this machine has, as far as it tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return MAX_STATE_BYTES


def _check_size(plan: Plan, rounds: int, channels: int, height: int, width: int) -> None:
    """Refuse what would not fit into memory, before anything is allocated."""
    if plan.levels[0].window == 0 and height * width > WHOLE_WINDOW_PIXELS:
        raise PscError(
            f"one window as large as the picture (preset paper) is limited to {WHOLE_WINDOW_PIXELS} pixels, "
            f"this picture has {height * width} with padding: rows of H would be as long as the picture; use "
            "the default preset"
        )
    rows = sum(item.rows / plan.levels[item.level].scale ** 2 for item in plan.rounds[:rounds])
    finest = plan.levels[0]
    needed = 4 * channels * height * width * (finest.samples * (1 + finest.estimates) + rows)
    limit = min(MAX_STATE_BYTES, _memory())
    if needed > limit:
        raise PscError(
            f"{width}x{height} pixels (padded) need about {needed / 2**30:.0f} GiB for this plan; the limit "
            f"here is {limit / 2**30:.0f} GiB: scale the picture down or cut it into parts"
        )
