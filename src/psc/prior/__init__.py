"""Pre-trained diffusion models behind one small interface."""

from psc.prior.embedded.prior import load_embedded
from psc.prior.gaussian import HaarGaussian
from psc.prior.protocol import Differentiable, Prior

__all__ = [
    "Differentiable",
    "HaarGaussian",
    "Prior",
    "conditioned",
    "given_or_embedded",
    "load_embedded",
    "load_prior",
]


def load_prior(name: str = "embedded", *, device: str = "cpu", half: bool = False) -> Prior:
    """Load a prior; nothing is downloaded here.

    Args:
        name: "embedded" (RGB photographs, ships inside the package), the name of another model card (``psc
            priors`` lists them), a checkpoint's file or a model's folder, or the id of a model on the Hugging
            Face hub (owner/name or owner/name@revision).
        device: Of PyTorch: "cpu", "cuda", ...
        half: Evaluate its network in float16; not the embedded one.

    Returns:
        The prior, its network loaded. To give it a caption or a class, see :func:`psc.prior.conditioned`.

    Raises:
        PscError: For a model that is not there, with the command that fetches it, or a device that cannot be
            used.
    """
    from psc.errors import PscError
    from psc.prior.pretrained.loading import load_diffusion

    if name != "embedded":
        return load_diffusion(name, device, half)
    if half:
        raise PscError("the embedded prior is made of integers: it has no half precision")
    return load_embedded(device)


def given_or_embedded(prior: Prior | None) -> Prior:
    """The caller's prior, or the embedded one for None; PscError for what is none, such as a name."""
    from psc.errors import PscError

    if prior is None:
        return load_prior()
    if not callable(getattr(prior, "denoise", None)):
        raise PscError(
            f"a prior came as {type(prior).__name__}; expected what psc.load_prior returns, for instance "
            'psc.load_prior("embedded")'
        )
    return prior


def conditioned(prior: Prior, condition: str, guidance: float = 1.0) -> Prior:
    """A prior that is told what the picture shows; an encoder writes that into the file.

    Args:
        prior: A pre-trained one that takes captions or classes.
        condition: A caption, or a class's number ("207"); empty for none, which gives the prior itself.
        guidance: g of classifier-free guidance (Ho and Salimans, 2022), 0 to 31.875 in steps of 1/8; 1 is the
            model as it is.

    Returns:
        A prior with a fingerprint of its own.

    Raises:
        PscError: For a prior that takes no condition, or a guidance without one.
    """
    from psc.errors import PscError
    from psc.prior.pretrained.prior import DiffusionPrior

    if not condition:
        if guidance != 1:
            raise PscError(f"a guidance of {guidance} came without a caption; it would change nothing")
        return prior
    if not isinstance(prior, DiffusionPrior):
        raise PscError(f"the prior {prior.name} is unconditional: it takes no caption or class")
    return prior.conditioned(condition, guidance)
