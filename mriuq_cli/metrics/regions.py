"""Coarse regions of a T1-weighted scan, found from its intensities alone: head, air around it, tissue classes.

No registration, no atlas, no bias correction: the classes are intensity classes deep in the head, good enough to
compare scans of one kind with each other, not a segmentation. Masks are found on a grid of about 2 mm, in RAS order,
so that the order and direction of the file's axes do not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mriuq_cli.data.geometry import Geometry, ras_geometry, to_ras

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Triple = tuple[int, int, int]

_COARSE = 2.0
_CLOSE, _AROUND, _DEEP, _TALL, _HAT = 6.0, 10.0, 14.0, 130.0, 90.0
"""Lengths in mm: cracks closed in the head; margin between head and air; depth below the skin at which brain may begin;
from the vertex down to the lowest brain, and to the plane of nasion and inion."""
_BINS = 256
_SMOOTH = 1.2
_PURE = 0.5
_FEWEST = 200
_ZSCORE, _FAR = 10.0, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """A scan in RAS order, white matter at 1000 where there is any, and its regions, all ``(x, y, z)``.

    ``air`` and ``hat`` (air above the plane of nasion and inion) hold measured air alone: voxels that are exactly 0
    were masked or padded. ``tissues`` holds ``csf``, ``gm`` and ``wm``; ``distance`` is that from the head, mm, on
    the coarse grid brought back to the scan's.
    """

    image: Image
    head: Mask
    air: Mask
    hat: Mask
    tissues: dict[str, Mask]
    distance: Image


def find_regions(image: Image, geometry: Geometry) -> Regions:
    """Find the regions of a scan.

    Parameters
    ----------
    image
        float32 ``(x, y, z)`` in file order, finite.
    geometry
        Its grid.
    """
    ras, spacing = to_ras(image, geometry), ras_geometry(geometry).spacing
    factors = _factors(spacing, ras.shape)
    small = _block_means(ras, factors)
    steps = spacing * factors
    head = _head(small, steps)
    distance = _mm(~head, steps)
    outside = distance > _AROUND
    top = _vertex(head)
    brain = ~_near(~head, _DEEP, steps) & _above(head.shape, top - _TALL / steps[2])
    hat = outside & _above(head.shape, top - _HAT / steps[2])

    classes = _tissues(_calm(small, factors, steps), brain)
    masks = {"head": head, "air": outside, "hat": hat, **classes}
    codes = np.zeros(head.shape, np.uint8)
    for bit, mask in enumerate(masks.values()):
        codes |= mask.astype(np.uint8) << bit
    whole = _repeated(codes, factors, ras.shape)
    found = {name: (whole & (1 << bit)) != 0 for bit, name in enumerate(masks)}
    shown = ras > 0
    tissues = {name: found[name] & shown for name in classes}
    white = ras[tissues["wm"]]
    scaled = ras if not white.size else ras * np.float32(1000 / max(float(np.median(white)), 1e-30))
    measured = ras != 0
    return Regions(
        scaled,
        head=found["head"],
        air=found["air"] & measured,
        hat=found["hat"] & measured,
        tissues=tissues,
        distance=_repeated(distance.astype(np.float32), factors, ras.shape),
    )


def artefacts_in_air(regions: Regions) -> float:
    """Return Mortamet's QI1: the share of the hat that is brighter than air should be; NaN without air.

    Voxels more than 10 robust SD above the median of air, at least a tenth of the largest distance away from the
    head, opened once so that single voxels of noise do not count.
    """
    from mriuq_cli.metrics.classical import mad

    values = regions.image[regions.hat & (regions.image > 0)]
    if values.size < _FEWEST:
        return math.nan
    # Whole numbers hold quiet air in one or two grey values: no distance from the median is then typical.
    spread = mad(values) or float(values.std())
    bright = regions.hat & ((regions.image - np.median(values)) > _ZSCORE * spread)
    bright &= regions.distance > _FAR * float(regions.distance[regions.hat].max())
    opened = ndimage.binary_opening(bright)
    return float(np.count_nonzero(opened) / np.count_nonzero(regions.hat))


def _factors(spacing: NDArray[np.float64], shape: Triple) -> NDArray[np.int64]:
    """Return how many voxels make one coarse one, along each axis; no axis is left with fewer than 8."""
    wanted = np.rint(_COARSE / spacing).astype(np.int64)
    factors: NDArray[np.int64] = np.maximum(np.minimum(wanted, np.array(shape) // 8), 1)
    return factors


def _block_means(image: Image, factors: NDArray[np.int64]) -> Image:
    """Average blocks of voxels; the last block of an axis may be narrower."""
    small: NDArray[Any] = image
    for axis, factor in enumerate(factors):
        if factor > 1:
            lines = np.moveaxis(small, axis, 0)
            sums = lines[::factor].copy(order="K")
            counts = np.ones((len(sums), 1, 1), np.float32)
            for start in range(1, factor):
                more = lines[start::factor]
                sums[: len(more)] += more
                counts[: len(more)] += 1
            small = np.moveaxis(sums / counts, 0, axis)
    return small.astype(np.float32, copy=False)


def _repeated(coarse: NDArray[Any], factors: NDArray[np.int64], shape: Triple) -> NDArray[Any]:
    """Give every voxel of a fine grid the value of its block."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            coarse = np.repeat(coarse, factor, axis=axis)
    return coarse[tuple(slice(n) for n in shape)]


