"""The bytes of a .psc file to pictures: shorthands for :func:`psc.open`."""

from collections.abc import Iterator

from PIL import Image

from psc.exact.threads import isolated
from psc.prior import Prior, given_or_embedded
from psc.session.decoder import Decoded, check_variations
from psc.session.opening import open_decoder
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

    No picture is both closest to the original and most natural (Blau and Michaeli, "The perception-distortion
    trade-off", 2018): ``restoration`` is the choice between the two, on the same file.

    Args:
        data: The file's bytes.
        restoration: "mean" (least error), "sample" (natural), "pigdm" or "ddrm" (the published
            restorations), "preview" (no network evaluation).
        steps: Network evaluations per sample of the restoration, from 2; None for its own number.
        allow_partial: Accept a cut or damaged body and a state that parts from the encoder's, and use what is
            certain; otherwise each is a PscError.
        prior: The one that the file names; None for the embedded prior (:func:`psc.load_prior`).
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        A Pillow image of the encoded picture's size, mode L, LA, RGB or RGBA; ``info`` has icc_profile, exif
        and xmp as far as they are in the file.

    Raises:
        PscError: If the data is no .psc file, is damaged, or names another prior; for a restoration that is
            unknown, or that the prior cannot make.
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
        restoration: "mean" (least error), "sample" (natural), "pigdm" or "ddrm" (the published
            restorations), "preview" (no network evaluation).
        steps: Network evaluations per sample of the restoration, from 2; None for its own number.
        uncertainty: Also find how much posterior samples differ, pixel by pixel.
        allow_partial: Accept a cut or damaged body and a state that parts from the encoder's, and use what is
            certain; otherwise each is a PscError.
        prior: The one that the file names; None for the embedded prior (:func:`psc.load_prior`).
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The picture, what was read of the file, what it cost; with ``uncertainty``, ``deviation``.

    Raises:
        PscError: As :func:`psc.decode`.
    """
    prior = given_or_embedded(prior)
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
        restoration: How each is made: "sample", "pigdm" or "ddrm".
        steps: Network evaluations per sample of the restoration, from 2; None for its own number.
        allow_partial: Accept a cut or damaged body and a state that parts from the encoder's, and use what is
            certain; otherwise each is a PscError.
        prior: The one that the file names; None for the embedded prior (:func:`psc.load_prior`).
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The pictures as they are made, each with the network evaluations of its own restoration.

    Raises:
        PscError: As :func:`psc.decode`; also for a count out of range, or a restoration that has no
            variations.
    """
    prior = given_or_embedded(prior)
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

    A cut file ends with the picture of what is certain.

    Args:
        data: The file's bytes.
        restoration: "preview", which costs nothing beyond the decoding itself; any other one of
            :func:`psc.decode` adds its own network evaluations to every picture.
        prior: The one that the file names; None for the embedded prior (:func:`psc.load_prior`).
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The pictures as the rounds are read.

    Raises:
        PscError: If the data is no .psc file, its header is damaged, or it names another prior.
    """
    decoder = open_decoder(data, allow_partial=True, prior=prior, progress=progress)
    return decoder.progressively(restoration)
