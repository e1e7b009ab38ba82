from .bitstream.container import info as info
from .codec.decode import decode as decode
from .codec.decode import decode_details as decode_details
from .codec.decode import decode_progressively as decode_progressively
from .codec.decode import open as open  # noqa: A004
from .codec.decode import variations as variations
from .codec.encode import encode as encode
from .codec.encode import encode_with as encode_with
from .codec.simulate import simulate as simulate
from .codec.simulate import simulate_variations as simulate_variations
from .codec.truncate import keep_rounds as keep_rounds
from .codec.truncate import truncate as truncate
from .codec.verify import RoundState as RoundState
from .codec.verify import Verification as Verification
from .codec.verify import verify as verify
from .errors import PscError as PscError
from .plan.plan import Plan as Plan
from .plan.plan import Settings as Settings
from .plan.presets import settings as settings
from .prior import load_prior as load_prior
from .PscImagePlugin import register_pillow as register_pillow
from .session.decoder import Decoded as Decoded
from .session.decoder import Decoder as Decoder
from .session.journal import Journal as Journal

__version__: str
