"""From a name or a path to a prior. Nothing here touches the network: `psc priors fetch` does."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from psc.errors import PscError
from psc.prior.pretrained.cards import Card, cards
from psc.prior.pretrained.checkpoint import load_checkpoint
from psc.prior.pretrained.weights import REFUSED
from psc.prior.protocol import Prior

CHECKPOINTS = (".pt", ".pth", ".safetensors")
HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?")


def load_diffusion(name: str, device: str, half: bool) -> Prior:
    """Load a prior that is not the embedded one.

    Args:
        name: Of a model card, a checkpoint or a folder, or the id of a model on the Hugging Face hub.
        device: Of PyTorch.
        half: Evaluate its network in float16.

    Raises:
        PscError: For a model that is not there, with the command that fetches it.
    """
    where = _device(device)
    card = cards().get(name)
    if card is not None:
        return _open(_fetched(card), card.model, name, where, half)
    if Path(name).exists():
        return _open(Path(name), None, name, where, half)
    hub = HUB_ID.fullmatch(name)
    if hub is None or Path(name).suffix in CHECKPOINTS:
        raise PscError(
            f"unknown prior {name!r}: expected one of {', '.join(cards())}; a folder or file that exists; or "
            "the id of a model on the Hugging Face hub (owner/name, owner/name@revision)"
        )
    return _open(_cached(hub["repository"], hub["revision"]), None, name, where, half)


def _device(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PscError(f"device {name!r} cannot be used ({reason}); 'cpu' always works") from error


def _fetched(card: Card) -> Path:
    from psc.prior.pretrained.download import found

    path = found(card)
    if path is None:
        raise PscError(
            f"the prior {card.name} is not on this machine; `psc priors fetch {card.name}` downloads it "
            f"(from {card.sources[0]}; licence: {card.licence})"
        )
    return path


def _cached(repository: str, revision: str | None) -> Path:
    """The snapshot of a hub's model in the hub's cache."""
    from psc.prior.pretrained.hub import needed

    try:
        return Path(
            needed("huggingface_hub").snapshot_download(repository, revision=revision, local_files_only=True)
        )
    except OSError as error:
        which = f"{repository} --revision {revision}" if revision else repository
        raise PscError(
            f"{repository}, revision {revision or 'main'}, is not in the hub's cache on this machine: "
            f"`hf download {which}` downloads it"
        ) from error


def _open(path: Path, model: Mapping[str, Any] | None, name: str, device: torch.device, half: bool) -> Prior:
    if path.is_dir():
        return _open_folder(path, name, device, half)
    if path.suffix in CHECKPOINTS:
        known = {file.path: card.model for card in cards().values() for file in card.files if card.model}
        return load_checkpoint(path, model or known.get(path.name), name, device, half)
    if path.suffix in (".pkl", ".pickle"):
        raise PscError(REFUSED.format(path=path))
    raise PscError(f"{path} is not a model: expected a folder, or a file {', '.join(CHECKPOINTS)}")


def _open_folder(folder: Path, name: str, device: torch.device, half: bool) -> Prior:
    from psc.prior.pretrained.latent import FAMILIES, load_latent
    from psc.prior.pretrained.pixel import CAPTIONED, load_captioned, load_pixel

    kind, network = _kind(folder)
    try:
        if kind in FAMILIES:
            return load_latent(folder, kind, name, device, half)
        if kind == CAPTIONED:
            return load_captioned(folder, name, device, half)
        if network == "UNet2DModel":
            return load_pixel(folder, name, device, half)
    except (ImportError, OSError, RuntimeError, ValueError) as error:  # what the libraries raise
        reason = " ".join(str(error).split())[:300]
        raise PscError(f"cannot load the model in {folder}: {reason}") from error
    raise PscError(
        f"{folder} holds a model of class {kind or network or 'unknown'}; expected UNet2DModel with a "
        f"scheduler (DDPMPipeline, DDIMPipeline, ...) or one of {', '.join([*FAMILIES, CAPTIONED])}"
    )


def _kind(folder: Path) -> tuple[str, str]:
    """The classes of a folder's pipeline and, if it has no autoencoder, of its network."""
    for file in ("model_index.json", "config.json"):
        try:
            index = json.loads((folder / file).read_text())
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise PscError(f"cannot read {folder / file}: {error}") from error
        if file == "config.json":
            return "", index.get("_class_name", "")
        parts = index.get("unet") or ["", ""]
        return index.get("_class_name", ""), "" if {"vae", "vqvae"} & index.keys() else parts[1]
    raise PscError(f"{folder} is not a model's folder: it has neither model_index.json nor config.json")
