"""Shorter files from a file: its first bytes, or its first rounds."""

from dataclasses import replace

from psc.bitstream.container import Header, seal, seal_cut, unpack
from psc.bitstream.rangecoder import Copier, Writer
from psc.errors import PscError
from psc.prior import Prior, load_prior
from psc.sides import Report, open_body, open_session, silent


def truncate(data: bytes, /, *, size: int) -> bytes:
    """The file cut to at most ``size`` bytes: whole again, but marked as cut; no model is needed.

    A file that is short enough comes back as it is. Raises PscError where not even a header fits.
    """
    header, body = _sound(data)
    whole = len(body) == header.body_length
    return data if whole and len(data) <= size else seal_cut(header, body, size)


def keep_rounds(
    data: bytes, rounds: int, /, *, prior: Prior | None = None, progress: Report = silent
) -> bytes:
    """The file of the first ``rounds`` rounds alone; costs what decoding them costs.

    The rounds must be whole in the file. Raises PscError where they are not.
    """
    _sound(data)
    header, model, reader, _ = open_body(data, prior or load_prior(), True)
    writer = Writer()
    session = open_session(header, model, Copier(reader, writer), progress, None)
    if not 1 <= rounds <= header.rounds:
        raise PscError(f"{rounds} rounds asked for; the file has {header.rounds}")
    session.run(rounds)
    if session.rounds < rounds:
        raise PscError(f"{rounds} rounds asked for; only {session.rounds} are whole in this cut file")
    return seal(replace(header, rounds=rounds, cut=False), writer.finish())


def _sound(data: bytes) -> tuple[Header, bytes]:
    """A file's header and body, of which an end may be missing but nothing may be wrong."""
    header, body = unpack(data)
    if len(body) >= header.body_length and header.defect(body):
        raise PscError(f"{header.defect(body)}; only a sound file can be cut")
    return header, body
