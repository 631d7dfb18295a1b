"""What the core sees of qrunet. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.api import API_VERSION, Config, Method, Role, hookimpl

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

    from mriuq_cli.api import Baseline, Case, Cases, Context, Metric, Prediction

_HERE = Path(__file__).parent
_ROLES = (
    Role("flair", "T2-weighted FLAIR", ("t2f", "t2flair")),
    Role("t1", "T1-weighted, no contrast agent", ("t1w", "t1n")),
    Role("t1gd", "T1-weighted after gadolinium", ("t1ce", "t1c", "t1post")),
    Role("t2", "T2-weighted", ("t2w",)),
)
_LEARNING = {
    "crop": 40,
    "reuse": 64,
    "slots": 8,
    "augment": 0.5,
    "share": 0.4,
    "given_weight": 0.05,
    "mean_weight": 0.3,
}
_MEMORY = {"per_voxel_bytes": 70}
"""Bytes of work for each voxel of the grid of a stripped exam, of which the brain box is two fifths (measured)."""
_TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)
_PRESETS: dict[str, Config] = {
    "small": {
        "network": "pyramid", "fov": "free", "widths": [32, 64, 64], "around": 24, "hidden": [64, 96],
        "taus": list(_TAUS), "memory": _MEMORY, **_LEARNING,
    },
    "tiny": {
        "network": "pyramid", "fov": "free", "widths": [8, 8, 16], "around": 8, "hidden": [16, 16],
        "taus": list(_TAUS), "memory": {"per_voxel_bytes": 40}, **_LEARNING, "crop": 32,
    },
    "paper": {
        "network": "residual-unet", "fov": "fixed", "channels": [4, 8, 16], "taus": [0.023, 0.5, 0.977],
        "masked": [0.40, 0.12, 0.30, 0.15], "memory": {"per_voxel_bytes": 52, "self_checks": False},
    },
}  # fmt: skip


@hookimpl
def mriuq_method() -> Method:
    """State what qrunet is."""
    return Method(
        api_version=API_VERSION,
        summary="Missing MR contrasts of a brain exam, each voxel with an interval",
        inputs=_ROLES,
        targets=_ROLES,
        presets=_PRESETS,
        default_preset="small",
        partial=True,
        outliers=True,
        weights=_HERE / "weights",
        default_weights="impute",
        recipes=_HERE / "recipes",
        card=_HERE / "CARD.md",
        citation="Salim, Joshi, Leahy: Contrast Synthesis with Uncertainty Estimation using Quantile Regression and "
        "U-Nets",
    )


@hookimpl
def mriuq_model(config: Config) -> nn.Module:
    """Build the network."""
    from mriuq_qrunet.model import build

    return build(config)


@hookimpl
def mriuq_loss(config: Config, stage: str) -> Callable[..., Any]:
    """Return the objective."""
    from mriuq_qrunet.model import objective

    return objective(config)


@hookimpl
def mriuq_dataset(
    config: Config, cases: Cases, stage: str, split: str, previous: Mapping[str, nn.Module], context: Context
) -> Dataset[Any]:
    """Return the stream of training crops, or of whole brains for the published network."""
    if config["network"] == "pyramid":
        from mriuq_qrunet.dataset import Crops

        return Crops(config, cases, change=split == "train", device=context.device)
    from mriuq_qrunet.published import Brains

    return Brains(config, cases, change=split == "train")


@hookimpl
def mriuq_predict(model: nn.Module, case: Case, options: Mapping[str, Any], context: Context) -> Prediction:
    """Predict every contrast that the case lacks."""
    from mriuq_qrunet.predict import predict

    return predict(model, case, options, context)


@hookimpl
def mriuq_baselines(config: Config) -> Mapping[str, Baseline]:
    """Return what a network has to beat."""
    from mriuq_qrunet.baselines import BASELINES

    return BASELINES


@hookimpl
def mriuq_metrics(config: Config) -> Mapping[str, Metric]:
    """Return the authors' form of PSNR and SSIM."""
    from mriuq_qrunet.metrics import AUTHORS

    return AUTHORS
