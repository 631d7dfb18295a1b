"""Shapes of the things that hooks return, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Shape

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.case import Case
from mriuq_cli.hooks.context import Context
from mriuq_cli.uncertainty.estimate import Estimate

Cases = Sequence[Callable[[], Case]]
"""Cases that are read when called, so that a cohort of any size costs nothing until it is used."""

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

Metric = Callable[[Estimate, Array, Mapping[str, Mask]], float]
"""A figure of one estimate against its truth (in the estimate's unit); masks hold at least ``brain``."""

Predictor = Callable[[Case], Mapping[str, Array]]
"""A fitted baseline: case with some inputs to target images in the unit of the method's estimates."""


class Baseline(Shape):
    """A predictor without a network."""

    def __call__(self, cases: Iterable[Case], available: tuple[str, ...], targets: tuple[str, ...]) -> Predictor:
        """Fit on cases that hold every image, to predict ``targets`` from ``available``."""
        ...


Row = Mapping[str, Any]
"""A measurement of a protocol: JSON-ready values by name."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words and numbers below a title; NaN where there is none."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line of points ``(x, y)``, with bars from ``low`` to ``high`` where they are given."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves over one pair of axes; ``name`` is that of the file."""

    name: str
    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a protocol says of its rows."""

    tables: tuple[Table, ...]
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """An evaluation as a paper has it.

    Parameters
    ----------
    summary
        One line, for help.
    measure
        ``(model, case, options, context) -> rows`` of one case, by weights that have not seen it (None: the method has
        no network). The core adds ``case``, its id.
    report
        ``(rows, options) -> Report`` of the rows of every case.
    """

    summary: str
    measure: Callable[[Any, Case, Mapping[str, Any], Context], Sequence[Row]]
    report: Callable[[Sequence[Row], Mapping[str, Any]], Report]


@dataclass(frozen=True, slots=True)
class Stage:
    """One training stage; ``builds_on`` names the earlier stage whose weights it needs."""

    name: str
    builds_on: str | None = None
