"""A picture to bytes and back."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from psc import carried, rate
from psc.bitstream.container import VERSION, Header
from psc.bitstream.rangecoder import BodyError
from psc.errors import PscError
from psc.exchange import StateMismatchError
from psc.images import ImageLike, to_image, to_tensor
from psc.journal import Journal
from psc.latents import to_pictures
from psc.plan import Settings
from psc.presets import BEST_STEP, at_step, settings
from psc.prior import Prior, load_prior
from psc.restore import Restoration, check, mean_and_deviation, restore
from psc.restore import variations as restored_variations
from psc.session import Session
from psc.sides import PARTIAL, Encoder, Report, decoder, encoder, silent
from psc.threads import isolated

MAX_VARIATIONS = 10000


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


@isolated()
def encode(
    image: ImageLike,
    /,
    *,
    quality: float | None = None,
    target_size: int | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    preset: str | None = None,
    effort: int | None = None,
    seed: int = 0,
    prior: Prior | None = None,
    strip: bool = False,
    progress: Report = silent,
    journal: Journal | None = None,
) -> bytes:
    """Compress a picture to the bytes of a .psc file.

    image: a Pillow image of any mode; its alpha, and what its ``info`` has of icc_profile, exif and xmp,
    come back as they were (psc.carried). Or a uint8 array (H, W) or (H, W, 3), or with alpha (H, W, 2) or
    (H, W, 4).
    At most one of: quality, 0 (smallest) to 100, default 50; target_size, in bytes, or target_bpp, in bits
    per pixel of the whole file, which are never exceeded; target_psnr, in dB of the mean restoration, which
    is reached (psc.rate).
    preset: "default", or "paper" for the published scheme (up to 256x256 pixels); see :func:`preset_for`.
    effort: of the preset "default", 1 (fastest) to 9 (smallest file), None for 5; decoding takes as long.
    seed: of the noise.
    prior: default :func:`psc.load_prior`. What it was given (``conditioned``: a caption, a class) becomes
    part of the file. strip: leave out what the picture carries but its alpha; an EXIF orientation is applied.
    progress: called after every group of network evaluations.
    journal: keeps what was drawn, so that an interrupted encode can go on (:class:`psc.Journal`).
    Raises PscError for whatever cannot be compressed, for a target that cannot be met, or for a journal of
    another encode.
    """
    targets = (target_size, target_bpp, target_psnr)
    if [quality, *targets].count(None) < 3:
        raise PscError("at most one of quality, target size, target bpp and target PSNR can be asked for")
    model = prior or load_prior()
    preset = preset_for(model, preset)
    if targets == (None, None, None):
        chosen = settings(50 if quality is None else quality, preset, seed, effort)
        return encode_with(image, chosen, prior=model, strip=strip, progress=progress, journal=journal)
    for value in targets:
        if value is not None and not (math.isfinite(value) and value > 0):
            raise PscError(f"the target {value} came; expected a number of bytes, bits or dB above zero")
    if preset != "default":
        raise PscError(f"preset {preset!r} has no rate control; ask for a quality (psc truncate cuts a file)")
    picture, extras = _taken(image, strip)
    pixels = picture.shape[1] * picture.shape[2]
    size = target_size if target_size is not None else math.floor((target_bpp or 0.0) * pixels / 8)
    start = at_step(BEST_STEP, seed, effort)
    common: dict[str, Any] = {"prior": model, "progress": progress, "journal": journal, "extras": extras}
    with _kept(journal, picture, (target_psnr, size, start), model):
        if target_psnr is not None:
            found = rate.to_psnr(picture, target_psnr, start, **common)
        else:
            found = rate.to_size(picture, size, start, **common)
    return found.data


def _taken(image: ImageLike, strip: bool = False) -> tuple[torch.Tensor, bytes]:
    """A picture's colours (C, H, W) in [-1, 1], and its extras, packed."""
    colours, others = carried.split(image, strip=strip)
    return to_tensor(colours), others.pack()


def preset_for(prior: Prior, name: str | None = None) -> str:
    """The preset that ``name`` (None: "default") means for a prior: of latents there are two of their own.

    "default" is "latent" there, and "paper" is "latent-paper". PscError for these two with a prior of pixels.
    """
    if prior.factor > 1:
        return {None: "latent", "default": "latent", "paper": "latent-paper"}.get(name) or str(name)
    if name in ("latent", "latent-paper"):
        raise PscError(
            f"preset {name!r} does not fit the prior {prior.name}, a model of pixels; "
            "choose default or paper, or another prior"
        )
    return name or "default"


@isolated()
def encode_with(
    image: ImageLike,
    chosen: Settings,
    /,
    *,
    prior: Prior | None = None,
    strip: bool = False,
    progress: Report = silent,
    journal: Journal | None = None,
) -> bytes:
    """The same with explicit settings (a plan of one's own, a step, a number of rounds)."""
    (picture, extras), model = _taken(image, strip), prior or load_prior()
    with _kept(journal, picture, chosen, model):
        side = encoder(picture, chosen, model, progress, journal, extras)
        del picture  # the session has its own form of it
        side.session.run(chosen.rounds)
        return side.file()


