"""Does this machine compute what every other one does? One line per check: verdict, time, SHA-256, what.

    python proof/check.py                   everything, what takes longest last
    python proof/check.py noise photo-64    what has one of these words in its name
    python proof/check.py --list            the names
    python proof/check.py --kernel=float32  on these convolutions instead of those of psc's choice

A file of tests/golden must be encoded to the same bytes and decoded to the same pictures; the pieces before
that must have the hashes in expected.json, which ``--write`` makes anew (with photo-96x64.psc) on a machine
that is trusted.
Needs psc, pytest and hypothesis (the pictures and plans are those of the tests).
"""

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
EXPECTED = HERE / "expected.json"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from tests import test_exactness, test_golden  # noqa: E402
from tests.conftest import texture  # noqa: E402

import psc  # noqa: E402
from psc.exact import gaussian, symmetric_eigen, to_grid  # noqa: E402
from psc.exact.fixed import root  # noqa: E402
from psc.plan.noise_levels import sigma  # noqa: E402
from psc.prior.embedded.convolution import KERNELS, Layer  # noqa: E402
from psc.prior.embedded.prior import EmbeddedPrior, load_embedded  # noqa: E402

WIDE = (130, 60, 226, 124)
WIDE_FILE = HERE / "photo-96x64.psc"
"""A crop of 96x64 of the photograph, encoded by the default plan with quality 75."""
Check = Callable[[], tuple[str, bool | None]]
"""Returns a hash, and whether it is right; None: compare with expected.json."""


def say(line: str) -> None:
    """At once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def digest(*parts: bytes) -> str:
    """SHA-256 of all of it."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def integers(x: torch.Tensor, bits: int = 16) -> bytes:
    """Multiples of 2^-bits as bytes, the same on every machine."""
    return (x.double() * 2**bits).numpy().astype("<i8").tobytes()


def numbers(x: torch.Tensor) -> bytes:
    """All bits of floating-point numbers."""
    array = x.contiguous().numpy()
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def noise() -> torch.Tensor:
    """Numbers that need nothing but integers and the table."""
    return gaussian(7, (1, 2, 3), (64, 24, 24))


def check_roots() -> tuple[str, None]:
    """And divisions, products, sums."""
    x = noise().abs() + 1
    return digest(numbers(root(x)), numbers(x / root(x)), numbers(to_grid(x * 0.7, 14))), None


def check_eigen() -> tuple[str, None]:
    """Principal components of 64 windows."""
    a = noise()
    return digest(*map(numbers, symmetric_eigen(to_grid(a + a.transpose(1, 2), 14)))), None


def check_inputs() -> tuple[str, None]:
    """The tests' pictures rest on a library's sine, and the photograph on a PNG decoder."""
    drawn = [texture(*shape).tobytes() for shape, _ in test_golden.CASES.values()]
    return digest(*drawn, photograph().tobytes()), None


def photograph() -> Image.Image:
    """Whole."""
    return test_golden.read_image(test_golden.PHOTO).convert("RGB")


@cache
def embedded() -> EmbeddedPrior:
    """The prior, on the kernel of its choice or on the one that was asked for."""
    asked = [word.split("=")[1] for word in sys.argv if word.startswith("--kernel=")]
    return load_embedded(kernel=asked[0]) if asked else psc.load_prior()


def kernel(name: str) -> str:
    """What the self-test says of it."""
    try:
        load_embedded(kernel=name)
    except psc.PscError:
        try:
            layer = Layer(torch.ones(16, 16, 3, 3, dtype=torch.int8), 1, -128, 127)
            made = KERNELS[name](layer, torch.device("cpu"))
            made.scaled(torch.zeros(1, 16, 8, 8, dtype=torch.uint8), torch.ones(16))
        except (RuntimeError, AttributeError) as error:
            return f"absent: {str(error).splitlines()[0][:150]}"
        return "refused: its sums are not exact"
    return "agrees with the known answers of every layer"


SHAPES = ((1, 16, 24), (2, 64, 48), (17, 16, 16), (40, 8, 8))
"""Batch, height, width: libraries choose their algorithms by these."""


def check_network() -> tuple[str, bool | None]:
    """Several shapes, scales and noise levels; in batches what it is one by one."""
    found = []
    for i, (batch, height, width) in enumerate(SHAPES):
        x = gaussian(i, (0, 0, 9), (batch, 3, height, width)).float()
        out = embedded().denoise(x, sigma(40 + 20 * i), 2**i)
        found.append(numbers(out))
        if not torch.equal(out[-1:], embedded().denoise(x[-1:], sigma(40 + 20 * i), 2**i)):
            return digest(*found), False
    return digest(*found), None


def encodes(name: str) -> tuple[str, bool]:
    """A golden file of the Gaussian prior."""
    shape, chosen = test_golden.CASES[name]
    data = psc.encode_with(texture(*shape), chosen, prior=test_golden.prior())
    return digest(data), data == golden(name)


