"""What a method says of a scan's quality: scores, each beside the scores of scans known to be clean or spoilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from mriuq_cli.uncertainty.estimate import Array, Estimate
from mriuq_cli.uncertainty.familiarity import Familiarity


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Scores of reference scans that the weights never saw.

    Parameters
    ----------
    clean
        Scores of scans without artefacts, one a scan.
    spoilt
        Artefact name to the scores of copies of such scans with that artefact.
    simulated
        How many of the clean scans are simulated.
    """

    clean: tuple[float, ...]
    spoilt: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    simulated: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of a scan's quality.

    Parameters
    ----------
    value
        The figure; NaN where it cannot be had.
    better
        ``low`` or ``high``: which end is good.
    meaning
        Half a line on what it is.
    group
        ``visual`` (how it looks), ``algorithmic`` (how good it is for the task), or empty: shown but not judged.
    yardstick
        What to compare it with; without one the score is shown but not judged.
    """

    value: float
    better: str = "low"
    meaning: str = ""
    group: str = ""
    yardstick: Yardstick | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Everything that a method says about a scan; the verdict is the core's, by thresholds that a user can set.

    Parameters
    ----------
    scores
        Name to score, the headline first.
    artefacts
        Artefact name to how much the scan looks like one with it (shares that add up to 1); empty if not said.
    familiarity
        How like the scans that the method knows this one is; None if the method rates any image.
        An unfamiliar scan is not rated.
    estimates
        Images with bounds on the scan's own grid, such as ``recovered``.
    maps
        Further images on the scan's own grid by name, such as ``sigma-recon``.
    notes
        Sentences for the person at the terminal.
    facts
        JSON-ready figures.
    """

    scores: Mapping[str, Score]
    artefacts: Mapping[str, float] = field(default_factory=dict)
    familiarity: Familiarity | None = None
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    maps: Mapping[str, Array | NDArray[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
