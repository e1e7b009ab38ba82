"""Pillow reads and writes .psc files once this module is imported, or ``psc.register_pillow()`` was called.

    import psc.PscImagePlugin
    from PIL import Image

    Image.open("photo.psc").convert("L").save("grey.png")
    Image.open("photo.jpg").save("photo.psc", target_bpp=0.1)

Pillow has no entry points for plugins: it cannot find this one by itself. Opening reads the header alone and
loads no model; pixels are decoded when they are needed, with the embedded prior, unless ``load`` is called
with another. A file that cannot be read is an OSError (UnidentifiedImageError is one), as Pillow has it.
"""

import io
from typing import IO, Any

from PIL import Image, ImageFile, UnidentifiedImageError

from psc.bitstream import extras
from psc.bitstream.header import MAGIC, read_header
from psc.errors import PscError

FORMAT = "PSC"
BODY_LIMIT = 2**30
"""Bytes of a body that are read at most."""
OPTIONS = (
    "quality",
    "target_size",
    "target_bpp",
    "target_psnr",
    "preset",
    "effort",
    "seed",
    "prior",
    "strip",
    "progress",
)
"""Of ``Image.save``: the arguments of :func:`psc.encode`."""
METADATA = ("icc_profile", "exif", "xmp")
"""Of ``Image.save``: bytes instead of those in the picture's ``info``; None leaves them out."""


class PscImageFile(ImageFile.ImageFile):
    """A .psc file that is open; ``size``, ``mode`` and ``info`` are known."""

    format = FORMAT
    format_description = "Posterior sampling-based compression"

    def _open(self) -> None:
        file: IO[bytes] = self.fp  # type: ignore[assignment]
        if file.read(len(MAGIC)) != MAGIC:
            raise SyntaxError("not a PSC file")
        file.seek(-len(MAGIC), io.SEEK_CUR)
        self._start = file.tell()
        try:
            header = read_header(file)
            self.info.update((n, part) for n, part in extras.unpack(header.extras).items() if n != "alpha")
        except PscError as error:
            raise UnidentifiedImageError(str(error)) from error
        self._length = file.tell() - self._start + min(header.body.length, BODY_LIMIT)
        self._size, self._mode = (header.width, header.height), header.mode
        self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]

    def load(self, **options: Any) -> Any:
        """Decode the pixels, unless that was done before.

        options: restoration, steps, prior and allow_partial of :func:`psc.decode`; by default
        ImageFile.LOAD_TRUNCATED_IMAGES says whether a cut file is an OSError.
        """
        if self.tile and self.fp:
            from psc.codec.decode import decode

            options = {"allow_partial": ImageFile.LOAD_TRUNCATED_IMAGES} | options
            self.fp.seek(self._start)
            try:
                pixels = decode(self.fp.read(self._length), **options).tobytes()
            except PscError as error:
                raise OSError(str(error)) from error
            if self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(pixels)
        return super().load()

    def load_seek(self, pos: int) -> None:
        """The pixels are where they are."""


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:  # noqa: ARG001
    from psc.codec.encode import encode

    given = image.encoderinfo
    if metadata := {name: given[name] for name in METADATA if name in given}:
        image = image.copy()
        for name, value in metadata.items():
            image.info[name] = value.tobytes() if isinstance(value, Image.Exif) else value
    try:
        data = encode(image, **{name: given[name] for name in OPTIONS if name in given})
    except PscError as error:
        raise OSError(str(error)) from error
    file.write(data)


def register_pillow() -> None:
    """Make Pillow read and write .psc files."""
    Image.register_open(FORMAT, PscImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".psc")
    Image.register_mime(FORMAT, "image/x-psc")


register_pillow()
