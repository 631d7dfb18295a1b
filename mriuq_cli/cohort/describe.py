"""The words and figures of a sidecar; equal inputs give equal bytes, so nothing here knows the time or the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mriuq_cli.cohort.answer import Answer
from mriuq_cli.cohort.planned import Plan, PlannedCase
from mriuq_cli.data.case import Case, CaseRef
from mriuq_cli.uncertainty.estimate import Estimate

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin

_MEANING = "file = Mean + SD * z inside the brain and 0 outside; z = (file - Mean) / SD"


def describe_target(
    name: str,
    answer: Answer,
    case: Case,
    planned: PlannedCase,
    plan: Plan,
    plugin: Plugin,
    scale: tuple[float, float] | None,
) -> dict[str, Any]:
    """Return the sidecar of one target.

    Parameters
    ----------
    scale
        ``(mean, sd)`` by which the images were written; None if they hold the estimate's own unit.
    """
    estimate = answer.estimates[name]
    note = answer.notes.get(name)
    return _common(answer, case, planned, plan, plugin) | {
        "Target": name,
        "Unit": "a.u." if scale else estimate.unit,
        "Scale": {"Mean": scale[0], "SD": scale[1], "Meaning": _MEANING, "From": _origin(plan)} if scale else None,
        "Value": estimate.kind,
        "Level": estimate.level,
        "Calibration": pascal(note.facts()) if note else None,
        "ExpectedCoverage": note.expected.coverage if note and note.expected else None,
        "BrainVoxels": int(np.count_nonzero(estimate.mask)),
        "MeanWidth": _mean_width(estimate, scale),
        "Images": {part: path.name for part, path in planned.images(name).items()},
    }


def describe_maps(answer: Answer, case: Case, planned: PlannedCase, plan: Plan, plugin: Plugin) -> dict[str, Any]:
    """Return the sidecar of the further images of a case."""
    return _common(answer, case, planned, plan, plugin) | {
        "Images": {name: planned.map_image(name).name for name in answer.maps},
        "OutlierCodes": {"0": "inside its interval", "1": "above", "2": "below", "3": "not evaluable"},
    }


def input_names(ref: CaseRef) -> dict[str, dict[str, Any]]:
    """Return each role's file name, without its folder, and which volume of it was read."""
    return {role: {"File": volume.path.name, "Volume": volume.index} for role, volume in ref.volumes.items()}


def pascal(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested figures with PascalCase keys: ``lower_factor`` becomes ``LowerFactor``."""
    words = {"sd": "SD", "sha256": "SHA256"}
    return {
        "".join(words.get(word, word[:1].upper() + word[1:]) for word in name.split("_")): (
            pascal(entry) if isinstance(entry, Mapping) else entry
        )
        for name, entry in facts.items()
    }


def _common(answer: Answer, case: Case, planned: PlannedCase, plan: Plan, plugin: Plugin) -> dict[str, Any]:
    weights = plan.weights
    roles = [role.name for role in plugin.method.inputs]
    return {
        "Synthetic": True,
        "Method": plugin.name,
        "MethodVersion": plugin.version,
        "Weights": {"Name": weights.name, "SHA256": weights.sha256} if weights else None,
        "Options": dict(plan.request.options),
        "Inputs": input_names(planned.ref),
        "InputFingerprints": {name: case.fingerprints[name] for name in case.volumes if name in case.fingerprints},
        "Missing": [name for name in roles if name not in planned.ref.volumes],
        "Familiarity": pascal(answer.familiarity.facts()) if answer.familiarity else None,
        "SelfCheck": _self_check(answer),
        "Warnings": list(answer.warnings),
        "Facts": answer.facts,
    }


def _self_check(answer: Answer) -> Mapping[str, Any] | None:
    return {"Coverage": answer.self_check, "PerImage": answer.inside} if answer.inside else None


def _origin(plan: Plan) -> str:
    like = plan.request.scale_like
    return f"mean and SD of {like.name}" if like else "the display scale of the method"


def _mean_width(estimate: Estimate, scale: tuple[float, float] | None) -> float | None:
    widths = estimate.width[estimate.mask]
    return float(widths.mean(dtype=np.float64)) * (scale[1] if scale else 1.0) if widths.size else None
