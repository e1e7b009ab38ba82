"""The README's picture, the first page's, and those of how-it-works.md, made by the codec itself.

    python docs/pictures.py [PICTURE]

Writes docs/comparison.png and docs/pictures/, but for view.webp. Takes some minutes on two cores.
docs/front_page.py makes the first page's alone.
"""

import sys
from pathlib import Path

import torch
from front_page import ByCodec, by_others, front_page
from PIL import Image, ImageDraw, ImageFont

import psc
from psc import load_prior
from psc.images import uncertainty
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_image, to_tensor
from psc.plan.plan import Round
from psc.plan.presets import settings
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.restore import mean_and_deviation, restore
from psc.session.session import Session

HERE = Path(__file__).parent
OUT = HERE / "pictures"
QUALITY = 45
SIDE = 192
SHOWN = (1, 6, 16, 20, 25, 27)
"""Rounds of the default plan, from 1."""
ROUND = 17
"""The one that is looked into: the first at 1/4 size."""
BPP, OTHERS = 0.1, ("avif", "jpeg2000", "webp", "jpeg")
"""Of the comparison: bits per pixel, and what is beside PSC."""
GAP, TEXT = 6, 40


def sheet(path: Path, panels: list[tuple[str, Image.Image]], columns: int = 3) -> None:
    """Pictures of one size with a line or two of text above each, on a grid."""
    width, height = panels[0][1].size
    rows = -(-len(panels) // columns)
    whole = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + TEXT)), "white")
    for number, (text, panel) in enumerate(panels):
        left, top = number % columns * (width + GAP), number // columns * (height + TEXT)
        whole.paste(panel.convert("RGB"), (left, top + TEXT - 2))
        ImageDraw.Draw(whole).text((left, top + 4), text, fill="black", font=ImageFont.load_default(13))
    whole.save(path, **({"quality": 90, "method": 6} if path.suffix == ".webp" else {"optimize": True}))


def comparison(image: Image.Image) -> None:
    """The same picture by several codecs, at the same size or the smallest that each can do."""
    data = psc.encode(image, target_bpp=BPP)
    all_of_them = [ByCodec("PSC", len(data), psc.decode(data)), *by_others(image, len(data), OTHERS)]
    panels = [(f"original\n{image.width}x{image.height} pixels", image)]
    panels += [(f"{it.name}\n{', '.join(it.figures(image))}", it.image) for it in all_of_them]
    sheet(HERE / "comparison.png", panels)
    print("; ".join(text.replace("\n", ": ") for text, _ in panels))


def pattern(session: Session, level: int, row: int) -> Image.Image:
    """One row of H in every window of a level, as a picture: grey is zero."""
    windows = [
        torch.zeros(1, len(w.rows), w.rows.shape[2], dtype=torch.float64) for w in session.pyramid.levels
    ]
    windows[level] = session.pyramid.levels[level].rows[None, :, row].double()
    x = session.pyramid.pixels(0, windows)[0]
    return to_image(0.8 * x / x.abs().quantile(0.998))


def particles_of(session: Session) -> list[tuple[str, Image.Image]]:
    """Three of the particles, and how much all of them differ, at the size that they have."""
    x = session.particles.values
    assert x is not None
    deviation = 127.5 * x.double().var(0).mean(0).sqrt()
    panels = [(f"sample {number + 1}", to_image(x[number])) for number in range(3)]
    return [*panels, (f"how much all {len(x)} differ", uncertainty.coloured(deviation.float().numpy()))]


def how_it_works(image: Image.Image) -> None:
    """The rounds, a level's samples and rows, and restorations."""
    chosen = settings(QUALITY)
    side = Encoder(Picture(to_tensor(image)), chosen, Context(load_prior()))
    rounds = []
    for number in range(1, chosen.rounds + 1):
        side.step()
        if number in SHOWN:
            shown = to_image(restore(side.session, "preview"))
            rounds.append((f"round {number}: {len(side.file())} bytes\n{psnr(image, shown):.1f} dB", shown))
        if number == ROUND:
            look_into(side.session, chosen.plan.rounds[number - 1])
        print(f"round {number} of {chosen.rounds}", file=sys.stderr)
    sheet(OUT / "rounds.webp", rounds)
    restorations(side, image)


def look_into(session: Session, item: Round) -> None:
    """A round's samples and the rows that they propose."""
    panels = [(f"{text}\n", panel.resize((SIDE, SIDE), 0)) for text, panel in particles_of(session)]
    sheet(OUT / "samples.webp", panels, 4)
    first = session.pyramid.levels[item.level].rows.shape[1] - item.rows
    panels = [("the picture after it\n", to_image(restore(session, "preview")))]
    panels += [
        (f"row {n + 1} of this round\nin every window", pattern(session, item.level, first + n))
        for n in range(3)
    ]
    sheet(OUT / "rows.webp", panels, 4)


def restorations(side: Encoder, image: Image.Image) -> None:
    """A mean, a sample, and how much samples differ."""
    mean, deviation = mean_and_deviation(side.session)
    picture, sample = to_image(mean), to_image(restore(side.session, "sample"))
    values, size = deviation.float().numpy(), len(side.file())
    top = f"black 0, bright {uncertainty.top_of(values):.0f} grey levels"
    panels = [
        (f"original\n{SIDE}x{SIDE} pixels", image),
        (f"mean: {size} bytes, {8 * size / SIDE**2:.2f} bpp\n{psnr(image, picture):.2f} dB", picture),
        (f"one sample of the same file\n{psnr(image, sample):.2f} dB", sample),
        (f"how much the samples differ\n{top}", uncertainty.coloured(values)),
    ]
    sheet(OUT / "restorations.webp", panels, 4)


def centre_crop(image: Image.Image, side: int, shift: int = 0) -> Image.Image:
    left, top = (image.width - side) // 2 - shift, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "examples/chelsea.png"
    image = read_image(source).convert("RGB")
    OUT.mkdir(exist_ok=True)
    comparison(centre_crop(image, 256))
    how_it_works(centre_crop(image, SIDE, 20))
    front_page()


if __name__ == "__main__":
    main()
