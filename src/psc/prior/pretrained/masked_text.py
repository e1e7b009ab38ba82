"""PixArt and Sana: transformers that take a grid of latents, and a text of fixed length with a mask."""

import inspect
from typing import Any

import torch

from psc.prior.pretrained.parametrisation import Predict
from psc.prior.pretrained.text_encoders import repeat, under


def pixart(pipeline: Any, caption: str, device: torch.device) -> Predict:
    """PixArt-alpha and PixArt-Sigma: T5; the 1024-pixel alpha is told the picture's size and shape, too."""
    text, mask, _, _ = pipeline.encode_prompt(caption, False, device=device)
    network = pipeline.transformer

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        added: dict[str, torch.Tensor | None] = {"resolution": None, "aspect_ratio": None}
        if network.use_additional_conditions:
            height, width = (pipeline.vae_scale_factor * side for side in x_t.shape[2:])
            sizes = {"resolution": [[height, width]], "aspect_ratio": [[height / width]]}
            added = {k: repeat(torch.tensor(v, device=device), x_t, network) for k, v in sizes.items()}
        given = {"encoder_hidden_states": text, "encoder_attention_mask": mask, "added_cond_kwargs": added}
        return under(network, **given)(x_t, t)

    return predict


def sana(pipeline: Any, caption: str, device: torch.device) -> Predict:
    """Sana: Gemma, a language model. A caption follows the instruction it was trained with; none has none."""
    text, mask, _, _ = pipeline.encode_prompt(
        caption, False, device=device,
        complex_human_instruction=_instruction(pipeline) if caption else None,
    )  # fmt: skip
    return under(pipeline.transformer, encoder_hidden_states=text, encoder_attention_mask=mask)


def instruction(pipeline: Any) -> dict[str, Any]:
    """What a pipeline puts before captions and its folder does not hold: it identifies the model, too."""
    found = _instruction(pipeline)
    return {"instruction": found} if found else {}


def _instruction(pipeline: Any) -> list[str]:
    parameter = inspect.signature(type(pipeline).__call__).parameters.get("complex_human_instruction")
    return list(parameter.default) if parameter else []
