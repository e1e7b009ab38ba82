"""Which kernel knew all answers (psc.prior.embedded.convolution) on this machine, in the cache folder.

A verdict is a file with a kernel's name in it. The file's name is a digest of all that the answers may depend
on: weights, psc, PyTorch and how it was built, the processor, and the environment's variables that choose
instructions. So a verdict counts for just that; where no processor tells what it can do, none is kept.
Whatever else such a file holds counts for nothing, and a folder that cannot be read or written is none.
"""

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

import torch

import psc
from psc import files
from psc.errors import PscError
from psc.prior.embedded import convolution

PROCESSOR = Path("/proc/cpuinfo")
FIELDS = (
    "vendor_id", "cpu family", "model", "model name", "stepping", "microcode",
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
)  # fmt: skip
FLAGS = ("flags", "Features")
"""What x86 and ARM say of their model there, and of what they can do."""
CHOOSING = ("ATEN_", "DNNL_", "LD_", "MKL_", "ONEDNN_", "PYTORCH_", "TORCH_")
"""Beginnings of the names of variables that may choose instructions, or other libraries."""


def place(weights: bytes) -> Path | None:
    """Where the verdict on weights is kept that counts for what is here now.

    Args:
        weights: Their digest.

    Returns:
        A file's path; None if no verdict can be kept.
    """
    processor = _processor()
    if processor is None:
        return None
    parts = [psc.__version__, torch.__version__, torch.__config__.show(), platform.machine(), processor]
    parts += [str(torch.backends.mkldnn.enabled)]
    parts += [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(CHOOSING)]
    digest = hashlib.sha256(weights + _source())
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    try:
        return files.cache_folder() / "kernels" / digest.hexdigest()[:32]
    except PscError:  # no home folder
        return None


def recall(path: Path | None) -> str | None:
    """The kernel that passed here before, by :func:`place`'s path; None if none did."""
    with suppress(OSError):
        if path and path.is_file() and path.stat().st_size < 32:
            name = path.read_bytes().decode("ascii", "replace").strip()
            return name if name in convolution.KERNELS else None
    return None


def note(path: Path | None, kernel: str) -> None:
    """Keep the verdict at :func:`place`'s path, if that can be."""
    if path:
        with suppress(OSError, PscError):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(str(path), f"{kernel}\n".encode())


def _processor() -> str | None:
    """The first processor's model and what it can do; None if that cannot be read."""
    try:
        first = PROCESSOR.read_text().split("\n\n")[0]
    except OSError:
        return None
    lines = (line.partition(":") for line in first.splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    if not any(name in fields for name in FLAGS):
        return None
    return "\n".join(f"{name}: {fields.get(name, '')}" for name in FIELDS + FLAGS)


def _source() -> bytes:
    """The kernels themselves: what a developer changes is asked again."""
    try:
        return Path(convolution.__file__).read_bytes()
    except OSError:  # only compiled
        return b""
