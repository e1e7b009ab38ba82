"""Shorter files from a file: its first bytes, or its first rounds."""

from dataclasses import replace
from numbers import Integral

from psc.bitstream.container import seal, seal_cut
from psc.bitstream.header import BodyField, Header, unpack
from psc.bitstream.rangecoder import Copier, Writer
from psc.errors import PscError
from psc.prior import Prior, given_or_embedded
from psc.session.context import Context
from psc.session.opening import open_body
from psc.session.progress import Report, silent
from psc.session.setup import open_session


def truncate(data: bytes, /, *, size: int) -> bytes:
    """Cut a file to at most ``size`` bytes; no model is needed.

    Args:
        data: A .psc file's bytes.
        size: In bytes; a whole number.

    Returns:
        A whole file, marked as cut; one that is short enough comes back as it is.

    Raises:
        PscError: If the file is damaged, or not even a header and a byte of the body fit.
    """
    if not isinstance(size, Integral):
        raise PscError(f"the size {size!r} came; expected a whole number of bytes")
    header, body = _sound(data)
    whole = len(body) == header.body.length
    return bytes(data) if whole and len(data) <= size else seal_cut(header, body, size)


def keep_rounds(
    data: bytes, rounds: int, /, *, prior: Prior | None = None, progress: Report = silent
) -> bytes:
    """The file of the first rounds alone; costs what decoding them costs.

    Args:
        data: A .psc file's bytes.
        rounds: How many, from 1; they must be whole in the file.
        prior: The one that the file names; None for the embedded prior (:func:`psc.load_prior`).
        progress: Called with a ``Progress`` after every group of network evaluations.

    Returns:
        The file that an encoder would have written, had it stopped after these rounds.

    Raises:
        PscError: If the file is damaged, names another prior, or has fewer whole rounds.
    """
    if not isinstance(rounds, Integral):
        raise PscError(f"{rounds!r} rounds asked for; expected a whole number")
    _sound(data)
    header, context, reader, _ = open_body(data, Context(given_or_embedded(prior), progress), True)
    writer = Writer()
    session = open_session(header, context, Copier(reader, writer))
    if not 1 <= rounds <= header.settings.rounds:
        raise PscError(f"{rounds} rounds asked for; the file has {header.settings.rounds}")
    session.run(rounds)
    if session.rounds < rounds:
        raise PscError(f"{rounds} rounds asked for; only {session.rounds} are whole in this cut file")
    return seal(
        replace(header, settings=replace(header.settings, rounds=rounds), body=BodyField()), writer.finish()
    )


def _sound(data: bytes) -> tuple[Header, bytes]:
    """A file's header and body, of which an end may be missing but nothing may be wrong."""
    header, body = unpack(data)
    if len(body) >= header.body.length and header.body.defect(body):
        raise PscError(f"{header.body.defect(body)}; only a sound file can be cut")
    return header, body
