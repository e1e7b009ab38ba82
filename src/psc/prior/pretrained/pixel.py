"""diffusers' models of pixels as priors: UNet2DModel (google/ddpm-*, ...), and DeepFloyd IF's first stage."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from psc.errors import PscError
from psc.prior.pretrained.hub import configuration, discrete, needed, part, quiet
from psc.prior.pretrained.parametrisation import Parametrisation, Predict
from psc.prior.pretrained.pipelines import identity, load_pipeline, place, schedule
from psc.prior.pretrained.prior import DiffusionPrior, classifier_free, reproducible
from psc.prior.pretrained.text_encoders import deepfloyd_if, under
from psc.prior.pretrained.weights import component, fingerprint, variant

CAPTIONED = "IFPipeline"
"""The pipeline class of DeepFloyd IF's first stage; the others enlarge its pictures."""


def load_pixel(folder: Path, name: str, device: torch.device, half: bool) -> DiffusionPrior:
    """The prior in a folder that ``save_pretrained`` wrote.

    Args:
        folder: Of a pipeline, or of its network.
        name: Of the prior, for messages.
        device: Where it is evaluated.
        half: The network in float16.

    Raises:
        PscError: For a model that is class-conditional, or of an unknown kind.
    """
    where = part(folder, "unet")
    config = configuration(where / "config.json")
    if config.get("num_class_embeds") or config.get("class_embed_type"):
        raise PscError(
            f"the model in {folder} is class-conditional; of diffusers' only unconditional are read"
        )
    parametrisation, chosen = discrete(
        configuration(part(folder, "scheduler") / "scheduler_config.json"), folder
    )
    kind = variant(where)
    with quiet():
        network = needed("diffusers").UNet2DModel.from_pretrained(where, local_files_only=True, variant=kind)
    about = {"family": "diffusers", "half": half, "unet": config, "scheduler": chosen}
    identifies = fingerprint(component(where, kind, network), about)
    network = (network.half() if half else network.float()).to(device).eval().requires_grad_(False)
    return _prior(network, under(network), name, parametrisation, identifies, device)


def load_captioned(folder: Path, name: str, device: torch.device, half: bool) -> DiffusionPrior:
    """The prior in the folder of an IFPipeline. half: the denoising network in float16."""
    precision = variant(folder / "unet")
    pipeline = load_pipeline(folder, CAPTIONED, precision)
    parametrisation, chosen = schedule(folder)
    about = {"family": CAPTIONED, "scheduler": chosen, "half": half}
    identifies = identity(pipeline, folder, about, precision)
    place(pipeline, pipeline.unet, device, half)

    def caption(text: str) -> Predict:
        with reproducible(), quiet():
            return deepfloyd_if(pipeline, text, device)

    prior = _prior(pipeline.unet, caption(""), name, parametrisation, identifies, device)
    return replace(prior, bind=classifier_free(caption))


def _prior(
    network: Any,
    predict: Predict,
    name: str,
    parametrisation: Parametrisation,
    identifies: bytes,
    device: torch.device,
) -> DiffusionPrior:
    return DiffusionPrior(
        name=name,
        predict=predict,
        parametrisation=parametrisation,
        channels=network.config.in_channels,
        multiple=1 << (len(network.config.down_block_types) - 1),
        fingerprint=identifies,
        device=device,
    )
