"""Corrupted copies of clean scans beside the scans: which score tells them apart, and what sigma is worth."""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mriuq_cli.api import (
    Artefact,
    Case,
    Context,
    Report,
    Row,
    Table,
    classical_measures,
    corrupt,
    draw_in_place,
    move,
)  # fmt: skip
from mriuq_hetqc.infer import Reading
from mriuq_hetqc.protocols import intervals
from mriuq_hetqc.protocols.reading import Bench
from mriuq_hetqc.protocols.statistics import auroc_between
from mriuq_hetqc.spoil import add_noise

OWN = (
    "visual", "algorithmic", "visual_rms", "sigma_recon_median", "sigma_task_mean", "recoverable",
    "kspace_peak", "echo", "ghost",
)  # fmt: skip
CLASSICAL = {"snr_total": -1, "snrd_total": -1, "cnr": -1, "cjv": 1, "efc": 1, "fber": -1, "wm2max": -1, "qi_1": 1}
"""Measure to 1 where more of it is worse."""


def measure(model: Any, case: Case, options: Mapping[str, Any], context: Context) -> list[Row]:
    """Return a row for the scan and for each copy."""
    bench = Bench.of(model, case, context)
    rows: list[Row] = []
    for name, level, whole in copies(bench.clean, case.id):
        image = bench.cut(whole)
        context.progress(len(rows) / 15, f"{case.id} {name} {level}")
        clean = name == "clean"
        reading, scale = (bench.truth, bench.scan.scale) if clean else bench.read(image)
        plain = classical_measures(image.cpu().numpy(), bench.scan.spacing)
        rows.append({
            "artefact": name, "level": level,
            **bench.scores(reading), **{f"classical {key}": plain[key] for key in CLASSICAL},
            **({} if clean else _of_sigma(bench, reading, scale)), **bench.lost(reading),
            **bench.pooled(reading), "kind": bench.kind(image, reading),
        })  # fmt: skip
    return rows


def _of_sigma(bench: Bench, reading: Reading, scale: float) -> dict[str, object]:
    """Return all that is said of sigma."""
    stated = bench.for_users(reading)
    return bench.compared(stated, scale) | bench.against_rivals(stated, scale)


def copies(clean: Tensor, name: str) -> Iterator[tuple[str, str, Tensor]]:
    """Yield artefact, level and image of a clean scan ``(x, y, z)``; what is drawn is fixed by the name."""
    seed = zlib.crc32(name.encode())
    rng = np.random.default_rng(seed)
    generator = torch.Generator(clean.device).manual_seed(seed)
    yield "clean", "", clean
    for level, strength in (("moderate", 0.35), ("strong", 1.0)):
        yield "motion", level, move(clean, draw_in_place(clean, rng, strength=strength))
    for level, a in (("moderate", 0.5), ("strong", 0.9)):
        axis, every = int(rng.integers(3)), int(rng.integers(4, 11))
        parameters = {"axis": axis, "every": every, "strength": a, "restored": 0.04}
        yield "ghosting", level, corrupt(clean, [Artefact("ghosting", parameters)])
    for level, a in (("moderate", 0.03), ("strong", 0.2)):
        places = [[float(p) for p in rng.uniform(0.1, 0.9, 3)] for _ in range(2)]
        yield "spikes", level, corrupt(clean, [Artefact("spikes", {"places": places, "strengths": [a, a]})])
    for level, kept in (("moderate", 0.92), ("strong", 0.8)):
        yield (
            "wrap-around",
            level,
            corrupt(clean, [Artefact("wrap-around", {"axis": int(rng.integers(3)), "kept": kept})]),
        )
    for level, f in (("moderate", 0.75), ("strong", 0.5)):
        yield "low resolution", level, corrupt(clean, [Artefact("low resolution", {"fractions": [f, f, f]})])
    for level, decibel in (("moderate", 15.0), ("strong", 5.0), ("extreme", -5.0), ("worst", -10.0)):
        yield "noise", level, add_noise(clean, decibel, generator)


def report(rows: Sequence[Row], options: Mapping[str, Any]) -> Report:
    """Return what is told apart, beside every classical measure, and size, order and coverage of sigma."""
    own = [name for name in OWN if name in rows[0]]
    spoilt = [row for row in rows if row["artefact"] != "clean"]
    factors = intervals.stretches(spoilt)
    signs = dict.fromkeys(own, 1) | {f"classical {name}": sign for name, sign in CLASSICAL.items()}
    heads = tuple(name.removeprefix("classical ") for name in signs)
    return Report((
        Table("copies that score worse than their original, share", ("artefact", "level", *heads), _pairs(rows, signs)),
        Table("AUROC, clean against corrupted", ("artefact", "level", *heads), _areas(rows, signs)),
        intervals.errors(spoilt, factors),
        intervals.rivals(spoilt, factors),
    ))  # fmt: skip


def _kinds(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["artefact"] != "clean":
            found[row["artefact"], row["level"]].append(row)
    return found


def _clean(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["case"]: row for row in rows if row["artefact"] == "clean"}


def _known(row: Row, name: str) -> bool:
    return row.get(name) is not None


def _pairs(rows: Sequence[Row], signs: Mapping[str, int]) -> tuple[tuple[str | float, ...], ...]:
    originals = _clean(rows)
    lines: list[tuple[str | float, ...]] = []
    every: dict[str, list[bool]] = defaultdict(list)
    for (artefact, level), found in _kinds(rows).items():
        shares: list[float] = []
        for name, sign in signs.items():
            both = [(row[name], originals[row["case"]][name]) for row in found
                    if _known(row, name) and _known(originals[row["case"]], name)]  # fmt: skip
            worse = [sign * bad > sign * good for bad, good in both]
            every[name] += worse
            shares.append(float(np.mean(worse)) if worse else math.nan)
        lines.append((artefact, level, *shares))
    return (*lines, ("all", "", *(float(np.mean(every[name])) if every[name] else math.nan for name in signs)))


def _areas(rows: Sequence[Row], signs: Mapping[str, int]) -> tuple[tuple[str | float, ...], ...]:
    originals = list(_clean(rows).values())
    return tuple(
        (artefact, level, *(
            auroc_between([sign * row[name] for row in originals if _known(row, name)],
                  [sign * row[name] for row in found if _known(row, name)])
            for name, sign in signs.items()
        ))
        for (artefact, level), found in _kinds(rows).items()
    )  # fmt: skip
