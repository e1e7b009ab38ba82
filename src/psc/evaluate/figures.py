"""The curves, drawn: one figure per metric, and distortion against perception; PNG and SVG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psc.evaluate.curves import Curve

COLOURS = (
    "#000000", "#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#bcbd22",
    "#e377c2", "#7f7f7f",
)  # fmt: skip


def draw(curves: Sequence[Curve], metric: str, label: str, better: str, target: Path) -> list[Path]:
    """Draw a metric over bits per pixel.

    Args:
        curves: That are drawn as far as they have the metric.
        metric: Its name.
        label: Of the axis.
        better: "higher" or "lower", for the axis.
        target: The files' name without a suffix.

    Returns:
        The files: PNG and SVG.
    """
    measured = [rate for curve in curves if not curve.published for rate, _ in curve.of(metric)]
    last = 1.25 * max(measured, default=0)  # published ones go on to rates that nobody asked for
    lines = []
    for curve in curves:
        points = [point for point in curve.of(metric) if not curve.published or point[0] <= last]
        lines += [(curve, points)] if points else []
    return _save(lines, "bits per pixel (whole file)", f"{label} ({better} is better)", target)


def draw_trade(curves: Sequence[Curve], metric: str, label: str, target: Path) -> list[Path]:
    """Draw a distance over PSNR: right is less distortion, down is better perception.

    Args:
        curves: That are drawn as far as they have both.
        metric: The distance's name.
        label: Of its axis.
        target: The files' name without a suffix.

    Returns:
        The files: PNG and SVG.
    """
    lines = []
    for curve in curves:
        known = [p for p in curve.points if metric in p.values and "psnr" in p.values]
        if known:
            lines.append((curve, [(p.values["psnr"], p.values[metric]) for p in known]))
    return _save(lines, "PSNR, dB (higher is better)", f"{label} (lower is better)", target)


def _save(
    lines: Sequence[tuple[Curve, list[tuple[float, float]]]], x: str, y: str, target: Path
) -> list[Path]:
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    for number, (curve, points) in enumerate(lines):
        axes.plot(*zip(*points, strict=True), label=curve.label, **_style(curve, number))
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=9)
    target.parent.mkdir(parents=True, exist_ok=True)
    paths = [target.with_suffix(suffix) for suffix in (".png", ".svg")]
    with matplotlib.rc_context({"svg.hashsalt": "psc", "svg.fonttype": "none"}):
        figure.savefig(paths[0], dpi=120)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def _style(curve: Curve, number: int) -> dict[str, Any]:
    """How a curve is drawn: PSC thick, the other codecs thin, published curves dashed."""
    is_psc = curve.name.startswith("psc-")
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linewidth": 2.2 if is_psc else 1.2,
        "marker": None if curve.published else "o" if is_psc else ".",
        "linestyle": "--" if curve.published else "-",
    }
