"""What captions cost in a file, everything included, against the published 6 bits per character.

    python -m benchmarks.captions
    python -m benchmarks.captions FILE    # one caption a line, below headings that begin with #

benchmarks/captions.txt says where its captions are from. None of them is in the text that the model of
captions is made from (tests/test_text.py).
"""

import dataclasses
import sys
from pathlib import Path

from psc.bitstream.header import Condition, Header
from psc.plan.plan import Settings
from psc.plan.presets import LATENT

PUBLISHED = 6
CAPTIONS = Path(__file__).with_name("captions.txt")
BARE = Header(
    width=512, height=512, grey=False, settings=Settings(LATENT, len(LATENT.rounds), 128),
    fingerprint=bytes(4), exact=False, latents=True,
)  # fmt: skip


def captions(path: Path = CAPTIONS) -> dict[str, list[str]]:
    """By heading."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            some = found.setdefault(line[1:].strip(), [])
        else:
            some.append(line)
    return found


def bits(caption: str) -> int:
    """What a header is longer with the caption."""
    return 8 * (len(dataclasses.replace(BARE, condition=Condition(caption)).pack()) - len(BARE.pack()))


def main() -> None:
    groups = captions(Path(sys.argv[1]) if len(sys.argv) > 1 else CAPTIONS)
    groups["all"] = [caption for group in groups.values() for caption in group]
    print("| captions | characters each | bits per character | of 6 bits | worst caption |")
    print("| --- | --- | --- | --- | --- |")
    for name, some in groups.items():
        sizes, spent = [len(c) for c in some], [bits(c) for c in some]
        rate = sum(spent) / sum(sizes)
        worst = max(b / c for b, c in zip(spent, sizes, strict=True))
        shares = f"{rate:.2f} | {100 * rate / PUBLISHED:.0f} % | {worst:.2f}"
        print(f"| {len(some)}: {name} | {min(sizes)} to {max(sizes)} | {shares} |")


if __name__ == "__main__":
    main()
