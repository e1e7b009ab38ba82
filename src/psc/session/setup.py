"""From a picture or a file's header to a session, if memory and prior allow it."""

import os

import torch

from psc.bitstream.header import Header
from psc.bitstream.rangecoder import Channel
from psc.errors import PscError
from psc.plan.plan import Settings
from psc.session.context import Context
from psc.session.grid import from_picture, grid
from psc.session.session import Session

MAX_STATE_BYTES = 16 * 2**30
"""Pictures whose particles and rows would need more are refused, before anything is allocated."""
WHOLE_WINDOW_PIXELS = 256 * 256


def open_session(
    header: Header, context: Context, channel: Channel, picture: torch.Tensor | None = None
) -> Session:
    """The session that a header describes; with the picture (C, H, W) in [-1, 1] it is an encoder's."""
    prior, settings, shape = context.prior, header.settings, grid(header, context.prior)
    if not header.latents and prior.channels not in (3, shape[0]):
        raise PscError(
            f"the prior {prior.name} models {prior.channels} channels; a picture of {shape[0]} needs one of "
            f"{' or '.join(map(str, sorted({3, shape[0]})))}"
        )
    _check_size(settings, *shape)
    truth = None if picture is None else from_picture(picture, settings.plan, prior)
    return Session(settings, context, channel, shape, truth)


def _memory() -> int:
    """Bytes of memory that this machine has, as far as it tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return MAX_STATE_BYTES


def _check_size(settings: Settings, channels: int, height: int, width: int) -> None:
    """Refuse what would not fit into memory, before anything is allocated."""
    plan = settings.plan
    if plan.levels[0].window == 0 and height * width > WHOLE_WINDOW_PIXELS:
        raise PscError(
            f"one window as large as the picture (preset paper) is limited to {WHOLE_WINDOW_PIXELS} pixels, "
            f"this picture has {height * width} with padding: rows of H would be as long as the picture; use "
            "the default preset"
        )
    rows = [0.0] * len(plan.levels)
    for item in plan.rounds[: settings.rounds]:
        rows[item.level] += item.rows / plan.levels[item.level].scale ** 2
    held = sum(rows) + max(rows)  # a full basis has its level's rows beside the reflections for a moment
    finest = plan.levels[0]
    needed = 4 * channels * height * width * (finest.samples * (1 + finest.estimates) + held)
    limit = min(MAX_STATE_BYTES, _memory())
    if needed > limit:
        raise PscError(
            f"{width}x{height} pixels (padded) need about {needed / 2**30:.0f} GiB for this plan; the limit "
            f"here is {limit / 2**30:.0f} GiB: scale the picture down or cut it into parts"
        )
