"""From a file's bytes to a decoder that has read its header."""

from psc.bitstream.header import FINGERPRINT_BYTES, Header, unpack
from psc.bitstream.rangecoder import Reader
from psc.errors import PscError
from psc.exact.threads import isolated
from psc.prior import Prior, given_or_embedded
from psc.prior.pretrained.prior import DiffusionPrior
from psc.session.context import Context
from psc.session.decoder import PARTIAL, Decoder
from psc.session.progress import Report, silent
from psc.session.setup import open_session


@isolated()
def open_decoder(
    data: bytes, /, *, allow_partial: bool = False, prior: Prior | None = None, progress: Report = silent
) -> Decoder:
    """Open a .psc file for decoding: ``psc.open``. Nothing of its body is read yet.

    Args:
        data: The file's bytes.
        allow_partial: Accept a cut or damaged body and a state that parts from the encoder's, and use what is
            certain; otherwise each is a PscError.
        prior: The one that the file names; None for the embedded prior (:func:`psc.load_prior`).
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The decoder: ``step()``, ``run()``, ``picture()``, ``variations()``, or iterate over it.

    Raises:
        PscError: If the data is no .psc file, is damaged, names another prior, or is too large to decode.
    """
    context = Context(given_or_embedded(prior), progress)
    header, context, reader, note = open_body(data, context, allow_partial)
    return Decoder(header, open_session(header, context, reader), note, allow_partial=allow_partial)


def open_body(data: bytes, context: Context, allow_partial: bool) -> tuple[Header, Context, Reader, str]:
    """Read a file's header and check its body.

    Args:
        data: The file's bytes.
        context: The prior that the file should name, and what else is at hand.
        allow_partial: Whether a cut or damaged body is accepted.

    Returns:
        The header; the context, whose prior was given the file's caption or class; a reader of the body; what
        is wrong with the body, or nothing.

    Raises:
        PscError: If the data is no .psc file, is damaged, or names another prior.
    """
    header, body = unpack(data)
    prior, condition = context.prior, header.condition
    if condition.text and isinstance(prior, DiffusionPrior) and prior.bind is not None:
        prior = prior.conditioned(condition.text, condition.guidance)
    if prior.fingerprint[:FINGERPRINT_BYTES] != header.fingerprint:
        raise PscError(
            f"the file was made with the prior {header.fingerprint.hex()}, this one is "
            f"{prior.name} {prior.fingerprint[:FINGERPRINT_BYTES].hex()}: decode it with the prior it names "
            "(--prior)"
        )
    note = header.body.defect(body)
    if note and not allow_partial:
        raise PscError(f"{note}; {PARTIAL}")
    reader = Reader(body[: header.body.length], header.body.cut or len(body) < header.body.length)
    return header, Context(prior, context.progress, context.journal), reader, note
