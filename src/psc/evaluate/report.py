"""Everything that is made of a folder's lines: summaries, figures, and a page that needs nothing else.

The page is report.html, the template beside this file, with its data put in as JSON; pictures are in it as
lossless WebP, figures as SVG.
"""

import base64
import importlib.util
import io
import json
from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from PIL import Image

from psc import files
from psc.errors import PscError
from psc.evaluate import figures
from psc.evaluate.bd import Method, bd_rate
from psc.evaluate.curves import (
    COSTS,
    Curve,
    add_distances,
    averaged,
    complete,
    hopeless,
    published,
    summary,
)
from psc.evaluate.frechet import distances
from psc.evaluate.metrics import metrics
from psc.evaluate.results import Results, Row

METHODS: tuple[Method, ...] = ("pchip", "akima")


def require() -> None:
    """PscError if what every report needs is missing."""
    absent = [name for name in ("matplotlib", "scipy") if importlib.util.find_spec(name) is None]
    if absent:
        raise PscError(f"{' and '.join(absent)} cannot be found: pip install psc-codec[evaluate]")


def write(results: Results, anchor: str, overlays: Sequence[Path], shown: int) -> list[str]:
    """Write summaries, curves and report.html.

    Args:
        results: The folder of lines and pictures.
        anchor: The codec that BD-rates are first shown against.
        overlays: Files of published curves, in CompressAI's form.
        shown: How many pictures the page has.

    Returns:
        What is left out, a line each.
    """
    others = [published(path) for path in overlays]
    rows = results.rows()
    images = complete(rows)
    if not images:
        raise PscError(f"{results.folder} has no picture that is finished: --resume goes on")
    curves = averaged(rows, images)
    notes = _left_out(rows, images)
    for distance in distances().values():
        reason = distance.missing or add_distances(curves, distance, results, images)
        notes += [f"{distance.label}: {reason}"] if reason else []
    for curve in curves:
        data = json.dumps(summary(curve), indent=1).encode()
        _write(results.folder / "summaries" / f"{curve.name}.json", data)
    columns = _columns(curves)
    drawn = _draw(results.folder / "curves", [*curves, *others], columns)
    page = _page(
        run=results.run(),
        notes=notes,
        columns=columns,
        curves=[_curve(curve) for curve in [*curves, *others]],
        anchor=_anchor(curves, anchor),
        bd=_differences([*curves, *others], columns),
        figures={name: _url(path.read_bytes(), "image/svg+xml") for name, path in drawn.items()},
        images=_pictures(results, rows, spread(images, shown)),
        count=len(images),
    )
    _write(results.folder / "report.html", page.encode())
    return notes


def spread(images: Sequence[str], count: int) -> list[str]:
    """As many of the pictures as asked for, evenly chosen."""
    count = min(count, len(images))
    return [images[i * len(images) // count] for i in range(count)]


def _columns(curves: Sequence[Curve]) -> list[dict[str, str]]:
    """The metrics that some curve has."""
    known = [(m.name, m.label, m.better) for m in metrics().values()]
    known += [(c.name, c.label, "lower") for c in distances().values()]
    have = {name for curve in curves for point in curve.points for name in point.values}
    return [{"name": n, "label": text, "better": b} for n, text, b in known if n in have]


def _left_out(rows: Sequence[Row], images: Sequence[str]) -> list[str]:
    notes = []
    lost = hopeless(rows)
    notes += [f"{image}: {error}" for image, error in lost.items()]
    unfinished = len({row["image"] for row in rows} - lost.keys()) - len(images)
    if unfinished:
        notes.append(f"{unfinished} pictures are not finished and do not count")
    errors = [row for row in rows if "error" in row and row["image"] not in lost]
    for name, target in sorted({(row["codec"], row["target"]) for row in errors}):
        failed = [r for r in errors if (r["codec"], r["target"]) == (name, target)]
        if failed:
            first = f"{failed[0]['image']}: {failed[0]['error']}"
            notes.append(f"{name} at {target:g} bpp: {len(failed)} pictures failed ({first})")
    side = min((min(row["width"], row["height"]) for row in rows if "error" not in row), default=0)
    for metric in metrics().values():
        if metric.missing:
            notes.append(f"{metric.label}: {metric.missing}")
        elif side < metric.least_side:
            notes.append(f"{metric.label}: needs pictures of {metric.least_side} pixels a side, not {side}")
    return notes


def _draw(folder: Path, curves: Sequence[Curve], columns: Sequence[dict[str, str]]) -> dict[str, Path]:
    """Draw all figures; returns the SVG files by their titles."""
    drawn = {}
    for column in columns:
        paths = figures.draw(
            curves, column["name"], column["label"], column["better"], folder / column["name"]
        )
        drawn[column["label"]] = paths[1]
    for distance in distances().values():
        if any(column["name"] == distance.name for column in columns):
            paths = figures.draw_trade(
                curves, distance.name, distance.label, folder / f"trade-{distance.name}"
            )
            drawn[f"Distortion and perception: {distance.label}"] = paths[1]
    return drawn


def _anchor(curves: Sequence[Curve], wanted: str) -> str:
    names = [curve.name for curve in curves]
    return wanted if wanted in names else names[0]


def _differences(curves: Sequence[Curve], columns: Sequence[dict[str, str]]) -> dict[str, Any]:
    """BD-rates, by anchor, codec and metric: one for each of METHODS."""

    def points(curve: Curve, column: dict[str, str]) -> list[tuple[float, float]]:
        sign = 1 if column["better"] == "higher" else -1
        return [(bpp, sign * value) for bpp, value in curve.of(column["name"])]

    return {
        anchor.name: {
            test.name: {
                c["name"]: [bd_rate(points(anchor, c), points(test, c), method) for method in METHODS]
                for c in columns
            }
            for test in curves
        }
        for anchor in curves
    }


def _curve(curve: Curve) -> dict[str, Any]:
    points = [
        {"target": p.target, "bpp": p.bpp, "values": p.values, "unreached": p.unreached} for p in curve.points
    ]
    return {
        "name": curve.name, "label": curve.label, "about": curve.about, "published": curve.published,
        "points": points, "costs": [n for n in COSTS if any(n in p.values for p in curve.points)],
    }  # fmt: skip


def _pictures(results: Results, rows: Sequence[Row], images: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for image in images:
        some = [r for r in rows if r["image"] == image and "error" not in r]
        shown = [
            {
                "codec": row["codec"], "target": row["target"], "bytes": row["bytes"], "bpp": row["bpp"],
                "metrics": row["metrics"], "url": _embedded(results.picture(row)),
            }
            for row in some
        ]  # fmt: skip
        size = {"width": some[0]["width"], "height": some[0]["height"]} if some else {}
        found.append(size | {"name": image, "original": _embedded(results.original(image)), "decoded": shown})
    return found


def _embedded(path: Path) -> str:
    out = io.BytesIO()
    with Image.open(path) as image:
        image.save(out, "WEBP", lossless=True, quality=50, method=4)
    return _url(out.getvalue(), "image/webp")


def _url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _page(**data: Any) -> str:
    template = package_files("psc.evaluate").joinpath("report.html").read_text(encoding="utf-8")
    text = json.dumps(data).replace("<", "\\u003c")  # no "</script>" may end the data
    return template.replace("__DATA__", text)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(str(path), data)
