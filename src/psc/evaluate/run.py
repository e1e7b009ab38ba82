"""What is to be done, doing it, and the lines that are left of it.

The unit of work is a task: one picture, one codec (or one preset of ours), one target rate. A task gives a
line, one for each restoration of ours. Files are really written and read back, unless the options say that
our pictures are to be simulated; times and peak memory are those of encoding and of decoding, without the
search for a baseline's level and without metrics. Our rate control is part of encoding.
"""

import functools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from PIL import Image

from psc import files
from psc.errors import PscError
from psc.evaluate import memory, metrics, psc_codec
from psc.evaluate.codecs import Codec, codecs, nearest_below
from psc.evaluate.results import Key, Results, Row
from psc.images.pixels import read_image
from psc.prior import Prior, load_prior
from psc.session.restore import Restoration
from psc.session.session import Session

OURS = "psc"


@dataclass(frozen=True)
class Options:
    """What all lines of a run have in common.

    crop: side of the central square that is cut from every picture, in pixels; 0: the whole picture.
    prior, device, half: see psc.load_prior. simulate: restore from the encoder's session, do not decode.
    """

    crop: int = 256
    prior: str = "embedded"
    device: str = "cpu"
    half: bool = False
    simulate: bool = False


@dataclass(frozen=True)
class Task:
    """One picture (a file's name), one codec or "psc-PRESET", a target in bpp; restorations of ours."""

    image: str
    codec: str
    target: float
    restorations: tuple[str, ...] = ()

    @property
    def preset(self) -> str:
        """Ours, or empty."""
        return self.codec.removeprefix(f"{OURS}-") if self.restorations else ""

    def keys(self) -> list[Key]:
        """Of the lines that come of it."""
        names = [f"{self.codec}-{how}" for how in self.restorations] or [self.codec]
        return [(self.image, name, self.target) for name in names]


Finished = tuple[Row, Image.Image | None]
Backend = Callable[[Path, Sequence[Task], Options, Path], Iterator[Finished]]
"""(folder of pictures, tasks, options, folder for files) -> lines and decoded pictures."""


def pictures(folder: Path, limit: int | None = None) -> list[str]:
    """Names of the pictures in a folder, sorted; PscError if there are none."""
    if not folder.is_dir():
        raise PscError(f"{folder} is not a folder; expected a folder of pictures")
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in known)
    if not names:
        raise PscError(f"{folder} has no pictures that Pillow can read")
    return names[:limit]


