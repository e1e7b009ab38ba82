"""A picture as the codec takes it: colours to code, and what goes past the codec."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from psc.images import metadata
from psc.images.pixels import ImageLike, to_tensor


@dataclass(frozen=True)
class Picture:
    """Made once from an image.

    Attributes:
        colours: (C, H, W) float32 in [-1, 1], C = 1 (grey) or 3 (RGB).
        metadata: Bytes by name: alpha (a lossless WebP payload), standard_profile (a number) or icc_profile,
            exif, xmp; what there is.
    """

    colours: torch.Tensor
    metadata: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, image: ImageLike, *, strip: bool = False, keep_profile: bool = False) -> "Picture":
        """The picture of a Pillow image of any mode, or of a uint8 array.

        Args:
            image: Arrays are (H, W), (H, W, 1), (H, W, 3), or with alpha (H, W, 2) or (H, W, 4); tensors of
                PyTorch and memoryviews are taken as arrays.
            keep_profile: Keep a well-known colour profile's bytes, which a byte stands for otherwise.
            strip: Leave out all metadata but alpha; an EXIF orientation is applied to the pixels then.

        Raises:
            PscError: For what is no picture.
        """
        colours, found = metadata.split(image, strip=strip, keep_profile=keep_profile)
        return cls(to_tensor(colours), found)
