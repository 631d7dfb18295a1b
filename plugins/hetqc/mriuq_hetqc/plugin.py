"""What the core sees of hetqc. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.api import API_VERSION, Config, Method, Option, Role, hookimpl

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

    from mriuq_cli.api import Case, Cases, Context, Judgement, Prediction, Protocol

_HERE = Path(__file__).parent
_LEARNING = {"crop": 96, "reuse": 10, "slots": 10, "beta": 0.5, "dropout": 0.1, "multi_task": True}
_PRESETS: dict[str, Config] = {
    "small": {
        "network": "folded", "fov": "fixed", "widths": [24, 40, 56, 64], **_LEARNING,
        "memory": {"per_voxel_bytes": 150, "self_checks": False},
    },
    "tiny": {
        "network": "folded", "fov": "fixed", "widths": [8, 8, 8, 8], **_LEARNING, "crop": 48,
        "memory": {"per_voxel_bytes": 80, "self_checks": False},
    },
    "paper": {
        "network": "published", "fov": "fixed", "widths": [30, 60, 120, 240, 480], **_LEARNING,
        "multi_task": False, "beta": 0.0, "dropout": 0.0, "memory": {"per_voxel_bytes": 800, "self_checks": False},
    },
    "paper-multi-task": {
        "network": "published", "fov": "fixed", "widths": [30, 60, 120, 240, 480], **_LEARNING,
        "beta": 0.0, "dropout": 0.0, "memory": {"per_voxel_bytes": 1100, "self_checks": False},
    },
    "contrast": {"network": "contrast", "widths": [16, 32, 48]},
}  # fmt: skip


@hookimpl
def mriuq_method() -> Method:
    """State what hetqc is."""
    return Method(
        api_version=API_VERSION,
        summary="Quality of a T1-weighted head scan, and where it fails, from the uncertainty of cleaning it",
        inputs=(Role("t1", "T1-weighted head, skull and all, stripped or defaced", ("t1w", "t1n", "scan")),),
        targets=(Role("recovered", "The scan without its artefacts"),),
        presets=_PRESETS,
        default_preset="small",
        weights=_HERE / "weights",
        default_weights="simulated",
        recipes=_HERE / "recipes",
        card=_HERE / "CARD.md",
        citation="Shaw, Sudre, Ourselin, Cardoso: Estimating MRI Image Quality via Image Reconstruction Uncertainty",
    )


@hookimpl
def mriuq_model(config: Config) -> nn.Module:
    """Build the network."""
    from mriuq_hetqc.model import build

    return build(config)


@hookimpl
def mriuq_loss(config: Config, stage: str) -> Callable[..., Any]:
    """Return the objective."""
    from mriuq_hetqc.model import objective

    return objective(config)


@hookimpl
def mriuq_dataset(
    config: Config, cases: Cases, stage: str, split: str, previous: Mapping[str, nn.Module], context: Context
) -> Dataset[Any]:
    """Return the stream of corrupted crops, made on the device that trains, or of views in other contrasts."""
    from mriuq_hetqc.contrast.dataset import Contrasts
    from mriuq_hetqc.dataset import Crops
    from mriuq_hetqc.model import CONTRAST

    if config["network"] == CONTRAST:
        return Contrasts(config, cases, split)
    return Crops(config, cases, context.device, change=split == "train")


@hookimpl
def mriuq_predict(model: nn.Module, case: Case, options: Mapping[str, Any], context: Context) -> Prediction:
    """Clean a scan, each voxel with an interval."""
    from mriuq_hetqc.predict import predict

    return predict(model, case, options, context)


@hookimpl
def mriuq_protocols() -> Mapping[str, Protocol]:
    """Return the paper's evaluations and harder ones."""
    from mriuq_hetqc.protocols import PROTOCOLS

    return PROTOCOLS


@hookimpl
def mriuq_options(verb: str) -> tuple[Option, ...]:
    """Name the options of ``evaluate``."""
    if verb != "evaluate":
        return ()
    return (
        Option("pairs", "path", "For --protocol pairs: a table with columns flagged and clean, ids of scans."),
        Option("levels", "int", "For --protocol noise: at how many levels from 10 to -10 dB, 41 by default."),
    )


@hookimpl
def mriuq_judge(scan: Case, options: Mapping[str, Any], context: Context) -> Judgement | None:
    """Say how good a scan is."""
    from mriuq_hetqc.judge import judge

    return judge(scan, options, context)
