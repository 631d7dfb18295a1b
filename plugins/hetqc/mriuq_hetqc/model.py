"""From a configuration to its network and objective."""

from __future__ import annotations

from typing import Any

from torch import nn

from mriuq_cli.api import Config
from mriuq_hetqc.contrast.network import ContrastNet, tell_apart
from mriuq_hetqc.loss import Objective
from mriuq_hetqc.network import FoldedUNet
from mriuq_hetqc.published import PublishedUNet

CONTRAST = "contrast"
"""The network that tells T1-weighted heads from other images; all others clean scans."""


def build(config: Config) -> nn.Module:
    """Return the network of a configuration, with fresh weights."""
    if config["network"] == CONTRAST:
        return ContrastNet(config["widths"])
    if config["network"] == "published":
        return PublishedUNet(config["widths"], multi_task=config["multi_task"])
    return FoldedUNet(config["widths"], multi_task=config["multi_task"], dropout=config["dropout"])


def objective(config: Config) -> Any:
    """Return the loss of a configuration."""
    if config["network"] == CONTRAST:
        return tell_apart
    return Objective(config["beta"], grey_only=config["network"] == "published")
