"""What psc encode does with one picture: the same alone, among many, or in a process of its own."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import typer

from psc import files
from psc.cli.progress import Meter
from psc.errors import PscError

if TYPE_CHECKING:
    from PIL import Image

    from psc.plan.plan import Level, Settings
    from psc.prior import Prior
    from psc.session.decoder import Decoded
    from psc.session.journal import Journal
    from psc.session.restore import Restoration


@dataclass(frozen=True)
class Encoding:
    """Compress pictures; the fields are psc encode's options.

    captions: of single pictures, by file name. simulate: a restoration, to also write the picture that a
    decoder would show, from the encoder's state. JSON can carry it to a worker; PyTorch is imported when it
    is called.
    """

    quality: float | None = None
    target_size: int | None = None
    target_bpp: float | None = None
    target_psnr: float | None = None
    preset: str | None = None
    effort: int | None = None
    samples: int | None = None
    rows: int | None = None
    rounds: int | None = None
    round_steps: int | None = None
    caption: str = ""
    captions: dict[str, str] = field(default_factory=dict)
    guidance: float = 1.0
    label: int | None = None
    seed: int = 0
    simulate: "Restoration | None" = None
    strip: bool = False
    resume: bool = False

    verb: ClassVar[str] = "encode"
    suffix: ClassVar[str] = ".psc"
    line: ClassVar[str] = (
        "{output}: {bytes} bytes, {bpp:.4f} bpp, {rounds} rounds, {nfe:.0f} NFE, {seconds:.1f} s"
    )

    def check(self, load: "Callable[[], Prior]") -> None:
        """PscError for options that suit no picture."""
        from psc import prior
        from psc.session import restore

        changed = [self.samples, self.rows, self.rounds, self.round_steps].count(None) < 4
        if self.caption and self.label is not None:
            raise PscError("--caption and --class exclude each other: a model takes one of them")
        if (changed or self.simulate) and self._targets():
            raise PscError("a plan of one's own and --simulate go with a quality, not with a target")
        if self.resume and self.simulate:
            raise PscError("--simulate keeps nothing to resume from: leave one of the two out")
        if self.strip and self.simulate:
            raise PscError("--simulate keeps what the picture carries: leave one of it and --strip out")
        model = load()
        if not self._targets():
            self._settings(model)
        if self.simulate:
            restore.check(self.simulate, None, model)
        if self.label is not None:
            prior.conditioned(model, str(self.label), self.guidance)

    def _targets(self) -> bool:
        return any(v is not None for v in (self.target_size, self.target_bpp, self.target_psnr))

    def outputs(self, target: str) -> list[str]:
        """The names of what is written."""
        return [target, str(Path(target).with_suffix(".png"))] if self.simulate else [target]

    def pixels(self, source: str) -> int:
        """What the work grows with."""
        from PIL import Image

        with Image.open(source) as image:
            return image.width * image.height

    def __call__(
        self,
        source: str,
        target: str,
        load: "Callable[[], Prior]",
        meter: Callable[[], Meter],
        quiet: bool = False,
    ) -> dict[str, Any]:
        """Encode one picture; its figures."""
        image = files.read_picture(source)
        self.check(load)
        model, caption = self._conditioned(load(), image, source)
        with self._journal(target, quiet) as journal:
            with meter() as report:
                data, shown = self._coded(image, model, report, journal)
            files.write(target, data)
        width, height = image.size
        figures = {"input": source, "output": target, "width": width, "height": height, "bytes": len(data)}
        figures |= {"bpp": 8 * len(data) / (width * height), "caption": caption, **report.figures()}
        if shown is not None:
            from psc.images.pixels import psnr, to_image, to_tensor

            files.write(self.outputs(target)[1], files.encode_picture(shown.image, "PNG"))
            figures["psnr"] = psnr(to_image(to_tensor(image)), shown.image)
        return figures

    def _coded(
        self, image: "Image.Image", model: "Prior", report: Meter, journal: "Journal | None"
    ) -> "tuple[bytes, Decoded | None]":
        from psc.codec import encode

        names = ("quality", "target_size", "target_bpp", "target_psnr", "preset", "effort", "seed")
        if self._targets():
            goal: dict[str, Any] = {name: getattr(self, name) for name in names}
            goal |= {"strip": self.strip, "prior": model, "progress": report, "journal": journal}
            return encode.encode(image, **goal), None
        chosen = self._settings(model)
        if self.simulate:
            return encode.simulate(image, chosen, restoration=self.simulate, prior=model, progress=report)
        options: dict[str, Any] = {"strip": self.strip, "prior": model, "progress": report}
        return encode.encode_with(image, chosen, **options, journal=journal), None

    def _settings(self, model: "Prior") -> "Settings":
        from psc.codec import encode
        from psc.plan.presets import settings

        quality = 50 if self.quality is None else self.quality
        chosen = settings(quality, encode.preset_for(model, self.preset), self.seed, self.effort)
        return adjusted(
            chosen, samples=self.samples, rows=self.rows, steps=self.round_steps, rounds=self.rounds
        )

    def _conditioned(self, model: "Prior", image: "Image.Image", source: str) -> "tuple[Prior, str]":
        from psc import prior

        caption = self.captions.get(Path(source).name, self.caption)
        if caption == "auto":
            from psc.cli.captioner import describe

            caption = describe(image, str(model.device))
        given = caption if self.label is None else str(self.label)
        return prior.conditioned(model, given, self.guidance if given or not self.captions else 1.0), caption

    @contextmanager
    def _journal(self, target: str, quiet: bool) -> "Iterator[Journal | None]":
        """What keeps an encode's draws until its file is written; a line on stderr if that is not reached."""
        path = None if self.simulate else files.choose_journal(target, resume=self.resume)
        if path is None:
            yield None
            return
        from psc.session.journal import Journal

        journal = Journal(path, resume=self.resume)
        try:
            yield journal
        except BaseException:
            if journal.kept and not quiet:
                typer.echo(f"psc: {path} holds what was drawn: add --resume to go on from there", err=True)
            raise
        journal.remove()


