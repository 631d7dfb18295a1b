"""Evaluations of hetqc: the paper's three figures, harder tests of the same claims, and real pairs of scans."""

from __future__ import annotations

from mriuq_cli.api import Protocol
from mriuq_hetqc.protocols import artefacts, noise, pairs, regions

PROTOCOLS = {
    "noise": Protocol("Sigma against error over levels of noise, scan by scan", noise.measure, noise.report),
    "artefacts": Protocol("Clean against corrupted copies, artefact by artefact", artefacts.measure, artefacts.report),
    "partial-noise": Protocol(
        "Noise that covers 0, 25 and 50 % of grey matter", regions.measure_partial, regions.report_partial
    ),
    "regions": Protocol(
        "The same corruption below the brain and inside it", regions.measure_confined, regions.report_confined
    ),
    "pairs": Protocol("Flagged scans against clean ones of the same people (--pairs)", pairs.measure, pairs.report),
}
"""Name to protocol, as ``mriuq evaluate hetqc --protocol NAME`` takes it."""
