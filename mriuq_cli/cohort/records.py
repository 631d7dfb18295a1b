"""What is kept of one prediction against its truth: enough for every figure at any stretch, and little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.cohort.situations import Situation
from mriuq_cli.data.case import Case
from mriuq_cli.errors import MethodError
from mriuq_cli.metrics import image as measure
from mriuq_cli.uncertainty.estimate import Array, Estimate, Mask
from mriuq_cli.uncertainty.scores import Scores, score_voxels

TUMOUR = "tumour"
_FEWEST_VOXELS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Brain voxels drawn at random (fixed seed), one-dimensional float32: what figures of order are taken from."""

    value: Array
    lower: Array
    upper: Array
    truth: Array
    gradient: Array
    tumour: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One case, one situation, one target.

    Parameters
    ----------
    case
        Position of the case in its cohort.
    unit
        Unit of errors and widths.
    scores, flat
        Of the method's interval, and of one of the same width everywhere about the same value (None: not asked for).
    regions
        Scores inside named regions.
    dropped
        Voxels that the estimate speaks of but that do not count, since the true image has none of its own there.
    figures
        Figures that no stretch changes: ``mae``, ``rmse``, ``psnr``, ``psnr_mean``, ``ssim`` where asked for.
    authors
        Figures of the method's own.
    baselines
        Name to the same figures of a predictor without a network.
    """

    case: int
    situation: Situation
    target: str
    unit: str
    scores: Scores
    flat: Scores | None
    regions: Mapping[str, Scores]
    sample: Sample | None
    figures: Mapping[str, float]
    authors: Mapping[str, float] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    dropped: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A target's true image in the estimate's unit; ``brain`` are the voxels that count.

    These are the voxels of the estimate where the true image has a voxel of its own; ``dropped`` is the number of
    the others.
    """

    image: Array
    brain: Mask
    values: Array
    peak: float
    similarity: measure.Similarity | None
    dropped: int = 0

    @classmethod
    def of(cls, image: Array, spoken: Mask, own: Mask, *, ssim: bool) -> Truth:
        """Prepare what every predictor is compared with.

        Parameters
        ----------
        spoken
            Where the estimate speaks.
        own
            Where the true image has voxels of its own.

        Raises
        ------
        MethodError
            If the two share no voxel.
        """
        brain = spoken & own
        values = image[brain]
        if not values.size:
            raise MethodError("the estimate speaks of no voxel of the true image")
        peak = measure.peak(values)
        similarity = measure.Similarity.to(image, brain, peak) if ssim else None
        return cls(image, brain, values, peak, similarity, int(np.count_nonzero(spoken)) - values.size)

    def figures(self, image: NDArray[Any]) -> dict[str, float]:
        """Return MAE, RMSE, PSNR and, where it was prepared, SSIM of an image."""
        values = image[self.brain]
        found = {
            "mae": measure.mae(values, self.values), "rmse": measure.rmse(values, self.values),
            "psnr": measure.psnr(values, self.values, self.peak),
        }  # fmt: skip
        if self.similarity is not None:
            found["ssim"] = self.similarity.ssim(image)
        return found


def true_image(case: Case, target: str, unit: str) -> Array:
    """Return the true image in a unit; ``z``: population mean and SD over its own voxels (not 0, inside the mask)."""
    data, own = case.truth[target].data, own_voxels(case, target)
    if unit != "z":
        return np.where(own, data, np.float32(0))
    values = data[own]
    mean, sd = values.mean(dtype=np.float64), max(float(values.std(dtype=np.float64)), 1e-6)
    return np.where(own, (data - np.float32(mean)) / np.float32(sd), np.float32(0))


def own_voxels(case: Case, target: str) -> Mask:
    """Return where the true image has voxels of its own: not 0, inside the mask."""
    own: Mask = case.truth[target].data != 0
    return own if case.mask is None else own & case.mask


def make_record(
    index: int,
    case: Case,
    situation: Situation,
    target: str,
    estimate: Estimate,
    truth: Truth,
    *,
    draw: int,
    half: float = 1.0,
) -> Record:
    """Condense an estimate.

    Parameters
    ----------
    draw
        Voxels to keep for figures of order; 0 keeps none.
    half
        Half-width of the interval of one width, in the estimate's unit; the same for all cases of a target.
    """
    brain = truth.brain
    value, lower, upper = (image[brain] for image in (estimate.value, estimate.lower, estimate.upper))
    figures = truth.figures(estimate.value)
    if estimate.mean is not None:
        figures["psnr_mean"] = measure.psnr(estimate.mean[brain], truth.values, truth.peak)
    inside = {name: region[brain] for name, region in case.regions.items()}
    regions = {
        name: score_voxels(value[part], lower[part], upper[part], truth.values[part])
        for name, part in inside.items() if np.count_nonzero(part) >= _FEWEST_VOXELS
    }  # fmt: skip
    sample = None
    if draw:
        tumour = inside.get(TUMOUR, np.zeros(value.size, dtype=bool))
        gradient = measure.gradient_magnitude(estimate.value, brain)
        chosen = _draw(value.size, draw)
        value_, lower_, upper_, truth_, slope = (a[chosen] for a in (value, lower, upper, truth.values, gradient))
        sample = Sample(value_, lower_, upper_, truth_, slope, tumour[chosen])
    scores = score_voxels(value, lower, upper, truth.values)
    margin = np.float32(half)
    return Record(
        case=index, situation=situation, target=target, unit=estimate.unit, scores=scores,
        flat=score_voxels(value, value - margin, value + margin, truth.values) if draw else None,
        regions=regions, sample=sample, figures=figures, dropped=truth.dropped,
    )  # fmt: skip


def dropped_words(records: Sequence[Record]) -> str:
    """Say how many voxels did not count, over all records."""
    shares = [record.dropped / (record.dropped + record.scores.n) for record in records]
    number = sum(record.dropped for record in records)
    return (
        f"{number} voxels do not count, the true image is 0 there: {np.mean(shares):.2%} of the voxels predicted, "
        f"at most {max(shares):.2%}"
    )


def _draw(size: int, number: int) -> NDArray[np.int64]:
    if size <= number:
        return np.arange(size)
    return np.sort(np.random.default_rng(0).choice(size, number, replace=False))
