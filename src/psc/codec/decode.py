"""The bytes of a .psc file to pictures: shorthands for :func:`psc.open`."""

from collections.abc import Iterator

from PIL import Image

from psc.exact.threads import isolated
from psc.prior import Prior, load_prior
from psc.session.decoder import Decoded, check_variations, open_decoder
from psc.session.progress import Report, silent
from psc.session.restore import Restoration, check

open = open_decoder  # noqa: A001
"""``psc.open``, as ``gzip.open`` is named."""


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
    """The picture in the bytes of a .psc file.

    Args:
        data: The file's bytes.
        restoration: "mean" (least error), "sample" (natural), "pigdm" or "ddrm" (the published
            restorations), "preview" (at once); see :mod:`psc.session.restore`.
        steps: Network evaluations per sample of the restoration; None for its own number.
        allow_partial: Accept a cut or damaged body and a state that parts from the encoder's, and return the
            picture of what is certain; otherwise each is a PscError.
        prior: The one that the file names; None for the embedded prior.
        progress: Hears of every group of network evaluations.

    Returns:
        A Pillow image, with alpha if the encoder's had it; ``info`` has icc_profile, exif and xmp as far as
        they are in the file.

    Raises:
        PscError: If the data is no .psc file, is damaged, or names another prior.
    """
    return decode_details(
        data,
        restoration=restoration,
        steps=steps,
        allow_partial=allow_partial,
        prior=prior,
        progress=progress,
    ).image


@isolated()
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

    Args:
        data: The file's bytes.
        restoration: As in :func:`decode`, as are the others.
        steps: The same.
        uncertainty: Also find how much samples differ.
        allow_partial: The same.
        prior: The same.
        progress: The same.
    """
    prior = prior or load_prior()
    check(restoration, steps, prior)
    decoder = open_decoder(data, allow_partial=allow_partial, prior=prior, progress=progress).run()
    return decoder.picture(restoration, steps=steps, uncertainty=uncertainty)


@isolated()
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

    The file is decoded before the first; the same call gives the same pictures.

    Args:
        data: The file's bytes.
        count: How many, 1 to 10000.
        restoration: "sample", "pigdm" or "ddrm".
        steps: As in :func:`decode`, as are the others.
        allow_partial: The same.
        prior: The same.
        progress: The same.

    Returns:
        Each with the nfe of its own restoration.
    """
    prior = prior or load_prior()
    check_variations(count, restoration, steps, prior)
    decoder = open_decoder(data, allow_partial=allow_partial, prior=prior, progress=progress).run()
    return decoder.variations(count, restoration, steps=steps)


def decode_progressively(
    data: bytes,
    /,
    *,
    restoration: Restoration = "preview",
    prior: Prior | None = None,
    progress: Report = silent,
) -> Iterator[Decoded]:
    """The picture after every round of a .psc file, coarse to fine.

    A cut file ends with the picture of what is certain. "preview" costs nothing beyond the decoding itself;
    other restorations add their own evaluations to every picture.

    Args:
        data: The file's bytes.
        restoration: As in :func:`decode`, as are the others.
        prior: The same.
        progress: The same.
    """
    decoder = open_decoder(data, allow_partial=True, prior=prior, progress=progress)
    return decoder.progressively(restoration)
