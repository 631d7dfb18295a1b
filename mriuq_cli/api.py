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
    "mriuq_cli.data.kspace": ("KSpace", "read_kspace"),
    "mriuq_cli.data.case": ("Case",),
    "mriuq_cli.inference.shipped": ("shipped_model",),
    "mriuq_cli.metrics.image": ("Similarity", "gradient_magnitude"),
    "mriuq_cli.metrics.judge": ("classical_measures",),
    "mriuq_cli.metrics.regression": ("auroc", "ause", "coverage", "coverage_by_width", "interval_score", "spearman"),
    "mriuq_cli.metrics.tables": ("paired_difference",),
    "mriuq_cli.physics.signal": (
        "spin_echo", "fast_spin_echo", "inversion_recovery", "spoiled_gradient_echo",
        "inversion_prepared_gradient_echo", "t2_decay", "look_locker", "look_locker_t1", "diffusion", "nulling_time",
        "with_contrast_agent",
    ),
    "mriuq_cli.physics.epg": ("echo_train",),
    "mriuq_cli.physics.units": ("require_seconds",),
    "mriuq_cli.physics.fit": ("Fit", "fit_t2", "fit_inversion_recovery", "fit_look_locker", "fit_adc"),
    "mriuq_cli.physics.fit_fse": ("ContrastFit", "fit_fast_spin_echo"),
    "mriuq_cli.physics.tissue": ("Tissue", "tissues"),
    "mriuq_cli.physics.grid": ("Grid", "EXAM_GRID", "HEAD_GRID"),
    "mriuq_cli.physics.labels": ("LabelMap", "find_label_maps", "read_label_map", "read_table"),
    "mriuq_cli.physics.anatomy": ("Anatomy", "build_anatomy"),
    "mriuq_cli.physics.outside": ("with_outside",),
    "mriuq_cli.physics.tumour": ("Tumour", "grow_tumour"),
    "mriuq_cli.physics.hyperintensity": ("Hyperintensities", "hyperintensities"),
    "mriuq_cli.physics.head": ("Head", "make_head"),
    "mriuq_cli.physics.sequence": ("PulseSequence", "pure_signal", "scan"),
    "mriuq_cli.physics.exam": ("simulate_exam",),
    "mriuq_cli.physics.t1w": ("simulate_t1w",),
    "mriuq_cli.physics.fse": ("simulate_fse",),
    "mriuq_cli.physics.qmri": ("simulate_qmri",),
    "mriuq_cli.physics.field": ("smooth_field",),
    "mriuq_cli.physics.fourier": ("to_image", "to_kspace"),
    "mriuq_cli.physics.coils": ("Encoding", "birdcage_maps"),
    "mriuq_cli.physics.espirit": ("Sensitivities", "estimate_sensitivities"),
    "mriuq_cli.physics.sampling": ("line_mask", "phase_masks"),
    "mriuq_cli.physics.noise": ("add_rician", "complex_noise", "noise_level"),
    "mriuq_cli.physics.motion": ("Motion", "displacement", "draw_in_place", "draw_motion", "move"),
    "mriuq_cli.physics.artefact": ("Artefact", "corrupt", "draw_artefacts"),
    "mriuq_cli.present.figures": ("Panel", "comparison"),
    "mriuq_cli.uncertainty.estimate": ("Check", "Descriptor", "Estimate", "Prediction"),
    "mriuq_cli.uncertainty.conformal": ("calibrate_estimate", "read_calibration"),
    "mriuq_cli.uncertainty.familiarity": ("Familiarity", "Reference", "familiarity_of"),
    "mriuq_cli.uncertainty.judgement": ("Judgement", "Score", "Yardstick"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
