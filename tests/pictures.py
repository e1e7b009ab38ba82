"""Pictures that carry something: metadata, profiles, alpha, modes; and a quick way to code them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageFilter

import psc
from psc.plan.plan import FULL_BASIS, Level, Plan, Round, Settings
from psc.prior import HaarGaussian

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
QUICK = Plan((Level(1, 8, 5),), (Round(0, 1, 2), Round(0, FULL_BASIS, 2)))
CHOSEN = Settings(QUICK, 2, 80, 3)
PHOTO = Path(__file__).parent.parent / "examples" / "chelsea.png"
XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:rights="CC0"/></rdf:RDF></x:xmpmeta>'
    + b" " * 1000
    + b'<?xpacket end="w"?>'
)


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "Camera & Sons"
    tags[ExifTags.Base.Orientation] = orientation
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 1 / 125
    tags.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    return b"Exif\0\0" + tags.tobytes().removeprefix(b"Exif\0\0")


def wide_gamut() -> bytes:
    """A small profile of primaries far outside sRGB's, matrix and curve, gamma 1.9."""

    def fixed(value: float) -> bytes:
        return round(value * 65536).to_bytes(4, "big", signed=True)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + round(1.9 * 256).to_bytes(2, "big") + b"\0\0"
    tags = {
        b"rXYZ": xyz(0.7977, 0.2880, 0.0), b"gXYZ": xyz(0.1352, 0.7119, 0.0),
        b"bXYZ": xyz(0.0313, 0.0001, 0.8249), b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    return profile(b"mntrRGB XYZ ", tags)


INKS = {"": (255, 255, 255), "C": (20, 140, 200), "M": (200, 30, 120), "Y": (250, 230, 30), "K": (40, 38, 36)}
"""What single inks look like in sRGB."""


def press() -> bytes:
    """A small profile of a printing press, CMYK to LAB, by a table of the ink cube's corners."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    nodes = []
    for corner in range(16):  # C slowest, K fastest
        inks = [ink for i, ink in enumerate("CMYK") if corner >> (3 - i) & 1]
        rgb = np.prod([np.divide(INKS[ink], 255) for ink in inks or [""]], axis=0) * 255
        nodes.append(Image.new("RGB", (1, 1), tuple(int(v) for v in rgb)))
    through = ImageCms.buildTransform(srgb, lab, "RGB", "LAB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    signed = b"".join(
        through.apply(node).tobytes() for node in nodes
    )  # a and b, where tables have them + 128
    table = bytes(value ^ (128 if i % 3 else 0) for i, value in enumerate(signed))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    lut += b"".join(v.to_bytes(4, "big") for v in (65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    lut += bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    white = b"XYZ " + bytes(4) + b"".join(round(v * 65536).to_bytes(4, "big") for v in (0.9642, 1.0, 0.8249))
    tags = {b"A2B0": lut + bytes(-len(lut) % 4), b"wtpt": white}
    return profile(b"prtrCMYKLab ", tags)


def profile(kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2. kind: device class, colour space, connection space."""
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + (start + len(body)).to_bytes(4, "big") + len(tag).to_bytes(4, "big")
        body += tag
    header = (start + len(body)).to_bytes(4, "big") + bytes(4) + b"\x02\x10\0\0" + kind + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + b"".join(
        round(v * 65536).to_bytes(4, "big") for v in (0.9642, 1, 0.8249)
    )
    return header.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + body


def matte(size: tuple[int, int]) -> Image.Image:
    """Soft and hard edges."""
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 2, size[0] * 2 // 3, size[1] - 3), fill=255)
    image = image.filter(ImageFilter.GaussianBlur(2))
    ImageDraw.Draw(image).rectangle((size[0] // 2, 3, size[0] - 3, size[1] // 3), fill=255)
    return image


def photograph() -> Image.Image:
    """24x20 pixels of one, without metadata."""
    with Image.open(PHOTO) as image:
        return Image.fromarray(np.asarray(image.convert("RGB").crop((150, 60, 174, 80))))


def loaded(photo: Image.Image, **changes: bytes) -> Image.Image:
    image = photo.copy()
    image.info = {"icc_profile": wide_gamut(), "exif": exif(6), "xmp": XMP} | changes
    return image


def coded(image: Any, **options: Any) -> bytes:
    return psc.encode_with(image, CHOSEN, prior=PRIOR, **options)


def decoded(data: bytes, **options: Any) -> Image.Image:
    return psc.decode(data, prior=PRIOR, **options)


def tagged(image: Image.Image, **info: Any) -> Image.Image:
    image.info.update(info)
    return image


def tagged_alpha(alpha: Image.Image) -> Image.Image:
    """A grey picture with this alpha."""
    return Image.merge("LA", (alpha, alpha))


def cases() -> dict[str, tuple[Image.Image, Image.Image, bool]]:
    """By name: a picture, what it is as L, LA, RGB or RGBA, and whether that loses something."""
    rgb = photograph()
    grey, alpha = rgb.convert("L"), matte(rgb.size)
    rgba, la = rgb.copy(), grey.copy()
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    palette = rgb.quantize(64)
    clear = palette.copy()
    index = palette.getpixel((5, 5))
    bit = grey.convert("1", dither=Image.Dither.NONE)
    wide = np.asarray(grey).astype(np.uint16)
    value = int(wide[4, 4])
    keyed = grey.copy()
    keyed.putalpha(Image.fromarray(np.where(wide == value, 0, 255).astype(np.uint8)))
    pixel = rgb.getpixel((5, 5))
    keyed_rgb = rgb.copy()
    keyed_rgb.putalpha(Image.fromarray(np.where((np.asarray(rgb) == pixel).all(2), 0, 255).astype(np.uint8)))
    return {
        "L": (grey, grey, False),
        "RGB": (rgb, rgb, False),
        "LA": (la, la, False),
        "RGBA": (rgba, rgba, False),
        "1": (bit, bit.convert("L"), False),
        "P": (palette, palette.convert("RGB"), False),
        "P index": (tagged(clear, transparency=index), clear.convert("RGBA"), False),
        "P bytes": (tagged(palette.copy(), transparency=bytes(range(64))),
                    tagged(palette.copy(), transparency=bytes(range(64))).convert("RGBA"), False),
        "PA": (rgba.convert("PA"), rgba.convert("PA").convert("RGBA"), False),
        "RGBX": (rgb.convert("RGBX"), rgb, False),
        "RGBa": (rgba.convert("RGBa"), rgba.convert("RGBa").convert("RGBA"), False),
        "La": (la.convert("La"), la.convert("La").convert("LA"), False),
        "L key": (tagged(grey.copy(), transparency=value), keyed, False),
        "RGB key": (tagged(rgb.copy(), transparency=pixel), keyed_rgb, False),
        "I;16": (Image.fromarray(wide * 257), grey, True),
        "I;16B": (Image.frombytes("I;16B", grey.size, (wide * 257).astype(">u2").tobytes()), grey, True),
        "I;16 key": (tagged(Image.fromarray(wide * 257), transparency=value * 257), keyed, True),
        "I": (Image.fromarray(wide.astype(np.int32)), grey, True),
        "I wide": (Image.fromarray(wide.astype(np.int32) * 257), grey, True),
        "F": (Image.fromarray(wide.astype(np.float32)), grey, True),
        "CMYK": (rgb.convert("CMYK"), rgb, True),
        "YCbCr": (rgb.convert("YCbCr"), rgb, True),
        "HSV": (rgb.convert("HSV"), rgb, True),
        "LAB": (_lab(rgb), rgb, True),
    }  # fmt: skip


def _lab(rgb: Image.Image) -> Image.Image:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(rgb)


CASES = cases()
