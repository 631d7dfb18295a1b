"""The answer to ``mriuq_judge``: one pass of the network, its figures beside those of reference scans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mriuq_cli.api import (
    Case,
    Context,
    Judgement,
    Score,
    calibrate_estimate,
    familiarity_of,
    read_calibration,
    shipped_model,
)  # fmt: skip
from mriuq_hetqc import yardsticks
from mriuq_hetqc.contrast.shipped import other_than_t1
from mriuq_hetqc.infer import Reading, read_scan
from mriuq_hetqc.kind import describe
from mriuq_hetqc.predict import clean_estimate
from mriuq_hetqc.quality import MEANINGS, figures, for_users, grounds_of, headlines
from mriuq_hetqc.scan import Scan, prepare

METHOD = "hetqc"
PASSES = 8
"""Passes with dropout for the epistemic uncertainty."""
CALIBRATION = "calibration.json"
_HEADLINES = ("visual", "algorithmic")
_SCAN = "t1"


def judge(case: Case, options: Mapping[str, Any], context: Context) -> Judgement:
    """Judge a scan with the weights that ship.

    Raises
    ------
    InputError
        If the scan cannot be a head.
    WeightsError
        If the weights or their reference scans cannot be used.
    """
    (volume,) = case.volumes.values()
    context.progress(0.0, "prepare")
    model, shipped = shipped_model(METHOD, None, context.device)
    known = yardsticks.load(shipped.folder)
    calibration = read_calibration(shipped.folder / CALIBRATION, METHOD)
    scan = prepare(volume.data, case.geometry, case.id)
    context.progress(0.2, "network")
    passes = PASSES if options.get("epistemic") else 0
    reading = read_scan(model, scan, context.device, passes=passes, seed=context.seed)
    other = other_than_t1(scan, context.device)
    context.progress(0.8, "figures")
    found = figures(reading)
    ground = grounds_of(reading.features.tolist(), found)
    found |= headlines(reading, found, known)
    if reading.epistemic is not None:
        found["epistemic"] = float(reading.epistemic[reading.brain].square().mean().sqrt())
    wanted = bool(options.get("maps"))
    estimates, notes = {}, ()
    if wanted:
        reading = for_users(reading, known)
        raw = clean_estimate(volume.data, scan, reading)
        estimates["recovered"], note = calibrate_estimate(raw, "recovered", (_SCAN,), calibration)
        notes = note.warnings
    return Judgement(
        scores={name: _score(name, found[name], known) for name in MEANINGS if name in found},
        artefacts=known.readings["artefacts"].shares(ground),
        familiarity=familiarity_of(describe(reading, other, volume=scan.voxel_volume), calibration.familiarity[_SCAN]),
        estimates=estimates,
        maps=_maps(scan, reading) if wanted else {},
        notes=notes,
        facts={"Scale": scan.scale, "BrainMillilitres": round(float(reading.brain.sum()) * scan.voxel_volume / 1000)},
    )


def _score(name: str, value: float, known: yardsticks.Yardsticks) -> Score:
    return Score(value, "low", MEANINGS[name], name if name in _HEADLINES else "", known.scores.get(name))


def _maps(scan: Scan, reading: Reading) -> dict[str, Any]:
    maps: dict[str, Any] = {"sigma-recon": scan.restore(reading.sigma * scan.scale)}
    if reading.classes is not None and reading.sigma_task is not None:
        maps["tissues"] = scan.restore_labels(reading.classes)
        maps["sigma-task"] = scan.restore(reading.sigma_task)
    if reading.epistemic is not None:
        maps["sigma-epistemic"] = scan.restore(reading.epistemic * scan.scale)
    return maps
