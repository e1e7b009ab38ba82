"""The pictures of how-it-works.md, made by the codec itself: python docs/pictures.py [PICTURE]

Writes docs/pictures/. Takes a minute on two cores.
"""

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from psc import load_prior
from psc.images import uncertainty
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_image, to_tensor
from psc.plan.presets import settings
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.restore import mean_and_deviation, restore
from psc.session.session import Session

HERE = Path(__file__).parent
OUT = HERE / "pictures"
QUALITY = 45
SIDE = 192
SHOWN = (1, 4, 10, 14, 19, 21)
"""Rounds of the default plan, from 1."""
ROUND = 11
"""The one that is looked into: the first at 1/4 size."""
GAP, TEXT = 6, 40


def sheet(name: str, panels: list[tuple[str, Image.Image]], columns: int = 3, zoom: int = 1) -> None:
    """Pictures of one size with a line or two of text above each, on a grid."""
    width, height = (zoom * side for side in panels[0][1].size)
    rows = -(-len(panels) // columns)
    whole = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + TEXT)), "white")
    for number, (text, panel) in enumerate(panels):
        left, top = number % columns * (width + GAP), number // columns * (height + TEXT)
        whole.paste(
            panel.convert("RGB").resize((width, height), Image.Resampling.NEAREST), (left, top + TEXT - 2)
        )
        ImageDraw.Draw(whole).text((left, top + 4), text, fill="black", font=ImageFont.load_default(13))
    whole.save(OUT / name, quality=90, method=6)


def pattern(session: Session, level: int, row: int) -> Image.Image:
    """One row of H in every window of a level, as a picture: grey is zero."""
    windows = [
        torch.zeros(1, len(w.rows), w.rows.shape[2], dtype=torch.float64) for w in session.pyramid.levels
    ]
    windows[level] = session.pyramid.levels[level].rows[None, :, row].double()
    x = session.pyramid.pixels(0, windows)[0]
    return to_image(0.8 * x / x.abs().quantile(0.998))


def crowd(session: Session) -> list[tuple[str, Image.Image]]:
    """Three of the particles, and how much all of them differ, at the size that they have."""
    x = session.particles.values
    assert x is not None
    deviation = 127.5 * x.double().var(0).mean(0).sqrt()
    panels = [(f"sample {number + 1}", to_image(x[number])) for number in range(3)]
    return [*panels, (f"how much all {len(x)} differ", uncertainty.coloured(deviation.float().numpy()))]


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "examples/chelsea.png"
    image = read_image(source).convert("RGB")
    left, top = (image.width - SIDE) // 2 - 20, (image.height - SIDE) // 2
    image = image.crop((left, top, left + SIDE, top + SIDE))
    OUT.mkdir(exist_ok=True)
    chosen = settings(QUALITY)
    side = Encoder(Picture(to_tensor(image)), chosen, Context(load_prior()))
    session, rounds = side.session, []
    for number in range(1, chosen.rounds + 1):
        side.step()
        if number in SHOWN:
            shown = to_image(restore(session, "preview"))
            size = len(side.file())
            rounds.append((f"round {number}: {size} bytes\n{psnr(image, shown):.1f} dB", shown))
        if number == ROUND:
            sheet(
                "samples.webp",
                [(f"{text}\n", panel.resize((SIDE, SIDE), 0)) for text, panel in crowd(session)],
                4,
            )
            level = chosen.plan.rounds[number - 1].level
            first = session.pyramid.levels[level].rows.shape[1] - chosen.plan.rounds[number - 1].rows
            panels = [
                (f"row {n + 1} of this round\nin every window", pattern(session, level, first + n))
                for n in (0, 1, 2)
            ]
            sheet(
                "rows.webp", [("the picture after it\n", to_image(restore(session, "preview"))), *panels], 4
            )
        print(f"round {number} of {chosen.rounds}", file=sys.stderr)
    sheet("rounds.webp", rounds)
    mean, deviation = mean_and_deviation(session)
    picture, sample = to_image(mean), to_image(restore(session, "sample"))
    values = deviation.float().numpy()
    data = side.file()
    bpp = 8 * len(data) / SIDE**2
    panels = [
        (f"original\n{SIDE}x{SIDE} pixels", image),
        (f"mean: {len(data)} bytes, {bpp:.2f} bpp\n{psnr(image, picture):.2f} dB", picture),
        (f"one sample of the same file\n{psnr(image, sample):.2f} dB", sample),
        (
            f"how much the samples differ\nblack 0, bright {uncertainty.top_of(values):.0f} grey levels",
            uncertainty.coloured(values),
        ),
    ]
    sheet("restorations.webp", panels, 4)


if __name__ == "__main__":
    main()
