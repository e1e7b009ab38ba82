"""Coverage-guided fuzzing with atheris (libFuzzer): see README.md.

    python -m fuzz.run parse|decode FOLDER [libFuzzer's options]

FOLDER: of the inputs that were found to reach something new; made, and begun with fuzz.seeds.
"""

import sys
import warnings
from pathlib import Path

import atheris
import torch

with atheris.instrument_imports(include=["psc"]):
    from fuzz import seeds, targets


def main() -> None:
    """libFuzzer takes the options that follow the target's name."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("parse", "decode"):
        raise SystemExit(__doc__)
    name, folder, *options = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(getattr(seeds, name)()):
        Path(folder, f"seed-{number:03}").write_bytes(data)
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    atheris.Setup([sys.argv[0], *options, folder], getattr(targets, name))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
