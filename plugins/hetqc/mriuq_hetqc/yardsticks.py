"""What ships beside the weights as ``quality.json``: figures of reference heads, and linear readings of a scan.

``scores``: figure to its values on clean heads (of which so many are ``simulated``) and on spoilt copies by artefact.
``readings``: what tells artefacts and clean scans apart, how much overlap of tissues is lost, and how much each of
:func:`sigma_terms` weighs in the sigma that users are told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriuq_cli.api import WeightsError, Yardstick

FILE = "quality.json"
READINGS = ("artefacts", "loss", "sigma")
"""Linear readings that come with weights; see above."""
_FACTOR, _FLOOR = (0.25, 2.5), (1e-3, 0.15)
"""Least and most by which sigma is multiplied and what comes on top, a share of full scale: it may be no head."""
SIGMA_TERMS = ("all", "sigma", "sigma squared", "brightness", "brightness squared", "correction")
"""Names of :func:`sigma_terms`."""
_SOME = 3e-3
"""Share of full scale that is added to corrections before their logarithm is taken."""


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

    def told(self, image: Tensor, residual: Tensor, sigma: Tensor, grounds: NDArray[np.float64]) -> Tensor:
        """Return the sigma that users are told in a scan with these grounds: the network's where the scan is empty.

        See :func:`sigma_terms` for the rest.
        """
        weights = self.readings["sigma"].logits(grounds).tolist()
        found = torch.zeros_like(sigma)
        for weight, term in zip(weights, sigma_terms(image, residual, sigma), strict=True):
            found += weight * term
        least, most = (((a * sigma).square() + b**2).sqrt() for a, b in zip(_FACTOR, _FLOOR, strict=True))
        return torch.where(image > 0, found.exp().clamp(least, most), sigma)


def sigma_terms(image: Tensor, residual: Tensor, sigma: Tensor) -> Iterator[Tensor]:
    """Yield what the logarithm of the sigma that users are told is a weighed sum of; each is of order 1.

    Parameters
    ----------
    image, residual, sigma
        The scaled scan, the network's correction and its sigma, in any one shape; shares of full scale.
    """
    spread, bright = sigma.log() + 3, (image + residual).clamp(0, 1) - 0.5
    yield from (torch.ones_like(sigma), spread, spread.square() - 0.5, bright, bright.square() - 0.08)
    yield 0.7 * ((residual.abs() + _SOME).log() + 3.5)


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
