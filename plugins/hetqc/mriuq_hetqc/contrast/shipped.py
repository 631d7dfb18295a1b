"""What the shipped network of contrasts says of a scan."""

from __future__ import annotations

from mriuq_cli.api import shipped_model
from mriuq_hetqc.contrast.network import log_odds
from mriuq_hetqc.contrast.view import view
from mriuq_hetqc.scan import Scan

WEIGHTS = "contrast"


def other_than_t1(scan: Scan, device: str) -> float:
    """Return the natural log-odds that a scan is no T1-weighted head.

    Raises
    ------
    WeightsError
        If the weights that ship cannot be used.
    """
    model, _ = shipped_model("hetqc", WEIGHTS, device)
    return log_odds(model, view(scan))
