"""From a session's measurements to the picture: the decoder's choice, on the same file.

    preview  the mean of the particles at hand, no network evaluation
    mean     the mean of posterior samples, two or all: the estimate of least squared error, the highest PSNR
    ddrm     one sample by DDRM from pure noise, the published low-distortion restoration
    pigdm    one sample by PiGDM from pure noise, the published high-realism restoration
    sample   one sample of more texture, by a stochastic multistep sampler from the last round's particle

No restoration is both closest to the truth and indistinguishable from a photograph (Blau and Michaeli, "The
perception-distortion trade-off", 2018): a mean is closer, a sample more natural. None changes the session, so
that any number of them can be made of one.

ddrm is the sampler of the rounds (psc.posterior.ddrm): noise-aware, with every estimate projected onto the
measurements. DDRM proper ignores them below sigma_y and loses what they know (docs/DESIGN.md has the formula,
docs/ablations.md the comparison).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from numbers import Integral

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.exact import to_grid
from psc.exact.fixed import LATENT_LIMIT
from psc.exact.threads import isolated
from psc.plan.noise_levels import HIGHEST, LOWEST
from psc.posterior import Sampler, ddrm, multistep, pigdm
from psc.prior import Differentiable, Prior
from psc.session.particles import Sampling
from psc.session.restorations import RESTORATIONS
from psc.session.restorations import Restoration as Restoration
from psc.session.session import Session

Shown = Callable[[torch.Tensor], torch.Tensor]
CARRIED = Sampling(steps=5, count=2, of=2, lowest=52, end=40)
"""The samples of a mean that go on from full resolution's particles: from sigma = 0.35 at least to 0.095, two
with noises that are each other's opposite (docs/ablations.md)."""
SINGLE: dict[str, tuple[Sampler, int, int]] = {
    "sample": (multistep.draw, 50, 4),
    "ddrm": (ddrm.draw, HIGHEST, 20),
    "pigdm": (pigdm.draw, HIGHEST, 40),
}
"""Restorations that are one sample: by which sampler, from which noise level at least, in how many steps by
default. HIGHEST: from pure noise."""
MAX_STEPS = HIGHEST - LOWEST + 1
"""As many as there are noise levels."""
GREY_LEVELS = 127.5
"""8-bit grey levels per unit of a pixel in [-1, 1]."""


def check(how: str, steps: int | None, prior: Prior, *, several: bool = False) -> None:
    """PscError if the restoration is unknown or impossible. several: pictures that differ are wanted."""
    if how not in RESTORATIONS:
        raise PscError(f"restoration {how!r} is unknown; choose one of: {', '.join(RESTORATIONS)}")
    if several and how in ("preview", "mean"):
        raise PscError(f"restoration {how!r} is a single picture; variations are: sample, ddrm or pigdm")
    if steps is not None and how == "preview":
        raise PscError("restoration 'preview' evaluates nothing; leave out the steps, or choose another one")
    whole = isinstance(steps, Integral) and not isinstance(steps, bool)
    if steps is not None and not (whole and 2 <= steps <= MAX_STEPS):
        raise PscError(f"{steps} steps asked for; expected 2 to {MAX_STEPS} evaluations per sample")
    if how == "pigdm" and not isinstance(prior, Differentiable):
        raise PscError(f"pigdm needs the prior's derivative, and {prior.name!r} has none; choose ddrm")


@isolated()
def restore(session: Session, how: Restoration = "mean", steps: int | None = None) -> torch.Tensor:
    """The picture (C, H, W) in [-1, 1] (or its latents), still padded, from all that is measured.

    steps: network evaluations per sample. By default those of SINGLE, CARRIED's for the mean; for
    mean and sample the plan's fresh steps where the particles are of a coarser level.
    """
    check(how, steps, session.prior)
    if how == "preview":
        return _preview(session)
    if how == "mean":
        return mean_of(session, _averaged(session, steps))
    return _sample(session, how, steps, 0)


def variations(session: Session, count: int, how: Restoration, steps: int | None) -> Iterator[torch.Tensor]:
    """Pictures (C, H, W) that are all plausible, each with a noise of its own; the first is ``restore``'s."""
    check(how, steps, session.prior, several=True)
    return (_sample(session, how, steps, number) for number in range(count))


