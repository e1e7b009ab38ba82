"""Doing tasks, and the lines that are left of them.

The unit of work is a task: one picture, one codec (or one preset of PSC), one target rate. A task gives a
line, one for each restoration of PSC. Files are really written and read back, unless the options say that
PSC's pictures are to be simulated; times and peak memory are those of encoding and of decoding, without the
search for a baseline's setting and without metrics. PSC's rate control is part of encoding. Whatever fails
becomes a line with its error, and the run goes on.
"""

import functools
import itertools
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from PIL import Image

from psc import files
from psc.errors import PscError
from psc.evaluate import memory, metrics, psc_codec
from psc.evaluate.codecs import Codec, Found, codecs, nearest_below
from psc.evaluate.results import Key, Results, Row
from psc.evaluate.tasks import Options, Task
from psc.images.opening import read_image
from psc.images.pixels import to_image, to_tensor
from psc.prior import Prior, load_prior
from psc.session.restorations import Restoration
from psc.session.session import Session

LEAST_SIDE = 11
"""Pixels a side of a picture that can be compared: the window of SSIM."""


Tried = defaultdict[str, dict[int, Found]]
"""What searches have made of one picture, by codec: see :func:`psc.evaluate.codecs.nearest_below`."""
Finished = tuple[Row, Image.Image | None]
Backend = Callable[[Path, Sequence[Task], Options, Path], Iterator[Finished]]
"""(folder of pictures, tasks, options, folder for files) -> lines and decoded pictures."""


def read(folder: Path, name: str, crop: int) -> Image.Image:
    """A picture as RGB, cropped to its centre.

    Args:
        folder: Of the picture.
        name: Of its file.
        crop: Side of the central square in pixels; 0: the whole picture.

    Raises:
        PscError: If it cannot be read, or is too small.
    """
    image = to_image(to_tensor(read_image(folder / name))).convert("RGB")
    if min(image.size) < LEAST_SIDE:
        raise PscError(
            f"the picture has {image.width}x{image.height} pixels; metrics need {LEAST_SIDE} a side at least"
        )
    width, height = (min(side, crop) if crop else side for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


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
        if picture is not None and not original.exists():
            results.keep(original, read(folder, row["image"], options.crop))
        results.add(row, picture)
        report(row)


def here(folder: Path, tasks: Sequence[Task], options: Options, scratch: Path) -> Iterator[Finished]:
    """Do tasks in this process: the back end without a cluster."""
    for name, some in itertools.groupby(tasks, lambda task: task.image):
        try:
            image = read(folder, name, options.crop)
        except Exception as error:
            for task in some:
                yield from failed(task.keys(), error)
            continue
        tried: Tried = defaultdict(dict)
        for task in some:
            yield from measure(task, image, options, scratch, tried)


def measure(
    task: Task, image: Image.Image, options: Options, scratch: Path, tried: Tried | None = None
) -> Iterator[Finished]:
    """Do one task on its (cropped) picture. What cannot be done becomes a line that says why."""
    tried = defaultdict(dict) if tried is None else tried
    (scratch / task.image).mkdir(parents=True, exist_ok=True)
    path = scratch / task.image / f"{task.codec}-{task.target:g}"
    size = math.floor(task.target * image.width * image.height / 8)
    if task.restorations:
        work = _psc(task, image, size, options, path)
    else:
        work = _baseline(task, image, size, path, tried[task.codec])
    left = task.keys()
    try:
        for costs, decoded in work:
            row = _row(left[0], image, size, costs, decoded)
            left.pop(0)
            yield row, decoded
    except Exception as error:
        yield from failed(left, error)


def failed(keys: Iterable[Key], error: Exception) -> Iterator[Finished]:
    """Lines that say what went wrong: codecs, metrics and Pillow raise many kinds."""
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        said = "not enough memory"
    elif not isinstance(error, PscError):
        said = f"{type(error).__name__}: {said}"
    for image, codec, target in keys:
        yield {"image": image, "codec": codec, "target": target, "error": said}, None


def _row(key: Key, image: Image.Image, size: int, costs: Row, decoded: Image.Image) -> Row:
    if decoded.size != image.size:
        raise PscError(f"{key[1]} decoded {decoded.size} pixels of a picture that has {image.size}")
    found = metrics.measure(image, decoded)
    row = {"image": key[0], "codec": key[1], "target": key[2], "width": image.width, "height": image.height}
    row |= {"bpp": 8 * costs["bytes"] / (image.width * image.height), "reached": costs["bytes"] <= size}
    finite = {name: value if math.isfinite(value) else None for name, value in found.items()}
    return row | costs | {"metrics": finite}


def _baseline(
    task: Task, image: Image.Image, size: int, path: Path, tried: dict[int, Found]
) -> Iterator[tuple[Row, Image.Image]]:
    codec = known()[task.codec]
    memory.forget()
    found = nearest_below(codec, image, size, tried)
    costs: Row = {"bytes": len(found.data), "setting": found.setting, "tries": found.tries}
    costs |= {"encode_seconds": found.seconds, "encode_peak_mb": memory.peak_mb()}
    file = path.with_name(path.name + codec.suffix)
    files.write(str(file), found.data)
    with _timed("decode", costs):
        decoded = codec.decode(file.read_bytes())
    yield costs | {"decoded": True}, decoded


def _psc(
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
    """The costs of PSC's file, which is not made again if it is there; the session if that is restored from.

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
    """Note the seconds and the peak memory of what is done inside, under a name, among the costs."""
    memory.forget()
    start = time.perf_counter()
    yield
    costs[f"{what}_seconds"] = time.perf_counter() - start
    costs[f"{what}_peak_mb"] = memory.peak_mb()


@functools.cache
def known() -> dict[str, Codec]:
    """The other codecs, by name."""
    return codecs()


@functools.cache
def model(name: str, device: str, half: bool) -> Prior:
    """The prior, loaded once in a process."""
    return load_prior(name, device=device, half=half)
