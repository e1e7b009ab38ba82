"""PSC: posterior sampling-based compression of pictures with a pre-trained diffusion model."""

from psc.codec import Decoded, decode, decode_details, encode, encode_with, info
from psc.errors import PscError
from psc.plan import Plan, Settings, settings
from psc.prior import load_prior

__version__ = "0.1.0"

__all__ = [
    "Decoded",
    "Plan",
    "PscError",
    "Settings",
    "decode",
    "decode_details",
    "encode",
    "encode_with",
    "info",
    "load_prior",
    "settings",
]
