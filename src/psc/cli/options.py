"""The options that several commands have, and values that group what a command was told."""

from dataclasses import dataclass
from typing import Annotated

import typer

from psc.plan.presets import Preset
from psc.session.restorations import Restoration


@dataclass(frozen=True)
class Place:
    """Where outputs go.

    Attributes:
        out: The folder of many files' outputs, or its URL; None for a single file.
        jobs: How many processes share the work; None if the user did not say.
        force: What is there already is overwritten.
        ray: The address of the Ray cluster that does the work; None: this machine.
    """

    out: str | None = None
    jobs: int | None = None
    force: bool = False
    ray: str | None = None


@dataclass(frozen=True)
class Output:
    """What a command says, on stderr or (as JSON) on stdout."""

    quiet: bool = False
    verbose: bool = False
    as_json: bool = False


Pictures = Annotated[
    list[str],
    typer.Argument(
        metavar="IN [OUT]",
        help="A picture, and its .psc file; - is a standard stream. With --out: any number of pictures, "
        "folders and patterns.",
    ),
]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="IN [OUT]",
        help="A .psc file, and its picture; - is a standard stream. With --out: any number of .psc files, "
        "folders and patterns.",
    ),
]
OutFolder = Annotated[
    str | None,
    typer.Option(
        "--out", metavar="DIR", help="Write there; what is there already is left as it is (but see --force)."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="With --out: so many processes, which share the cores."),
]
Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="With --out: work on a Ray cluster; local: on this machine's."),
]
File = Annotated[str, typer.Argument(metavar="IN", help="The .psc file; - is standard input.")]
Out = Annotated[
    str | None, typer.Argument(metavar="OUT", help="Default: IN with another suffix; - is standard output.")
]
Quality = Annotated[
    float | None,
    typer.Option("--quality", "-q", min=0, max=100, help="0 is the smallest file.  [default: 50]"),
]
TargetSize = Annotated[int | None, typer.Option(min=1, help="Bytes that are not exceeded.")]
TargetBpp = Annotated[float | None, typer.Option(min=0, help="Bits per pixel that are not exceeded.")]
TargetPsnr = Annotated[float | None, typer.Option(help="dB that the mean restoration reaches.")]
PresetName = Annotated[
    Preset | None,
    typer.Option(
        help="progressive: made to be cut; paper, latent-paper: as published.  [default: by the prior]"
    ),
]
Effort = Annotated[
    int | None,
    typer.Option(
        "--effort",
        "-e",
        min=1,
        max=9,
        help="1: fastest; 9: smallest. For encoding and decoding.  [default: 2]",
    ),
]
Caption = Annotated[
    str, typer.Option(metavar="TEXT", help="For a model with captions; auto: BLIP-2's. Stored in the file.")
]
Guidance = Annotated[
    float,
    typer.Option(min=0, help="Weight of the caption; other than 1 costs twice. Stored in the file."),
]
Class = Annotated[int | None, typer.Option("--class", min=0, help="For a class-conditional model.")]
Captions = Annotated[
    str | None, typer.Option(metavar="FILE", help="JSON: {picture's name: caption}, instead of --caption.")
]
Samples = Annotated[
    int | None, typer.Option(min=2, help="Posterior samples per round, instead of the preset's.")
]
Rows = Annotated[
    int | None, typer.Option(min=1, help="Rows per round and window; sets samples to 4/3 of it.")
]
Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds, instead of the preset's.")]
RoundSteps = Annotated[int | None, typer.Option(min=2, help="Evaluations per sample and round.")]
Simulate = Annotated[
    Restoration | None,
    typer.Option(help="Also write the restored picture, OUT.png, from the encoder's state: no decoding."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the noise; stored in the file.")]
Restore = Annotated[
    Restoration | None,
    typer.Option(
        help="preview: at once; mean: least error; sample: natural; ddrm, pigdm: the published restorations, "
        "of low error and natural. Default: mean; sample for variations."
    ),
]
Steps = Annotated[int | None, typer.Option(min=2, help="Network evaluations per sample of the restoration.")]
Variations = Annotated[
    int | None, typer.Option(min=1, help="Write so many plausible pictures: OUT-1.png, OUT-2.png, ...")
]
Uncertainty = Annotated[
    str | None, typer.Option(metavar="MAP", help="Also draw how much the samples differ, with a scale.")
]
Partial = Annotated[bool, typer.Option("--allow-partial", help="Decode what is certain of a damaged file.")]
PriorName = Annotated[
    str, typer.Option("--prior", metavar="NAME|PATH", help="The diffusion model: see `psc priors`.")
]
Half = Annotated[bool, typer.Option("--half", help="Evaluate a float model in float16.")]
Device = Annotated[str, typer.Option(help="Where PyTorch evaluates the model: cpu, cuda, ...")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output.")]
Roi = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MASK|BOX|alpha",
        help="What is important: a grey picture (bright is), x,y,width,height[,weight] (may be repeated), "
        "both of the picture as it is seen, or alpha. Elsewhere steps are up to four times as coarse.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from OUT.resume, which an interrupted encode has left.")
]
Strip = Annotated[
    bool,
    typer.Option("--strip", help="Leave out EXIF, ICC profile and XMP; an EXIF orientation is applied."),
]
KeepProfile = Annotated[
    bool,
    typer.Option("--keep-profile", help="Keep every byte of a well-known ICC profile; else a byte names it."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="A line on stderr after every round.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on stderr except errors.")]
JsonFigures = Annotated[
    bool, typer.Option("--json", help="The figures as JSON on stdout (on stderr if OUT is stdout).")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
