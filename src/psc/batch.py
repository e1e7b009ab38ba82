"""A folder of pictures, coded and restored: what the published evaluation command does, under our names.

published               here (psc batch)
----------------------  ----------------------------------------------------------------
--data-dir, --outdir    DIR, OUT
-n, --num-samples       --samples     posterior samples s per round
-r, --rank              --rows        rows of H per round and window; samples follow: 4/3 of them
-i, --iters             --rounds
-c, --use-captions      --captions    auto (BLIP-2), or a JSON file {picture's name: caption}
-v, --num-variations    --variations  pictures that the file may show
-s, --simulate          --simulate    restore from the encoder's session; the file is not decoded
--start, --end          --start, --end
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from psc import codec, files
from psc.errors import PscError
from psc.images import psnr, to_image, to_tensor
from psc.modes import upright
from psc.plan import Settings
from psc.prior import Prior, conditioned
from psc.restore import Restoration
from psc.sides import Report, silent

RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Job:
    """What is done with every picture; variations: None for one restored picture."""

    settings: Settings
    restoration: Restoration
    steps: int | None = None
    variations: int | None = None
    simulate: bool = False
    guidance: float = 1.0


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder, by name; PscError if there are none, or two of one stem."""
    if not folder.is_dir():
        raise PscError(f"{folder} is not a folder; expected one with pictures")
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file())
    if not found:
        raise PscError(f"{folder} holds no picture that Pillow can read")
    stems: dict[str, Path] = {}
    for path in found:
        other = stems.setdefault(path.stem, path)
        if other is not path:
            raise PscError(f"{other} and {path} would be written to the same {path.stem}.psc: rename one")
    return found


def adjusted(
    given: Settings,
    *,
    samples: int | None = None,
    rows: int | None = None,
    steps: int | None = None,
    rounds: int | None = None,
) -> Settings:
    """Settings with another number of samples, rows, steps or rounds; PscError if no plan has such.

    rows: of every round but those of a full basis (0 rows); the samples follow, as published: 4/3 of it.
    """
    plan = given.plan
    if rows and not samples:
        samples = max(rows * 4 // 3, rows + 1)
    levels = tuple(replace(level, samples=samples or level.samples) for level in plan.levels)
    changed = [
        replace(item, rows=item.rows and (rows or item.rows), steps=steps or item.steps)
        for item in plan.rounds
    ]
    plan = replace(plan, levels=levels, rounds=tuple(changed))
    return replace(given, plan=plan, rounds=given.rounds if rounds is None else rounds)


def captions(paths: list[Path], source: str, device: str) -> dict[str, str]:
    """By picture's name. source: "auto", a JSON file, or empty for none."""
    if source == "auto":
        from psc.captioner import captioner

        describe = captioner(device)
        return {path.name: describe(files.read_picture(str(path))) for path in paths}
    if not source:
        return dict.fromkeys((path.name for path in paths), "")
    try:
        found = json.loads(files.read(source))
    except ValueError as error:
        raise PscError(f"{source} is not JSON: {error}") from error
    own: dict[str, str] = {}
    for path in paths:
        caption = found.get(path.name) if isinstance(found, dict) else None
        if not isinstance(caption, str):
            raise PscError(f'{source} has no caption of {path.name}; expected {{"{path.name}": "...", ...}}')
        own[path.name] = caption
    return own


def run(
    path: Path, out: Path, job: Job, prior: Prior, caption: str = "", progress: Report = silent
) -> dict[str, Any]:
    """Write OUT/NAME.psc and OUT/NAME.png (NAME-1.png, ... for variations); return the figures."""
    image, start = to_image(to_tensor(upright(files.read_picture(str(path))))), time.perf_counter()
    given = conditioned(prior, caption, job.guidance if caption else 1.0)
    data, restored = _coded(image, job, given, prior, progress)
    files.write(str(out / f"{path.stem}.psc"), data)
    names = files.choose_outputs(str(path), str(out / f"{path.stem}.png"), ".png", job.variations, force=True)
    quality, cost = [], 0.0
    for name, found in zip(names, restored, strict=True):
        files.write(name, files.encode_picture(found.image, "PNG"))
        quality.append(psnr(image, found.image))
        cost += found.nfe[1]
    return {
        "picture": path.name,
        "caption": caption,
        "bytes": len(data),
        "bpp": 8 * len(data) / (image.width * image.height),
        "psnr": float(np.mean(quality)),
        "rounds": found.rounds,
        "symbols": found.symbols,
        "nfe_rounds": found.nfe[0],
        "nfe_restoration": cost,
        "seconds": time.perf_counter() - start,
        "decoded": not job.simulate,
    }


def _coded(
    image: Image.Image, job: Job, given: Prior, prior: Prior, progress: Report
) -> tuple[bytes, Iterator[codec.Decoded]]:
    """The file, and what is seen of it. given: the prior under the caption; decoders are given ``prior``."""
    how: dict[str, Any] = {"restoration": job.restoration, "steps": job.steps, "progress": progress}
    if job.simulate and job.variations:
        return codec.simulate_variations(image, job.settings, job.variations, prior=given, **how)
    if job.simulate:
        data, found = codec.simulate(image, job.settings, prior=given, **how)
        return data, iter([found])
    data = codec.encode_with(image, job.settings, prior=given, progress=progress)
    if job.variations:
        return data, codec.variations(data, job.variations, prior=prior, **how)
    return data, iter([codec.decode_details(data, prior=prior, **how)])
