"""FORMAT.md, section 16: captions, by counts of contexts in a text (prediction by partial matching)."""

import functools
import hashlib
from pathlib import Path

from reference import constants
from reference.errors import DamagedFileError
from reference.rangecoder import TOTAL, RangeDecoder

TEXT = Path(__file__).parent.parent / "src" / "psc" / "bitstream" / "captions.txt"
_END, _ORDER, _BEFORE = 256, 5, b"\n" * 5


def caption(data: bytes) -> str:
    """What a header's condition says."""
    decoder, text = RangeDecoder(data), b""
    while (symbol := decoder.decode(_frequencies(text))) != _END:
        text += bytes([symbol])
        if len(text) > constants.MAX_CAPTION:
            raise DamagedFileError("the condition is too long")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise DamagedFileError("the condition is not UTF-8") from None


@functools.cache
def _contexts() -> dict[bytes, dict[int, int]]:
    """Counts of the symbols behind each context."""
    text = TEXT.read_bytes()
    if hashlib.sha256(text).hexdigest() != constants.CAPTION_MODEL:
        raise OSError(f"{TEXT} is not the text of section 16")
    counts: dict[bytes, dict[int, int]] = {}
    for line in text.split(b"\n")[:-1]:
        for i, symbol in enumerate([*line, _END]):
            before = _BEFORE + line[:i]
            for k in range(_ORDER, -1, -1):
                here = counts.setdefault(before[len(before) - k :], {})
                here[symbol] = here.get(symbol, 0) + 1
                if here[symbol] > 1:
                    break
    return counts


def _frequencies(text: bytes) -> list[int]:
    """Of the symbol behind ``text``."""
    before = _BEFORE + text
    w = [2**32 // 257] * 257
    for k in range(_ORDER + 1):
        n = _contexts().get(before[len(before) - k :])
        if n is None:
            break
        kinds, total = len(n), sum(n.values())
        w = [
            (3 * kinds * w[c] + (2**32 * (4 * n[c] - 3) if c in n else 0)) // (4 * total) for c in range(257)
        ]
    total = sum(w)
    out = [1 + x * (TOTAL - 257) // total for x in w]
    out[w.index(max(w))] += TOTAL - sum(out)
    return out
