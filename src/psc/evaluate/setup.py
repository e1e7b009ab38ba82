"""What a run's options mean: lists of names and rates, shards, the back end, what run.json keeps."""

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from PIL import features

import psc
from psc.errors import PscError
from psc.evaluate import cluster, run
from psc.evaluate.psc_codec import ABOUT
from psc.evaluate.tasks import PSC, Options
from psc.session.restorations import RESTORATIONS

PACKAGES = ("torch", "numpy", "pillow", "torchmetrics", "ssimulacra2", "imagecodecs", "pillow-heif", "ray")
LIBRARIES = ("jpg", "jpg_2000", "webp", "avif")
"""Pillow's names of those that its codecs come from."""
MOST_BPP = 24


def codecs(wanted: str | None) -> tuple[list[str], list[str]]:
    """Names of the codecs to run.

    Args:
        wanted: Names, separated by commas; None for all that are here.

    Returns:
        The names, and a line on each codec that is left out.

    Raises:
        PscError: If one that is wanted is not known, or not here.
    """
    known = run.known()
    if wanted is None:
        absent = [f"{codec.label}: {codec.missing}" for codec in known.values() if codec.missing]
        return [PSC, *(name for name, codec in known.items() if not codec.missing)], absent
    chosen = _chosen(wanted, (PSC, *known), "codec")
    for codec in (known[name] for name in chosen if name != PSC):
        if codec.missing:
            raise PscError(f"{codec.label} cannot be used here: {codec.missing}")
    return chosen, []


def presets(wanted: str) -> list[str]:
    """PSC's presets in a list, separated by commas; PscError if one is not known."""
    return _chosen(wanted, tuple(ABOUT), "preset")


def restorations(wanted: str) -> list[str]:
    """PSC's restorations in a list, separated by commas; PscError if one is not known."""
    return _chosen(wanted, RESTORATIONS, "restoration")


def _chosen(wanted: str, known: tuple[str, ...], kind: str) -> list[str]:
    """The names in a list, once each; PscError if one is not known."""
    chosen = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in chosen:
        if name not in known:
            raise PscError(f"{kind} {name!r} is unknown; choose from: {', '.join(known)}")
    if not chosen:
        raise PscError(f"no {kind} was named; choose from: {', '.join(known)}")
    return list(dict.fromkeys(chosen))


def rates(wanted: str) -> list[float]:
    """Rising rates in bits per pixel, from a list separated by commas; PscError if one is none."""
    try:
        found = sorted({float(word) for word in wanted.split(",")})
    except ValueError:
        found = []
    if not found or not all(0 < rate <= MOST_BPP for rate in found):
        raise PscError(f"--rates {wanted} came; expected bits per pixel above 0, as in 0.05,0.1,0.2")
    return found


def shard(wanted: str) -> tuple[int, int]:
    """The numbers in I/N; PscError if there are none."""
    try:
        part, count = map(int, wanted.split("/"))
    except ValueError as error:
        raise PscError(f"--shard {wanted} came; expected I/N, as in 1/4") from error
    return part, count


def backend(ray: str | None) -> run.Backend:
    """Where tasks are done: in this process, or on the Ray cluster at an address ("local": started here)."""
    return run.here if ray is None else cluster.backend(ray)


def facts(options: Options) -> dict[str, Any]:
    """What run.json keeps: the options, the versions of what has a part in the numbers, the machine."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found |= {name: features.version(name) or "none" for name in LIBRARIES}
    return {"psc": psc.__version__} | asdict(options) | {"versions": found, "machine": platform.platform()}
