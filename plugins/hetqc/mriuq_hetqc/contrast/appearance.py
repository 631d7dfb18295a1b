"""Heads as other sequences, coils and scanners show them, painted over on a coarse grid.

What makes a head T1-weighted here is the order of its tissues: fluid darker than grey matter, grey matter darker than
white by a margin. All else (levels, skull, field, noise, thickness, tilt) varies alike on both sides.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mriuq_hetqc.looks import smooth, thick

Levels = tuple[float, float, float]
"""Brightness of fluid, grey and white matter."""

_T1_RATIO = (0.5, 0.95)
"""Grey against white matter in what counts as T1-weighted."""
_AIR = 0.03
"""Level below which nothing is painted."""
_KNOTS = 8


def t1_levels(rng: np.random.Generator) -> Levels:
    """Draw brightnesses in the order of T1-weighted images."""
    white = rng.uniform(0.5, 1.1)
    grey = white * rng.uniform(*_T1_RATIO)
    return grey * rng.uniform(0.02, 0.8), grey, white


def other_levels(rng: np.random.Generator) -> Levels:
    """Draw brightnesses as FLAIR, T2, PD, CT or diffusion, FA, or an image with bright fluid has them."""
    white = rng.uniform(0.25, 0.9)
    kind = int(rng.integers(-2, 6))
    if kind <= 0:  # the one whose fluid is as dark as on T1-weighted images, so the hardest to tell
        return white * rng.uniform(0.02, 0.7), white * rng.uniform(1.02, 1.6), white
    if kind == 1:
        grey = white * rng.uniform(1.05, 2.0)
        return grey * rng.uniform(1.05, 3.0), grey, white
    if kind == 2:
        grey = white * rng.uniform(1.02, 1.4)
        return grey * rng.uniform(0.6, 1.2), grey, white
    if kind == 3:
        return white * rng.uniform(0.0, 3.0), white * rng.uniform(0.98, 1.06), white
    if kind == 4:
        grey = white * rng.uniform(0.05, 0.35)
        return grey * rng.uniform(0.2, 1.5), grey, white
    return white * rng.uniform(1.1, 2.5), white * rng.uniform(0.6, 1.0), white


def painted(image: Tensor, shares: Tensor, depth: Tensor, levels: Levels, rng: np.random.Generator, *,
            t1: bool) -> Tensor:  # fmt: skip
    """Give a head other brightnesses.

    Grey matter differs between the cortex and the depth of the brain as it does in scans: on T1-weighted images the
    nuclei are brighter than the cortex, on T2-weighted ones and FLAIR darker, for their iron. Lesions likewise.

    Parameters
    ----------
    image
        Scaled T1-weighted head ``(x, y, z)``.
    shares
        Of outside, fluid, grey and white matter in each cell, ``(4, x, y, z)``.
    depth
        0 at the surface of the brain to 1 far inside it, ``(x, y, z)``.
    t1
        Whether it is painted as a T1-weighted image; what lies outside the brain keeps its order of brightness more
        often then.
    """
    rising = bool(rng.random() < (0.7 if t1 else 0.3))
    rest = recoloured(image, rng, rising=rising) * float(rng.uniform(0.3, 2))
    fluid, grey, white = levels
    nuclei = float(rng.uniform(0, 0.15) if t1 else rng.uniform(-0.3, 0))
    inner = shares[1] * fluid + shares[2] * grey * (1 + nuclei * depth) + shares[3] * white
    if rng.random() < 0.3:
        lesions = smooth(image.shape, rng, int(rng.integers(6, 14)), 1.0) > 1.2
        inner = inner * (1 + lesions * float(rng.uniform(-0.5, 0) if t1 else rng.uniform(-0.2, 0.8)))
    texture = 1 + float(rng.uniform(0, 0.05)) * _normal(image.shape, rng)
    return (rest * shares[0] + inner * texture).clamp_min(0)


def depth_of(shares: Tensor) -> Tensor:
    """Return how deep in the brain each cell lies, 0 to 1, from the shares of the tissues ``(4, x, y, z)``."""
    brain = shares[None, 1:].sum(1, keepdim=True)
    for _ in range(2):
        brain = functional.avg_pool3d(brain, 7, stride=1, padding=3)
    return ((brain[0, 0] - 0.6) / 0.4).clamp(0, 1)


def recoloured(image: Tensor, rng: np.random.Generator, *, rising: bool) -> Tensor:
    """Map brightnesses by a random piecewise linear curve, rising or not; air stays dark."""
    knots = rng.uniform(0, 1.1, _KNOTS)
    if rising:
        knots = np.sort(knots)
    curve = torch.from_numpy(knots.astype(np.float32))
    at = image.clamp(0, 1.2) / 1.2 * (_KNOTS - 1)
    below = at.long().clamp(0, _KNOTS - 2)
    found = curve[below] + (at - below) * (curve[below + 1] - curve[below])
    return found * ((image - _AIR) / (2 * _AIR)).clamp(0, 1)


def blobs(shape: torch.Size, rng: np.random.Generator) -> Tensor:
    """Return something with an outline that is no head."""
    where = smooth(shape, rng, int(rng.integers(3, 9)), 1.0) > 0
    inside = 0.5 + float(rng.uniform(0, 0.2)) * _normal(shape, rng) + 0.3 * smooth(shape, rng, 8, 1.0)
    return inside.clamp_min(0) * where


def flat(shares: Tensor, image: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a label map: one number for each tissue and one for the rest of the head, or none."""
    levels = torch.from_numpy(rng.uniform(0, 1, 4).astype(np.float32))
    levels[0] *= float(rng.random() < 0.5)
    found: Tensor = levels[shares.argmax(0)] * (image > _AIR)
    return found


