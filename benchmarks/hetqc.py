"""Measure hetqc on heads that its weights never saw: a row for each corrupted copy.

    python benchmarks/hetqc.py ROWS.jsonl COHORT --weights DIR [--fold K --folds N] [--device cuda]
                               [--only sweep | --only classical] [--real]

With ``--fold`` only the heads of that fold are read, those that a training with the same words held out. Copies are
made of the whole head on the working grid, seeds fixed by the head's name. ``--only sweep``: 41 levels of noise from
10 to -10 dB instead of artefacts. ``--only classical``: the classical measures of the same copies, without a network.
`benchmarks/hetqc_report.py` makes tables of the rows, and what the weights ship as yardsticks.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.layouts import find_cohort
from mriuq_cli.data.reader import read_case
from mriuq_cli.hooks.manager import get_plugin
from mriuq_cli.inference.weights import find_weights, load_model
from mriuq_cli.metrics.judge import measures
from mriuq_cli.metrics.regions import find_regions
from mriuq_cli.physics.artefact import Artefact, corrupt
from mriuq_cli.physics.motion import draw_in_place, move
from mriuq_hetqc.infer import read_scan
from mriuq_hetqc.kind import describe
from mriuq_hetqc.quality import figures
from mriuq_hetqc.scan import full_scale, prepare
from mriuq_hetqc.spoil import add_noise

LEVELS = [10 - 0.5 * k for k in range(41)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("cohort", type=Path, nargs="+")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--fold", type=int)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=("artefacts", "sweep", "classical"), default="artefacts")
    parser.add_argument("--real", action="store_true", help="leave simulated heads out")
    parser.add_argument("--minutes", type=float, default=math.inf)
    words = parser.parse_args()
    plugin = get_plugin("hetqc")
    found = model = None
    if words.only != "classical":
        found = find_weights(plugin, words.weights)
        model = load_model(plugin, found, words.device)
    refs = sorted(
        find_cohort(words.cohort, plugin.method.inputs, complete=True), key=lambda r: (str(r.subfolder), r.id)
    )
    if words.fold is not None:
        refs = [ref for i, ref in enumerate(refs) if i % words.folds == words.fold]
    if words.real:
        refs = [ref for ref in refs if not ref.id.startswith("t1w-")]
    began = time.monotonic()
    with words.rows.open("w") as out:
        for ref in refs:
            if time.monotonic() - began > 60 * words.minutes:
                print(f"{ref.id} and what follows left out: no time")
                break
            case = read_case(ref)
            for row in measured(case, model, words) if found else classical(case):
                row |= {"weights": found.sha256[:12] if found else "", "held_out": words.fold is not None}
                out.write(json.dumps(row) + "\n")
            out.flush()


@torch.inference_mode()
def measured(case, model, words):
    """Yield the rows of one head."""
    scan = prepare(case.volumes["t1"].data, case.geometry, case.id)
    clean = scan.image.to(words.device)
    truth = read_scan(model, replace(scan, image=clean), words.device)
    brain = truth.brain if int(truth.brain.sum()) > 20_000 else truth.head
    made = sweep(clean, case.id) if words.only == "sweep" else copies(clean, case.id)
    for name, level, image in made:
        bad = replace(scan, image=image, scale=full_scale(image))
        reading = truth if name == "clean" else read_scan(model, bad, words.device)
        error = (clean / bad.scale - reading.recovered) if name != "clean" else torch.zeros_like(clean)
        yield {
            "subject": case.id, "artefact": name, "level": level, "scale": bad.scale, "figures": figures(reading),
            "simulated": case.id.startswith("t1w-"), **against_truth(error, reading, brain),
            "features": [round(float(v), 5) for v in reading.features] if not name.startswith("sweep") else [],
            "kind": {d.name: d.value for d in describe(reading)},
        }  # fmt: skip


def classical(case):
    """Yield the classical measures of the same copies."""
    scan = prepare(case.volumes["t1"].data, case.geometry, case.id)
    geometry = geometry_from_affine(scan.image.shape, np.eye(4))
    for name, level, image in copies(scan.image, case.id):
        found = measures(find_regions(image.numpy(), geometry))
        yield {
            "subject": case.id, "artefact": name, "level": level, "simulated": case.id.startswith("t1w-"),
            "classical": {key: value for key, value in found.items() if math.isfinite(value)},
        }  # fmt: skip


def against_truth(error, reading, brain):
    """Compare the error with sigma inside the brain: sizes, order, coverage, sparsification."""
    e, s = error[brain].abs(), reading.sigma[brain]
    step = max(1, len(e) // 200_000)
    e_few, s_few = e[::step].cpu().numpy(), s[::step].cpu().numpy()
    z = e_few / s_few
    return {
        "rmse": float(e.square().mean().sqrt()), "rms_sigma": float(s.square().mean().sqrt()),
        "median_sigma": float(np.median(s_few)), "median_error": float(np.median(e_few)),
        "spearman": spearman(e_few, s_few), "ause": ause(e_few, s_few),
        "z": [float(q) for q in np.quantile(z, np.linspace(0.5, 0.995, 34))],
        "z_by_width": [[float(q) for q in np.quantile(part, np.linspace(0.5, 0.995, 34))]
                       for part in np.array_split(z[np.argsort(s_few, kind="stable")], 5)],
    }  # fmt: skip


def spearman(a, b):
    ranks = [np.argsort(np.argsort(x, kind="stable"), kind="stable").astype(float) for x in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1]) if np.ptp(a) > 0 else math.nan


def ause(error, sigma):
    """Return the area between the sparsification curves by sigma and by the error, over that of a random order."""

    def curve(order):
        return np.cumsum(error[np.argsort(order, kind="stable")]) / np.arange(1, len(error) + 1)

    if not np.ptp(error):
        return math.nan
    by_sigma, best, flat = curve(sigma), curve(error), np.full(len(error), error.mean())
    return float(np.mean(by_sigma - best) / np.mean(flat - best))


def sweep(clean, name):
    """Yield 41 levels of the same noise."""
    for decibel in LEVELS:
        generator = torch.Generator(clean.device).manual_seed(zlib.crc32(name.encode()))
        yield "sweep", decibel, add_noise(clean, decibel, generator)


def copies(clean, name):
    """Yield (artefact, level, image) of a clean head on the working grid."""
    seed = zlib.crc32(name.encode())
    rng = np.random.default_rng(seed)
    generator = torch.Generator(clean.device).manual_seed(seed)
    yield "clean", 0, clean
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
        axis = int(rng.integers(3))
        yield "wrap-around", level, corrupt(clean, [Artefact("wrap-around", {"axis": axis, "kept": kept})])
    for level, f in (("moderate", 0.75), ("strong", 0.5)):
        yield "low resolution", level, corrupt(clean, [Artefact("low resolution", {"fractions": [f, f, f]})])
    for level, decibel in (("moderate", 15.0), ("strong", 5.0)):
        yield "noise", level, add_noise(clean, decibel, generator)


if __name__ == "__main__":
    main()