def adjusted(
    given: "Settings",
    *,
    samples: int | None = None,
    rows: int | None = None,
    steps: int | None = None,
    rounds: int | None = None,
) -> "Settings":
    """Settings with another number of samples, rows, steps or rounds; PscError if no plan has such.

    rows: of every round but those of a full basis (0 rows); the samples follow, as published: 4/3 of it.
    """
    plan = given.plan
    if rows and not samples:
        samples = max(rows * 4 // 3, rows + 1)
    levels = tuple(_with(level, samples or level.samples, steps) for level in plan.levels)
    changed = [
        replace(item, rows=item.rows and (rows or item.rows), steps=steps or item.steps)
        for item in plan.rounds
    ]
    plan = replace(plan, levels=levels, rounds=tuple(changed))
    return replace(given, plan=plan, rounds=given.rounds if rounds is None else rounds)


def _with(level: "Level", samples: int, steps: int | None) -> "Level":
    """A level with other samples, and no more estimates than a plan may have then."""
    estimates = max(1, min(level.estimates, steps or level.estimates, 64 // samples))
    return replace(level, samples=samples, estimates=estimates)


def captions(sources: list[str], file: str | None) -> dict[str, str]:
    """The captions of these pictures, by name, from a JSON file that has one of each."""
    if file is None:
        return {}
    try:
        found = json.loads(files.read(file))
    except ValueError as error:
        raise PscError(f"{file} is not JSON: {error}") from error
    own: dict[str, str] = {}
    for name in (Path(source).name for source in sources):
        caption = found.get(name) if isinstance(found, dict) else None
        if not isinstance(caption, str):
            raise PscError(f'{file} has no caption of {name}; expected {{"{name}": "...", ...}}')
        own[name] = caption
    return own
