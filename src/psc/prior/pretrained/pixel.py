"""diffusers' unconditional pixel models as priors: UNet2DModel and its scheduler (google/ddpm-*, ...)."""

from pathlib import Path

import torch

from psc.errors import PscError
from psc.prior.pretrained.hub import configuration, discrete, needed, part, quiet
from psc.prior.pretrained.prior import DiffusionPrior
from psc.prior.pretrained.weights import component, fingerprint, variant


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
    schedule = configuration(part(folder, "scheduler") / "scheduler_config.json")
    parametrisation, chosen = discrete(schedule, folder)
    kind = variant(where)
    with quiet():
        network = needed("diffusers").UNet2DModel.from_pretrained(where, local_files_only=True, variant=kind)
    about = {"family": "diffusers", "half": half, "unet": config, "scheduler": chosen}
    identity = fingerprint(component(where, kind, network), about)
    network = (network.half() if half else network.float()).to(device).eval().requires_grad_(False)

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        out: torch.Tensor = network(x_t.to(network.dtype), t).sample
        return out[:, : x_t.shape[1]].to(x_t.dtype)  # what follows is about a learned variance

    return DiffusionPrior(
        name=name,
        predict=predict,
        parametrisation=parametrisation,
        channels=network.config.in_channels,
        multiple=1 << (len(network.config.down_block_types) - 1),
        fingerprint=identity,
        device=device,
    )
