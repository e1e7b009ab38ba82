"""What psc decode does with one file: the same alone, among many, or in a process of its own.

It imports PyTorch: the command imports it when it is called.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

from psc import files
from psc.bitstream.container import info
from psc.cli import console, names
from psc.cli.progress import ProgressBar
from psc.cli.tools import Load, Tools
from psc.codec import decode
from psc.errors import PscError
from psc.images import uncertainty
from psc.images.orientation import orientation
from psc.images.saving import encode_picture, picture_format
from psc.prior import Prior
from psc.session import restore
from psc.session.decoder import Decoded
from psc.session.restorations import Restoration


@dataclass(frozen=True)
class DecodeJob:
    """Decompress files; the fields are psc decode's options. See :class:`psc.cli.encode_job.EncodeJob`."""

    restore: Restoration | None = None
    steps: int | None = None
    variations: int | None = None
    uncertainty: str | None = None
    allow_partial: bool = False

    verb: ClassVar[str] = "decode"
    suffix: ClassVar[str] = ".png"

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "DecodeJob":
        """The job whose ``dataclasses.asdict`` this is: how it reaches another process."""
        return cls(**fields)

    def prepared(self, sources: list[str], *, many: bool = False) -> "DecodeJob":
        """The job for these files: itself."""
        del sources, many
        return self

    @property
    def line(self) -> str:
        """What is said of a file that is decoded."""
        outputs = f"{{output}} to {{outputs[{self.variations - 1}]}}" if self.variations else "{output}"
        cost = "{nfe_rounds:.0f} + {nfe_restoration:.0f} NFE, {seconds:.1f} s"
        return f"{outputs}: {{width}}x{{height}}, {{rounds}} rounds, {cost}"

    @property
    def restoration(self) -> Restoration:
        """The one that was asked for, or what suits the number of pictures."""
        return self.restore or ("sample" if self.variations else "mean")

    def check(self, load: Load) -> None:
        """Refuse, as a PscError, options that suit no file."""
        restore.check(self.restoration, self.steps, load(), several=bool(self.variations))

    def choose(self, source: str, target: str | None, force: bool) -> str:
        """The output's name; PscError if it, a variation or the map cannot be written."""
        if self.variations:
            console.choose_outputs(source, target, self.suffix, self.variations, force=force)
        target = console.choose_output(source, target, self.suffix, force=force or bool(self.variations))
        if self.uncertainty and self.uncertainty != files.STDIO:
            console.choose_output(source, self.uncertainty, ".png", force=force)
        return target

    def outputs(self, target: str) -> list[str]:
        """The names of what is written, but for the map."""
        return names.numbered(target, self.variations) if self.variations else [target]

    def pixels(self, file: IO[bytes]) -> int:
        """How many pixels a file's picture has: the work grows with them."""
        header = info(file.read(files.READ_LIMIT))
        return int(header["width"] * header["height"])

    def __call__(self, source: str, target: str, tools: Tools) -> dict[str, Any]:
        """Decode one file.

        Args:
            source: Its name, or ``-``.
            target: The picture's, or ``-``.
            tools: The prior, and whom to tell.

        Returns:
            The figures that ``line`` and --json show.
        """
        targets, data = self.outputs(target), files.read(source)
        header = info(data)
        image_format = picture_format(targets[0], header["mode"], (header["width"], header["height"]))
        map_format = self._map_format(targets[0])
        with tools.progress() as report:
            for name, found in zip(targets, self._pictures(data, tools.load(), report), strict=True):
                files.write(name, encode_picture(found.image, image_format))
        if self.uncertainty and found.deviation is not None:
            drawn = uncertainty.uncertainty_map(found.deviation, orientation(found.image.info))
            files.write(self.uncertainty, encode_picture(drawn, map_format))
        if found.note:
            warnings.warn(f"{found.note}; decoded {found.rounds} of {header['rounds']} rounds", stacklevel=1)
        return {"input": source, "output": targets[0]} | self._figures(found, report) | {"outputs": targets}

    def _pictures(self, data: bytes, model: Prior, report: ProgressBar) -> Iterable[Decoded]:
        """The picture, or the variations as they are made."""
        options: dict[str, Any] = {"restoration": self.restoration, "steps": self.steps, "prior": model}
        options |= {"allow_partial": self.allow_partial, "progress": report}
        if self.variations:
            return decode.variations(data, self.variations, **options)
        return [decode.decode_details(data, uncertainty=bool(self.uncertainty), **options)]

    def _figures(self, found: Decoded, report: ProgressBar) -> dict[str, Any]:
        """Size, costs and what is missing of the (last) picture."""
        width, height = found.image.size
        figures: dict[str, Any] = {"width": width, "height": height} | report.figures()
        figures |= {"rounds": found.rounds, "symbols": found.symbols, "complete": found.complete}
        figures |= {"note": found.note, "nfe_rounds": found.nfe[0], "restoration": self.restoration}
        return figures | {"nfe_restoration": figures["nfe"] - found.nfe[0]}

    def _map_format(self, picture: str) -> str:
        """Pillow's format for the uncertainty map, if one is wanted; PscError if it cannot be made."""
        target = self.uncertainty
        if target is None:
            return ""
        if target == files.STDIO or Path(target).resolve() == Path(picture).resolve():
            raise PscError("the uncertainty map needs a file of its own: name one")
        return picture_format(target, "RGB", (64, 64))