def cut(images: Tensor) -> Tensor:
    """Keep the box of ``(C, x, y, z)`` in which the first image is not dark."""
    bright = images[0] > _AIR
    for axis in range(3):
        seen = bright.movedim(axis, 0).flatten(1).any(1).nonzero()[:, 0]
        if len(seen):
            start, length = int(seen[0]), int(seen[-1] - seen[0]) + 1
            images = images.narrow(axis + 1, start, length)
    return images


def turned(images: Tensor, rng: np.random.Generator, *, sharp: bool = False) -> Tensor:
    """Tilt, stretch, shift and mirror images ``(C, x, y, z)`` alike, a little; ``sharp`` keeps values to the bit."""
    angles, sizes = rng.uniform(-0.25, 0.25, 3), rng.uniform(0.85, 1.2, 3)
    sizes[2] *= rng.choice((-1, 1))  # the last of grid_sample's axes is the first of ours: left and right
    matrix = _rotation(angles) @ np.diag(1 / sizes)
    theta = np.concatenate((matrix, rng.uniform(-0.08, 0.08, (3, 1))), 1).astype(np.float32)
    grid = functional.affine_grid(torch.from_numpy(theta)[None], [1, 1, *images.shape[1:]], align_corners=False)
    mode = "nearest" if sharp else "bilinear"
    return functional.grid_sample(images[None], grid, mode=mode, align_corners=False)[0]


def scanned(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Give a head thick slices, a receive field and noise, each now and then."""
    if rng.random() < 0.3:
        axis = int(rng.integers(3))
        image = thick(image, axis, max(6, int(image.shape[axis] / rng.uniform(1.2, 2.2))))
    image = image * smooth(image.shape, rng, int(rng.integers(2, 5)), float(rng.uniform(0, 0.3))).exp()
    if rng.random() < 0.6:
        sigma = float(rng.uniform(0, 0.04)) * float(image.max())
        noisy = torch.hypot(image + sigma * _normal(image.shape, rng), sigma * _normal(image.shape, rng))
        image = noisy if rng.random() < 0.6 else noisy * (image > 0.02)
    return image


def ended(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Let the field of view of ``(C, x, y, z)`` end early along one axis, now and then."""
    if rng.random() < 0.8:
        return images
    axis = int(rng.integers(1, 4))
    n = images.shape[axis]
    start, end = int(rng.integers(n // 4)), n - int(rng.integers(n // 4))
    return images.narrow(axis, start, end - start)


def _normal(shape: torch.Size, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix of three turns, radians."""
    from scipy.spatial.transform import Rotation

    found: NDArray[np.float64] = Rotation.from_euler("xyz", angles).as_matrix()
    return found
