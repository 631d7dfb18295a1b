"""Preset ``t1w``: a clean T1-weighted whole head, as MPRAGE scans show it, with labels of its tissues."""

from __future__ import annotations

import numpy as np

from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_cli.physics import signal
from mriuq_cli.physics.anatomy import build_anatomy
from mriuq_cli.physics.grid import HEAD_GRID
from mriuq_cli.physics.head import Head, make_head
from mriuq_cli.physics.hyperintensity import hyperintensities
from mriuq_cli.physics.labels import LabelMap
from mriuq_cli.physics.outside import with_outside
from mriuq_cli.physics.sequence import PulseSequence, pure_signal, scan

VERSION = 3
"""Raised whenever the same seed gives other voxels."""


def simulate_t1w(seed: int, source: LabelMap | None = None, field: float = 3.0) -> Case:
    """Simulate one head; parameters as for :func:`mriuq_cli.physics.exam.simulate_exam`.

    Returns
    -------
    Case
        Volume ``t1``; the mask of the brain; regions ``csf``, ``grey`` and ``white``, the tissue that has the largest
        share of a voxel of the brain.
    """
    rng = np.random.default_rng([VERSION, seed])
    anatomy = with_outside(build_anatomy(HEAD_GRID, rng, source), rng)
    spots = hyperintensities(anatomy, rng)
    head = make_head(anatomy, {"hyperintensity": spots.share}, field, rng, whole=True)
    sequence = _protocol(rng)
    pure, means = pure_signal(sequence, head)
    geometry = geometry_from_affine(HEAD_GRID.shape, HEAD_GRID.affine)
    return Case(
        id=f"t1w-{seed}",
        geometry=geometry,
        volumes={"t1": Volume(HEAD_GRID.whole(scan(pure, head, sequence, rng)), geometry)},
        mask=HEAD_GRID.whole(anatomy.brain),
        regions=_tissue_labels(head),
        parameters={
            **head.facts(),
            "preset": "t1w",
            "version": VERSION,
            "seed": seed,
            "hyperintensities": spots.parameters,
            "sequences": {"t1": {**sequence.facts(), "tissue_signal": means}},
        },
    )  # fmt: skip


def _protocol(rng: np.random.Generator) -> PulseSequence:
    settings = {
        "tr": round(float(rng.uniform(2.0, 2.5)), 4),
        "ti": round(float(rng.uniform(0.85, 1.1)), 4),
        "spacing": round(float(rng.uniform(0.0065, 0.0085)), 5),
        "pulses": 176,
        "te": round(float(rng.uniform(0.0025, 0.0045)), 5),
        "flip": round(float(rng.uniform(7, 10)), 2),
    }
    blur = (0.45, 0.45, 0.45)
    noise = float(rng.uniform(0.015, 0.04))
    return PulseSequence(
        signal.inversion_prepared_gradient_echo,
        settings,
        blur,
        float(rng.uniform(200, 600)),
        noise=noise,
        gradient=True,
    )


def _tissue_labels(head: Head) -> dict[str, np.ndarray]:
    """Return where fluid, grey and white matter (lesions are white) have the largest share."""
    zero = np.zeros(head.count, np.float32)
    csf, grey, white = (head.fractions.get(name, zero) for name in ("csf", "grey", "white"))
    blood, spots = (head.fractions.get(name, zero) for name in ("blood", "hyperintensity"))
    winner = np.argmax(np.stack([csf + blood, grey, white + spots]), axis=0)
    inside = head.brain[head.shown]
    found = {}
    for number, name in enumerate(("csf", "grey", "white")):
        box = np.zeros(head.shown.shape, bool)
        box[head.shown] = inside & (winner == number)
        found[name] = head.grid.whole(box)
    return found
