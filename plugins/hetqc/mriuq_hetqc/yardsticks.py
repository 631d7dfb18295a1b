"""What ships beside the weights as ``quality.json``: figures of reference heads, and linear readings of a scan.

``scores``: figure to its values on clean heads (of which so many are ``simulated``) and on spoilt copies by artefact.
``readings``: what tells artefacts and clean scans apart, how much overlap of tissues is lost, and how sigma is widened:
logarithms of what it has to be multiplied by, and of an SD that comes on top everywhere, a share of full scale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mriuq_cli.api import WeightsError, Yardstick

FILE = "quality.json"
READINGS = ("artefacts", "loss", "sigma")
"""Linear readings that come with weights; see above."""
_FACTOR, _FLOOR = (0.25, 2.5), (1e-3, 0.15)
"""Bounds of both: what a reading says beyond them is taken for them, since what is read may be no head."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearReading:
    """Names ``n`` and a linear value of each: ``W (g - mean) / sd + b``, ``W`` ``(n, c)``.

    ``g`` is what :mod:`mriuq_hetqc.quality` gathers. Where names exclude one another, values are log-odds.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, grounds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value of each name; log-odds are up to a constant."""
        found: NDArray[np.float64] = self.weights @ ((grounds - self.mean) / self.sd) + self.bias
        return found

    def odds_against(self, grounds: NDArray[np.float64], name: str) -> float:
        """Return the log-odds of all other names together against ``name``."""
        logits = self.logits(grounds)
        at = self.names.index(name)
        others: float = np.logaddexp.reduce(np.delete(logits, at))
        return others - float(logits[at])

    def shares(self, grounds: NDArray[np.float64]) -> dict[str, float]:
        """Return how much a scan looks like each name; the shares add up to 1."""
        logits = self.logits(grounds)
        odds = np.exp(logits - logits.max())
        return {name: float(share) for name, share in zip(self.names, odds / odds.sum(), strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class Yardsticks:
    """See the module."""

    scores: Mapping[str, Yardstick]
    readings: Mapping[str, LinearReading]

    def widened(self, sigma: Tensor, grounds: NDArray[np.float64]) -> Tensor:
        """Return ``sqrt((a sigma)^2 + b^2)``, as a scan with these grounds needs.

        ``sigma`` may have any shape; shares of full scale.
        """
        factor, floor = np.exp(self.readings["sigma"].logits(grounds))
        return ((float(np.clip(factor, *_FACTOR)) * sigma).square() + float(np.clip(floor, *_FLOOR)) ** 2).sqrt()


def of(folder: Path | None) -> Yardsticks | None:
    """Return what comes with the weights of a folder; None for weights without."""
    return load(folder) if folder is not None and (folder / FILE).is_file() else None


@cache
def load(folder: Path) -> Yardsticks:
    """Read the file of a weights folder.

    Raises
    ------
    WeightsError
        If it is absent or does not hold what is expected.
    """
    path = folder / FILE
    try:
        data = json.loads(path.read_bytes())
        return Yardsticks(
            scores={name: _yardstick(found) for name, found in data["scores"].items()},
            readings={name: _reading(data["readings"][name]) for name in READINGS},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"not a readable description of reference scans ({error})",
            where=path,
            hint="Install the method again, or copy the weights folder anew.",
        ) from error


def _yardstick(found: Mapping[str, Any]) -> Yardstick:
    spoilt = {name: tuple(map(float, values)) for name, values in found["spoilt"].items()}
    return Yardstick(tuple(map(float, found["clean"])), spoilt, int(found["simulated"]))


def _reading(data: Mapping[str, Any]) -> LinearReading:
    arrays = {name: np.array(data[name], dtype=np.float64) for name in ("mean", "sd", "weights", "bias")}
    return LinearReading(tuple(data["names"]), **arrays)
