"""Rigid motion while k-space is filled: every part of it is measured with the head in another pose.

Poses are changes of position and angle, in the order in which they happened, that add up; their mean, weighted by the
energy of the k-space that each measured, is taken off. A movement that displaces the image all the same is drawn again,
so that the corrupted image lies where the clean one lies. Source: Shaw et al., MIDL 2019 (a k-space model of movement
artefacts), with ranges of their public code; for what the mean leaves, arXiv 2204.03522.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mriuq_cli.physics.fourier import to_image, to_kspace

Matrix = NDArray[np.float64]

_IN_PLACE = 0.5
"""Voxels; more would teach a network that misplaced edges are noise."""


@dataclass(frozen=True, slots=True)
class Motion:
    """A movement: plain data, what it takes to make the same corrupted image again.

    Parameters
    ----------
    axis
        Along which k-space is filled, line by line: motion shows along it.
    times
        Rising shares of the acquisition, each in (0, 1), at which the head jumps to another pose.
    degrees
        Angles about the three axes of each jump, ``(3,)`` each.
    millimetres
        Shifts of each jump.
    """

    axis: int
    times: tuple[float, ...]
    degrees: tuple[tuple[float, float, float], ...]
    millimetres: tuple[tuple[float, float, float], ...]


def draw_motion(rng: np.random.Generator, *, strength: float = 1.0) -> Motion:
    """Draw a movement: a few large jumps and more small ones in the middle of the acquisition.

    Large jumps are Poisson(2) in number, at most 5, with 10 degrees and 10 mm standard deviation about and along each
    axis; small ones Poisson(3), at most 10, with 3 degrees and 2 mm; one large jump if there were none. Their times
    are uniform in [.3, .7]. ``strength`` scales angles and shifts.
    """
    large, small = min(int(rng.poisson(2)), 5), min(int(rng.poisson(3)), 10)
    if large + small == 0:
        large = 1
    spreads = rng.permutation([(10.0, 10.0)] * large + [(3.0, 2.0)] * small) * strength
    times = tuple(sorted(float(t) for t in rng.uniform(0.3, 0.7, len(spreads))))
    draws = rng.normal(size=(len(spreads), 2, 3)) * spreads[:, :, None]
    degrees, millimetres = ([(float(x), float(y), float(z)) for x, y, z in draws[:, k]] for k in (0, 1))
    return Motion(int(rng.integers(3)), times, tuple(degrees), tuple(millimetres))


def draw_in_place(
    image: Tensor, rng: np.random.Generator, *, strength: float = 1.0, spacing: Sequence[float] = (1.0, 1.0, 1.0)
) -> Motion:
    """Draw until a movement leaves the image within half a voxel of where it was; weaker ones if none of ten does."""
    while True:
        for _ in range(10):
            motion = draw_motion(rng, strength=strength)
            if np.linalg.norm(displacement(image, move(image, motion, spacing))) < _IN_PLACE:
                return motion
        strength *= 0.7


def poses(motion: Motion) -> list[Matrix]:
    """Return the pose in each stretch of the acquisition, 4 x 4 in mm about the centre; the mean is still in it."""
    found = [np.eye(4)]
    for degrees, millimetres in zip(motion.degrees, motion.millimetres, strict=True):
        found.append(_rigid(degrees, millimetres) @ found[-1])
    return found


def centred(found: Sequence[Matrix], weights: Sequence[float]) -> list[Matrix]:
    """Take the weighted mean off poses: ``P_i -> exp(sum_j w_j log P_j)^-1 P_i`` (log-Euclidean mean)."""
    from scipy.linalg import expm, logm

    mean = sum(w * np.real(logm(p)) for w, p in zip(weights, found, strict=True))
    back = np.linalg.inv(expm(mean))
    return [back @ pose for pose in found]


def move(image: Tensor, motion: Motion, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> Tensor:
    """Return the magnitude of an image whose k-space was filled while the head moved; float32 ``(x, y, z)``.

    Parameters
    ----------
    image
        Real, not negative.
    spacing
        Of its voxels in mm.
    """
    return to_image(moved_kspace(image, motion, spacing), (0, 1, 2)).abs()


def moved_kspace(image: Tensor, motion: Motion, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> Tensor:
    """Return the k-space that was filled while the head moved, complex64 ``(x, y, z)``; linear in the image."""
    size = image.shape[motion.axis]
    bounds = [0, *(round(t * size) for t in motion.times), size]
    stretches = list(itertools.pairwise(bounds))
    found = centred(poses(motion), _weights(stretches, size))
    lines = torch.zeros(image.shape, dtype=torch.complex64, device=image.device)
    for (start, stop), pose in zip(stretches, found, strict=True):
        if stop > start:
            part = (slice(None),) * motion.axis + (slice(start, stop),)
            lines[part] = to_kspace(_resampled(image, pose, spacing), (motion.axis,))[part]
    return to_kspace(lines, [axis for axis in range(3) if axis != motion.axis])


def displacement(image: Tensor, other: Tensor) -> tuple[float, float, float]:
    """Return how far, in voxels along each axis, ``other`` lies from ``image``, by phase correlation.

    The peak is refined by a parabola through its neighbours. Source: Kuglin and Hines, Proc IEEE Int Conf Cybernetics
    and Society 163 (1975).
    """
    cross = torch.fft.fftn(other) * torch.fft.fftn(image).conj()
    found = torch.fft.ifftn(cross / cross.abs().clamp_min(1e-12 * float(cross.abs().max()))).real
    peak = [int(p) for p in np.unravel_index(int(found.argmax()), found.shape)]
    apart = []
    for axis, (p, n) in enumerate(zip(peak, found.shape, strict=True)):
        line = found[tuple(slice(None) if a == axis else q for a, q in enumerate(peak))]
        before, top, after = (float(line[(p + step) % n]) for step in (-1, 0, 1))
        fine = p + 0.5 * (before - after) / min(before - 2 * top + after, -1e-12)
        apart.append((fine + n / 2) % n - n / 2)
    return apart[0], apart[1], apart[2]


def _weights(stretches: Sequence[tuple[int, int]], size: int) -> list[float]:
    """Return how much of the image's energy each stretch of k-space holds, taken to fall as ``exp(-k^2)``."""
    energy = np.exp(-((np.arange(size) - size // 2) ** 2.0))
    shares = np.array([energy[start:stop].sum() for start, stop in stretches])
    return list(map(float, shares / shares.sum()))


def _rigid(degrees: Sequence[float], millimetres: Sequence[float]) -> Matrix:
    from scipy.spatial.transform import Rotation

    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    pose[:3, 3] = millimetres
    return pose


def _resampled(image: Tensor, pose: Matrix, spacing: Sequence[float]) -> Tensor:
    """Return the image in another pose, by linear interpolation, its edges going on; itself if the pose is none."""
    if np.allclose(pose, np.eye(4), atol=1e-9):
        return image
    half = (np.array(image.shape) - 1) / 2 * np.asarray(spacing, dtype=float)  # mm from the centre to the last voxel's
    back = np.linalg.inv(pose)
    # grid_sample measures each axis from -1 to 1 and takes the last axis first.
    scaled = np.diag(1 / half) @ np.hstack([back[:3, :3] @ np.diag(half), back[:3, 3:]])
    theta = torch.from_numpy(scaled[::-1, [2, 1, 0, 3]].copy()).to(image)
    places = functional.affine_grid(theta[None], [1, 1, *image.shape], align_corners=True)
    return functional.grid_sample(image[None, None], places, padding_mode="border", align_corners=True)[0, 0]
