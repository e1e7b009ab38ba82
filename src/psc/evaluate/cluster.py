"""The back end that spreads tasks over a Ray cluster (``pip install psc-codec[cluster]``).

A worker gets the cropped picture and the task, and gives back lines and pictures: no folder need be shared.
Its files are written and read on its own disk. The files and pictures are those that this process would make;
times are the worker's.
"""

import functools
import importlib.util
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from psc.errors import PscError
from psc.evaluate.run import Backend, Finished, failed, measure, read
from psc.evaluate.tasks import Options, Task

PENDING = 4
"""Tasks that wait for each core of the cluster: enough to keep it busy, few enough to hold in memory."""


def backend(address: str) -> Backend:
    """The back end on the cluster at an address; "local" starts workers on this machine's cores."""
    if importlib.util.find_spec("ray") is None:
        raise PscError("Ray cannot be found: pip install psc-codec[cluster]")
    return functools.partial(_spread, address)


def _spread(
    address: str, folder: Path, tasks: Sequence[Task], options: Options, scratch: Path
) -> Iterator[Finished]:
    del scratch
    import ray

    started = not ray.is_initialized()
    if started:
        ray.init(address=address, log_to_driver=False)
    try:
        remote = ray.remote(num_cpus=1)(_measured)
        limit = PENDING * max(1, int(ray.cluster_resources().get("CPU", 1)))
        pending: list[Any] = []
        waiting = iter(tasks)
        while True:
            for task in waiting:
                try:
                    image = read(folder, task.image, options.crop)
                except Exception as error:
                    yield from failed(task.keys(), error)
                    continue
                pending.append(remote.remote(task, image, options))
                if len(pending) >= limit:
                    break
            if not pending:
                return
            ready, pending = ray.wait(pending)
            yield from ray.get(ready[0])
    finally:
        if started:
            ray.shutdown()


def _measured(task: Task, image: Image.Image, options: Options) -> list[Finished]:
    with tempfile.TemporaryDirectory() as scratch:
        return list(measure(task, image, options, Path(scratch)))
