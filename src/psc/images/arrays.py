"""Pictures that are arrays, or are like them."""

from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psc.errors import PscError

EXPECTED = "expected uint8, (H, W) or (H, W, 3), or with alpha (H, W, 2) or (H, W, 4)"


def samples(image: Any) -> NDArray[np.uint8]:
    """The samples of an array, a tensor of PyTorch or another holder of a buffer.

    Args:
        image: uint8 (H, W), or (H, W, C) with C = 1 (grey), 2 (grey, alpha), 3 (colours) or 4 (colours,
            alpha).

    Returns:
        (H, W, C).

    Raises:
        PscError: For what is no picture; the sentence says what would be one.
    """
    if isinstance(image, str | PurePath):
        raise PscError(f"the path {str(image)!r} came; expected a picture: PIL.Image.open(path) reads one")
    if isinstance(image, bytes | bytearray):
        raise PscError(
            f"{len(image)} bytes came; expected a picture: PIL.Image.open(io.BytesIO(data)) reads one"
        )
    if isinstance(image, list | tuple) or not _is_array(image):
        raise PscError(
            f"an object of type {type(image).__name__} came; expected a Pillow image or an array: {EXPECTED}"
        )
    array = _array(image)
    if (
        array.dtype != np.uint8
        or array.ndim not in (2, 3)
        or array.shape[2:] not in ((), (1,), (2,), (3,), (4,))
    ):
        raise PscError(f"an array of {array.dtype} and shape {array.shape} came; {EXPECTED}")
    if 0 in array.shape:
        raise PscError(f"the picture has no pixels: its shape is {array.shape}")
    return np.ascontiguousarray(np.atleast_3d(array))


def _is_array(image: Any) -> bool:
    return (
        hasattr(image, "__array__") or hasattr(image, "__array_interface__") or isinstance(image, memoryview)
    )


def _array(image: Any) -> NDArray[Any]:
    """The array of an object that is like one, such as a tensor on another device, or part of a graph."""
    try:
        return np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise PscError(
            f"the {type(image).__name__} cannot be read as an array: {error}; {EXPECTED}"
        ) from error
