"""What kind of image this is, in numbers that any weights of this method give alike: the grounds for familiarity."""

from __future__ import annotations

import math

import torch

from mriuq_cli.api import Descriptor
from mriuq_hetqc.infer import Reading
from mriuq_hetqc.network import CLASSES

_LEAST = 200
_BRIGHT, _SAME = 0.1, 1e-4
"""Shares of full scale: above which a voxel is bright, and within which two are equal."""


def describe(reading: Reading, other: float, *, volume: float = 1.0) -> tuple[Descriptor, ...]:
    """Return the descriptors of a scan.

    Parameters
    ----------
    other
        Log-odds that it is no T1-weighted head (:func:`mriuq_hetqc.contrast.network.log_odds`). Below even odds less of
        it says nothing: how little a head looks like something else is no reason to doubt it.
    volume
        Of a voxel of the working grid, mm^3.
    """
    contrast = Descriptor("other than T1-weighted", max(other, 0.0), "no T1-weighted head by the look of its contrast",
                          "", 0.3)  # fmt: skip
    labels = "no scan but a map of labels: most neighbours are equal"
    flat = Descriptor("flatness", _flatness(reading.image), labels, "", 0.1)
    classes, clean = reading.classes, reading.recovered
    if classes is None:
        return contrast, flat
    brain = classes > 0
    size = max(float(brain.sum()), 1.0)
    share = [float((classes == k).sum()) / size for k in range(CLASSES)]
    fluid, grey, white = (_level(clean, classes == k) for k in (1, 2, 3))
    alone = float(reading.sigma_task[brain].mean()) if reading.sigma_task is not None and size > 1 else math.nan
    odd = "no T1-weighted head: "
    return (
        contrast,
        flat,
        Descriptor("brain volume", math.log(size * volume / 1000 + 1), odd + "more brain than a head holds",
                   odd + "hardly any brain is found", 0.1),
        Descriptor("grey matter share", share[2], odd + "tissues in unusual shares", odd + "tissues in unusual shares",
                   0.03),
        Descriptor("white matter share", share[3], odd + "tissues in unusual shares", odd + "hardly any white matter",
                   0.03),
        Descriptor("grey against white", _ratio(grey, white), odd + "grey matter is as bright as white matter", "",
                   0.03),
        Descriptor("fluid against white", _ratio(fluid, white), odd + "fluid is bright", "", 0.05),
        Descriptor("roundness", _roundness(brain), odd + "the brain has an unusual shape",
                   odd + "the brain has an unusual shape", 0.05),
        Descriptor("doubt about tissues", math.log(alone) if alone > 0 else math.nan, odd + "tissues cannot be told "
                   "apart", "", 0.1),
    )  # fmt: skip


def _level(image: torch.Tensor, where: torch.Tensor) -> float:
    values = image[where]
    return float(values.median()) if len(values) >= _LEAST else math.nan


def _flatness(image: torch.Tensor) -> float:
    """Return the share of bright voxels that are equal to their neighbour along the first axis."""
    bright = image > _BRIGHT
    equal = (image.diff(dim=0).abs() < _SAME)[bright[1:] & bright[:-1]]
    return float(equal.float().mean()) if len(equal) >= _LEAST else math.nan


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0 else math.nan


def _roundness(brain: torch.Tensor) -> float:
    """Return the share of its bounding box that the brain fills."""
    if not bool(brain.any()):
        return math.nan
    box = 1
    for axis in range(3):
        line = brain.any(dim=tuple(a for a in range(3) if a != axis)).nonzero()[:, 0]
        box *= int(line[-1] - line[0]) + 1
    return float(brain.sum()) / box
