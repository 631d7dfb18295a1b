"""What ships beside the weights as ``quality.json``: figures of heads that the weights never saw, and what they give.

``scores``: figure to its values on clean heads and on corrupted copies by artefact. ``simulated``: how many of the clean
heads are simulated, which come last. ``artefacts``: a linear reading of the network's deepest features. ``kind``: the
descriptors of reference scans. ``stretch``: how many sigma hold 90 % of the errors of cleaning.
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

from mriuq_cli.api import Reference, WeightsError, Yardstick

FILE = "quality.json"


@dataclass(frozen=True, slots=True, eq=False)
class LinearReading:
    """Artefact names ``n`` and what tells them apart: ``softmax(W (f - mean) / sd + b)``, ``W`` ``(n, c)``."""

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def shares(self, features: NDArray[np.float64]) -> dict[str, float]:
        """Return how much features ``(c,)`` look like each artefact; the shares add up to 1."""
        logits = self.weights @ ((features - self.mean) / self.sd) + self.bias
        odds = np.exp(logits - logits.max())
        return {name: float(share) for name, share in zip(self.names, odds / odds.sum(), strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class Yardsticks:
    """See the module."""

    scores: Mapping[str, Yardstick]
    reading: LinearReading
    kind: Reference
    stretch: float


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
            scores={name: _yardstick(found, data["simulated"]) for name, found in data["scores"].items()},
            reading=_reading(data["artefacts"]),
            kind=Reference.from_json(data["kind"]),
            stretch=float(data["stretch"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"not a readable description of reference scans ({error})",
            where=path,
            hint="Install the method again, or copy the weights folder anew.",
        ) from error


def _yardstick(found: Mapping[str, Any], simulated: int) -> Yardstick:
    spoilt = {name: tuple(map(float, values)) for name, values in found["spoilt"].items()}
    return Yardstick(tuple(map(float, found["clean"])), spoilt, int(simulated))


def _reading(data: Mapping[str, Any]) -> LinearReading:
    arrays = {name: np.array(data[name], dtype=np.float64) for name in ("mean", "sd", "weights", "bias")}
    return LinearReading(tuple(data["names"]), **arrays)
