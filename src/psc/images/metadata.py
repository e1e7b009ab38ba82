"""What a picture carries besides its colours: alpha, ICC profile, EXIF and XMP.

All come back as they were, byte for byte and sample for sample, but for well-known profiles
(:mod:`psc.images.profiles`). Colours are coded in the picture's own space, whose profile travels along;
pixels stay as they are stored, and so does the EXIF orientation. An alpha that is opaque everywhere says
nothing and is left out.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from psc.errors import PscError
from psc.images import alpha, modes, opening, profiles
from psc.images.arrays import samples
from psc.images.carried import carried
from psc.images.orientation import orientation, turned


def join(image: Image.Image, clear: Image.Image | None, carries: Mapping[str, bytes]) -> Image.Image:
    """A picture of mode L or RGB with its alpha, and with icc_profile, exif and xmp in its ``info``."""
    if clear is not None:
        image.putalpha(clear)
    image.info.update(carries)
    return image


def info(parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a file's parts are in a picture's ``info``; PscError for a profile that is not known."""
    found = {name: part for name, part in parts.items() if name not in ("alpha", "standard_profile")}
    if "standard_profile" in parts:
        if len(parts["standard_profile"]) != 1 or "icc_profile" in parts:
            raise PscError(
                "the file's colour profile is none that an encoder writes: it is damaged or forged"
            )
        found["icc_profile"] = profiles.standard(parts["standard_profile"][0])
    return found


def split(
    image: Image.Image | NDArray[Any], *, strip: bool = False, keep_profile: bool = False
) -> tuple[Image.Image | NDArray[Any], dict[str, bytes]]:
    """A picture's colours and what else it carries.

    Args:
        image: Arrays carry nothing but alpha.
        strip: Leave everything out but alpha; then the EXIF orientation is applied to the pixels.
        keep_profile: Carry a well-known profile's bytes, too, instead of its number.

    Returns:
        The colours, mode L or RGB or an array; by name: alpha, standard_profile or icc_profile, exif, xmp.
    """
    if not isinstance(image, Image.Image):
        array = samples(image)
        if array.shape[2] in (1, 3):
            return array, {}
        image = Image.fromarray(array)
    image = opening.loaded(image)
    colours = modes.plain(image)
    found = carried(image)
    if strip:
        colours, found = turned(colours, orientation(found)), {}
    found |= _profile(found.pop("icc_profile", b""), colours.mode in ("L", "LA"), keep_profile)
    if colours.mode.endswith("A"):
        clear = colours.getchannel("A")
        colours = colours.convert(colours.mode[:-1])
        found |= {} if clear.getextrema() == (255, 255) else {"alpha": alpha.packed(clear)}
    return colours, found


def _profile(profile: bytes, grey: bool, keep: bool) -> dict[str, bytes]:
    if not profile or keep:
        return {"icc_profile": profile} if profile else {}
    profile = profiles.fitting(profile, grey)
    number = profiles.recognised(profile, grey)
    if number is not None:
        return {"standard_profile": bytes([number])}
    return {"icc_profile": profile} if profile else {}
