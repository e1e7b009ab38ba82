"""A folder of pictures, coded and shown: what the published evaluation command does, under our names.

    python -m benchmarks.folder DIR OUT --prior stable-diffusion-2.1-base --captions auto --device cuda
    python -m benchmarks.folder DIR OUT --prior adm-imagenet-256 --preset paper --rounds 64 --simulate

Writes OUT/NAME.psc and OUT/NAME.png, a JSON line per picture to OUT/results.jsonl, and prints the means.

    published              here
    --data-dir, --outdir   DIR, OUT
    -n, --num-samples      --samples     posterior samples s per round (default with --rows: 4/3 of them)
    -r, --rank             --rows        rows of H per round and window
    -i, --iters            --rounds
    -c, --use-captions     --captions    "auto" (BLIP-2), or a JSON file {picture's name: caption}
    -v, --num-variations   --restore     mean of s samples, sample (one), preview
    -s, --simulate         --simulate    restore from the encoder's session, do not decode the file
    --start, --end         --start, --end
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np

import psc
from psc.captioner import describe
from psc.images import psnr, read_image
from psc.plan import FULL_BASIS
from psc.prior import conditioned

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


def chosen(arguments: argparse.Namespace, latents: bool) -> psc.Settings:
    """The preset, with what the arguments say otherwise."""
    preset = arguments.preset or ("latent" if latents else "default")
    found = psc.settings(arguments.quality, preset, arguments.seed)
    rows, steps = arguments.rows, arguments.steps
    samples = arguments.samples or (rows * 4 // 3 if rows else found.plan.samples)
    rounds = [
        dataclasses.replace(
            item, rows=item.rows if item.rows == FULL_BASIS else rows or item.rows, steps=steps or item.steps
        )
        for item in found.plan.rounds
    ]
    plan = dataclasses.replace(
        found.plan, samples=samples, rounds=tuple(rounds), fresh_steps=steps or found.plan.fresh_steps
    )
    return dataclasses.replace(found, plan=plan, rounds=arguments.rounds or found.rounds)


def caption(name: str, image: object, arguments: argparse.Namespace) -> str:
    if arguments.captions in ("", "auto"):
        return describe(image, arguments.device) if arguments.captions else ""
    return json.loads(Path(arguments.captions).read_text())[name]


def measure(path: Path, prior: psc.prior.Prior, arguments: argparse.Namespace) -> dict[str, object]:
    image = read_image(path).convert("RGB")
    text = caption(path.name, image, arguments)
    given = conditioned(prior, text, arguments.guidance if text else 1.0)
    settings, start = chosen(arguments, prior.factor > 1), time.perf_counter()
    if arguments.simulate:
        data, found = psc.simulate(image, settings, restoration=arguments.restore, prior=given)
    else:
        data = psc.encode_with(image, settings, prior=given)
        found = psc.decode_details(data, restoration=arguments.restore, prior=prior)
    (arguments.out / f"{path.stem}.psc").write_bytes(data)
    found.image.save(arguments.out / f"{path.stem}.png")
    return {
        "picture": path.name,
        "caption": text,
        "bytes": len(data),
        "bpp": 8 * len(data) / (image.width * image.height),
        "psnr": psnr(image, found.image),
        "nfe": found.nfe,
        "seconds": time.perf_counter() - start,
        "decoded": not arguments.simulate,
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--prior", default="embedded")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", help="see psc encode; by default the prior's")
    parser.add_argument("--quality", type=float, default=50)
    parser.add_argument("--seed", type=int, default=0)
    for name in ("samples", "rows", "rounds", "steps", "start", "end"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--captions", default="")
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--restore", default="mean")
    parser.add_argument("--simulate", action="store_true")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    arguments.out.mkdir(parents=True, exist_ok=True)
    prior = psc.load_prior(arguments.prior, device=arguments.device, half=arguments.half)
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in PICTURES)
    rows = []
    for path in paths[arguments.start : arguments.end]:
        rows.append(measure(path, prior, arguments))
        with (arguments.out / "results.jsonl").open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(path.name, rows[-1]["bytes"], f"{rows[-1]['psnr']:.2f}", file=sys.stderr, flush=True)
    bpp, decibels, seconds = (np.mean([row[name] for row in rows]) for name in ("bpp", "psnr", "seconds"))
    print(f"{len(rows)} pictures: {bpp:.4f} bpp, {decibels:.2f} dB, {seconds:.1f} s each")


if __name__ == "__main__":
    main()