def decodes(name: str) -> tuple[str, bool]:
    """Its three pictures; the hash is the mean's."""
    found = {way: test_golden.pixels_hash(golden(name), way) for way in test_golden.RESTORATIONS}
    return found["mean"], found == test_golden.expected()[name]


def golden(name: str) -> bytes:
    """A file."""
    return (test_golden.FOLDER / f"{name}.psc").read_bytes()


def encodes_photo(name: str) -> tuple[str, bool]:
    """The default plan whole, with the embedded prior."""
    data = test_golden.photograph(name, embedded())
    return digest(data), data == golden(name)


def decodes_photo(name: str) -> tuple[str, bool]:
    """Its mean."""
    found = test_golden.pixels_hash(golden(name), "mean", embedded())
    return found, found == test_golden.expected()[name]["mean"]


def encodes_short() -> tuple[str, bool]:
    """All kinds of rounds with the embedded prior, few samples."""
    data = psc.encode_with(test_exactness.crop(), test_exactness.SHORT, prior=embedded())
    return digest(data), data == golden("photograph")


def decodes_short() -> tuple[str, bool]:
    """Its three pictures; the hash is the mean's."""
    found = {
        way: digest(psc.decode(golden("photograph"), restoration=way, prior=embedded()).tobytes())
        for way in test_golden.RESTORATIONS
    }
    wanted = test_exactness.expected()
    return found["mean"], all(found[way] == wanted[way] for way in found)


def encodes_wide() -> tuple[str, bool]:
    """The default plan on a wide picture."""
    data = psc.encode(photograph().crop(WIDE), quality=75.0, prior=embedded())
    if "--write" in sys.argv:
        WIDE_FILE.write_bytes(data)
    return digest(data), data == WIDE_FILE.read_bytes()


def decodes_wide() -> tuple[str, None]:
    """Its mean."""
    return digest(psc.decode(WIDE_FILE.read_bytes(), prior=embedded()).tobytes()), None


def encodes_latents() -> tuple[str, bool]:
    """Latents with a caption, on the tests' autoencoder."""
    from tests import test_latents

    data = test_latents.golden()
    return digest(data), data == golden("latent")


def checks() -> Iterator[tuple[str, Check]]:
    """Everything, by time."""
    yield "noise", lambda: (digest(integers(noise())), None)
    yield "roots", check_roots
    yield "eigenvectors", check_eigen
    yield "inputs", check_inputs
    for name in test_golden.CASES:
        yield f"encode {name}", lambda name=name: encodes(name)
        yield f"decode {name}", lambda name=name: decodes(name)
    yield "encode latent", encodes_latents
    yield "network", check_network
    yield "encode photograph", encodes_short
    yield "decode photograph", decodes_short
    for name in test_golden.PHOTOGRAPHS:
        yield f"encode {name}", lambda name=name: encodes_photo(name)
        yield f"decode {name}", lambda name=name: decodes_photo(name)
        if name == "photo-64":
            yield "encode photo-96x64", encodes_wide
            yield "decode photo-96x64", decodes_wide


def machine() -> str:
    """In a line."""
    import constriction

    coder = getattr(constriction, "__doc__", None) or ""
    return (
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), NumPy {np.__version__}, "
        f"range coder: {'stand-in' if 'that psc uses' in coder else 'constriction'}"
    )


def main() -> int:
    """0 if all is the same."""
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")]
    chosen = [(n, c) for n, c in checks() if not wanted or any(word in n for word in wanted)]
    if "--list" in sys.argv:
        say("\n".join(name for name, _ in chosen))
        return 0
    torch.set_num_threads(1)
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    say(machine())
    if not wanted or "kernel" in wanted:
        for name in KERNELS:
            start = time.monotonic()
            verdict = kernel(name)
            say(f"       {time.monotonic() - start:7.1f} s  kernel {name}: {verdict}")
        say(f"                  the network runs on: {embedded().kernel}")
    wrong, missing = [], []
    for name, check in chosen:
        start = time.monotonic()
        try:
            found, right = check()
        except (psc.PscError, RuntimeError, ImportError) as error:
            say(f"FAILS  {time.monotonic() - start:7.1f} s  {name}: {type(error).__name__}: {error}")
            missing.append(name)
            continue
        if right is None and "--write" in sys.argv:
            expected[name] = found
        if right is None:
            right = found == expected.get(name)
        if not right:
            wrong.append(name)
        say(f"{'same' if right else 'OTHER':5}  {time.monotonic() - start:7.1f} s  {found}  {name}")
    if "--write" in sys.argv:
        EXPECTED.write_text(json.dumps(expected, indent=1) + "\n")
    say(f"{len(chosen) - len(wrong) - len(missing)} the same, {len(wrong)} other, {len(missing)} failed")
    return len(wrong) + len(missing) > 0


if __name__ == "__main__":
    sys.exit(main())
