"""Weights on disk: read without executing anything, and identified."""

import hashlib
import json
import math
import pickle
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from psc.errors import PscError

REFUSED = (
    "{path} is refused: it is not a file of plain tensors. It is damaged, or a pickled program object (as "
    "EDM's .pkl files are), and loading that executes whatever code it holds. Use weights without code: the "
    "same model as a diffusers folder or in safetensors, or an OpenAI checkpoint of tensors (.pt); `psc "
    "priors` lists models that are known to work"
)
Named = tuple[str, torch.Tensor]
Inventory = dict[str, tuple[str, tuple[int, ...], str]]
"""Of each tensor, by its name: its type, its shape, the SHA-256 of its numbers."""


def tensors(path: Path) -> Iterator[Named]:
    """The tensors in a .safetensors file or one of torch.save (.pt, .bin), with their names."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                yield from ((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle's version
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise PscError(REFUSED.format(path=path)) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise PscError(f"cannot read the weights in {path}: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(found, dict) or not all(isinstance(t, torch.Tensor) for t in found.values()):
        raise PscError(f"{path} holds something else than tensors by name, which is all that can be loaded")
    yield from found.items()


def files(folder: Path, variant: str | None) -> list[Path]:
    """The files that diffusers and transformers load from a component's folder.

    Args:
        folder: Of the component.
        variant: "fp16" for files of that kind, where there are any.

    Returns:
        safetensors if there are any, else those of torch.save.
    """
    for suffix in (".safetensors", ".bin"):
        names = [p for p in sorted(folder.glob(f"*model*{suffix}")) if ".non_ema" not in p.name]
        plain = [p for p in names if ".fp16" not in p.name]
        half = [p for p in names if p not in plain]
        if names:
            return half if half and (variant or not plain) else plain
    raise PscError(f"{folder} holds no weights: expected *.safetensors or *.bin; is the model complete?")


def variant(folder: Path) -> str | None:
    """diffusers' name for the kind of weights in a component's folder: "fp16" if there are no others."""
    return "fp16" if all(".fp16" in path.name for path in files(folder, None)) else None


def inventory(weights: Iterable[Named]) -> Inventory:
    """What identifies tensors, whatever kind of file holds them, in whatever order."""
    found = {}
    for name, value in weights:
        data = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
        found[name] = (str(value.dtype), tuple(value.shape), hashlib.sha256(data).hexdigest())
    return found


def component(folder: Path, variant: str | None, module: torch.nn.Module) -> Inventory:
    """The inventory of a library's module as its folder holds it.

    A library fills what is missing with random numbers; that is refused. Libraries rename tensors at
    times, so sizes are compared, not names.
    """
    found = inventory(named for file in files(folder, variant) for named in tensors(file))
    missing = Counter(p.numel() for p in module.parameters())
    missing -= Counter(math.prod(shape) for _, shape, _ in found.values())
    if missing:
        raise PscError(f"the weights in {folder} are not complete: {missing.total()} tensors are missing")
    return found


def fingerprint(found: Inventory, about: Mapping[str, Any]) -> bytes:
    """SHA-256 of a model: its weights, and whatever else determines its numbers, as JSON."""
    everything = {"psc prior": 1, "weights": found, **about}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).digest()
