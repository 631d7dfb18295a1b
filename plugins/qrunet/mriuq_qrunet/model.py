"""Build networks and objectives from a configuration."""

from __future__ import annotations

from typing import Any

from torch import nn

from mriuq_cli.api import Config, UsageError
from mriuq_qrunet.loss import Objective
from mriuq_qrunet.network import PyramidNet
from mriuq_qrunet.published import PublishedObjective, ResidualUNet


def build(config: Config) -> nn.Module:
    """Return the network with fresh weights. Raises UsageError for a network that does not exist."""
    if config["network"] == "pyramid":
        return PyramidNet(config["widths"], config["around"], config["hidden"], 1 + len(config["taus"]))
    if config["network"] == "residual-unet":
        return ResidualUNet(config["channels"], len(config["taus"]))
    raise UsageError(f"there is no network '{config['network']}'")


def objective(config: Config) -> Any:
    """Return the loss that goes with the network."""
    if config["network"] == "pyramid":
        return Objective(config["taus"], config["mean_weight"])
    return PublishedObjective(config["taus"])
