"""What an encode is asked for, in groups: its goal, changes to the preset's plan, what the prior is told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from psc import files, prior
from psc.cli import captioner
from psc.errors import PscError
from psc.plan.plan import Level, Settings
from psc.plan.presets import Preset
from psc.prior import Prior

MOST_ESTIMATES = 64
"""Samples times estimates that a level of a plan may have."""


@dataclass(frozen=True)
class Goal:
    """How large or how good the file is to be; the fields are arguments of :func:`psc.encode`."""

    quality: float | None = None
    target_size: int | None = None
    target_bpp: float | None = None
    target_psnr: float | None = None
    preset: Preset | None = None
    effort: int | None = None
    seed: int = 0

    @property
    def is_target(self) -> bool:
        """Whether a size or a PSNR is asked for, instead of a quality."""
        return any(value is not None for value in (self.target_size, self.target_bpp, self.target_psnr))


@dataclass(frozen=True)
class PlanChanges:
    """What is to be other than in the preset's plan; None: nothing. The fields are those of `adjusted`."""

    samples: int | None = None
    rows: int | None = None
    steps: int | None = None
    rounds: int | None = None


@dataclass(frozen=True)
class Condition:
    """What the prior is told.

    Attributes:
        caption: Of every picture; "auto": what BLIP-2 says of it.
        captions_file: A JSON file of captions by the picture's file name, or None.
        captions: What was read from it.
        guidance: Weight of the caption or class.
        label: A class's number, or None.
    """

    caption: str = ""
    captions_file: str | None = None
    captions: Mapping[str, str] = field(default_factory=dict)
    guidance: float = 1.0
    label: int | None = None

    def given_to(self, model: Prior, image: Image.Image, source: str) -> tuple[Prior, str]:
        """The prior that knows what it is told of a picture, and the picture's caption."""
        caption = self.captions.get(Path(source).name, self.caption)
        if caption == "auto":
            caption = captioner.describe(image, str(model.device))
        given = caption if self.label is None else str(self.label)
        guidance = self.guidance if given or not self.captions else 1.0
        return prior.conditioned(model, given, guidance), caption


def adjusted(
    given: Settings,
    *,
    samples: int | None = None,
    rows: int | None = None,
    steps: int | None = None,
    rounds: int | None = None,
) -> Settings:
    """Settings with changes to their plan.

    Args:
        given: The preset's.
        samples: Of every level; None for as many as follow from ``rows``, or the preset's.
        rows: Of every round but those of a full basis (0 rows); the samples follow, as published: 4/3 of it.
        steps: Network evaluations per sample and round; few of them may leave fewer rows, too.
        rounds: How many.

    Raises:
        PscError: If no plan has such.
    """
    plan = given.plan
    if rows and not samples:
        samples = max(rows * 4 // 3, rows + 1)
    levels = tuple(_with(level, samples or level.samples, steps) for level in plan.levels)
    changed = [
        replace(item, rows=item.rows and (rows or item.rows), steps=steps or item.steps)
        for item in plan.rounds
    ]
    if steps and not (rows or samples):  # few steps leave few estimates, and these few directions
        most = [(level.samples - 1) * level.estimates for level in levels]
        changed = [replace(item, rows=min(item.rows, most[item.level])) for item in changed]
    plan = replace(plan, levels=levels, rounds=tuple(changed))
    return replace(given, plan=plan, rounds=given.rounds if rounds is None else rounds)


def _with(level: Level, samples: int, steps: int | None) -> Level:
    """A level with other samples, and no more estimates than a plan may have then."""
    most = MOST_ESTIMATES // samples
    return replace(level, samples=samples, estimates=max(1, min(level.estimates, steps or most, most)))


def read_captions(sources: list[str], file: str | None) -> dict[str, str]:
    """The captions of these pictures by file name, from a JSON file (or None) that has one of each."""
    if file is None:
        return {}
    try:
        found = json.loads(files.read(file))
    except ValueError as error:
        raise PscError(f"{file} is not JSON: {error}") from error
    chosen: dict[str, str] = {}
    for name in (Path(source).name for source in sources):
        caption = found.get(name) if isinstance(found, dict) else None
        if not isinstance(caption, str):
            raise PscError(f'{file} has no caption of {name}; expected {{"{name}": "...", ...}}')
        chosen[name] = caption
    return chosen
