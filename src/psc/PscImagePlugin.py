"""Pillow reads and writes .psc files once this module is imported, or ``psc.register_pillow()`` was called.

    import psc.PscImagePlugin
    from PIL import Image

    Image.open("photo.psc").convert("L").save("grey.png")
    Image.open("photo.jpg").save("photo.psc", target_bpp=0.1)

Pillow has no entry points for plugins: it cannot find this one by itself. Opening reads the header alone and
loads no model; pixels are decoded when they are needed, with the embedded prior, unless ``load`` is called
with another. Several threads may use a picture that is not loaded yet: one decodes, the others wait.
``verify`` checks the file's length and checksums without decoding. A file that cannot be read is an OSError
(UnidentifiedImageError is one), as Pillow has it.
"""

import io
import threading
from collections.abc import Mapping
from typing import IO, Any

from PIL import Image, ImageFile, UnidentifiedImageError

from psc.bitstream import extras
from psc.bitstream.header import MAGIC, read_header, unpack
from psc.errors import PscError
from psc.images import metadata

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
    "roi",
    "prior",
    "strip",
    "keep_profile",
    "progress",
)
"""Of ``Image.save``: the arguments of :func:`psc.encode`."""
METADATA = ("icc_profile", "exif", "xmp")
"""Of ``Image.save``: instead of those in the picture's ``info``; None leaves them out."""


class PscImageFile(ImageFile.ImageFile):
    """A .psc file that is open; ``size``, ``mode`` and ``info`` are known."""

    format = FORMAT
    format_description = "Posterior sampling-based compression"
    _lock = threading.RLock()  # of pictures that were not opened (copies, say), which have nothing to decode

    def _open(self) -> None:
        file: IO[bytes] = self.fp  # type: ignore[assignment]
        if file.read(len(MAGIC)) != MAGIC:
            raise SyntaxError("not a PSC file")
        file.seek(-len(MAGIC), io.SEEK_CUR)
        self._start, self._lock = file.tell(), threading.RLock()
        try:
            header = read_header(file)
            self.info.update(metadata.info(extras.unpack(header.extras)))
        except PscError as error:
            raise UnidentifiedImageError(str(error)) from error
        self._length = file.tell() - self._start + min(header.body.length, BODY_LIMIT)
        self._size, self._mode = (header.width, header.height), header.mode
        self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]

    def load(self, **options: Any) -> Any:
        """Decode the pixels, unless that was done before.

        Args:
            options: restoration, steps, prior and allow_partial of :func:`psc.decode`; by default
                ``ImageFile.LOAD_TRUNCATED_IMAGES`` says whether a cut file is an OSError.

        Returns:
            The picture's pixel access, as Pillow's ``load`` does.

        Raises:
            OSError: If the file cannot be decoded.
        """
        with self._lock:
            if self.tile and self.fp:
                self._decode({"allow_partial": ImageFile.LOAD_TRUNCATED_IMAGES} | options)
            elif self.tile:
                raise OSError("this picture was verified or closed: open the file anew to load it")
            return super().load()

    def _decode(self, options: Mapping[str, Any]) -> None:
        """Put the pixels in the file's place, where Pillow reads them."""
        from psc.codec.decode import decode

        try:
            pixels = decode(self._data(), **options).tobytes()
        except PscError as error:
            raise OSError(str(error)) from error
        if self._exclusive_fp and self.fp:
            self.fp.close()
        self.fp = io.BytesIO(pixels)

    def _data(self) -> bytes:
        """The file's bytes, without what may follow it."""
        assert self.fp
        self.fp.seek(self._start)
        return self.fp.read(self._length)

    def verify(self) -> None:
        """Check the header, the body's length and its checksum; nothing is decoded.

        As with Pillow's own formats, the picture is of no use afterwards: open the file anew to load it.

        Raises:
            OSError: If the file is cut or damaged.
            RuntimeError: If the picture is loaded or verified already.
        """
        with self._lock:
            if not (self.tile and self.fp):
                raise RuntimeError("verify must be called directly after open")
            try:
                header, body = unpack(self._data())
            except PscError as error:
                raise OSError(str(error)) from error
            if defect := header.body.defect(body):
                raise OSError(defect)
            super().verify()

    def load_seek(self, pos: int) -> None:
        """Nothing to do: Pillow calls it before it reads pixels, and they are at the file's beginning."""


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:  # noqa: ARG001
    from psc.codec.encode import encode

    given = image.encoderinfo
    if metadata := {name: given[name] for name in METADATA if name in given}:
        image = image.copy()
        for name, value in metadata.items():
            image.info[name] = _as_bytes(name, value)
    try:
        data = encode(image, **{name: given[name] for name in OPTIONS if name in given})
    except PscError as error:
        raise OSError(str(error)) from error
    file.write(data)


def _as_bytes(name: str, value: Any) -> bytes | None:
    """Metadata as they are handed to ``Image.save``; OSError for what is none.

    Args:
        name: One of METADATA.
        value: Bytes of any kind; what Pillow reads EXIF or a profile into; text for XMP; a dict of EXIF tags.
    """
    try:
        if value is None:
            return None
        if isinstance(value, str) and name == "xmp":
            return value.encode()
        if isinstance(value, dict) and name == "exif":
            tags = Image.Exif()
            tags.update(value)
            return tags.tobytes()
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if isinstance(found := value.tobytes(), bytes):  # Image.Exif, ImageCms.ImageCmsProfile
            return found
    except Exception as error:  # Pillow raises many kinds for tags that it cannot write
        raise OSError(f"{name}={value!r:.60} came, which cannot be written ({error})") from error
    raise OSError(f"{name}={value!r:.60} came; expected bytes")


def register_pillow() -> None:
    """Make Pillow read and write .psc files (docs/pillow.md); calling it again changes nothing."""
    Image.register_open(FORMAT, PscImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".psc")
    Image.register_mime(FORMAT, "image/x-psc")


register_pillow()
