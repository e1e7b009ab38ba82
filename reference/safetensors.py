"""Arrays of a .safetensors file: the length of a JSON header (8 bytes), the header, raw arrays."""

import json

import numpy as np

_TYPES = {"F32": "<f4", "F64": "<f8", "I8": "i1", "U8": "u1", "I32": "<i4", "I64": "<i8"}


def load(data: bytes) -> dict[str, np.ndarray]:
    """Arrays by name."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        out[name] = np.frombuffer(data[begin:end], _TYPES[entry["dtype"]]).reshape(entry["shape"])
    return out