def _kept(
    journal: Journal | None, picture: torch.Tensor, goal: object, prior: Prior
) -> AbstractContextManager[None]:
    """The journal, open for an encode of the picture to a goal: settings, or a target."""
    if journal is None:
        return nullcontext()
    of = {
        "picture": repr(tuple(picture.shape)).encode() + picture.numpy().tobytes(),
        "format or setting": repr((VERSION, goal)).encode(),
        "prior": prior.fingerprint,
    }
    if not prior.exact:
        of["device or release of PyTorch"] = f"{prior.device} {torch.__version__}".encode()
    return journal.open(of)


@isolated()
def simulate(
    image: ImageLike,
    chosen: Settings,
    /,
    *,
    restoration: Restoration = "mean",
    steps: int | None = None,
    prior: Prior | None = None,
    progress: Report = silent,
) -> tuple[bytes, Decoded]:
    """Encode, and restore from the encoder's own session: the file and what a decoder will show.

    Half the cost of encode and decode, for experiments: the decoder's session is the same as the encoder's
    by construction, and the digests in the file prove it whenever the file is decoded.
    """
    prior = prior or load_prior()
    check(restoration, steps, prior)
    side = _encode(image, chosen, prior, progress)
    return side.file(), _restored(side.session, restoration, side.header, "", steps=steps)


def simulate_variations(
    image: ImageLike,
    chosen: Settings,
    count: int,
    /,
    *,
    restoration: Restoration = "sample",
    steps: int | None = None,
    prior: Prior | None = None,
    progress: Report = silent,
) -> tuple[bytes, Iterator[Decoded]]:
    """The same for :func:`variations`."""
    prior = prior or load_prior()
    _check_variations(count, restoration, steps, prior)
    side = _encode(image, chosen, prior, progress)
    return side.file(), _drawn(side.session, side.header, "", count, restoration, steps)


def _encode(image: ImageLike, chosen: Settings, prior: Prior, progress: Report) -> Encoder:
    picture, extras = _taken(image)
    side = encoder(picture, chosen, prior, progress, extras=extras)
    side.session.run(chosen.rounds)
    return side


@isolated()
def _restored(
    session: Session,
    restoration: Restoration,
    header: Header,
    note: str,
    *,
    steps: int | None = None,
    uncertainty: bool = False,
) -> Decoded:
    coding, deviation = session.nfe, None
    if uncertainty:
        picture, map_ = mean_and_deviation(
            session,
            steps if restoration == "mean" else None,
            lambda samples: to_pictures(samples, header, session.prior),
        )
        deviation = map_.float().numpy()
    if not (uncertainty and restoration == "mean"):
        picture = restore(session, restoration, steps)
    image = _shown(picture, header, session.prior)
    nfe = (coding, session.nfe - coding)
    return Decoded(image, session.rounds, session.symbols, not note, note, nfe, deviation)


def _shown(x: torch.Tensor, header: Header, prior: Prior) -> Image.Image:
    """The picture of a grid's numbers (C, h, w), with what it carries."""
    image = to_image(to_pictures(x[None], header, prior)[0])
    return carried.unpack(header.extras, image.size).join(image)


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
    """The picture in the bytes of a .psc file; see :func:`decode_details` for the arguments.

    With alpha if the encoder's had it; ``info`` has icc_profile, exif and xmp as far as they are in the file.
    """
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
    return _restored(session, restoration, header, note, steps=steps, uncertainty=uncertainty)


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
    _check_variations(count, restoration, steps, prior)
    header, session, note = _rebuilt(data, prior, allow_partial, progress)
    return _drawn(session, header, note, count, restoration, steps)


def _check_variations(count: int, restoration: Restoration, steps: int | None, prior: Prior) -> None:
    check(restoration, steps, prior, several=True)
    if not 1 <= count <= MAX_VARIATIONS:
        raise PscError(f"{count} variations asked for; expected 1 to {MAX_VARIATIONS}")


def _drawn(
    session: Session, header: Header, note: str, count: int, restoration: Restoration, steps: int | None
) -> Iterator[Decoded]:
    coding, before = session.nfe, session.nfe
    for picture in restored_variations(session, count, restoration, steps):
        image = _shown(picture, header, session.prior)
        nfe, before = (coding, session.nfe - before), session.nfe
        yield Decoded(image, session.rounds, session.symbols, not note, note, nfe)


@isolated()
def _rebuilt(data: bytes, prior: Prior, allow_partial: bool, progress: Report) -> tuple[Header, Session, str]:
    """A file's header, the session after all of its rounds that are certain, and what is wrong with it."""
    header, session, note = decoder(data, prior, allow_partial, progress)
    try:
        session.run(header.rounds)
    except (StateMismatchError, BodyError) as error:
        if not allow_partial:
            raise type(error)(f"{error}; {PARTIAL}") from error
        note = note or str(error)
    return header, session, note


def decode_progressively(
    data: bytes,
    /,
    *,
    restoration: Restoration = "preview",
    prior: Prior | None = None,
    progress: Report = silent,
) -> Iterator[Decoded]:
    """The picture after every round of a .psc file, coarse to fine; the arguments are decode_details'.

    A cut file ends with the picture of what is certain. "preview" costs nothing beyond the decoding itself;
    other restorations add their own evaluations to every picture.
    """
    header, session, note = decoder(data, prior or load_prior(), True, progress)
    going = True
    while going and session.rounds < header.rounds:
        try:
            going = session.step()
        except PscError as error:
            going, note = False, note or str(error)
        yield _restored(session, restoration, header, note)
