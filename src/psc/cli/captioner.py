"""Captions of pictures by BLIP-2 (Li et al., 2023), as in the published Latent-PSC.

The caption is a part of the file, so only the encoder needs this model, and its numbers need not be the same
anywhere.
"""

import functools
from collections.abc import Callable

import torch
from PIL import Image

from psc.errors import PscError
from psc.images.opening import seen
from psc.prior.pretrained.hub import needed, quiet

MODEL = "Salesforce/blip2-opt-2.7b"
WORDS = 30
"""Tokens that a caption may have."""


def describe(image: Image.Image, device: str = "cpu", model: str = MODEL) -> str:
    """What the picture shows, in a few English words; see :func:`captioner`."""
    return captioner(device, model)(image)


@functools.lru_cache(1)
def captioner(device: str = "cpu", model: str = MODEL) -> Callable[[Image.Image], str]:
    """The function that says of pictures what they show; it holds the model, and is kept for the next call.

    Args:
        device: Where the model is evaluated; in float16 unless that is the CPU.
        model: A folder, or an id in the hub's cache; nothing is downloaded.
    """
    transformers = needed("transformers")
    try:
        with quiet():
            processor = transformers.Blip2Processor.from_pretrained(model, local_files_only=True)
            network = transformers.Blip2ForConditionalGeneration.from_pretrained(model, local_files_only=True)
            network = network.to(device, torch.float32 if device == "cpu" else torch.float16).eval()
    except (ImportError, OSError, RuntimeError, ValueError) as error:  # what the library raises
        raise PscError(
            f"no caption by {model} ({_reason(error)}): `hf download {model}` downloads it (15 GB), or say "
            "yourself what the picture shows (--caption TEXT)"
        ) from error

    def caption(image: Image.Image) -> str:
        try:
            with quiet(), torch.inference_mode():
                pixels = processor(images=seen(image).convert("RGB"), return_tensors="pt").pixel_values
                pixels = pixels.to(device, network.dtype)
                found = network.generate(pixels, max_new_tokens=WORDS, do_sample=False)
                return str(processor.batch_decode(found, skip_special_tokens=True)[0]).strip()
        except (RuntimeError, ValueError) as error:
            raise PscError(f"no caption by {model} ({_reason(error)}): say it yourself") from error

    return caption


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
