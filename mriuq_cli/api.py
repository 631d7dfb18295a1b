"""The public names for plugins, each imported when it is first used.

``from mriuq_cli.api import hookimpl, Method`` costs no torch and no numpy; ``from mriuq_cli.api import Estimate``
imports what it needs at that moment.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "mriuq_cli.errors": ("MriuqError", "UsageError", "InputError", "MethodError", "WeightsError", "MachineError"),
    "mriuq_cli.hooks.spec": ("hookimpl",),
    "mriuq_cli.hooks.method": ("API_VERSION", "Config", "Method", "Option", "Role"),
    "mriuq_cli.hooks.context": ("Context",),
    "mriuq_cli.hooks.roles": (
        "Baseline",
        "Cases",
        "Curve",
        "Metric",
        "Plot",
        "Predictor",
        "Protocol",
        "Report",
        "Row",
        "Stage",
        "Table",
    ),
    "mriuq_cli.data.geometry": ("Geometry", "from_ras", "ras_geometry", "to_ras"),
    "mriuq_cli.data.nifti": ("read_volume",),
    "mriuq_cli.data.volume": ("Volume",),
    "mriuq_cli.data.case": ("Case",),
    "mriuq_cli.inference.shipped": ("shipped_model",),
    "mriuq_cli.metrics.image": ("Similarity",),
    "mriuq_cli.metrics.judge": ("classical_measures",),
    "mriuq_cli.physics.artefact": ("Artefact", "corrupt"),
    "mriuq_cli.physics.motion": ("Motion", "displacement", "draw_in_place", "draw_motion", "move"),
    "mriuq_cli.present.figures": ("Panel", "comparison"),
    "mriuq_cli.uncertainty.estimate": ("Check", "Descriptor", "Estimate", "Prediction"),
    "mriuq_cli.uncertainty.familiarity": ("Familiarity", "Reference", "familiarity_of"),
    "mriuq_cli.uncertainty.judgement": ("Judgement", "Score", "Yardstick"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
