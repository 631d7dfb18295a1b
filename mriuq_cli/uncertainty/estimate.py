"""Values with intervals: what every method predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """One target on the case's own grid.

    Parameters
    ----------
    value, lower, upper
        float32 arrays ``(x, y, z)`` with ``lower <= value <= upper`` inside ``mask``, 0 outside.
    mask
        Where the estimate speaks, bool ``(x, y, z)``.
    level
        Nominal coverage of ``[lower, upper]``, such as 0.9.
    unit
        ``z`` for standard scores of the target over the brain, else a physical unit (``s``, ``mm^2/s``).
    kind
        Whether ``value`` is a median or a mean.
    mean
        The conditional mean where the method has one beside the median (squared-error figures use it).
    display
        ``(mean, sd)`` that turn z into what the file holds, ``mean + sd * z``; None for physical units.
    """

    value: Array
    lower: Array
    upper: Array
    mask: Mask
    level: float
    unit: str = "z"
    kind: Literal["median", "mean"] = "median"
    mean: Array | None = None
    display: tuple[float, float] | None = None

    @property
    def width(self) -> Array:
        """``upper - lower``, in the estimate's unit."""
        return self.upper - self.lower

    def with_bounds(self, lower: Array, upper: Array) -> Estimate:
        """Return the same estimate between other bounds."""
        return replace(self, lower=lower, upper=upper)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One number that says what kind of scan this is, and the words to use when it is unusual.

    ``high`` and ``low`` complete the sentence "unfamiliar: ..." when the value lies above or below
    what the reference scans show; an empty word means that this side is not unusual.
    ``floor`` is the smallest standard deviation to believe in, in the descriptor's own unit.
    """

    name: str
    value: float
    high: str
    low: str
    floor: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A given image, predicted from the other given ones: what the method would have said had it been missing.

    The core calibrates ``estimate`` for the situation ``available`` and compares it with ``observed`` (same unit):
    that yields outlier maps, and the share of this very scan's voxels that its own intervals hold.
    """

    estimate: Estimate
    observed: Array
    available: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Everything a method says about a case.

    Parameters
    ----------
    estimates
        Target name to estimate, raw (before calibration).
    available
        Input names that were given: the situation that a calibration is looked up for.
    maps
        Further images by name, each ``(x, y, z)`` (such as ``t1_outlier``, uint8).
    checks
        Given images predicted from the other given ones, by name; ``estimate.mask`` says on which voxels. Always the
        same ones, whatever was asked for: their shares inside are compared with those of other exams.
    outliers
        The same over the whole brain, where outlier maps were asked for: the core makes the maps of them.
    descriptors
        What kind of scan this is, for the familiarity check.
    notes
        Sentences for the sidecar and the person at the terminal.
    facts
        JSON-ready figures for the sidecar.
    """

    estimates: Mapping[str, Estimate]
    available: tuple[str, ...] = ()
    maps: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    outliers: Mapping[str, Check] = field(default_factory=dict)
    descriptors: tuple[Descriptor, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
