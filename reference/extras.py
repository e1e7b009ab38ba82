"""FORMAT.md, section 17: what a picture carries besides its colours. Alpha (VP8L) stays as it is."""

import lzma

from reference import constants
from reference.errors import DamagedFileError
from reference.header import Reader

ALPHA, ICC, STANDARD, EXIF, XMP = 1, 2, 3, 128, 129
_FILTERS = [{"id": lzma.FILTER_LZMA1, "lc": 0, "lp": 0, "pb": 0, "dict_size": 2**24}]


def parse(data: bytes) -> dict[int, bytes]:
    """Payloads by type, decompressed where they are compressed."""
    reader, out, last = Reader(data), {}, -1
    while reader.position < len(data):
        kind = reader.byte()
        payload = reader.take(reader.varint(constants.MAX_EXTRAS))
        if kind <= last:
            raise DamagedFileError("extras out of order")
        if kind < 128 and kind not in (ALPHA, ICC, STANDARD):
            raise DamagedFileError(f"extras of type {kind}, which a newer decoder knows")
        out[kind] = _decompress(payload) if kind in (ICC, EXIF, XMP) else payload
        last = kind
    return out


def _decompress(payload: bytes) -> bytes:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        out = decompressor.decompress(payload, constants.MAX_EXTRA + 1)
    except lzma.LZMAError as error:
        raise DamagedFileError("damaged extras") from error
    if len(out) > constants.MAX_EXTRA:
        raise DamagedFileError("extras that are too large")
    return out