@isolated()
def mean_and_deviation(
    session: Session, steps: int | None = None, shown: Shown = lambda samples: samples
) -> tuple[torch.Tensor, torch.Tensor]:
    """The restoration ``mean``, and how much its samples differ: (H, W), in 8-bit grey levels.

    The deviation is the standard deviation of as many samples as there are particles, of which the mean's are
    the first; as root mean square over the colours. It says what the measurements leave open as far as the
    prior knows; it does not count the measurements' own rounding.
    shown: what the samples (s, C, H, W) look like, if they are not pictures but latents.
    """
    check("mean", steps, session.prior)
    how = _averaged(session, steps)
    found = session.sample(0, replace(how, count=None))  # of which the mean's are the first
    varied = shown(session.projected(0, found)).var(0)
    return _mean(session, found[: how.count]), GREY_LEVELS * varied.mean(0).sqrt()


def mean_of(session: Session, how: Sampling) -> torch.Tensor:
    """The mean (C, H, W) of posterior samples that are drawn in any way."""
    return _mean(session, session.sample(0, how))


def _averaged(session: Session, steps: int | None) -> Sampling:
    """How the samples that ``mean`` averages are drawn; of coarser particles and for paper plans, all."""
    fresh = Sampling(session.plan.fresh_steps, lowest=CARRIED.lowest)
    how = CARRIED if session.particles.carries(0) else fresh
    return how if steps is None else replace(how, steps=steps)


def usual_steps(session: Session, how: str = "mean") -> int:
    """Network evaluations for each sample of a restoration, if nothing else is asked for.

    Those of carried particles are few; coarser ones, and a paper plan's, take the plan's fresh steps.
    """
    if how == "mean":
        return _averaged(session, None).steps
    _, lowest, steps = SINGLE[how]
    return steps if lowest == HIGHEST or session.particles.carries(0) else session.plan.fresh_steps


def evaluations(session: Session, how: Restoration) -> int:
    """Network evaluations of a restoration's usual steps, over all its samples."""
    if how == "preview":
        return 0
    if how == "mean":
        return usual_steps(session) * (_averaged(session, None).count or session.plan.levels[0].samples)
    return usual_steps(session, how)


def _sample(session: Session, how: str, steps: int | None, number: int) -> torch.Tensor:
    sampler, lowest, _ = SINGLE[how]
    return drawn(session, sampler, Sampling(steps or usual_steps(session, how), number, lowest=lowest))


def drawn(session: Session, sampler: Sampler, how: Sampling) -> torch.Tensor:
    """One posterior sample (C, H, W) as a picture: DDRM's last estimate is still to be projected."""
    found = session.single(sampler, how)
    return (session.projected(0, found) if sampler is ddrm.draw else found)[0]


def _preview(session: Session) -> torch.Tensor:
    """The particles' mean at the level they have, enlarged, then moved to agree with the measurements."""
    channels, (height, width) = session.pyramid.channels, session.pyramid.shape(0)
    if session.particles.values is None:
        return torch.zeros(channels, height, width)
    mean, limit = _average(session.particles.values), 1.0 if session.prior.factor == 1 else LATENT_LIMIT
    if mean.shape[2:] != (height, width):
        # Exact: the scale is a power of two, so weights are multiples of 2^-34, and pixels of 2^-16.
        mean = functional.interpolate(mean, (height, width), mode="bicubic", align_corners=False)
    return session.projected(0, mean.clamp(-limit, limit).float())[0]


def _mean(session: Session, samples: torch.Tensor) -> torch.Tensor:
    """The mean (C, H, W) of posterior samples (s, C, H, W), moved to the measurements."""
    return session.projected(0, _average(samples).float())[0]


def _average(particles: torch.Tensor) -> torch.Tensor:
    """The mean of particles (s, C, h, w): (1, C, h, w) float64 multiples of 2^-16."""
    whole = torch.zeros_like(particles[:1], dtype=torch.float64)
    for particle in particles:  # their sums are exact, and one at a time needs less memory
        whole += particle
    return to_grid(whole / len(particles))
