"""Numbers that say what kind of exam this is, each with the words to use when it is unusual.

They come from geometry and intensities alone, so an exam that would mislead the network cannot hide behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.api import Case, Descriptor, ras_geometry
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import Exam

_STEP = 2
"""Intensities are looked at on every second voxel along each axis."""


def describe(case: Case, exam: Exam) -> tuple[Descriptor, ...]:
    """Describe geometry, brain and every given contrast of an exam."""
    given = [i for i, there in enumerate(exam.given) if there]
    sparse = (slice(None, None, _STEP),) * 3
    brain = exam.brain[sparse]
    radius = _radius(brain)[brain]
    z = {i: exam.z[(i, *sparse)][brain] for i in given}
    return (
        *_geometry(case, exam),
        *_shape(brain),
        *(d for i in given for d in _intensities(CONTRASTS[i], z[i], radius)),
        *(_roughness(CONTRASTS[i], exam.z[i], exam.own[i]) for i in given),
        *_relations(z),
    )


def _geometry(case: Case, exam: Exam) -> Iterator[Descriptor]:
    thickest = float(ras_geometry(case.geometry).spacing.max())
    yield Descriptor("voxel size", thickest, f"slices {thickest:.1f} mm thick", "voxels much finer than 1 mm", 0.1)
    litres = float(exam.brain.sum()) / 1e6
    yield Descriptor("brain volume", litres, "skull present, or more than a brain", "less than a whole brain", 0.1)


def _shape(brain: NDArray[np.bool_]) -> Iterator[Descriptor]:
    """Describe where the mask's mass lies: a brain is narrow below and in front, so a flip shows."""
    for axis, ends in ((1, "front and back"), (2, "top and bottom")):
        count = brain.sum(axis=tuple(a for a in range(3) if a != axis)).astype(float)
        along = np.arange(len(count)) - np.average(np.arange(len(count)), weights=count)
        spread = np.sqrt(np.average(along**2, weights=count))
        skew = float(np.average(along**3, weights=count) / max(spread, 1e-6) ** 3)
        words = f"orientation or shape: unusual between {ends} (exchanged?)"
        yield Descriptor(f"skew along {'xyz'[axis]}", skew, words, words, 0.03)
    sizes = np.array(
        [np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis))).size for axis in range(3)]
    )
    for axis, name in ((0, "width"), (2, "height")):
        ratio = float(sizes[axis] / sizes[1])
        words = f"orientation or field of view: unusual {name} of the brain"
        yield Descriptor(f"{name} to length", ratio, words, words, 0.03)


def _radius(brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance from the centre of the brain, 1 at about its surface."""
    axes = []
    for axis in range(3):
        count = brain.sum(axis=tuple(a for a in range(3) if a != axis)).astype(float)
        along = np.arange(len(count)) - np.average(np.arange(len(count)), weights=count)
        axes.append(along / (2 * np.sqrt(np.average(along**2, weights=count)) + 1e-6))
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    return np.sqrt(grid[0] ** 2 + grid[1] ** 2 + grid[2] ** 2).astype(np.float32)


def _intensities(name: str, z: NDArray[np.float32], radius: NDArray[np.float32]) -> Iterator[Descriptor]:
    low, quarter, middle, high, top = np.percentile(z, [2, 25, 50, 75, 98])
    order = f"{name}: not bright and dark where a {name} is (contrast order?)"
    words = f"{name}: unusual intensities"
    rim = float(z[radius > 0.85].mean() - z[radius < 0.7].mean()) if (radius > 0.85).any() else float("nan")
    core = float(z[radius < 0.3].mean()) if (radius < 0.3).any() else float("nan")
    yield Descriptor(f"{name} rim", rim, order, order, 0.1)
    yield Descriptor(f"{name} core", core, order, order, 0.1)
    yield Descriptor(f"{name} dark tail", float(middle - low), words, words, 0.15)
    yield Descriptor(f"{name} bright tail", float(top - middle), words, words, 0.15)
    yield Descriptor(f"{name} middle spread", float(high - quarter), words, words, 0.1)
    yield Descriptor(f"{name} lean", float(high + quarter - 2 * middle), words, words, 0.05)


def _roughness(name: str, z: NDArray[np.float32], own: NDArray[np.bool_]) -> Descriptor:
    """Describe fine detail: the mean absolute step to the next voxel, along the axis where it is least."""
    steps = []
    for axis in range(3):
        a, b = np.moveaxis(z, axis, 0)[:-1:2], np.moveaxis(z, axis, 0)[1::2]
        both = np.moveaxis(own, axis, 0)[: 2 * len(b) : 2] & np.moveaxis(own, axis, 0)[1::2]
        steps.append(float(np.abs(a[: len(b)] - b)[both].mean()) if both.any() else float("nan"))
    return Descriptor(f"{name} detail", min(steps), f"{name}: noisy", f"{name}: blurred or thick slices", 0.02)


def _relations(z: dict[int, NDArray[np.float32]]) -> Iterator[Descriptor]:
    """Describe how each pair of given contrasts goes together."""
    names = sorted(z)
    for k, i in enumerate(names):
        for j in names[k + 1 :]:
            together = float(np.corrcoef(z[i], z[j])[0, 1])
            words = f"{CONTRASTS[i]} and {CONTRASTS[j]} do not go together as usual (contrast order?)"
            yield Descriptor(f"{CONTRASTS[i]} with {CONTRASTS[j]}", together, words, words, 0.05)
