"""PNG, TIFF and PPM files made byte by byte: of depths and with chunks that Pillow does not write."""

import io
import struct
import zlib

import numpy as np
from PIL import PngImagePlugin

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Of PNG, by channels."""


def packed(rows: np.ndarray, bits: int) -> list[bytes]:
    """Rows of numbers, most significant bits first, each row in whole bytes."""
    flat = rows.reshape(len(rows), -1).astype(np.int64)
    digits = (flat[..., None] >> np.arange(bits)[::-1]) & 1
    return [np.packbits(row.ravel().astype(np.uint8)).tobytes() for row in digits]


def png(
    rows: np.ndarray, bits: int = 8, before: tuple = (), after: tuple = (), palette: bytes = b""
) -> bytes:
    """A PNG file of (H, W) or (H, W, C) numbers. before, after: chunks (name, payload) around the pixels."""
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    kind = 3 if palette else COLOUR_TYPES[1 if rows.ndim == 2 else rows.shape[2]]
    size = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], bits, kind, 0, 0, 0)
    raw = zlib.compress(b"".join(b"\0" + row for row in packed(rows, bits)))
    palettes = [(b"PLTE", palette)] if palette else []
    for name, payload in ((b"IHDR", size), *palettes, *before, (b"IDAT", raw), *after, (b"IEND", b"")):
        PngImagePlugin.putchunk(file, name, payload)
    return file.getvalue()


def tiff(
    rows: np.ndarray, bits: int, sample_format: int = 1, photometric: int = 1, order: str = "<"
) -> bytes:
    """An uncompressed TIFF file of (H, W) or (H, W, 3) numbers.

    sample_format: 1 unsigned, 2 signed, 3 float. photometric: 0 where 0 is white.
    """
    channels = 1 if rows.ndim == 2 else rows.shape[2]
    if bits in (8, 16, 32):
        data = rows.astype(order + {1: "u", 2: "i", 3: "f"}[sample_format] + str(bits // 8)).tobytes()
    else:
        data = b"".join(packed(rows, bits))
    height, width = rows.shape[:2]
    depths = struct.pack(order + "3H", *[bits] * 3)
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, bits), (259, 3, 1, 1)]
    tags += [(262, 3, 1, photometric if channels == 1 else 2), (273, 4, 1, 8), (277, 3, 1, channels)]
    tags += [(278, 4, 1, height), (279, 4, 1, len(data)), (339, 3, 1, sample_format)]
    data += bytes(len(data) % 2)
    place = 8 + len(data)
    if channels > 1:
        tags[2] = (258, 3, channels, place)
        data += depths
    body = struct.pack(order + "H", len(tags))
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        body += struct.pack(order + ("HHIHxx" if short else "HHII"), tag, kind, count, value)
    return (
        (b"II*\0" if order == "<" else b"MM\0*")
        + struct.pack(order + "I", 8 + len(data))
        + data
        + body
        + bytes(4)
    )


def pnm(rows: np.ndarray, highest: int) -> bytes:
    """A binary PGM or PPM file."""
    head = f"P{5 if rows.ndim == 2 else 6} {rows.shape[1]} {rows.shape[0]} {highest}\n".encode()
    return head + rows.astype(">u2" if highest > 255 else "u1").tobytes()
