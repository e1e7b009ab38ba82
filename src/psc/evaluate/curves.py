"""From lines to curves: means over the pictures, summaries as CompressAI writes them, published curves.

CompressAI's form of a curve (one JSON file each) is {"name", "description", "results": {"bpp": [...],
"psnr-rgb": [...], ...}}; psnr and ms-ssim without "-rgb" are understood too.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from psc.errors import PscError
from psc.evaluate.codecs import codecs
from psc.evaluate.frechet import Distance, Features, frechet
from psc.evaluate.psc_codec import ABOUT
from psc.evaluate.results import Results, Row

COSTS = (
    "encode_seconds", "decode_seconds", "encode_nfe", "decode_nfe", "encode_peak_mb", "decode_peak_mb",
)  # fmt: skip
ABROAD = {
    "psnr": "psnr-rgb", "ms-ssim": "ms-ssim-rgb",
    "encode_seconds": "encoding_time", "decode_seconds": "decoding_time",
}  # fmt: skip
"""CompressAI's names by those of the lines."""


@dataclass(frozen=True)
class Point:
    """A codec's means over the pictures, at one target.

    Attributes:
        target: Bits per pixel that were asked for.
        bpp: Bits per pixel of the files.
        values: Means of metrics and costs, by name.
        unreached: How many of the files are larger than the target.
    """

    target: float
    bpp: float
    values: dict[str, float]
    unreached: int = 0


@dataclass(frozen=True)
class Curve:
    """A codec's points by rising target.

    Attributes:
        name: As in the lines.
        label: For people.
        about: Its settings, for people.
        points: By rising target.
        published: Whether it is from somebody else's file, on their pictures.
    """

    name: str
    label: str
    about: str
    points: list[Point] = field(default_factory=list)
    published: bool = False

    def of(self, metric: str) -> list[tuple[float, float]]:
        """Points (bpp, value) of a metric, where its value is known."""
        return [(p.bpp, p.values[metric]) for p in self.points if metric in p.values]


def described(name: str) -> tuple[str, str]:
    """A codec's label and its settings, by its name in the lines: psc-default-mean is "PSC mean"."""
    if name.startswith("psc-"):
        preset, how = name.removeprefix("psc-").split("-")
        label = "PSC " + how if preset == "default" else f"PSC {preset} {how}"
        return label, f"{ABOUT.get(preset, preset)}; restoration: {how}"
    codec = codecs()[name]
    return codec.label, codec.about


def complete(rows: Sequence[Row]) -> list[str]:
    """The pictures that have a line of every codec and target that occurs, and not only errors."""
    wanted = {(row["codec"], row["target"]) for row in rows}
    images = sorted({row["image"] for row in rows})
    have = {image: {(r["codec"], r["target"]) for r in rows if r["image"] == image} for image in images}
    lost = hopeless(rows)
    return [image for image in images if have[image] == wanted and image not in lost]


def hopeless(rows: Sequence[Row]) -> dict[str, str]:
    """The pictures with which nothing could be done, and why: damaged ones, and what is no picture."""
    measured = {row["image"] for row in rows if "error" not in row}
    return {row["image"]: row["error"] for row in rows if row["image"] not in measured}


def averaged(rows: Sequence[Row], images: Sequence[str]) -> list[Curve]:
    """Curves over the same pictures; a point that fails on one of them is left out."""
    curves = {row["codec"]: Curve(row["codec"], *described(row["codec"])) for row in rows}
    for name, curve in curves.items():
        for target in sorted({row["target"] for row in rows if row["codec"] == name}):
            some = [r for r in rows if (r["codec"], r["target"]) == (name, target) and r["image"] in images]
            if some and not any("error" in row for row in some):
                curve.points.append(_point(target, some))
    return [curve for curve in curves.values() if curve.points]


def _point(target: float, rows: Sequence[Row]) -> Point:
    columns = [row["metrics"] | {name: row.get(name) for name in COSTS} for row in rows]
    names = [n for n in columns[0] if all(c.get(n) is not None for c in columns)]
    values = {name: float(np.mean([c[name] for c in columns])) for name in names}
    bpp = float(np.mean([row["bpp"] for row in rows]))
    return Point(target, bpp, values, sum(not row["reached"] for row in rows))


def add_distances(
    curves: Sequence[Curve], distance: Distance, results: Results, images: Sequence[str]
) -> str:
    """Put a Frechet distance into every point.

    Args:
        curves: Whose points are completed.
        distance: Which one.
        results: The folder with the pictures.
        images: The pictures that the curves are over.

    Returns:
        Why not, if there are too few patches; else nothing.
    """
    photographs = _features(distance, [results.original(image) for image in images])
    if len(photographs) < distance.least_patches:
        return f"the pictures have {len(photographs)} patches; {distance.least_patches} is the least"
    for curve in curves:
        for point in curve.points:
            rows = [{"image": image, "codec": curve.name, "target": point.target} for image in images]
            paths = [results.picture(row) for row in rows]
            point.values[distance.name] = frechet(photographs, _features(distance, paths))
    return ""


def _features(distance: Distance, paths: Sequence[Path]) -> Features:
    """The features of the patches of all pictures."""
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(distance.features(image))
    return np.concatenate(found)


def summary(curve: Curve) -> dict[str, Any]:
    """A curve in CompressAI's form; only with the metrics that every point has."""
    names = [n for n in curve.points[0].values if all(n in p.values for p in curve.points)]
    results = {ABROAD.get(n, n): [p.values[n] for p in curve.points] for n in names}
    results = {"bpp": [p.bpp for p in curve.points]} | results
    return {"name": curve.name, "description": f"{curve.label}: {curve.about}", "results": results}


def published(path: Path) -> Curve:
    """The curve in a file of CompressAI's form."""
    try:
        content = json.loads(path.read_text())
        columns = {name: [float(v) for v in values] for name, values in content["results"].items()}
        rates = columns.pop("bpp")
        home = {abroad: name for name, abroad in ABROAD.items()}
        points = [
            Point(bpp, bpp, {home.get(n, n): values[i] for n, values in columns.items()})
            for i, bpp in enumerate(rates)
        ]
        about = f"published: {content.get('description', '')}"
        return Curve(path.stem, str(content["name"]), about, sorted(points, key=lambda p: p.bpp), True)
    except OSError as error:
        raise PscError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise PscError(
            f'{path} is not a curve in CompressAI\'s form: {{"name", "results": {{"bpp": [...], ...}}}}'
        ) from error