def read(folder: Path, name: str, crop: int) -> Image.Image:
    """A picture as RGB, cropped to its centre."""
    image = read_image(folder / name).convert("RGB")
    width, height = (min(side, crop) if crop else side for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def work(
    images: Sequence[str],
    codec_names: Sequence[str],
    rates: Sequence[float],
    presets: Sequence[str],
    restorations: Sequence[str],
) -> list[Task]:
    """All tasks, picture by picture, so that the time left can be told from the time that passed."""
    tasks = []
    for image in images:
        for name in codec_names:
            for rate in rates:
                if name == OURS:
                    tasks += [Task(image, f"{OURS}-{p}", rate, tuple(restorations)) for p in presets]
                else:
                    tasks.append(Task(image, name, rate))
    return tasks


def shard(tasks: Sequence[Task], index: int, count: int) -> list[Task]:
    """The index-th of ``count`` parts (from 1), which share the pictures out evenly."""
    if not 1 <= index <= count:
        raise PscError(f"shard {index}/{count} came; expected 1/{count} to {count}/{count}")
    names = sorted({task.image for task in tasks})[index - 1 :: count]
    return [task for task in tasks if task.image in names]


def missing(tasks: Iterable[Task], rows: Iterable[Row]) -> list[Task]:
    """The tasks, with those of their restorations, of which there is no line yet."""
    done = {(row["image"], row["codec"], row["target"]) for row in rows}
    left = []
    for task in tasks:
        if not task.restorations:
            left += [task] if task.keys()[0] not in done else []
        elif todo := [h for h, k in zip(task.restorations, task.keys(), strict=True) if k not in done]:
            left.append(Task(task.image, task.codec, task.target, tuple(todo)))
    return left


def run(
    folder: Path,
    tasks: Sequence[Task],
    options: Options,
    results: Results,
    backend: Backend,
    report: Callable[[Row], None],
) -> None:
    """Do the tasks and keep what comes of them; ``report`` is called after every line."""
    for row, picture in backend(folder, tasks, options, results.folder / "files"):
        original = results.original(row["image"])
        if not original.exists():
            results.keep(original, read(folder, row["image"], options.crop))
        results.add(row, picture)
        report(row)


def here(folder: Path, tasks: Sequence[Task], options: Options, scratch: Path) -> Iterator[Finished]:
    """The back end that works in this process."""
    name, image = "", None
    for task in tasks:
        if image is None or task.image != name:
            name, image = task.image, read(folder, task.image, options.crop)
        yield from measure(task, image, options, scratch)


def measure(task: Task, image: Image.Image, options: Options, scratch: Path) -> Iterator[Finished]:
    """Do one task on its (cropped) picture. What cannot be done (PscError) becomes a line that says why."""
    (scratch / task.image).mkdir(parents=True, exist_ok=True)
    path = scratch / task.image / f"{task.codec}-{task.target:g}"
    size = math.floor(task.target * image.width * image.height / 8)
    work = _ours(task, image, size, options, path) if task.restorations else _other(task, image, size, path)
    left = task.keys()
    try:
        for costs, decoded in work:
            yield _row(left.pop(0), image, size, costs, decoded), decoded
    except PscError as error:
        for name, codec, target in left:
            yield {"image": name, "codec": codec, "target": target, "error": str(error)}, None


def _row(key: Key, image: Image.Image, size: int, costs: Row, decoded: Image.Image) -> Row:
    if decoded.size != image.size:
        raise PscError(f"{key[1]} decoded {decoded.size} pixels of a picture that has {image.size}")
    found = metrics.measure(image, decoded)
    row = {"image": key[0], "codec": key[1], "target": key[2], "width": image.width, "height": image.height}
    row |= {"bpp": 8 * costs["bytes"] / (image.width * image.height), "reached": costs["bytes"] <= size}
    finite = {name: value if math.isfinite(value) else None for name, value in found.items()}
    return row | costs | {"metrics": finite}


def _other(task: Task, image: Image.Image, size: int, path: Path) -> Iterator[tuple[Row, Image.Image]]:
    codec = known()[task.codec]
    memory.forget()
    found = nearest_below(codec, image, size)
    costs: Row = {"bytes": len(found.data), "level": found.level, "tries": found.tries}
    costs |= {"encode_seconds": found.seconds, "encode_peak_mb": memory.peak_mb()}
    file = path.with_name(path.name + codec.suffix)
    files.write(str(file), found.data)
    with _timed("decode", costs):
        decoded = codec.decode(file.read_bytes())
    yield costs | {"decoded": True}, decoded


def _ours(
    task: Task, image: Image.Image, size: int, options: Options, path: Path
) -> Iterator[tuple[Row, Image.Image]]:
    prior = model(options.prior, options.device, options.half)
    file = path.with_name(path.name + ".psc")
    encoding, session = _encoded(task, image, size, prior, file, options.simulate)
    rounds = cast(Row, {"decode_seconds": 0.0, "decode_peak_mb": 0.0, "nfe": 0.0})
    encoding["decoded"] = session is None
    if session is None:
        with _timed("decode", rounds):
            session = psc_codec.decode(file, prior)
        rounds["nfe"] = session.nfe
    for how in cast(tuple[Restoration, ...], task.restorations):
        costs = dict(encoding)
        with _timed("decode", costs):
            decoded, nfe = psc_codec.restored(session, image.size, how)
        costs["decode_nfe"] = rounds["nfe"] + nfe
        costs["decode_seconds"] += rounds["decode_seconds"]
        costs["decode_peak_mb"] = max(costs["decode_peak_mb"], rounds["decode_peak_mb"])
        yield costs, decoded.convert("RGB")


def _encoded(
    task: Task, image: Image.Image, size: int, prior: Prior, file: Path, simulate: bool
) -> tuple[Row, Session | None]:
    """Our file's costs, and the session if it is to be restored from; a file that is there is not made again.

    The record of the costs is written after the file, so that a file without one is not trusted.
    """
    record = file.with_name(file.name + ".json")
    if record.exists() and file.exists() and not simulate:
        return dict(json.loads(record.read_text())), None
    counter, costs = psc_codec.Counter(), cast(Row, {})
    with _timed("encode", costs):
        data, session = psc_codec.encode(image, task.preset, size, prior, counter)
        files.write(str(file), data)
    costs |= {"bytes": len(data), "encode_nfe": counter.nfe}
    files.write(str(record), json.dumps(costs).encode())
    return costs, session if simulate else None


@contextmanager
def _timed(what: str, costs: Row) -> Iterator[None]:
    """Note the seconds and the peak memory of what is done inside."""
    memory.forget()
    start = time.perf_counter()
    yield
    costs[f"{what}_seconds"] = time.perf_counter() - start
    costs[f"{what}_peak_mb"] = memory.peak_mb()


@functools.cache
def known() -> dict[str, Codec]:
    """The other codecs."""
    return codecs()


@functools.cache
def model(name: str, device: str, half: bool) -> Prior:
    """The prior, loaded once in a process."""
    return load_prior(name, device=device, half=half)
