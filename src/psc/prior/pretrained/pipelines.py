"""A diffusers pipeline's folder: its components, what its schedule says, what identifies it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from psc.prior.pretrained.hub import configuration, discrete, needed, quiet
from psc.prior.pretrained.parametrisation import Flow, Parametrisation
from psc.prior.pretrained.weights import Inventory, component, fingerprint

UNUSED = ("safety_checker", "feature_extractor", "image_encoder", "watermarker")
"""Components of pipelines that a prior has no use for."""


def load_pipeline(folder: Path, kind: str, precision: str | None) -> Any:
    """The pipeline in single precision, without the components that are of no use or not there."""
    index = configuration(folder / "model_index.json")
    parts = [part for part, value in index.items() if isinstance(value, list)]
    absent = {part: None for part in parts if part in UNUSED or not (folder / part).is_dir()}
    with quiet():
        pipeline = getattr(needed("diffusers"), kind).from_pretrained(
            folder, local_files_only=True, variant=precision, **absent
        )
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            # the libraries disagree on what half-precision files are loaded as
            part.float().requires_grad_(False)
    return pipeline


def place(pipeline: Any, network: torch.nn.Module, device: torch.device, half: bool) -> None:
    """All networks on the device; half: this one in float16, before it takes the device's memory."""
    if half:
        network.half()
    with quiet():
        pipeline.to(device)


def schedule(folder: Path) -> tuple[Parametrisation, dict[str, Any]]:
    """The parametrisation that the folder's scheduler tells, and what of it identifies the model."""
    config = configuration(folder / "scheduler" / "scheduler_config.json")
    flow = "shift" in config and "beta_schedule" not in config
    if flow or config.get("prediction_type") == "flow_prediction":  # shifts are of sampling, not of t itself
        steps = config.get("num_train_timesteps", 1000)
        return Flow(steps), {"flow": steps}
    return discrete(config, folder)


def identity(pipeline: Any, folder: Path, about: Mapping[str, Any], kind: str | None) -> bytes:
    """The fingerprint of all networks, their configurations and the tokenizers' words."""
    found: Inventory = {}
    described = dict(about)
    for part, it in pipeline.components.items():
        if isinstance(it, torch.nn.Module):
            described[part] = configuration(folder / part / "config.json")
            found |= {f"{part}.{n}": what for n, what in component(folder / part, kind, it).items()}
        elif part.startswith("tokenizer") and it is not None:
            described[part] = it.get_vocab()
    return fingerprint(found, described)
