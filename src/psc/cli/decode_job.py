"""What psc decode does with one file: the same alone, among many, or in a process of its own."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from psc import files
from psc.bitstream.container import info
from psc.cli.progress import Meter
from psc.errors import PscError

if TYPE_CHECKING:
    from psc.prior import Prior
    from psc.session.restore import Restoration


@dataclass(frozen=True)
class Decoding:
    """Decompress files; the fields are psc decode's options. See :class:`psc.cli.encode_job.Encoding`."""

    restore: "Restoration | None" = None
    steps: int | None = None
    variations: int | None = None
    uncertainty: str | None = None
    allow_partial: bool = False

    verb: ClassVar[str] = "decode"
    suffix: ClassVar[str] = ".png"

    @property
    def line(self) -> str:
        """What is said of a file."""
        names = f"{{output}} to {{outputs[{self.variations - 1}]}}" if self.variations else "{output}"
        cost = "{nfe_rounds:.0f} + {nfe_restoration:.0f} NFE, {seconds:.1f} s"
        return f"{names}: {{width}}x{{height}}, {{rounds}} rounds, {cost}"

    @property
    def how(self) -> "Restoration":
        """The restoration."""
        return self.restore or ("sample" if self.variations else "mean")

    def check(self, load: "Callable[[], Prior]") -> None:
        """PscError for options that suit no file."""
        from psc.session import restore

        restore.check(self.how, self.steps, load(), several=bool(self.variations))

    def outputs(self, target: str) -> list[str]:
        """The names of what is written, but for the map."""
        return files.numbered(target, self.variations) if self.variations else [target]

    def pixels(self, source: str) -> int:
        """What the work grows with."""
        header = info(files.read(source))
        return int(header["width"] * header["height"])

    def __call__(
        self,
        source: str,
        target: str,
        load: "Callable[[], Prior]",
        meter: Callable[[], Meter],
        quiet: bool = False,
    ) -> dict[str, Any]:
        """Decode one file; its figures. quiet: without meaning here."""
        del quiet
        targets, data = self.outputs(target), files.read(source)
        header = info(data)
        picture_format = files.picture_format(targets[0], header["mode"], (header["width"], header["height"]))
        map_format = self._map_format(targets[0])
        from psc.codec import decode
        from psc.images import uncertainty

        options: dict[str, Any] = {"restoration": self.how, "steps": self.steps}
        options["allow_partial"] = self.allow_partial
        with meter() as report:
            options |= {"prior": load(), "progress": report}
            if self.variations:
                pictures = decode.variations(data, self.variations, **options)
            else:
                pictures = iter([decode.decode_details(data, uncertainty=bool(self.uncertainty), **options)])
            for name, found in zip(targets, pictures, strict=True):
                files.write(name, files.encode_picture(found.image, picture_format))
        if self.uncertainty and found.deviation is not None:
            drawn = uncertainty.uncertainty_map(found.deviation)
            files.write(self.uncertainty, files.encode_picture(drawn, map_format))
        if found.note:
            warnings.warn(f"{found.note}; decoded {found.rounds} of {header['rounds']} rounds", stacklevel=1)
        width, height = found.image.size
        figures: dict[str, Any] = {"input": source, "output": targets[0], "width": width, "height": height}
        figures |= report.figures()
        figures |= {"rounds": found.rounds, "symbols": found.symbols, "complete": found.complete}
        figures |= {"note": found.note, "nfe_rounds": found.nfe[0]}
        figures |= {"nfe_restoration": figures["nfe"] - found.nfe[0], "restoration": self.how}
        return figures | {"outputs": targets}

    def _map_format(self, picture: str) -> str:
        """Pillow's format for the uncertainty map, if one is wanted; PscError if it cannot be made."""
        target = self.uncertainty
        if target is None:
            return ""
        if target == files.STDIO or Path(target).resolve() == Path(picture).resolve():
            raise PscError("the uncertainty map needs a file of its own: name one")
        from psc.images import uncertainty

        uncertainty.require()
        return files.picture_format(target, "RGB", (64, 64))
