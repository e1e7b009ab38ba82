"""What is to be done: a task for each picture, codec (or preset of PSC) and target rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from psc.errors import PscError
from psc.evaluate.results import Key, Row
from psc.images.opening import register_heic
from psc.images.suffixes import REMEDIES, is_readable

PSC = "psc"


@dataclass(frozen=True)
class Options:
    """What all lines of a run have in common.

    Attributes:
        crop: Side of the central square that is cut from every picture, in pixels; 0: the whole picture.
        prior: Its name: see :func:`psc.load_prior`.
        device: Where the prior is evaluated.
        half: Whether its network is evaluated in float16.
        simulate: Restore from the encoder's session; do not decode.
    """

    crop: int = 256
    prior: str = "embedded"
    device: str = "cpu"
    half: bool = False
    simulate: bool = False


@dataclass(frozen=True)
class Task:
    """What gives one line, or one for each restoration of PSC.

    Attributes:
        image: A picture file's name.
        codec: A codec's name, or psc-PRESET.
        target: Bits per pixel.
        restorations: Of PSC; none for another codec.
    """

    image: str
    codec: str
    target: float
    restorations: tuple[str, ...] = ()

    @property
    def preset(self) -> str:
        """PSC's preset; empty for another codec."""
        return self.codec.removeprefix(f"{PSC}-") if self.restorations else ""

    def keys(self) -> list[Key]:
        """What the lines that come of it are known by."""
        names = [f"{self.codec}-{how}" for how in self.restorations] or [self.codec]
        return [(self.image, name, self.target) for name in names]


def pictures(folder: Path, limit: int | None = None) -> list[str]:
    """Names of the pictures in a folder, sorted; PscError if there are none."""
    if not folder.is_dir():
        raise PscError(f"{folder} is not a folder; expected a folder of pictures")
    register_heic()
    names = sorted(path.name for path in folder.iterdir() if is_readable(path.suffix))
    if not names:
        raise PscError(f"{folder} has no pictures that Pillow can read")
    return names[:limit]


def unreadable(folder: Path) -> list[str]:
    """A line on each picture in a folder that cannot be read here, with what helps."""
    register_heic()
    names = sorted(path.name for path in folder.iterdir() if not is_readable(path.suffix))
    return [f"{name}: {REMEDIES[s]}" for name in names if (s := Path(name).suffix.lower()) in REMEDIES]


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
                if name == PSC:
                    tasks += [Task(image, f"{PSC}-{p}", rate, tuple(restorations)) for p in presets]
                else:
                    tasks.append(Task(image, name, rate))
    return tasks


def shard(tasks: Sequence[Task], index: int, count: int) -> list[Task]:
    """A part of all tasks; the parts share the pictures out evenly.

    Args:
        tasks: All.
        index: Of the part, from 1.
        count: How many parts there are.
    """
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
