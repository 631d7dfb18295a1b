"""Shapes of the things that hooks return, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.case import Case
from mriuq_cli.uncertainty.estimate import Estimate

Cases = Sequence[Callable[[], Case]]
"""Cases that are read when called, so that a cohort of any size costs nothing until it is used."""

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

Metric = Callable[[Estimate, Array, Mapping[str, Mask]], float]
"""A figure of one estimate against its truth (in the estimate's unit); masks hold at least ``brain``."""

Predictor = Callable[[Case], Mapping[str, Array]]
"""A fitted baseline: case with some inputs to target images in the unit of the method's estimates."""


class Baseline(Protocol):
    """A predictor without a network."""

    def __call__(self, cases: Iterable[Case], available: tuple[str, ...], targets: tuple[str, ...]) -> Predictor:
        """Fit on cases that hold every image, to predict ``targets`` from ``available``."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """One training stage; ``builds_on`` names the earlier stage whose weights it needs."""

    name: str
    builds_on: str | None = None
