"""Encode, and restore from the encoder's own session: for experiments, at half the cost."""

from collections.abc import Iterator

from psc.exact.threads import isolated
from psc.images.picture import Picture
from psc.images.pixels import ImageLike
from psc.plan.plan import Settings
from psc.prior import Prior, given_or_embedded
from psc.session.context import Context
from psc.session.decoder import Decoded, Decoder, check_variations
from psc.session.encoder import Encoder
from psc.session.progress import Report, silent
from psc.session.restore import Restoration, check


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

    Args:
        image: A Pillow image of any mode; its alpha, and what its ``info`` has of icc_profile, exif and xmp,
            come back as they were. Or a uint8 array, tensor of PyTorch or memoryview: (H, W), (H, W, 1) or
            (H, W, 3), or with alpha (H, W, 2) or (H, W, 4).
        chosen: A plan, how many of its rounds, a quantiser step, a seed: see :func:`psc.settings`.
        restoration: "mean" (least error), "sample" (natural), "pigdm" or "ddrm" (the published
            restorations), "preview" (no network evaluation).
        steps: Network evaluations per sample of the restoration, from 2; None for its own number.
        prior: The diffusion model; None for :func:`psc.load_prior`. A caption or a class that it was given
            becomes part of the file.
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The file's bytes, and what :func:`psc.decode_details` would return for them.

    Raises:
        PscError: For whatever cannot be compressed, or a restoration that is unknown or that the prior cannot
            make.
    """
    context = Context(given_or_embedded(prior), progress)
    check(restoration, steps, context.prior)
    data, decoder = _simulated(image, chosen, context)
    return data, decoder.picture(restoration, steps=steps)


@isolated()
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
    """Encode, and make the pictures that :func:`psc.variations` would return, from the encoder's own session.

    Args:
        image: A Pillow image of any mode; its alpha, and what its ``info`` has of icc_profile, exif and xmp,
            come back as they were. Or a uint8 array, tensor of PyTorch or memoryview: (H, W), (H, W, 1) or
            (H, W, 3), or with alpha (H, W, 2) or (H, W, 4).
        chosen: A plan, how many of its rounds, a quantiser step, a seed: see :func:`psc.settings`.
        count: How many pictures, 1 to 10000.
        restoration: How each is made: "sample", "pigdm" or "ddrm".
        steps: Network evaluations per sample of the restoration, from 2; None for its own number.
        prior: The diffusion model; None for :func:`psc.load_prior`. A caption or a class that it was given
            becomes part of the file.
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The file's bytes, and the pictures as they are made.

    Raises:
        PscError: For whatever cannot be compressed, a count out of range, or a restoration that has no
            variations.
    """
    context = Context(given_or_embedded(prior), progress)
    check_variations(count, restoration, steps, context.prior)
    data, decoder = _simulated(image, chosen, context)
    return data, decoder.variations(count, restoration, steps=steps)


def _simulated(image: ImageLike, chosen: Settings, context: Context) -> tuple[bytes, Decoder]:
    """A file, and a decoder that stands where the file's decoder will in the end."""
    side = Encoder(Picture.of(image), chosen, context)
    side.session.run(chosen.rounds)
    return side.file(), Decoder(side.header, side.session)
