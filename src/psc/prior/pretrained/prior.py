"""Any public diffusion model as a prior: a float network and its parametrisation.

Floating-point networks give slightly different numbers on different processors, with different numbers of
threads and with other releases of a library, so ``exact`` is False: docs/priors.md says what a file made
with such a prior can promise, and how an adapter is written.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import torch

from psc.errors import PscError
from psc.exact.threads import isolated, spread
from psc.prior.pretrained.parametrisation import Parametrisation, Predict


@dataclass
class DiffusionPrior:
    """A pre-trained diffusion model as a prior: :class:`psc.prior.Prior`, :class:`psc.prior.Differentiable`.

    (More than ten attributes: the two interfaces ask for seven of them, and what a condition makes of a model
    is told by four.)

    Attributes:
        name: For messages.
        predict: The network, for float32 tensors on ``device``.
        parametrisation: What the network predicts, at which noise levels.
        channels: Of the pictures, or latents, that it models.
        multiple: Heights and widths must be multiples of it.
        fingerprint: SHA-256 digest of weights, settings and condition.
        device: Where it is evaluated.
        bind: The network under a condition (a class's number, a caption) and a guidance; None for a model
            that takes none.
        exact: False: floating-point networks give other bits on other machines.
        factor: Side, in the picture's pixels, of what one of a latent's pixels stands for; 1 for pixels.
        condition: The caption or class that it was given by :meth:`conditioned`; empty for none.
        guidance: g of classifier-free guidance that it was given with it.
    """

    name: str
    predict: Predict
    parametrisation: Parametrisation
    channels: int
    multiple: int
    fingerprint: bytes
    device: torch.device
    bind: Callable[[str, float], Predict] | None = None
    exact: bool = False
    factor: int = 1
    condition: str = ""
    guidance: float = 1.0

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """See :meth:`psc.prior.Prior.denoise`; these models are not told the scale."""
        del scale
        with reproducible(), torch.inference_mode():
            return self.parametrisation.estimate(self.predict, x, sigma)

    def pullback(self, x: torch.Tensor, v: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """See :meth:`psc.prior.Differentiable.pullback`."""
        del scale
        with reproducible(), torch.enable_grad():
            x = x.detach().requires_grad_()
            estimate = self.parametrisation.estimate(self.predict, x, sigma)
            return torch.autograd.grad(estimate, x, v)[0]

    def conditioned(self, condition: str, guidance: float = 1.0) -> Self:
        """The same model given a caption or a class; both sides need the same, so an encoder writes it into
        the file.

        Args:
            condition: A caption, or a class's number ("207").
            guidance: g of classifier-free guidance (Ho and Salimans, 2022), p = p_free + g (p_given -
                p_free): 1 is the model as it is, at one evaluation; others cost two, but for an empty
                condition and for models that were taught guidance as an input (FLUX.1 [dev]). Files hold
                multiples of 1/8 up to 31.875.

        Raises:
            PscError: For a model that takes no condition, or text that is not Unicode.
        """
        try:
            condition.encode()
        except UnicodeEncodeError as error:
            raise PscError(f"{condition!r} is not Unicode text: {error.reason}") from error
        if self.bind is None:
            raise PscError(f"the prior {self.name} is unconditional: it takes no caption or class")
        guidance = guidance if condition else 1.0
        predict = self.bind(condition, guidance)
        digest = hashlib.sha256(self.fingerprint + json.dumps([condition, float(guidance)]).encode())
        changed = digest.digest() if condition else self.fingerprint
        return replace(
            self, predict=predict, fingerprint=changed, bind=None, condition=condition, guidance=guidance
        )


def classifier_free(given: Callable[[str], Predict]) -> Callable[[str, float], Predict]:
    """A ``bind`` that guides by a second evaluation, of a model that is given a condition by ``given``."""

    def bind(condition: str, guidance: float) -> Predict:
        under = given(condition)
        return under if guidance == 1 else _guided(given(""), under, guidance)

    return bind


def _guided(free: Predict, given: Predict, guidance: float) -> Predict:
    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        start = free(x_t, t)
        return start + guidance * (given(x_t, t) - start)

    return predict


@contextmanager
def reproducible() -> Iterator[None]:
    """Compute whatever the caller has set; the network's operations may use all threads."""
    with isolated(), spread():
        yield
