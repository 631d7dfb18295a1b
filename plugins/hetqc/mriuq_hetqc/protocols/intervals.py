"""What the intervals of recovered scans hold, and whether sigma is worth having.

The interval score is the width and 20 times the distance of the truth beyond a 90 % interval (Winkler 1972); less is
better. Its rivals: an interval of the same width everywhere, and one whose width depends on the recovered intensity
alone. Like the stretch of sigma, their widths are those that hold 90 % of errors over all copies of the other scans:
none of them is told the artefact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mriuq_cli.api import Row, Table, ause, coverage, coverage_by_width, interval_score, paired_difference, spearman

Array = NDArray[np.float64]

LEVEL = 0.9
OF_SIGMA = ("image", "residual", "sigma")
"""Parts of a reading that the sigma that users are told is made of."""
_KEPT = 2000
"""Voxels of a copy that are kept as they are; of every copy as many, so that copies count alike."""
_EDGES = np.linspace(0.1, 0.9, 9)
"""Between ranges of recovered intensity, shares of full scale."""


def sample(parts: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return the values of some voxels, the same of each ``(n,)``; shares of full scale, rounded to 1e-6."""
    (n,) = {len(part) for part in parts.values()}
    places = np.linspace(0, n - 1, _KEPT).astype(np.intp)
    return {name: part.double().cpu().numpy()[places].round(6).tolist() for name, part in parts.items()}


def sampled_voxels(rows: Sequence[Row], name: str) -> Array:
    """Return ``sigma``, ``size`` of the error or another part of the voxels kept of copies, ``(m, n)``."""
    return np.array([row["sample"][name] for row in rows])


def stretch(rows: Sequence[Row]) -> float:
    """Return how many sigma hold 90 % of errors over all copies."""
    return float(np.quantile(sampled_voxels(rows, "size") / sampled_voxels(rows, "sigma"), LEVEL))


def stretches(spoilt: Sequence[Row]) -> dict[str, float]:
    """Return for each scan the factor that the other scans give; a single scan has its own."""
    return {name: stretch(others) for name, others in _others(spoilt).items()}


def held(row: Row, factor: float) -> float:
    """Return the share of errors of a copy within ``factor`` sigma."""
    (size,), (half,) = sampled_voxels([row], "size"), factor * sampled_voxels([row], "sigma")
    return coverage(-half, half, size)


def errors(spoilt: Sequence[Row], factors: Mapping[str, float]) -> Table:
    """Return size, order and coverage of sigma on spoilt copies; ``factors`` says how many sigma for each scan."""
    columns = ("artefact", "level", "RMSE / sigma", "Spearman", "at best", "in the head", "in the field",
               "of the gradient", "AUSE", "AUSE of the gradient", "ENCE", "coverage", "worst scan",
               *(f"fifth {k}" for k in range(1, 6)))  # fmt: skip
    lines = tuple((*kind, *_error(found, factors)) for kind, found in _kinds(spoilt).items())
    return Table("sigma and error in the brain; each scan's 90 % interval is stretched as the other scans need",
                 columns, lines)  # fmt: skip


def _error(found: Sequence[Row], factors: Mapping[str, float]) -> tuple[float, ...]:
    """Return the figures of some copies, means over scans."""
    by_scan: dict[str, list[float]] = defaultdict(list)
    fifths = []
    for row in found:
        (size,), (half,) = sampled_voxels([row], "size"), factors[row["case"]] * sampled_voxels([row], "sigma")
        by_scan[row["case"]].append(coverage(-half, half, size))
        fifths.append(coverage_by_width(-half, half, size))
    shares = [float(np.mean(of_scan)) for of_scan in by_scan.values()]
    means = [float(np.mean([row[name] for row in found]))
             for name in ("spearman", "spearman_at_best", "spearman_head", "spearman_field", "gradient_spearman",
                          "ause", "gradient_ause", "ence")]  # fmt: skip
    ratio = float(np.mean([row["rmse"] / row["rms_sigma"] for row in found]))
    return ratio, *means, float(np.mean(shares)), min(shares), *map(float, np.mean(fifths, axis=0))


def rivals(spoilt: Sequence[Row], factors: Mapping[str, float]) -> Table:
    """Return interval scores of spoilt copies; ``factors`` says how many sigma for each scan."""
    columns = ("artefact", "level", "interval score", "of one width", "lower on", "scans", "of width by intensity",
               "difference", "from", "to", "Spearman of that width", "AUSE of that width")  # fmt: skip
    lines = tuple((*kind, *_compared(found)) for kind, found in _kinds(_scored(spoilt, factors)).items())
    return Table("interval score in the brain, shares of full scale, beside rivals that know less", columns, lines)


def _kinds(spoilt: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the copies by artefact and level, and all of them."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in spoilt:
        found[row["artefact"], row["level"]].append(row)
    return {**found, ("all", ""): list(spoilt)}


def _others(spoilt: Sequence[Row]) -> dict[str, list[Row]]:
    """Return for each scan the copies of the others; a single scan has its own."""
    names = dict.fromkeys(row["case"] for row in spoilt)
    return {name: [row for row in spoilt if row["case"] != name or len(names) == 1] for name in names}


def _scored(rows: Sequence[Row], factors: Mapping[str, float]) -> list[Row]:
    """Return for each copy ``case``, ``artefact``, ``level`` and how its intervals and those of the rivals do.

    ``scores``: of sigma, of one width, of width by intensity. ``order``: Spearman's correlation of that last width and
    error, and AUSE.
    """
    found: list[Row] = []
    for name, others in _others(rows).items():
        one, wide = _widths(sampled_voxels(others, "size"), sampled_voxels(others, "value"))
        for row in (row for row in rows if row["case"] == name):
            size, sigma, value = (sampled_voxels([row], key)[0] for key in ("size", "sigma", "value"))
            halves = (factors[name] * sigma, np.full(size.shape, one), wide[np.digitize(value, _EDGES)])
            scores = [interval_score(-half, half, size, LEVEL) for half in halves]
            found.append({key: row[key] for key in ("case", "artefact", "level")} |
                         {"scores": scores, "order": [spearman(size, halves[2]), ause(size, halves[2])]})  # fmt: skip
    return found


def _widths(size: Array, value: Array) -> tuple[float, Array]:
    """Return the half-width that holds 90 % of errors, and that of each range of recovered intensity."""
    one, ranges = float(np.quantile(size, LEVEL)), np.digitize(value, _EDGES)
    parts = [size[ranges == k] for k in range(len(_EDGES) + 1)]
    return one, np.array([np.quantile(part, LEVEL) if part.size else one for part in parts])


def _compared(found: Sequence[Row]) -> tuple[float, ...]:
    """Return means over scans."""
    scans: dict[str, list[list[float]]] = defaultdict(list)
    for row in found:
        scans[row["case"]].append(row["scores"])
    means = np.array([np.mean(scores, axis=0) for scores in scans.values()])
    gap = paired_difference(list(means[:, 0]), list(means[:, 2]))
    own, one, by_intensity = (float(value) for value in means.mean(0))
    lower = int(np.sum(means[:, 0] < means[:, 1]))
    orders = np.mean([row["order"] for row in found], axis=0).tolist()
    return own, one, lower, len(means), by_intensity, gap.mean, gap.low, gap.high, *orders
