"""A network's weights in floating point as safetensors files, whole or in parts of a bounded size.

Beside the network's own tensors a file has ``shape.*``, as a prior of integers has them. Parts are called
NAME-1-of-2.safetensors and so on; ``shape.*`` is in the first.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from psc.prior.embedded.network import Shape

Weights = dict[str, torch.Tensor]
FIELDS = ("unshuffle", "widths", "encoder", "decoder")


def shape_tensors(shape: Shape) -> Weights:
    """The shape as ``shape.*``."""
    return {f"shape.{name}": torch.tensor(getattr(shape, name), dtype=torch.int32) for name in FIELDS}


def shape_of(tensors: Weights) -> Shape:
    """What :func:`shape_tensors` wrote."""
    unshuffle, *rest = (tensors[f"shape.{name}"].tolist() for name in FIELDS)
    return Shape(unshuffle, *map(tuple, rest))


def write(
    weights: Weights, shape: Shape, folder: Path, name: str, dtype: torch.dtype, most: float = float("inf")
) -> list[Path]:
    """Write parts of at most ``most`` bytes; files of that name that are there are overwritten."""
    parts, size = [shape_tensors(shape)], 0
    for key, value in weights.items():
        tensor = value.detach().to("cpu", dtype).contiguous()
        if size + tensor.nbytes > 0.98 * most:  # the rest is for the files' headers
            parts.append({})
            size = 0
        parts[-1][key] = tensor
        size += tensor.nbytes
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}-{i + 1}-of-{len(parts)}.safetensors" for i in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        save_file(part, file.with_suffix(".part"))
    for file in files:
        file.with_suffix(".part").rename(file)
    return files


def read(path: Path, name: str = "average") -> Weights:
    """All tensors of a file, or of a folder's parts of that name."""
    parts = [path]
    if path.is_dir():
        parts = sorted(path.glob(f"{name}-*-of-*.safetensors"))
        if not parts or not parts[0].stem.endswith(f"-of-{len(parts)}"):
            raise SystemExit(f"{path} has {len(parts)} parts of {name}: not all of one and the same")
    return {key: value for part in parts for key, value in load_file(part).items()}
