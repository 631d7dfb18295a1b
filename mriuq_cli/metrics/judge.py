"""The classical measures that ship with the core, offered through the same hook as any plugin's judgement.

They are shown, not judged: what is usual depends on scanner and sequence, and there is no yardstick here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case
    from mriuq_cli.metrics.regions import Image, Regions
    from mriuq_cli.uncertainty.judgement import Judgement

# The marker alone: metrics lie below the hooks and must not import them.
hookimpl = pluggy.HookimplMarker("mriuq")

MEANINGS: Mapping[str, tuple[str, str]] = {
    "snr_csf": ("high", "median over SD of the dark tissue class (CSF on T1)"),
    "snr_gm": ("high", "median over SD of the middle tissue class (grey matter on T1)"),
    "snr_wm": ("high", "median over SD of the bright tissue class (white matter on T1)"),
    "snr_total": ("high", "mean of the three SNR"),
    "snrd_csf": ("high", "Dietrich's SNR of the dark class against air"),
    "snrd_gm": ("high", "Dietrich's SNR of the middle class against air"),
    "snrd_wm": ("high", "Dietrich's SNR of the bright class against air"),
    "snrd_total": ("high", "mean of the three Dietrich SNR"),
    "cnr": ("high", "contrast of white and grey matter to noise"),
    "cjv": ("low", "joint variation of white and grey matter: noise and bias field"),
    "efc": ("low", "entropy focus criterion: blur and ghosts, 0 to 1; depends on the field of view"),
    "fber": ("high", "energy of the head over that of air"),
    "wm2max": ("high", "white matter's median over the brightest voxels; 0.6 to 0.8 is usual"),
    "qi_1": ("low", "share of the air above the head that holds artefacts"),
}
"""Name, as MRIQC's tables have it, to which end is good and what it is."""

_AIR = ("snrd_csf", "snrd_gm", "snrd_wm", "snrd_total", "cnr", "fber", "qi_1")
_LEAST_AIR = 1000
_TISSUES = ("csf", "gm", "wm")


@hookimpl
def mriuq_judge(scan: Case, options: Mapping[str, Any], context: object) -> Judgement:
    """Return MRIQC's no-reference measures of a scan, approximate: no registration, no bias correction.

    Tissues are intensity classes, air is what lies more than 10 mm outside the head and is not exactly 0. A measure
    that the scan does not allow is NaN, with a note that says why.
    """
    from mriuq_cli.metrics.regions import find_regions
    from mriuq_cli.uncertainty.judgement import Judgement, Score

    regions = find_regions(scan.volumes["scan"].data, scan.geometry)
    figures = measures(regions)
    counts = {name: int(mask.sum()) for name, mask in regions.tissues.items()} | {"air": int(regions.air.sum())}
    return Judgement(
        scores={name: Score(figures[name], *MEANINGS[name]) for name in MEANINGS},
        notes=_notes(figures, counts),
        facts={"voxels": counts, "approximate": "intensity classes without registration or bias correction"},
    )


def classical_measures(image: Image, spacing: Sequence[float]) -> dict[str, float]:
    """Return every measure by MRIQC's name, NaN where it cannot be had.

    Parameters
    ----------
    image
        float32 ``(x, y, z)``, axes right, anterior, superior.
    spacing
        Edges of a voxel, mm.
    """
    import numpy as np

    from mriuq_cli.data.geometry import geometry_from_affine
    from mriuq_cli.metrics.regions import find_regions

    return measures(find_regions(image, geometry_from_affine(image.shape, np.diag([*spacing, 1.0]))))


def measures(regions: Regions) -> dict[str, float]:
    """Return every measure by MRIQC's name; NaN where it cannot be had."""
    from mriuq_cli.metrics import classical
    from mriuq_cli.metrics.regions import artefacts_in_air

    tissues = {name: regions.image[regions.tissues[name]] for name in _TISSUES}
    air = regions.image[regions.air]
    if air.size < _LEAST_AIR:
        air = air[:0]
    found = {f"snr_{name}": classical.snr(tissues[name]) for name in _TISSUES}
    found |= {f"snrd_{name}": classical.snr_dietrich(tissues[name], air) for name in _TISSUES}
    for kind in ("snr", "snrd"):
        found[f"{kind}_total"] = sum(found[f"{kind}_{name}"] for name in _TISSUES) / 3
    return found | {
        "cnr": classical.cnr(tissues["wm"], tissues["gm"], air),
        "cjv": classical.cjv(tissues["wm"], tissues["gm"]),
        "efc": classical.efc(regions.image),
        "fber": classical.fber(regions.image[regions.head], air),
        "wm2max": classical.wm2max(tissues["wm"], regions.image),
        "qi_1": artefacts_in_air(regions) if air.size else math.nan,
    }


def _notes(figures: Mapping[str, float], counts: Mapping[str, int]) -> tuple[str, ...]:
    notes = []
    if counts["air"] < _LEAST_AIR:
        notes.append(f"no measured air around the head (stripped, masked or cut): {', '.join(_AIR)} cannot be had")
    if absent := [name for name in _TISSUES if not counts[name]]:
        notes.append(f"no tissue class {', '.join(absent)} found: its measures cannot be had")
    return tuple(notes)
