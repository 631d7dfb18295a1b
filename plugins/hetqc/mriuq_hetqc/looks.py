"""What scanners do to the look of any head: fields of receive coils, and thick slices."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def smooth(
    shape: torch.Size, rng: np.random.Generator, knots: int, sd: float, device: str | torch.device = "cpu"
) -> Tensor:
    """Return a field ``(x, y, z)`` through normal knots, ``knots`` along each axis."""
    coarse = torch.from_numpy(rng.normal(0, sd, (1, 1, knots, knots, knots)).astype(np.float32)).to(device)
    return functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=True)[0, 0]


def thick(image: Tensor, axis: int, slices: int) -> Tensor:
    """Average ``(x, y, z)`` along one axis into so many slices, and interpolate back."""
    few = list(image.shape)
    few[axis] = slices
    coarse = functional.interpolate(image[None, None], size=few, mode="area")
    return functional.interpolate(coarse, size=image.shape, mode="trilinear", align_corners=False)[0, 0]
