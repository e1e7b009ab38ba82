"""PSC: posterior sampling-based compression of pictures with a pre-trained diffusion model.

The names below are imported when they are first used: importing the package does not load PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psc.bitstream.container import info
    from psc.codec import (
        Decoded,
        decode,
        decode_details,
        decode_progressively,
        encode,
        encode_with,
        simulate,
        simulate_variations,
        variations,
    )
    from psc.errors import PscError
    from psc.journal import Journal
    from psc.plan import Plan, Settings
    from psc.presets import settings
    from psc.prior import load_prior
    from psc.PscImagePlugin import register_pillow
    from psc.truncation import keep_rounds, truncate
    from psc.verification import RoundState, Verification, verify
else:
    _HOMES = {
        "psc.PscImagePlugin": ("register_pillow",),
        "psc.bitstream.container": ("info",),
        "psc.codec": (
            "Decoded",
            "decode",
            "decode_details",
            "decode_progressively",
            "encode",
            "encode_with",
            "simulate",
            "simulate_variations",
            "variations",
        ),
        "psc.errors": ("PscError",),
        "psc.journal": ("Journal",),
        "psc.plan": ("Plan", "Settings"),
        "psc.presets": ("settings",),
        "psc.prior": ("load_prior",),
        "psc.truncation": ("keep_rounds", "truncate"),
        "psc.verification": ("RoundState", "Verification", "verify"),
    }

    def __getattr__(name):
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})


__version__ = "0.2.0.dev0"

__all__ = [
    "Decoded",
    "Journal",
    "Plan",
    "PscError",
    "RoundState",
    "Settings",
    "Verification",
    "decode",
    "decode_details",
    "decode_progressively",
    "encode",
    "encode_with",
    "info",
    "keep_rounds",
    "load_prior",
    "register_pillow",
    "settings",
    "simulate",
    "simulate_variations",
    "truncate",
    "variations",
    "verify",
]
