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

from mriuq_cli.api import Row, Table, paired_difference
from mriuq_hetqc.protocols.statistics import inside

Array = NDArray[np.float64]

LEVEL = 0.9
WIDTHS: Array = np.geomspace(1e-4, 3, 64)
"""Half-widths that rivals are tried with, shares of full scale; between them figures are interpolated."""
FACTORS: Array = np.geomspace(0.1, 30, 64)
"""Half-widths that sigma is tried with, in sigma."""
_EDGES = np.linspace(0.1, 0.9, 9)
"""Between ranges of recovered intensity, shares of full scale."""


def condensed(size: Array, sigma: Array, value: Array) -> dict[str, object]:
    """Keep of voxels what any stretch and any width can be tried with.

    Sizes of errors, sigma and recovered intensity are ``(n,)``, in shares of full scale.

    Returns
    -------
    dict
        ``own``: interval scores at :data:`FACTORS`. By range of ``value``: ``shares`` of voxels, and ``inside`` and
        ``flat``, shares inside and interval scores at :data:`WIDTHS`.
    """
    ranges = np.digitize(value, _EDGES)
    parts = [size[ranges == k] for k in range(len(_EDGES) + 1)]
    return {
        "own": [_score(size, factor * sigma) for factor in FACTORS],
        "shares": [len(part) / len(size) for part in parts],
        "inside": [[float(np.mean(part <= w)) if part.size else 0.0 for w in WIDTHS] for part in parts],
        "flat": [[_score(part, w) if part.size else 0.0 for w in WIDTHS] for part in parts],
    }


def _score(size: Array, half: Array | float) -> float:
    return float(np.mean(2 * half + 2 / (1 - LEVEL) * np.maximum(size - half, 0)))


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
    cover: dict[str, list[float]] = defaultdict(list)
    for row in found:
        cover[row["case"]].append(inside(row["z"], factors[row["case"]]))
    by_scan = [float(np.mean(shares)) for shares in cover.values()]
    fifths = np.mean([[inside(z, factors[row["case"]]) for z in row["z_by_width"]] for row in found], axis=0)
    means = [float(np.mean([row[name] for row in found]))
             for name in ("spearman", "spearman_at_best", "spearman_head", "spearman_field", "gradient_spearman",
                          "ause", "gradient_ause", "ence")]  # fmt: skip
    ratio = float(np.mean([row["rmse"] / row["rms_sigma"] for row in found]))
    return ratio, *means, float(np.mean(by_scan)), min(by_scan), *map(float, fifths)


def stretch(rows: Sequence[Row]) -> float:
    """Return how many sigma hold 90 % of errors, on average over scans and copies."""
    scans: dict[str, list[Sequence[float]]] = defaultdict(list)
    for row in rows:
        scans[row["case"]].append(row["z"])
    low, high = 0.0, 50.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        share = np.mean([np.mean([inside(z, middle) for z in found]) for found in scans.values()])
        low, high = (middle, high) if share < LEVEL else (low, middle)
    return high


def stretches(spoilt: Sequence[Row]) -> dict[str, float]:
    """Return for each scan the factor that the other scans give; a single scan has its own."""
    names = {row["case"] for row in spoilt}
    return {name: stretch([row for row in spoilt if row["case"] != name or len(names) == 1]) for name in names}


def rivals(spoilt: Sequence[Row], factors: Mapping[str, float]) -> Table:
    """Return interval scores of spoilt copies; ``factors`` says how many sigma for each scan."""
    columns = ("artefact", "level", "interval score", "of one width", "lower on", "scans", "of width by intensity",
               "difference", "from", "to")  # fmt: skip
    lines = tuple((*kind, *_compared(found)) for kind, found in _kinds(_scored(spoilt, factors)).items())
    return Table("interval score in the brain, shares of full scale, beside rivals that know less", columns, lines)


def _kinds(spoilt: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the copies by artefact and level, and all of them."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in spoilt:
        found[row["artefact"], row["level"]].append(row)
    return {**found, ("all", ""): list(spoilt)}


def _scored(rows: Sequence[Row], factors: Mapping[str, float]) -> list[Row]:
    """Return ``case``, ``artefact``, ``level`` and ``scores``: of sigma, of one width, of width by intensity."""
    shares = np.array([row["sharp"]["shares"] for row in rows])
    held = np.array([row["sharp"]["inside"] for row in rows]) * shares[..., None]
    found: list[Row] = []
    for name in factors:
        mine = np.array([row["case"] == name for row in rows])
        others = ~mine if len(factors) > 1 else mine
        one = _half(held[others].sum(1).mean(0))
        wide = [_half(curve / share) if share else one
                for curve, share in zip(held[others].sum(0), shares[others].sum(0), strict=True)]  # fmt: skip
        for at in np.flatnonzero(mine):
            row, flat = rows[at], rows[at]["sharp"]["flat"]
            own = float(np.interp(factors[name], FACTORS, row["sharp"]["own"]))
            rivals = [
                float(shares[at] @ [np.interp(w, WIDTHS, scores) for w, scores in zip(widths, flat, strict=True)])
                for widths in ([one] * len(wide), wide)
            ]
            found.append({name: row[name] for name in ("case", "artefact", "level")} | {"scores": [own, *rivals]})
    return found


def _half(share_inside: Array) -> float:
    """Return the half-width that holds 90 %."""
    return float(np.interp(LEVEL, share_inside, WIDTHS))


def _compared(found: Sequence[Row]) -> tuple[float, ...]:
    """Return means over scans."""
    scans: dict[str, list[list[float]]] = defaultdict(list)
    for row in found:
        scans[row["case"]].append(row["scores"])
    means = np.array([np.mean(scores, axis=0) for scores in scans.values()])
    gap = paired_difference(list(means[:, 0]), list(means[:, 2]))
    own, one, by_intensity = (float(value) for value in means.mean(0))
    return own, one, int(np.sum(means[:, 0] < means[:, 1])), len(means), by_intensity, gap.mean, gap.low, gap.high
