"""What psc encode does with one picture: the same alone, among many, or in a process of its own.

It imports PyTorch: the command imports it when it is called.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any, ClassVar

from PIL import Image

from psc import files, prior
from psc.cli import console, names, region
from psc.cli.encode_options import Condition, Goal, PlanChanges, adjusted, read_captions
from psc.cli.progress import ProgressBar
from psc.cli.tools import Load, Tools
from psc.codec import encode
from psc.codec.simulate import simulate
from psc.errors import PscError
from psc.images import opening
from psc.images.pixels import psnr, to_image, to_tensor
from psc.images.saving import encode_picture
from psc.plan.plan import Settings
from psc.plan.presets import settings
from psc.prior import Prior
from psc.session import restore
from psc.session.decoder import Decoded
from psc.session.journal import Journal
from psc.session.restorations import Restoration

DEFAULT_QUALITY = 50


@dataclass(frozen=True)
class EncodeJob:
    """Compress pictures; the fields are psc encode's options.

    Attributes:
        goal: What the file is to reach, and the preset.
        changes: To the preset's plan.
        condition: What the prior is told.
        simulate: A restoration: the picture that a decoder would show is also written, from the encoder's
            state.
        roi: Regions of interest, as the option has them.
        strip: Leave out what the picture carries but its alpha.
        keep_profile: Keep the bytes of a well-known colour profile.
        resume: Go on from a journal.
    """

    goal: Goal = field(default_factory=Goal)
    changes: PlanChanges = field(default_factory=PlanChanges)
    condition: Condition = field(default_factory=Condition)
    simulate: Restoration | None = None
    roi: tuple[str, ...] = ()
    strip: bool = False
    keep_profile: bool = False
    resume: bool = False

    verb: ClassVar[str] = "encode"
    suffix: ClassVar[str] = names.PSC
    line: ClassVar[str] = (
        "{output}: {bytes} bytes, {bpp:.4f} bpp, {rounds} rounds, {nfe:.0f} NFE, {seconds:.1f} s"
    )

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "EncodeJob":
        """The job whose ``dataclasses.asdict`` this is: how it reaches another process."""
        groups = {"goal": Goal, "changes": PlanChanges, "condition": Condition}
        return cls(**fields | {name: group(**fields[name]) for name, group in groups.items()})

    def prepared(self, sources: list[str], *, many: bool = False) -> "EncodeJob":
        """The job for these pictures, whose captions are read; PscError for a mask that will not be there."""
        region.check_mask(self.roi, sources, many=many)
        captions = read_captions(sources, self.condition.captions_file)
        return replace(self, condition=replace(self.condition, captions=captions))

    def check(self, load: Load) -> None:
        """Refuse, as a PscError, options that suit no picture."""
        conditions = (
            (not self.condition.caption or self.condition.label is None,
             "--caption and --class exclude each other: a model takes one of them"),
            (not self.goal.is_target or not (self.simulate or self.changes != PlanChanges()),
             "a plan of one's own and --simulate go with a quality, not with a target"),
            (not self.resume or not self.simulate,
             "--simulate keeps nothing to resume from: leave one of the two out"),
            (not (self.strip or self.keep_profile) or not self.simulate,
             "--simulate keeps what the picture carries: leave out --strip and --keep-profile, or it"),
            (not self.strip or not self.keep_profile,
             "--strip leaves the profile out: leave out it or --keep-profile"),
        )  # fmt: skip
        for holds, otherwise in conditions:
            if not holds:
                raise PscError(otherwise)
        model = load()
        if not self.goal.is_target:
            self._settings(model)
        if self.simulate:
            restore.check(self.simulate, None, model)
        if self.condition.label is not None:
            prior.conditioned(model, str(self.condition.label), self.condition.guidance)

    def choose(self, source: str, target: str | None, force: bool) -> str:
        """The output's name; PscError if it, or the simulated picture, cannot be written."""
        target = console.choose_output(source, target, self.suffix, force=force)
        if self.simulate and target == files.STDIO:
            raise PscError("--simulate writes a picture beside the file: name an output file")
        for output in self.outputs(target)[1:]:
            console.choose_output(source, output, ".png", force=force)
        return target

    def outputs(self, target: str) -> list[str]:
        """The names of what is written."""
        return [target, names.with_suffix(target, ".png")] if self.simulate else [target]

    def pixels(self, file: IO[bytes]) -> int:
        """How many pixels a picture has: the work grows with them."""
        with Image.open(file) as image:
            return image.width * image.height

    def __call__(self, source: str, target: str, tools: Tools) -> dict[str, Any]:
        """Encode one picture.

        Args:
            source: Its file, or ``-``.
            target: The output's, or ``-``.
            tools: The prior, and whom to tell.

        Returns:
            The figures that ``line`` and --json show.
        """
        image = opening.read_picture(source)
        self.check(tools.load)
        model, caption = self.condition.given_to(tools.load(), image, source)
        with self._journal(target, tools.quiet) as journal:
            with tools.progress() as report:
                data, shown = self._coded(image, model, report, journal)
            files.write(target, data)
        width, height = image.size
        figures = {"input": source, "output": target, "width": width, "height": height, "bytes": len(data)}
        figures |= {"bpp": 8 * len(data) / (width * height), "caption": caption, **report.figures()}
        if shown is not None:
            files.write(self.outputs(target)[1], encode_picture(shown.image, "PNG"))
            figures["psnr"] = psnr(to_image(to_tensor(image)), shown.image)
        return figures

    def _coded(
        self, image: Image.Image, model: Prior, report: ProgressBar, journal: Journal | None
    ) -> tuple[bytes, Decoded | None]:
        """The file, and the picture if it is simulated."""
        options: dict[str, Any] = {"prior": model, "progress": report}
        roi = region.read_roi(self.roi)
        if self.simulate:
            chosen = encode.with_roi(self._settings(model), roi, image)
            return simulate(image, chosen, restoration=self.simulate, **options)
        options |= {"strip": self.strip, "keep_profile": self.keep_profile, "journal": journal}
        if self.goal.is_target:
            return encode.encode(image, **asdict(self.goal), roi=roi, **options), None
        chosen = encode.with_roi(self._settings(model), roi, image, strip=self.strip)
        return encode.encode_with(image, chosen, **options), None

    def _settings(self, model: Prior) -> Settings:
        """What a quality means, with the changes."""
        goal = self.goal
        quality = DEFAULT_QUALITY if goal.quality is None else goal.quality
        chosen = settings(quality, encode.preset_for(model, goal.preset), goal.seed, goal.effort)
        return adjusted(chosen, **asdict(self.changes))

    @contextmanager
    def _journal(self, target: str, quiet: bool) -> Iterator[Journal | None]:
        """What keeps an encode's draws until its file is written; a line on stderr if that is not reached."""
        path = None if self.simulate else console.choose_journal(target, resume=self.resume)
        if path is None:
            yield None
            return
        journal = Journal(path, resume=self.resume)
        try:
            yield journal
        except BaseException:
            if journal.kept and not quiet:
                console.say(f"psc: {path} holds what was drawn: add --resume to go on from there")
            raise
        journal.remove()
