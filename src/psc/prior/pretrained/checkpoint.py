"""OpenAI's guided-diffusion checkpoints (.pt) as priors: see :mod:`psc.prior.pretrained.adm` for the network.

A checkpoint holds tensors by name and nothing else. What cannot be seen from their shapes (attention heads,
noise schedule) comes from the model card of that file name, or from a JSON file beside it:

    model.pt, model.json: {"size": 256, "width": 256, "factors": [1, 1, 2, 2, 4, 4], "blocks": 2,
                           "attention": [8, 16, 32], "head_width": 64, "schedule": "linear"}
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from psc.errors import PscError
from psc.prior.pretrained.adm import Adm, Architecture
from psc.prior.pretrained.parametrisation import Discrete, Predict, cosine_schedule, linear_schedule
from psc.prior.pretrained.prior import DiffusionPrior, classifier_free
from psc.prior.pretrained.weights import fingerprint, inventory, tensors

SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
STEPS = 1000


def load_checkpoint(
    path: Path, model: Mapping[str, Any] | None, name: str, device: torch.device, half: bool
) -> DiffusionPrior:
    """The prior in a checkpoint's file.

    Args:
        path: A .pt or .safetensors file.
        model: Its architecture and schedule, if a card says it; None: a JSON file beside it does.
        name: Of the prior, for messages.
        device: Where it is evaluated.
        half: The trunk's convolutions in float16.

    Raises:
        PscError: If the file cannot be read, or is not what was said.
    """
    about = dict(model or _beside(path))
    try:
        schedule = str(about.pop("schedule", "linear"))
        alpha_bar = SCHEDULES[schedule](STEPS)
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about.items()}
        architecture = Architecture(**fields)
    except (KeyError, TypeError) as error:
        raise PscError(f"the description of {path} does not fit: {error}; see docs/priors.md") from error
    weights = dict(tensors(path))
    network = _network(architecture, weights, path)
    about = {"family": "adm", "half": half, "schedule": schedule, **vars(architecture)}
    identity = fingerprint(inventory(weights.items()), about)
    network = (network.halve() if half else network).to(device).eval().requires_grad_(False)

    def bind(condition: str) -> Predict:
        label = _label(condition, architecture.classes, name) if condition else None
        return partial(_predict, network, label, name)

    return DiffusionPrior(
        name=name,
        predict=bind(""),
        parametrisation=Discrete(alpha_bar, "epsilon"),
        channels=architecture.channels,
        multiple=architecture.multiple,
        fingerprint=identity,
        device=device,
        bind=classifier_free(bind) if architecture.classes else None,
    )


def _predict(network: Adm, label: int | None, name: str, x_t: torch.Tensor, t: float) -> torch.Tensor:
    if network.about.classes and label is None:
        raise PscError(f'the prior {name} needs a class: load_prior(...).conditioned("207"), for instance')
    out: torch.Tensor = network(x_t.float(), t, label)
    return out[:, : x_t.shape[1]].to(x_t.dtype)  # what follows is about a learned variance


def _label(condition: str, classes: int, name: str) -> int:
    if not (condition.isdecimal() and int(condition) < classes):
        raise PscError(
            f"class {condition!r} came for the prior {name}; expected a number from 0 to {classes - 1}"
        )
    return int(condition)


def _beside(path: Path) -> dict[str, Any]:
    """The architecture and schedule that the JSON file of the same name says."""
    try:
        about = json.loads(path.with_suffix(".json").read_text())
    except FileNotFoundError as error:
        raise PscError(
            f"{path} holds tensors only, and no card knows a file of this name: describe its architecture in "
            f"{path.with_suffix('.json').name} beside it (docs/priors.md)"
        ) from error
    except (OSError, ValueError) as error:
        raise PscError(f"cannot read {path.with_suffix('.json')}: {error}") from error
    if not isinstance(about, dict):
        raise PscError(f"{path.with_suffix('.json')} holds {type(about).__name__}, expected an object")
    return about


def _network(about: Architecture, weights: dict[str, torch.Tensor], path: Path) -> Adm:
    with torch.device("meta"):
        network = Adm(about)
    expected = network.state_dict()
    wrong = [n for n in expected if n not in weights or weights[n].shape != expected[n].shape]
    wrong += [n for n in weights if n not in expected]
    if wrong:
        raise PscError(f"the weights in {path} are not of the architecture described: {wrong[0]} differs")
    network.load_state_dict({n: t.float() for n, t in weights.items()}, assign=True)
    return network
