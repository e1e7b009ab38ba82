"""A picture to the bytes of a .psc file."""

import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch

from psc.bitstream.container import info
from psc.bitstream.header import VERSION
from psc.errors import PscError
from psc.exact.threads import isolated
from psc.images.picture import Picture
from psc.images.pixels import ImageLike
from psc.images.regions import Roi, regions_of
from psc.plan.plan import Settings
from psc.plan.presets import finest, settings
from psc.prior import Prior, given_or_embedded
from psc.rate import control
from psc.rate.goals import bytes_of_bpp, positive, whole_bytes
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.journal import Journal
from psc.session.progress import Report, silent


@isolated()
def encode(
    image: ImageLike,
    /,
    *,
    quality: float | None = None,
    target_size: float | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    preset: str | None = None,
    effort: int | None = None,
    seed: int = 0,
    roi: Roi | None = None,
    prior: Prior | None = None,
    strip: bool = False,
    keep_profile: bool = False,
    progress: Report = silent,
    journal: Journal | None = None,
) -> bytes:
    """Compress a picture to the bytes of a .psc file.

    The scheme is posterior sampling-based compression: Elata, Michaeli and Elad, "Zero-shot image compression
    with diffusion-based posterior sampling" (2024). The preset "paper" is the published one; docs/DESIGN.md
    says what is other in "default", and why. (More than seven parameters: it is the codec's face, and each is
    one that users set.)

    Args:
        image: A Pillow image of any mode; its alpha, and what its ``info`` has of icc_profile, exif and xmp,
            come back as they were. Or a uint8 array, tensor of PyTorch or memoryview: (H, W), (H, W, 1) or
            (H, W, 3), or with alpha (H, W, 2) or (H, W, 4).
        quality: 0 (smallest file) to 100; 50 if no target is given. At most one of quality and targets.
        target_size: Bytes of the whole file that are not exceeded; a whole number, 800.0 as well as 800.
        target_bpp: Bits per pixel of the whole file that are not exceeded.
        target_psnr: dB that the mean restoration reaches; with a region, in the most important blocks.
            Targets go with every preset; what they cost, in plain encodes: about 2 and rarely more than 3
            with the preset "default", 1 with "paper" (and a restoration after each of the last rounds for a
            PSNR), otherwise 3 or 4 and at most 8.
        preset: "default", "progressive" (made to be cut), "paper" (the published scheme, up to 256x256
            pixels); None is "default". With a prior of latents, "default" and "paper" are the presets that
            are made for latents.
        effort: Of the preset "default", 1 (fastest) to 9 (smallest file), None for 2; decoding takes as long.
        seed: Of the noise, 0 to 2^64 - 1.
        roi: The region of interest, in whose blocks of 64x64 pixels the quality is what was asked for; the
            others get less, a step up to four times as coarse. A mask (bright is important; an image or a
            uint8 array of the size of what is coded: the picture's pixels as they are stored, with strip as
            they are seen), boxes (x, y, width, height[, weight up to 1]) in it, or "alpha": what is
            transparent gets nothing.
        prior: The diffusion model; None for :func:`psc.load_prior`. A caption or a class that it was given
            becomes part of the file.
        strip: Leave out what the picture carries but its alpha; an EXIF orientation is applied.
        keep_profile: Keep the bytes of a well-known colour profile; otherwise a byte stands for it, and the
            decoder writes a small one that renders the same.
        progress: Called with a ``Progress`` after every group of network evaluations.
        journal: Keeps what was drawn, so that an interrupted encode can go on; None for none.

    Returns:
        The file's bytes.

    Raises:
        PscError: For whatever cannot be compressed, a target that cannot be met, or a journal of another
            encode.
    """
    if [quality, target_size, target_bpp, target_psnr].count(None) < 3:
        raise PscError("at most one of quality, target size, target bpp and target PSNR can be asked for")
    model = given_or_embedded(prior)
    preset = preset_for(model, preset)
    if (target_size, target_bpp, target_psnr) == (None, None, None):
        chosen = settings(50 if quality is None else quality, preset, seed, effort)
        return encode_with(
            image,
            with_roi(chosen, roi, image, strip=strip),
            prior=model,
            strip=strip,
            keep_profile=keep_profile,
            progress=progress,
            journal=journal,
        )
    decibels = None if target_psnr is None else positive("target PSNR", "dB", target_psnr)
    start = with_roi(finest(preset, seed, effort), roi, image, strip=strip)
    picture = Picture.of(image, strip=strip, keep_profile=keep_profile)
    pixels = picture.colours.shape[1] * picture.colours.shape[2]
    size = bytes_of_bpp(target_bpp, pixels) if target_bpp is not None else 0
    size = whole_bytes(target_size) if target_size is not None else size
    context = Context(model, progress, journal)
    with _kept(context, picture, (decibels, size, start)):
        if decibels is not None:
            return _weighed(control.to_psnr(picture, decibels, start, context).data)
        return _weighed(control.to_size(picture, size, start, context).data)


