"""Preset ``fse``: nine fast spin-echo sequences of one whole head, with the times of Xiong et al. (MICCAI 2024)."""

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

TIMES = {
    "fse1": (2.479, 0.00962, 1.055),
    "fse2": (2.479, 0.01042, 0.0),
    "fse3": (6.777, 0.01042, 0.0),
    "fse4": (6.777, 0.06252, 0.0),
    "fse5": (8.000, 0.01042, 0.0),
    "fse6": (8.000, 0.03992, 0.0),
    "fse7": (8.142, 0.10420, 0.0),
    "fse8": (8.000, 0.09998, 1.030),
    "fse9": (8.000, 0.09878, 2.025),
}
"""TR, TE, TI in seconds; TI 0 is no inversion. Table 1 of the paper."""

_LAST = 0.15
"""Last echo of every train in seconds; not published."""


def simulate_fse(seed: int, source: LabelMap | None = None, field: float = 3.0) -> Case:
    """Simulate one head; parameters as for :func:`mriuq_cli.physics.exam.simulate_exam`.

    Returns
    -------
    Case
        Volumes ``fse1`` to ``fse9``, on one scale; truth ``pd``, ``t1`` and ``t2`` (seconds); the mask of the brain.
    """
    rng = np.random.default_rng([VERSION, seed, 9])
    anatomy = with_outside(build_anatomy(HEAD_GRID, rng, source), rng)
    spots = hyperintensities(anatomy, rng)
    head = make_head(anatomy, {"hyperintensity": spots.share}, field, rng, whole=True)
    geometry = geometry_from_affine(HEAD_GRID.shape, HEAD_GRID.affine)
    volumes, facts = {}, {}
    for name, (tr, te, ti) in TIMES.items():
        settings = {"tr": tr, "te": te, "ti": ti, "te_last": max(te, _LAST)}
        sequence = PulseSequence(signal.fast_spin_echo, settings, (0.5, 0.5, 0.5), 0.0, noise=0.03)
        pure, means = pure_signal(sequence, head)
        # One receiver gain for all: what the sequences make of a tissue stays comparable.
        sequence = PulseSequence(
            signal.fast_spin_echo, settings, (0.5, 0.5, 0.5), 1000 * _brain_mean(pure, head), noise=0.03
        )
        volumes[name] = Volume(HEAD_GRID.whole(scan(pure, head, sequence, rng)), geometry)
        facts[name] = {**sequence.facts(), "tissue_signal": means}
    maps = head.maps()
    units = {"pd": "", "t1": "s", "t2": "s"}
    return Case(
        id=f"fse-{seed}",
        geometry=geometry,
        volumes=volumes,
        truth={name: Volume(HEAD_GRID.whole(head.image(maps[name])), geometry, unit) for name, unit in units.items()},
        mask=HEAD_GRID.whole(anatomy.brain),
        parameters={
            **head.facts(),
            "preset": "fse",
            "version": VERSION,
            "seed": seed,
            "hyperintensities": spots.parameters,
            "sequences": facts,
        },
    )  # fmt: skip


def _brain_mean(pure: np.ndarray, head: Head) -> float:
    return float(pure[head.brain[head.shown]].mean())
