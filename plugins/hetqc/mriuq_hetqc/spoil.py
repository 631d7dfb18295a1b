"""Corrupted copies for training: what a scanner does wrong to the whole head, before any crop is cut out of it.

The artefacts are those of the core; noise is drawn on the device that trains. A bias field is no artefact here, since
every clean scan has one and nobody can say how much: it is laid on the clean image too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mriuq_cli.api import Artefact, Motion, corrupt, displacement, draw_motion, move

ARTEFACTS = ("motion", "ghosting", "spikes", "wrap-around", "low resolution", "noise")
"""What can be wrong with a scan, in the order in which it acts."""
_WEIGHTS = (0.4, 0.2, 0.15, 0.15, 0.15, 0.8)
_HOW_MANY = (0.15, 0.5, 0.2, 0.15)
"""Chance that nothing is wrong, or one thing, two or three: most bad scans are bad in one way."""
_NOISE = (-12.0, 32.0)
"""Signal-to-noise ratio in dB."""
_CONFINED = 0.25
"""Chance that artefacts are confined to a part of the head."""
_COARSE = 3
"""Edge, in voxels, of the cells on which it is tried whether a movement displaces the head."""


@dataclass(frozen=True, slots=True, eq=False)
class Spoilt:
    """A corrupted copy and what was done to it."""

    image: Tensor
    artefacts: tuple[str, ...]


def spoil(image: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Spoilt:
    """Corrupt a whole clean magnitude image ``(x, y, z)``, voxels of about 1 mm.

    Parameters
    ----------
    rng
        Draws what goes wrong.
    generator
        Draws noise; on the image's device.
    """
    weights, many = np.array(_WEIGHTS), int(rng.choice(len(_HOW_MANY), p=_HOW_MANY))
    if not many:
        return Spoilt(image, ())
    chosen = set(rng.choice(len(ARTEFACTS), many, replace=False, p=weights / weights.sum()))
    names = tuple(name for i, name in enumerate(ARTEFACTS) if i in chosen)
    found = image
    for name in names:
        found = _one(name, found, rng, generator)
    if rng.random() < _CONFINED:
        where = soft_region(image.shape, rng, image.device)
        found = image + where * (found - image)
    return Spoilt(found, names)


def _one(name: str, image: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    if name == "motion":
        return move(image, _movement(image, rng))
    if name == "noise":
        return add_noise(image, float(rng.uniform(*_NOISE)), generator)
    return corrupt(image, [Artefact(name, _parameters(name, rng))])


def _parameters(name: str, rng: np.random.Generator) -> dict[str, object]:
    axis = int(rng.integers(3))
    if name == "ghosting":
        return {"axis": axis, "every": int(rng.integers(2, 11)), "strength": float(rng.uniform(0.2, 1)),
                "restored": float(rng.uniform(0.02, 0.1))}  # fmt: skip
    if name == "spikes":
        count = int(rng.integers(1, 4))
        strengths = np.exp(rng.uniform(math.log(0.01), math.log(0.5), count))
        return {"places": rng.random((count, 3)).tolist(), "strengths": strengths.tolist()}
    if name == "wrap-around":
        return {"axis": axis, "kept": float(rng.uniform(0.7, 0.97))}
    return {"fractions": rng.uniform(0.4, 0.9, 3).tolist()}


def _movement(image: Tensor, rng: np.random.Generator) -> Motion:
    """Draw a movement that leaves the head where it is, as a coarse copy of the image shows."""
    coarse = functional.avg_pool3d(image[None, None], _COARSE)[0, 0]
    strength = float(rng.choice([0.15, 0.3, 0.6, 1.0]))
    while True:
        for _ in range(4):
            found = draw_motion(rng, strength=strength)
            if math.dist(displacement(coarse, move(coarse, found, (_COARSE,) * 3)), (0, 0, 0)) < 1 / _COARSE:
                return found
        strength *= 0.7


def add_noise(image: Tensor, decibel: float, generator: torch.Generator, level: float | None = None) -> Tensor:
    """Return the magnitude after Gaussian noise in both channels, ``SNR = 20 log10(rms of the head / sigma)``."""
    head = image[image > 0.1 * image.max()]
    sigma = float(head.square().mean().sqrt()) / 10 ** (decibel / 20) if level is None else level
    real, imaginary = (torch.randn(image.shape, generator=generator, device=image.device) for _ in range(2))
    return ((image + sigma * real).square() + (sigma * imaginary).square()).sqrt()


def soft_region(shape: torch.Size, rng: np.random.Generator, device: torch.device) -> Tensor:
    """Return weights from 0 to 1, a half-space or an ellipsoid with an edge about 5 voxels wide."""
    axes = [torch.arange(n, device=device).float().reshape([-1 if a == b else 1 for b in range(3)])
            for a, n in enumerate(shape)]  # fmt: skip
    if rng.random() < 0.5:
        axis = int(rng.integers(3))
        cut = float(rng.uniform(0.25, 0.75)) * shape[axis]
        apart = (axes[axis] - cut) * (1 if rng.random() < 0.5 else -1)
        return torch.sigmoid(apart / 1.5).expand(shape)
    centre, radius = rng.uniform(0.2, 0.8, 3), rng.uniform(0.15, 0.4, 3)
    far = sum(((x - c * n) / (r * n)) ** 2 for x, c, r, n in zip(axes, centre, radius, shape, strict=True))
    return torch.sigmoid((1 - torch.as_tensor(far)) * float(radius.mean()) * shape[1] / 3)
