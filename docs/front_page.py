"""The first page's photographs: each as it was, by PSC, and by AVIF and JPEG at the same bytes.

    python docs/front_page.py

Writes docs/pictures/front.html, which docs/index.md includes, and the pictures that it shows, to
docs/pictures/front/; so does docs/pictures.py. Takes a few minutes on two cores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import psc
from psc.evaluate.codecs import codecs, nearest_below
from psc.images import uncertainty
from psc.images.opening import read_image
from psc.images.pixels import psnr

HERE = Path(__file__).parent
OUT, SHOWN = HERE / "pictures", "front"
PHOTOGRAPHS = {"chelsea": "A cat's face", "astronaut": "An astronaut", "coffee": "A cup of coffee"}
"""Of examples/, and what is on them."""
BPP, OTHERS = 0.15, ("avif", "jpeg")
"""Bits per pixel: about the least that JPEG can do; and what is beside PSC."""


@dataclass(frozen=True)
class ByCodec:
    """A picture by a codec.

    Attributes:
        label: The codec's.
        size: Of the file in bytes.
        image: What it decodes to.
        fits: False for the codec's smallest file where that is larger than PSC's.
    """

    label: str
    size: int
    image: Image.Image
    fits: bool = True

    def figures(self, original: Image.Image) -> tuple[str, str]:
        """Bytes and PSNR."""
        return f"{self.size:,} bytes", f"{psnr(original, self.image):.1f} dB"

    @property
    def name(self) -> str:
        """The label; and that it is the smallest file, if it is too large."""
        return self.label if self.fits else f"{self.label}, its smallest"


def by_others(image: Image.Image, size: int, names: Sequence[str]) -> Iterator[ByCodec]:
    """A picture by other codecs: each one's largest file of at most a size, or its smallest of all."""
    for codec in (codecs()[name] for name in names):
        data = nearest_below(codec, image, size).data
        yield ByCodec(codec.label, len(data), codec.decode(data), len(data) <= size)


def overlay(decoded: psc.Decoded) -> Image.Image:
    """Where samples differ, to be laid over the picture: clear where they do not."""
    assert decoded.deviation is not None
    colours = uncertainty.coloured(decoded.deviation)
    colours.putalpha(colours.convert("L"))
    return colours


def tag(name: str, image: Image.Image, alt: str, attributes: str = "") -> str:
    """Save a picture; the HTML that shows it."""
    image.save(OUT / SHOWN / f"{name}.webp", quality=90, alpha_quality=60, method=6)
    source = f"{OUT.name}/{SHOWN}/{name}.webp"
    return f'<img src="{source}" width="{image.width}" height="{image.height}" alt="{alt}"{attributes}>'


def figure(images: str, label: str, *lines: str) -> str:
    """Pictures, one over the other, with a name above and figures below."""
    below = " ".join(f"<span>{line}</span>" for line in lines)
    return f"<figure><b>{label}</b><div>{images}</div><figcaption>{below}</figcaption></figure>"


def row(name: str, what: str) -> Iterator[str]:
    """A photograph's figures."""
    image = read_image(HERE.parent / f"examples/{name}.png").convert("RGB")
    yield figure(tag(name, image, what), "Original", f"{image.width} &times; {image.height} pixels")
    data = psc.encode(image, target_bpp=BPP)
    decoded = psc.decode_details(data, uncertainty=True)
    over = tag(f"{name}-overlay", overlay(decoded), "where samples differ", ' class="overlay"')
    for it in (ByCodec("PSC", len(data), decoded.image), *by_others(image, len(data), OTHERS)):
        shown = tag(f"{name}-{it.label.lower()}", it.image, f"{what}, by {it.label}")
        figures = it.figures(image)
        print(f"{name} by {it.name}:", *figures)
        yield figure(shown + over * (it.label == "PSC"), it.name, *figures)


def front_page() -> None:
    """Make the pictures, and the HTML around them."""
    (OUT / SHOWN).mkdir(parents=True, exist_ok=True)
    figures = [html for name, what in PHOTOGRAPHS.items() for html in row(name, what)]
    switch = '<label><input type="checkbox"> Overlay where samples differ: the file leaves it open</label>'
    (OUT / "front.html").write_text("\n".join(['<div class="photographs">', switch, *figures, "</div>", ""]))


if __name__ == "__main__":
    front_page()