def with_roi(chosen: Settings, roi: Roi | None, image: ImageLike, *, strip: bool = False) -> Settings:
    """Settings with the regions that a picture has.

    Args:
        chosen: For the whole picture.
        roi: As for :func:`encode`; None: the settings stay as they are.
        image: The picture.
        strip: Whether it is turned by its EXIF orientation before it is coded.

    Raises:
        PscError: For a region that does not fit the picture or the plan.
    """
    if roi is None:
        return chosen
    return replace(chosen, regions=regions_of(roi, Picture.of(image, strip=strip), chosen.plan.block))


def preset_for(prior: Prior, name: str | None = None) -> str:
    """The preset that a name means for a prior: for priors of latents there are two of their own.

    Args:
        prior: The diffusion model.
        name: "default" and "paper" become "latent" and "latent-paper" for a prior of latents; None is
            "default".

    Returns:
        One of :data:`psc.plan.presets.PRESETS`, if the name is any.

    Raises:
        PscError: For a preset of latents with a prior of pixels.
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
    keep_profile: bool = False,
    progress: Report = silent,
    journal: Journal | None = None,
) -> bytes:
    """Compress a picture with explicit settings instead of a quality or a target.

    Args:
        image: A Pillow image of any mode; its alpha, and what its ``info`` has of icc_profile, exif and xmp,
            come back as they were. Or a uint8 array, tensor of PyTorch or memoryview: (H, W), (H, W, 1) or
            (H, W, 3), or with alpha (H, W, 2) or (H, W, 4).
        chosen: A plan, how many of its rounds, a quantiser step, a seed: see :func:`psc.settings`.
        prior: The diffusion model; None for :func:`psc.load_prior`. A caption or a class that it was given
            becomes part of the file.
        strip: Leave out what the picture carries but its alpha; an EXIF orientation is applied.
        keep_profile: Keep the bytes of a well-known colour profile; otherwise a byte stands for it, and the
            decoder writes a small one that renders the same.
        progress: Called with a ``Progress`` after every group of network evaluations.
        journal: Keeps what was drawn, so that an interrupted encode can go on; None for none.

    Returns:
        The file's bytes.

    Raises:
        PscError: For whatever cannot be compressed, or a journal of another encode.
    """
    picture, context = (
        Picture.of(image, strip=strip, keep_profile=keep_profile),
        Context(given_or_embedded(prior), progress, journal),
    )
    with _kept(context, picture, chosen):
        side = Encoder(picture, chosen, context)
        del picture  # the session has its own form of it
        side.session.run(chosen.rounds)
        return _weighed(side.file())


def _weighed(data: bytes) -> bytes:
    """The data as they came; warns if they are metadata for the most part."""
    sizes = {name: size for name, size in info(data)["carries"].items() if name != "alpha"}
    if 2 * sum(sizes.values()) > len(data):
        parts = ", ".join(f"{name} {size}" for name, size in sizes.items())
        warnings.warn(
            f"{sum(sizes.values())} of the file's {len(data)} bytes are metadata ({parts}): --strip "
            "(strip=True) leaves them out",
            stacklevel=4,
        )
    return data


def _kept(context: Context, picture: Picture, goal: object) -> AbstractContextManager[None]:
    """The context's journal, if it has one, open for an encode to a goal: settings, or a target."""
    prior, colours = context.prior, picture.colours
    if context.journal is None:
        return nullcontext()
    of = {
        "picture": repr(tuple(colours.shape)).encode() + colours.numpy().tobytes(),
        "format or setting": repr((VERSION, goal)).encode(),
        "prior": prior.fingerprint,
    }
    if not prior.exact:
        of["device or release of PyTorch"] = f"{prior.device} {torch.__version__}".encode()
    return context.journal.open(of)
