"""Corruption of a part of the head: noise that covers so much of grey matter, and faults in the neck or the face.

Partial noise: ``(1 - w) x + w Rician(x)`` at 0 dB, ``w`` 1 below a level plane and 0 above, with an edge of about 5 mm.
The plane lies where 0 (with a margin), 25 or 50 % of the grey matter of the clean scan's segmentation is below it.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mriuq_cli.api import Artefact, Case, Context, Curve, Plot, Report, Row, Table, corrupt, draw_in_place, move
from mriuq_hetqc.protocols.reading import Bench
from mriuq_hetqc.protocols.statistics import dice
from mriuq_hetqc.region import widened
from mriuq_hetqc.spoil import add_noise

OVERLAPS = (0.0, 0.25, 0.5)
_EDGE, _MARGIN = 1.5, 8
"""Softness of an edge and distance from the brain, voxels."""
_LEAST = 20_000
"""Voxels of head that a region must hold to count as there."""
_SHOWN = ("sigma_recon_head", "sigma_recon_median", "sigma_task_median", "sigma_task_mean", "dice_grey")


def measure_partial(model: Any, case: Case, options: Mapping[str, Any], context: Context) -> list[Row]:
    """Return a row for the clean scan and for each overlap; none where the network finds no grey matter."""
    bench = Bench.of(model, case, context)
    classes = bench.truth.classes
    if classes is None or int((classes == 2).sum()) < _LEAST:
        return []
    generator = torch.Generator(context.device).manual_seed(zlib.crc32(case.id.encode()))
    noisy = add_noise(bench.clean, 0.0, generator)
    rows = [{"overlap": None, **_both_tasks(bench, bench.clean, classes)}]
    for overlap in OVERLAPS:
        context.progress(len(rows) / 4, f"{case.id} {overlap:.0%}")
        where = _below(classes, overlap)
        stated = float(where[classes == 2].mean())
        image = bench.clean + where * (noisy - bench.clean)
        rows.append({"overlap": overlap, "overlap_found": stated, **_both_tasks(bench, image, classes)})
    return rows


def _below(classes: Tensor, overlap: float) -> Tensor:
    """Return weights ``(x, y, z)``: 1 below the plane that has this share of grey matter under it."""
    heights = (classes == 2).nonzero()[:, 2].float()
    plane = float(torch.quantile(heights[:: max(1, len(heights) // 500_000)], overlap))
    if not overlap:
        plane -= _MARGIN
    z = torch.arange(classes.shape[2], device=classes.device).float()
    return torch.sigmoid((plane - z) / _EDGE).expand(classes.shape)


def _both_tasks(bench: Bench, image: Tensor, truth: Tensor) -> dict[str, float]:
    reading, _ = bench.read(bench.cut(image))
    assert reading.classes is not None
    overlap = dice(reading.classes == 2, truth == 2)
    sigma = reading.sigma[bench.truth.head]
    return {**bench.scores(reading), "sigma_recon_head": float(sigma.mean()), "dice_grey": overlap}


def report_partial(rows: Sequence[Row], options: Mapping[str, Any]) -> Report:
    """Return what noise does to either sigma and to the segmentation, relative to the clean scan."""
    clean = {row["case"]: row for row in rows if row["overlap"] is None}
    lines: list[tuple[str | float, ...]] = []
    for overlap in OVERLAPS:
        found = [row for row in rows if row["overlap"] == overlap]
        stated = float(np.mean([row["overlap_found"] for row in found])) if found else math.nan
        change = [_relative(found, clean, name) for name in _SHOWN[:-1]]
        dice = float(np.mean([row["dice_grey"] for row in found])) if found else math.nan
        lines.append((f"{overlap:.0%}", stated, *change, dice))
    title = "noise at 0 dB over a part of grey matter: mean relative change from the clean scan, and Dice against it"
    columns = ("overlap", "found", *_SHOWN)
    curves = tuple(
        Curve(name, OVERLAPS, tuple(float(line[at]) for line in lines)) for at, name in enumerate(_SHOWN[:-1], 2)
    )
    plot = Plot("partial-noise", "partial noise", "share of grey matter under noise", "relative change", curves)
    return Report((Table(title, columns, tuple(lines)),), (plot,))


def _relative(rows: Sequence[Row], clean: Mapping[str, Row], name: str) -> float:
    changes = [row[name] / clean[row["case"]][name] - 1 for row in rows if clean[row["case"]][name]]
    return float(np.mean(changes)) if changes else math.nan


def measure_confined(model: Any, case: Case, options: Mapping[str, Any], context: Context) -> list[Row]:
    """Return a row for the clean scan and for each fault in each region that the scan has."""
    bench = Bench.of(model, case, context)
    rng = np.random.default_rng(zlib.crc32(case.id.encode()))
    generator = torch.Generator(context.device).manual_seed(zlib.crc32(case.id.encode()))
    faults = {
        "motion": move(bench.clean, draw_in_place(bench.clean, rng, strength=1.0)),
        "ghosting": corrupt(bench.clean, [Artefact("ghosting", {"axis": 1, "every": 5, "strength": 0.9,
                                                                "restored": 0.04})]),
        "noise": add_noise(bench.clean, 5.0, generator),
    }  # fmt: skip
    rows: list[Row] = [{"artefact": "clean", "region": "", **bench.scores(bench.truth)}]
    places = _places(bench)
    for number, (artefact, image) in enumerate(faults.items()):
        context.progress(number / len(faults), f"{case.id} {artefact}")
        for region, where in places.items():
            reading, _ = bench.read(bench.clean + where * (image - bench.clean))
            rows.append({"artefact": artefact, "region": region, **bench.scores(reading)})
    return rows


def _places(bench: Bench) -> dict[str, Tensor]:
    """Return soft weights of brain, neck and face; a region that holds hardly any head is left out."""
    brain = bench.brain
    filled = brain.nonzero()
    low, front, middle = int(filled[:, 2].min()), int(filled[:, 1].max()), int(filled[:, 2].float().mean())
    near = widened(brain, _MARGIN)
    y, z = (torch.arange(brain.shape[axis], device=brain.device).reshape((1, -1, 1) if axis == 1 else (1, 1, -1))
            for axis in (1, 2))  # fmt: skip
    neck = (z < low - _MARGIN).expand(brain.shape)
    face = (z < middle) & (z >= low - _MARGIN) & (y > front - (front - int(filled[:, 1].min())) // 3) & ~near
    found = {"brain": near, "neck": neck, "face": face}
    there = {name: mask for name, mask in found.items() if int((mask & bench.truth.head).sum()) >= _LEAST}
    return {name: functional.avg_pool3d(mask.float()[None, None], 5, 1, 2)[0, 0] for name, mask in there.items()}


def report_confined(rows: Sequence[Row], options: Mapping[str, Any]) -> Report:
    """Return how much each score grows by faults in neck and face, beside the same faults in the brain."""
    clean = {row["case"]: row for row in rows if row["artefact"] == "clean"}
    grown: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    names = [name for name in ("visual", "visual_rms", "algorithmic", "sigma_task_mean") if name in rows[0]]
    for row in rows:
        if row["artefact"] != "clean":
            for name in names:
                grown[name, row["artefact"], row["region"]][row["case"]] = row[name] - clean[row["case"]][name]
    lines: list[tuple[str | float, ...]] = []
    for (name, artefact, region), found in grown.items():
        if region == "brain":
            continue
        same = grown[name, artefact, "brain"]
        both = [(found[case], same[case]) for case in found if case in same]
        mean, there = (float(np.mean([pair[k] for pair in both])) for k in (0, 1))
        raised = sum(a > 0 for a, _ in both)
        small = sum(a < max(b, 0) / 3 for a, b in both)
        lines.append(
            (name, artefact, region, len(both), mean, there, mean / there if there else math.nan, raised, small)
        )
    columns = ("score", "artefact", "region", "n", "grows by", "in the brain", "ratio", "scans that grow",
               "scans below a third")  # fmt: skip
    title = "the same fault in a part of the head and in the brain: growth of the raw score over the clean scan's"
    return Report((Table(title, columns, tuple(lines)),))
