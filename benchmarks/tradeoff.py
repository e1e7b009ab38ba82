"""The perception-distortion trade-off on one file: every restoration, in several numbers of steps.

    python -m benchmarks.tradeoff DIR --quality 40 --out benchmarks/results/tradeoff
    python -m benchmarks.tradeoff DIR --quality 40 --out ... --table
    python -m benchmarks.tradeoff DIR --quality 40 --out ... --plot tradeoff.png
    python -m benchmarks.tradeoff DIR --quality 40 --out ... --strip strip.png --picture 23.png

Each picture (centre crop of DIR's) is encoded once, and restored from the encoder's session, which is the
decoder's by construction. --out is a folder of restorations (PNG) and a line of JSON for each; what is there
already is not made again. PSNR is over RGB after rounding to 8 bits, averaged over pictures; realism is
fd-efficientnet of psc.evaluate.frechet, between all pictures' patches and all their restorations'. A mean
takes 12 times as many evaluations as it has steps; the gradient that comes with each of PiGDM's is not
counted.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import psc
from benchmarks.crops import centre_crop
from benchmarks.lines import append, rows
from psc.evaluate.frechet import Features, efficientnet, frechet
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_image
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.restore import restore
from psc.session.session import Session

CHOICES: dict[str, tuple[int | None, ...]] = {
    "preview": (None,),
    "mean": (3, 8),
    "ddrm": (10, 20),
    "pigdm": (10, 20, 40),
    "sample": (3, 8, 16),
}
USUAL = {"preview": None, "mean": 3, "ddrm": 20, "pigdm": 40, "sample": 3}
"""Steps by default."""


class Results:
    """A folder of restorations and what was measured of them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.folder = Path(arguments.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lines = self.folder / "lines.jsonl"
        paths = sorted(p for p in Path(arguments.folder).iterdir() if p.suffix == ".png")
        wanted = [paths[n - 1] for n in arguments.images] if arguments.images else paths
        self.originals = {p.name: centre_crop(Image.open(p).convert("RGB"), arguments.crop) for p in wanted}
        self.quality = arguments.quality

    def rows(self) -> dict[tuple[str, str, int | None], dict]:
        """By picture, method and steps."""
        found = rows(self._lines)
        return {(r["image"], r["method"], r["steps"]): r for r in found if r["quality"] == self.quality}

    def add(self, row: dict, picture: Image.Image) -> None:
        picture.save(self.path(row["image"], row["method"], row["steps"]))
        append(self._lines, row)

    def path(self, image: str, method: str, steps: int | None) -> Path:
        return self.folder / f"{Path(image).stem}-{self.quality:g}-{method}-{steps or 0}.png"

    def picture(self, image: str, method: str, steps: int | None) -> Image.Image:
        return Image.open(self.path(image, method, steps)).convert("RGB")


def measure(results: Results) -> None:
    prior, done = psc.load_prior(), results.rows()
    for name, original in results.originals.items():
        missing = [(m, n) for m, steps in CHOICES.items() for n in steps if (name, m, n) not in done]
        if not missing:
            continue
        session, size = encoded(original, psc.settings(results.quality), prior)
        for method, steps in missing:
            nfe, start = session.nfe, time.perf_counter()
            picture = to_image(restore(session, method, steps))
            row = {"image": name, "quality": results.quality, "method": method, "steps": steps}
            row |= {"bytes": size, "psnr": psnr(original, picture), "nfe": session.nfe - nfe}
            results.add(row | {"seconds": time.perf_counter() - start}, picture)


def encoded(image: Image.Image, chosen: psc.Settings, prior: object) -> tuple[Session, int]:
    """An encoder's session after its last round, and the bytes of its file."""
    side = Encoder(Picture.of(image), chosen, Context(prior))
    side.session.run(chosen.rounds)
    return side.session, len(side.file())


def points(results: Results) -> list[dict]:
    """For every method and number of steps: the means over pictures, and the distance."""
    rows, names = results.rows(), list(results.originals)
    photographs = _features([results.originals[n] for n in names])
    out = []
    for method, choices in CHOICES.items():
        for steps in choices:
            some = [rows[name, method, steps] for name in names]
            point = {key: np.mean([r[key] for r in some]) for key in ("psnr", "nfe", "seconds")}
            restored = _features([results.picture(name, method, steps) for name in names])
            point |= {"method": method, "steps": steps, "distance": frechet(photographs, restored)}
            out.append(point)
    return out


def _features(pictures: list[Image.Image]) -> Features:
    return np.concatenate([efficientnet(picture) for picture in pictures])


def table(results: Results) -> None:
    rows = results.rows().values()
    pixels = [r["bytes"] * 8 / np.prod(results.originals[r["image"]].size) for r in rows]
    print(f"{len(results.originals)} pictures, quality {results.quality:g}, {np.mean(pixels):.4f} bpp\n")
    print("| restoration | steps | NFE | seconds | PSNR, dB | distance |")
    print("| --- | --- | --- | --- | --- | --- |")
    for p in points(results):
        cells = (f"{p['nfe']:.0f}", f"{p['seconds']:.1f}", f"{p['psnr']:.2f}", f"{p['distance']:.1f}")
        print(f"| {p['method']} | {p['steps'] or ''} | " + " | ".join(cells) + " |")


def plot(results: Results, target: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.6))
    axes = figure.add_subplot()
    found = points(results)
    for method in CHOICES:
        some = [p for p in found if p["method"] == method]
        x, y = [p["psnr"] for p in some], [p["distance"] for p in some]
        line = axes.plot(x, y, "o-", linewidth=1, markersize=4, label=method)[0]
        for p in some:
            usual = p["steps"] == USUAL[method]
            if usual:
                axes.plot(p["psnr"], p["distance"], "o", markersize=9, color=line.get_color())
            if p["steps"]:
                axes.annotate(str(p["steps"]), (p["psnr"], p["distance"]), (5, 4), textcoords="offset points",
                              fontsize=8, color=line.get_color())  # fmt: skip
    axes.set(xlabel="PSNR, dB (distortion: right is better)",
             ylabel="Frechet distance of patch features\n(realism: down is better)")  # fmt: skip
    axes.legend(title="restoration; steps beside\nthe points, usual ones large", fontsize=9, title_fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(target, dpi=110, bbox_inches="tight")


def strip(results: Results, target: str, image: str, box: tuple[int, int, int, int], zoom: int) -> None:
    """A detail of the original and of every usual restoration, side by side."""
    shown = [("original", results.originals[image])]
    shown += [(method, results.picture(image, method, steps)) for method, steps in USUAL.items()]
    rows = results.rows()
    width, height = zoom * (box[2] - box[0]), zoom * (box[3] - box[1])
    across = 3
    sheet = Image.new("RGB", (across * (width + 6) - 6, -(-len(shown) // across) * (height + 24)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for i, (name, picture) in enumerate(shown):
        left, top = i % across * (width + 6), i // across * (height + 24)
        sheet.paste(picture.crop(box).resize((width, height), Image.Resampling.NEAREST), (left, top + 22))
        row = rows.get((image, name, USUAL.get(name)))
        text = f"{name}: {row['psnr']:.2f} dB, {row['nfe']:.0f} NFE" if row else name
        draw.text((left, top + 3), text, "black", font)
    sheet.quantize(256, Image.Quantize.MEDIANCUT).save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--quality", type=float, default=40)
    parser.add_argument("--images", type=int, nargs="*", help="numbers of pictures, from 1 (default: all)")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="print what was measured")
    parser.add_argument("--plot", metavar="PNG", help="draw what was measured")
    parser.add_argument("--strip", metavar="PNG", help="a detail of --picture in all restorations")
    parser.add_argument("--picture", metavar="NAME")
    parser.add_argument("--box", type=int, nargs=4, default=[64, 64, 192, 192])
    parser.add_argument("--zoom", type=int, default=2)
    parser.add_argument("--out", default="benchmarks/results/tradeoff")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = Results(arguments)
    if arguments.table:
        table(results)
    elif arguments.plot:
        plot(results, arguments.plot)
    elif arguments.strip:
        strip(results, arguments.strip, arguments.picture, tuple(arguments.box), arguments.zoom)
    else:
        measure(results)


if __name__ == "__main__":
    main()