def _calm(small: Image, factors: NDArray[np.int64], steps: NDArray[np.float64]) -> Image:
    """Return an image with less noise to find classes in.

    Where a voxel's own noise decides its class, each class is cut to a narrow band and noise cannot be seen in it.
    Block means have less of it already; where blocks are single voxels a narrow filter takes their place.
    """
    if int(factors.prod()) >= 4:
        return small
    calm: Image = ndimage.gaussian_filter(small, _SMOOTH / steps)
    return calm


def _head(small: Image, steps: NDArray[np.float64]) -> Mask:
    """Return the largest bright thing, its cracks closed and its holes filled."""
    bright = small > _otsu(small)
    near = _near(bright, _CLOSE, steps)
    # Air beyond the edge of the field would eat into what touches it: the edge is not closed against.
    closed = bright | ~_near(~near, _CLOSE, steps)
    labels, count = ndimage.label(closed)
    if count == 0:
        return np.zeros(small.shape, dtype=bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    filled: Mask = ndimage.binary_fill_holes(labels == sizes.argmax())
    return filled


def _mm(mask: Mask, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each voxel of a mask from the nearest one outside it, mm; infinite if there is none."""
    if mask.all():
        return np.full(mask.shape, np.inf)
    found: NDArray[np.float64] = ndimage.distance_transform_edt(mask, sampling=steps)
    return found


def _near(mask: Mask, reach: float, steps: NDArray[np.float64]) -> Mask:
    """Return the voxels no farther than ``reach`` mm from one of a mask.

    Squared distances up to the reach, an axis after the other: much quicker than all distances.
    """
    least = np.where(mask, 0.0, np.inf)
    for axis, step in enumerate(steps):
        given = np.moveaxis(least.copy(), axis, 0)
        found = np.moveaxis(least, axis, 0)
        for k in range(1, min(int(reach / step), len(found) - 1) + 1):
            apart = (k * step) ** 2
            np.minimum(found[k:], given[:-k] + apart, out=found[k:])
            np.minimum(found[:-k], given[k:] + apart, out=found[:-k])
    near: Mask = least <= reach**2
    return near


def _otsu(values: Image) -> float:
    """Return the threshold that parts dark from bright best (Otsu 1979); what shines most is cut off before."""
    top = float(np.percentile(values, 99))
    counts, edges = np.histogram(np.clip(values, None, top), _BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    # Halfway to the mean of what lies below: the rim of the head is darker than its inside.
    found = int(np.nanargmax(between))
    low = sums[found] / below[found]
    return float((edges[found + 1] + low) / 2)


def _vertex(head: Mask) -> int:
    """Return the highest level that holds more than a twentieth of the widest level's voxels."""
    areas = head.sum(axis=(0, 1))
    return int(np.flatnonzero(areas > areas.max() / 20).max(initial=0))


def _above(shape: tuple[int, ...], level: float) -> Mask:
    return np.broadcast_to(np.arange(shape[2]) >= level, shape)


def _tissues(image: Image, brain: Mask) -> dict[str, Mask]:
    """Part the brain region's intensities into three classes, dark to bright: on T1, CSF, grey and white matter.

    Three clusters of the histogram (k-means, its best solution); of each those voxels that are well on its side of the
    border to its neighbours, since what lies near the border is of both.
    """
    masks = {name: np.zeros(image.shape, dtype=bool) for name in ("csf", "gm", "wm")}
    values = image[brain]
    bright = values[values > 0]
    if bright.size < _FEWEST or float(bright.min()) == float(bright.max()):
        return masks
    low, high = (float(v) for v in np.percentile(bright, (0.1, 99.5)))
    counts, edges = np.histogram(bright, _BINS, (low, max(high, low + 1e-6)))
    means = _three_means(counts.astype(np.float64), (edges[1:] + edges[:-1]) / 2)
    reach = _PURE * np.diff(means) / 2
    below = (low, means[1] - reach[0], means[2] - reach[1])
    above = (means[0] + reach[0], means[1] + reach[1], high)
    for mask, least, most in zip(masks.values(), below, above, strict=True):
        mask[brain] = (values > 0) & (values >= least) & (values <= most)
    return masks


def _three_means(counts: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of the three clusters of a histogram that leave the least variance inside them.

    All pairs of borders are tried.
    """
    mass = np.concatenate(([0.0], np.cumsum(counts)))
    sums = np.concatenate(([0.0], np.cumsum(counts * centres)))
    first, second = np.triu_indices(len(counts) + 1, k=1)
    borders = np.stack([np.zeros_like(first), first, second, np.full_like(first, len(counts))])
    masses, totals = np.diff(mass[borders], axis=0), np.diff(sums[borders], axis=0)
    found = np.where(masses > 0, totals**2 / np.maximum(masses, 1e-9), -np.inf).sum(axis=0)
    best = int(found.argmax())
    means: NDArray[np.float64] = totals[:, best] / np.maximum(masses[:, best], 1e-9)
    return means
