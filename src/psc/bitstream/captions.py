"""Short texts, such as captions, in few bits: a model of UTF-8 bytes made from captions.txt.

The model is interpolated Kneser-Ney (Chen and Goodman, "An empirical study of smoothing techniques for
language modeling", 1999) of order ORDER in integers. A context of k bytes expects a symbol c (a byte, or the
text's END) with

    w_k(c) = (max(n(c) - D, 0) + D t w_{k-1}(c)) / N,   D = 3/4

n: how often c followed the context in captions.txt, where contexts shorter than ORDER count c only when it is
new to the next longer one; N the sum of n; t how many symbols have n > 0; w_{-1} is uniform. Unseen contexts
are passed over. captions.txt is part of the format: FORMAT.md, section 16.
"""

import functools
import importlib.resources

import numpy as np

from psc.bitstream.models import scaled
from psc.bitstream.rangecoder import BodyError, Channel, Frequencies, Reader, Writer
from psc.errors import PscError

ORDER = 5
END = 256
UNIT = 2**32
"""What the w sum to, about."""
LIMIT = 1000
"""Bytes of UTF-8 that a text may have."""
PACKED_LIMIT = 3 * (LIMIT + 1) + 8
"""Bytes that its code may have: no symbol takes more than 24 bits."""
START = b"\n" * ORDER

Counts = dict[bytes, dict[int, int]]
"""By context, by symbol."""


def pack(text: str) -> bytes:
    """The code of a text; PscError for one that is too long."""
    data = text.encode()
    if len(data) > LIMIT:
        raise PscError(f"a text of {len(data)} bytes came; expected at most {LIMIT}: shorten it")
    writer = Writer()
    _code(writer, data)
    return writer.finish()


def unpack(data: bytes) -> str:
    """The text of a code; PscError for what no encoder writes."""
    try:
        found = _code(Reader(data), b"")
        if not 0 < len(found) <= LIMIT:
            raise BodyError(f"expected 1 to {LIMIT} bytes")
        return found.decode()
    except (BodyError, UnicodeDecodeError) as error:
        raise PscError(f"the header's caption is none that an encoder writes: {error}") from error


def _code(channel: Channel, data: bytes) -> bytes:
    """Code the bytes of a text and END; a reader returns those that it finds, LIMIT + 1 at most."""
    counts, text = _counts(), bytearray()
    while len(text) <= LIMIT:
        own = data[len(text)] if len(text) < len(data) else END
        model = _frequencies(counts, (START + text)[-ORDER:])
        symbol = int(channel.code(np.array([own], dtype=np.int32), model)[0])
        if symbol == END:
            break
        text.append(symbol)
    return bytes(text)


def _frequencies(counts: list[Counts], context: bytes) -> Frequencies:
    weights = np.full(END + 1, UNIT // (END + 1), dtype=np.int64)
    for k in range(ORDER + 1):
        seen = counts[k].get(context[ORDER - k :])
        if seen is None:
            break
        weights *= 3 * len(seen)
        weights[list(seen)] += (4 * np.array(list(seen.values()), dtype=np.int64) - 3) * UNIT
        weights //= 4 * sum(seen.values())
    return scaled(weights.tolist())


@functools.cache
def _counts() -> list[Counts]:
    """How often each symbol follows each context, by the context's length: 0 to ORDER."""
    counts: list[Counts] = [{} for _ in range(ORDER + 1)]
    text = importlib.resources.files("psc.bitstream").joinpath("captions.txt").read_bytes()
    for line in text.splitlines():
        padded = START + line
        for i, symbol in enumerate([*line, END]):
            for k in range(ORDER, -1, -1):
                seen = counts[k].setdefault(padded[i + ORDER - k : i + ORDER], {})
                seen[symbol] = seen.get(symbol, 0) + 1
                if seen[symbol] > 1:
                    break
    return counts
