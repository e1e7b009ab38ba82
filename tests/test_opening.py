"""What is read, what is refused with a sentence, and what a warning says of it."""

import array
import io
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import psc
from psc.images import opening, saving
from psc.images.opening import open_image, read_image
from psc.images.picture import Picture
from psc.images.pixels import to_tensor
from tests.conftest import texture
from tests.pictures import exif, photograph, tagged

COLOURS = texture(9, 7)
PICTURE = Image.fromarray(COLOURS)


def saved(kind: str, image: Image.Image = PICTURE, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


# --- arrays and what is like them


def with_alpha(channels: int) -> np.ndarray:
    return np.dstack([COLOURS[..., :channels], np.arange(63, dtype=np.uint8).reshape(9, 7)])


ARRAYS = {
    "grey": COLOURS[..., 0], "grey with an axis": COLOURS[..., :1], "colours": COLOURS,
    "grey, alpha": with_alpha(1), "colours, alpha": with_alpha(3), "reversed": COLOURS[::-1, ::-1],
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("kind", ["array", "tensor", "memoryview"])
def test_arrays_tensors_and_memoryviews(name: str, kind: str) -> None:
    given = np.ascontiguousarray(ARRAYS[name])
    picture: Any = {
        "array": ARRAYS[name],
        "tensor": torch.from_numpy(given),
        "memoryview": memoryview(given),
    }[kind]
    found, expected = Picture.of(picture), Picture.of(Image.fromarray(given.squeeze()))
    assert torch.equal(found.colours, expected.colours)
    assert found.metadata == expected.metadata
    assert ("alpha" in found.metadata) == ("alpha" in name)
    assert torch.equal(to_tensor(picture), expected.colours)


REFUSED: list[tuple[Any, str]] = [
    ("a.jpg", "the path 'a.jpg' came; expected a picture"),
    (Path("a.jpg"), "the path 'a.jpg' came"),
    (b"\x89PNG", "4 bytes came; expected a picture"),
    (bytearray(9), "9 bytes came"),
    ([[1, 2], [3, 4]], "an object of type list came; expected a Pillow image or an array"),
    (((1, 2), (3, 4)), "type tuple came"),
    (None, "type NoneType came"),
    (7, "type int came"),
    (io.BytesIO(b"x"), "type BytesIO came"),
    (array.array("B", [1, 2]), "type array came"),
    (np.zeros((0, 4), np.uint8), "has no pixels"),
    (np.zeros((4, 4, 0), np.uint8), r"uint8 and shape \(4, 4, 0\)"),
    (np.zeros((4, 4, 5), np.uint8), r"uint8 and shape \(4, 4, 5\) came; expected uint8"),
    (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
    (np.zeros(4, np.uint8), "shape"),
    (np.uint8(3), "shape"),
    (np.zeros((4, 4)), "an array of float64"),
    (np.zeros((4, 4), bool), "an array of bool"),
    (np.array([["a"]]), "an array of <U1"),
    (np.array([[None]]), "an array of object"),
    (torch.zeros(4, 4), "an array of float32"),
    (torch.zeros(3, 4, 4, dtype=torch.uint8).float().requires_grad_(), "an array of float32"),
    (torch.zeros(4, 4, dtype=torch.bfloat16), "the Tensor cannot be read as an array"),
    (torch.zeros(4, 4, dtype=torch.uint8).to_sparse(), "the Tensor cannot be read as an array"),
    (torch.zeros(4, 4, dtype=torch.uint8, device="meta"), "the Tensor cannot be read as an array"),
    (memoryview(b"abcd"), "shape"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_is_no_picture_gets_a_sentence(given: Any, words: str) -> None:
    for take in (Picture.of, to_tensor):
        with pytest.raises(psc.PscError, match=words):
            take(given)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "PPM"])
def test_a_lazy_picture_that_is_damaged_gets_a_sentence(kind: str) -> None:
    data = saved(kind, photograph().resize((200, 160))).getvalue()
    for take in (Picture.of, to_tensor):
        with pytest.raises(psc.PscError, match="cannot read the picture"):
            take(Image.open(io.BytesIO(data[: len(data) // 2])))
    closed = Image.open(io.BytesIO(data))
    closed.close()
    with pytest.raises(psc.PscError, match="cannot read the picture"):
        Picture.of(closed)


# --- pages


@pytest.mark.parametrize(("kind", "count"), [("TIFF", 2), ("GIF", 3), ("WEBP", 2), ("PNG", 3)])
def test_pages_and_frames_are_said(kind: str, count: int) -> None:
    pages = [Image.fromarray(texture(9, 7, seed=i)) for i in range(count)]
    file = saved(kind, pages[0], save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match=f"the stream has {count} pages or frames: the first is read"):
        first = open_image(file)
    with pytest.warns(UserWarning, match=f"the picture has {count} pages or frames"):
        lazily = Picture.of(Image.open(file))
    assert torch.equal(lazily.colours, to_tensor(first))
    with Image.open(file) as image:
        image.seek(1)
        chosen = Picture.of(image)  # by the caller: no warning
        assert not torch.equal(chosen.colours, lazily.colours)


def test_previews_are_no_pages() -> None:
    open_image(saved("MPO", save_all=True, append_images=[PICTURE]))
    open_image(saved("TIFF"))
    open_image(saved("ICO", sizes=[(7, 7), (4, 4)]))


# --- formats of fixed sizes


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (48, 30), (256, 256), (255, 17)])
def test_icons_of_the_pictures_own_size(size: tuple[int, int]) -> None:
    name = saving.picture_format("a.ico", "RGB", size)
    data = saving.encode_picture(Image.fromarray(texture(size[1], size[0])), name)
    with Image.open(io.BytesIO(data)) as back:
        assert back.size == size
        assert np.array_equal(np.asarray(back.convert("RGB")), texture(size[1], size[0]))


@pytest.mark.parametrize(("suffix", "size"), [(".ico", (257, 20)), (".ico", (300, 300)), (".icns", (40, 30))])
def test_other_sizes_are_refused_before_the_work(suffix: str, size: tuple[int, int]) -> None:
    with pytest.raises(psc.PscError, match="cannot be written|do not hold"):
        saving.picture_format(f"a{suffix}", "RGB", size)


# --- HEIC


def heic() -> bytes:
    return struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(40)


def test_heic_without_pillow_heif_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "register_heic", lambda: False)
    (tmp_path / "a.heic").write_bytes(heic())
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    for source in (tmp_path / "a.heic", str(tmp_path / "a.heic"), io.BytesIO(heic())):
        with pytest.raises(psc.PscError, match=r"HEIC needs pillow-heif \(pip install psc-codec\[heic\]\)"):
            open_image(source)
    (tmp_path / "b.png").write_bytes(b"nothing at all")
    with pytest.raises(psc.PscError, match="b.png is not a picture that Pillow can read$"):
        open_image(tmp_path / "b.png")


def test_a_format_that_needs_a_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "registered_extensions", dict)
    with pytest.raises(psc.PscError, match=r"'\.heic' can be written; .*psc-codec\[heic\]"):
        saving.picture_format("photo.HEIC", "RGB", (8, 8))


def test_a_pillow_heif_that_does_not_load_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("pillow_heif")
    fake.__spec__ = sys.__spec__

    def fail() -> None:
        raise OSError("libheif.so.1 is missing")

    fake.register_heif_opener = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", fake)
    with pytest.warns(UserWarning, match="pillow-heif is there but does not work: libheif"):
        assert not opening.register_heic.__wrapped__()


def test_heic_with_pillow_heif(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    opening.register_heic.cache_clear()
    name = saving.picture_format("a.heic", "RGB", (24, 20))
    path = tmp_path / "a.heic"
    path.write_bytes(saving.encode_picture(tagged(photograph(), exif=exif(1), xmp=b"<x/>"), name))
    image = open_image(path)
    assert np.abs(np.asarray(image).astype(int) - np.asarray(photograph())).mean() < 4
    found = Picture.of(image).metadata
    assert found["xmp"] == b"<x/>"
    assert "exif" in found


def test_a_file_that_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    for name in (tmp_path / "none.png", tmp_path):
        with pytest.raises(psc.PscError, match="cannot read the picture") as caught:
            read_image(name)
        assert str(caught.value).count(str(name)) == 1
