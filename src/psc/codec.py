"""A picture to bytes and back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from psc.bitstream.container import FINGERPRINT_BYTES, MAX_SIDE, Header, crc16, unpack
from psc.bitstream.rangecoder import Channel, Reader, Writer
from psc.errors import PscError
from psc.images import ImageLike, pad, padded_size, to_image, to_tensor
from psc.plan import Plan, Settings, settings
from psc.prior import Prior, load_prior
from psc.restore import Restoration, check, mean_and_deviation, restore
from psc.restore import variations as restored_variations
from psc.session import Progress, Session, StateMismatchError

MAX_STATE_BYTES = 16 * 2**30
"""Pictures whose particles and rows would need more are refused, before anything is allocated."""
WHOLE_WINDOW_PIXELS = 256 * 256
MAX_VARIATIONS = 10000

Report = Callable[[Progress], None]


def silent(_: object) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture and what it rests on.

    rounds, symbols: whole rounds and single numbers that were certain. complete: whether that is all that
    the encoder wrote; if not, ``note`` says why. nfe: of the rounds, and of the restoration (see Progress).
    deviation: if asked for, how much posterior samples differ: (height, width) float32, their standard
    deviation in 8-bit grey levels (psc.restore.mean_and_deviation).
    """

    image: Image.Image
    rounds: int
    symbols: int
    complete: bool
    note: str
    nfe: tuple[float, float]
    deviation: NDArray[np.float32] | None = None


def encode(
    image: ImageLike,
    /,
    *,
    quality: float = 50,
    preset: str = "default",
    seed: int = 0,
    prior: Prior | None = None,
    progress: Report = silent,
) -> bytes:
    """Compress a picture to the bytes of a .psc file.

    image: a Pillow image, or a uint8 array (H, W) or (H, W, 3). quality: 0 (smallest) to 100.
    preset: "default", or "paper" for the published scheme (up to 256x256 pixels). seed: of the noise.
    prior: default :func:`psc.load_prior`. progress: called after every group of network evaluations.
    Raises PscError for whatever cannot be compressed.
    """
    return encode_with(image, settings(quality, preset, seed), prior=prior, progress=progress)


def encode_with(
    image: ImageLike, chosen: Settings, /, *, prior: Prior | None = None, progress: Report = silent
) -> bytes:
    """The same with explicit settings (a plan of one's own, a step, a number of rounds)."""
    return _encode(to_tensor(image), chosen, prior or load_prior(), progress)[0]


def simulate(
    image: ImageLike,
    chosen: Settings,
    /,
    *,
    restoration: Restoration = "mean",
    prior: Prior | None = None,
    progress: Report = silent,
) -> tuple[bytes, Decoded]:
    """Encode, and restore from the encoder's own session: the file and what a decoder will show.

    Half the cost of encode and decode, for experiments: the decoder's session is the same as the encoder's
    by construction, and the digests in the file prove it whenever the file is decoded.
    """
    picture = to_tensor(image)
    data, session = _encode(picture, chosen, prior or load_prior(), progress)
    return data, _restored(session, restoration, picture.shape[1], picture.shape[2], "")


def _encode(picture: torch.Tensor, chosen: Settings, prior: Prior, progress: Report) -> tuple[bytes, Session]:
    channels, height, width = picture.shape
    if max(height, width) > MAX_SIDE:
        raise PscError(f"the picture is {width}x{height}; a side may have at most {MAX_SIDE} pixels")
    fingerprint = prior.fingerprint[:FINGERPRINT_BYTES]
    header = Header(
        width,
        height,
        channels == 1,
        chosen.plan,
        chosen.rounds,
        chosen.step_index,
        chosen.seed,
        fingerprint,
        prior.exact,
    )
    writer = Writer()
    session = open_session(header, prior, writer, progress, picture)
    session.run(chosen.rounds)
    body = writer.finish()
    return replace(header, body_length=len(body), body_crc=crc16(body)).pack() + body, session


def _restored(
    session: Session,
    restoration: Restoration,
    height: int,
    width: int,
    note: str,
    *,
    steps: int | None = None,
    uncertainty: bool = False,
) -> Decoded:
    coding, deviation = session.nfe, None
    if uncertainty:
        picture, map_ = mean_and_deviation(session, steps if restoration == "mean" else None)
        deviation = map_[:height, :width].float().numpy()
    if not (uncertainty and restoration == "mean"):
        picture = restore(session, restoration, steps)
    image = to_image(picture[:, :height, :width])
    nfe = (coding, session.nfe - coding)
    return Decoded(image, session.rounds, session.symbols, not note, note, nfe, deviation)


def decode(
    data: bytes,
    /,
    *,
    restoration: Restoration = "mean",
    steps: int | None = None,
    allow_partial: bool = False,
    prior: Prior | None = None,
    progress: Report = silent,
) -> Image.Image:
    """The picture in the bytes of a .psc file; see :func:`decode_details` for the arguments."""
    return decode_details(
        data,
        restoration=restoration,
        steps=steps,
        allow_partial=allow_partial,
        prior=prior,
        progress=progress,
    ).image


