"""Other scanners, one contrast at a time: gamma, bias field, blur, gain and offset of the scores; and the mirror."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mriuq_qrunet.features import blur

_ZERO = 4.0
"""Zero intensity of a stripped brain lies about this many SD below its mean."""


def other_scanner(z: Tensor, own: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Return the scores ``(4, X, Y, Z)`` as another scanner might have given them; each contrast changes by itself.

    ``strength`` scales every change; 0 leaves the scores as they are. The result is standardised anew.
    """
    if not strength:
        return z
    changed = []
    for image, mask in zip(z, own, strict=True):
        if rng.random() < 0.3 or not bool(mask.any()):
            changed.append(image)
            continue
        if rng.random() < 0.5:
            image = (image + _ZERO) * _bias(image, 0.3 * strength * rng.random(), rng) - _ZERO
        if rng.random() < 0.5:
            image = _gamma(image, float(np.exp(0.35 * strength * rng.uniform(-1, 1))))
        if rng.random() < 0.25:
            mixed = rng.uniform(0, min(1.0, strength))
            image = torch.lerp(image, blur(image[None])[0], mixed)
        changed.append(
            _standardised(image, mask, 1 + 0.1 * strength * rng.uniform(-1, 1), 0.1 * strength * rng.uniform(-1, 1))
        )
    return torch.stack(changed)


def _gamma(image: Tensor, power: float) -> Tensor:
    """Bend the grey scale; scores of -4 and 4 stay where they are."""
    return ((image + _ZERO) / (2 * _ZERO)).clamp_min(0).pow(power) * (2 * _ZERO) - _ZERO


def _bias(image: Tensor, size: float, rng: np.random.Generator) -> Tensor:
    """Return a smooth field around 1 for an image."""
    knots = torch.from_numpy(rng.uniform(-size, size, (1, 1, 3, 3, 3)).astype(np.float32)).to(image.device)
    return 1 + functional.interpolate(knots, tuple(image.shape), mode="trilinear", align_corners=True)[0, 0]


def _standardised(image: Tensor, mask: Tensor, gain: float, offset: float) -> Tensor:
    values = image[mask]
    mean, sd = values.mean(), values.std(correction=0).clamp_min(1e-6)
    return ((image - mean) / sd * gain + offset) * mask