def decode_details(
    data: bytes,
    /,
    *,
    restoration: Restoration = "mean",
    steps: int | None = None,
    uncertainty: bool = False,
    allow_partial: bool = False,
    prior: Prior | None = None,
    progress: Report = silent,
) -> Decoded:
    """Decode a .psc file and say what the picture rests on.

    restoration: "mean", "sample", "pigdm", "ddrm" or "preview"; steps: network evaluations per sample of the
    restoration (psc.restore says what they are, and the defaults). uncertainty: also find the deviation.
    allow_partial: accept a cut or damaged body and a state that parts from the encoder's, and return the
    picture of what is certain; otherwise each is a PscError. prior: must be the one that the file names.
    """
    prior = prior or load_prior()
    check(restoration, steps, prior)
    header, session, note = _rebuilt(data, prior, allow_partial, progress)
    return _restored(
        session, restoration, header.height, header.width, note, steps=steps, uncertainty=uncertainty
    )


def variations(
    data: bytes,
    count: int,
    /,
    *,
    restoration: Restoration = "sample",
    steps: int | None = None,
    allow_partial: bool = False,
    prior: Prior | None = None,
    progress: Report = silent,
) -> Iterator[Decoded]:
    """Pictures that a .psc file may show, one after another: posterior samples, each with its own noise.

    The file is decoded before the first; the same call gives the same pictures. count: how many.
    restoration: "sample", "pigdm" or "ddrm". Otherwise as :func:`decode_details`; the restorations' nfe are
    each picture's own.
    """
    prior = prior or load_prior()
    check(restoration, steps, prior, several=True)
    if not 1 <= count <= MAX_VARIATIONS:
        raise PscError(f"{count} variations asked for; expected 1 to {MAX_VARIATIONS}")
    header, session, note = _rebuilt(data, prior, allow_partial, progress)

    def drawn() -> Iterator[Decoded]:
        coding, before = session.nfe, session.nfe
        for picture in restored_variations(session, count, restoration, steps):
            image = to_image(picture[:, : header.height, : header.width])
            nfe, before = (coding, session.nfe - before), session.nfe
            yield Decoded(image, session.rounds, session.symbols, not note, note, nfe)

    return drawn()


def _rebuilt(data: bytes, prior: Prior, allow_partial: bool, progress: Report) -> tuple[Header, Session, str]:
    """A file's header, the session after all of its rounds that are certain, and what is wrong with it."""
    header, session, note = reopen(data, prior, allow_partial, progress)
    try:
        session.run(header.rounds)
    except PscError as error:
        if not (allow_partial and (note or isinstance(error, StateMismatchError))):
            raise
        note = note or str(error)
    return header, session, note


def reopen(data: bytes, prior: Prior, allow_partial: bool, progress: Report) -> tuple[Header, Session, str]:
    """A file's header, a decoder's session that has read nothing yet, and what is wrong with the body."""
    header, body = unpack(data)
    if prior.fingerprint[:FINGERPRINT_BYTES] != header.fingerprint:
        raise PscError(
            f"the file was made with the prior {header.fingerprint.hex()}, this one is "
            f"{prior.name} {prior.fingerprint[:FINGERPRINT_BYTES].hex()}: decode it with the prior it names"
        )
    note = header.defect(body)
    if note and not allow_partial:
        raise PscError(f"{note}; --allow-partial (allow_partial=True) decodes what is certain")
    reader = Reader(body[: header.body_length], cut=len(body) < header.body_length)
    return header, open_session(header, prior, reader, progress, None), note


def open_session(
    header: Header, prior: Prior, channel: Channel, progress: Report, picture: torch.Tensor | None
) -> Session:
    """The session that a header describes; with the picture (C, H, W) it is an encoder's."""
    plan = header.plan
    channels = 1 if header.grey else 3
    block = plan.block
    size = padded_size(header.height, header.width, block)
    _check_size(plan, header.rounds, channels, *size)
    return Session(
        plan,
        prior,
        channel,
        step_index=header.step_index,
        seed=header.seed,
        shape=(channels, *size),
        picture=None if picture is None else pad(picture, block),
        progress=progress,
    )


def _check_size(plan: Plan, rounds: int, channels: int, height: int, width: int) -> None:
    """Refuse what would not fit into memory, before anything is allocated."""
    if plan.levels[0].window == 0 and height * width > WHOLE_WINDOW_PIXELS:
        raise PscError(
            f"one window as large as the picture (preset paper) is limited to {WHOLE_WINDOW_PIXELS} pixels, "
            f"this picture has {height * width} with padding: rows of H would be as long as the picture; use "
            "the default preset"
        )
    rows = sum(item.rows / plan.levels[item.level].scale ** 2 for item in plan.rounds[:rounds])
    needed = 4 * channels * height * width * (plan.samples + rows)
    if needed > MAX_STATE_BYTES:
        raise PscError(
            f"{width}x{height} pixels (padded) need about {needed / 2**30:.0f} GiB for this plan; the limit "
            f"is {MAX_STATE_BYTES / 2**30:.0f} GiB: scale the picture down or cut it into parts"
        )
