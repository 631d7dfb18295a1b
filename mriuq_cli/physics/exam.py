"""Preset ``exam``: FLAIR, T1, T1 with gadolinium, T2 and ADC of one brain with a glioma, from signal equations."""

from __future__ import annotations

import numpy as np

from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_cli.physics import signal
from mriuq_cli.physics.anatomy import build_anatomy
from mriuq_cli.physics.field import Array
from mriuq_cli.physics.grid import EXAM_GRID
from mriuq_cli.physics.head import Head, make_head
from mriuq_cli.physics.hyperintensity import hyperintensities
from mriuq_cli.physics.labels import LabelMap
from mriuq_cli.physics.sequence import Equation, PulseSequence, pure_signal, scan
from mriuq_cli.physics.tumour import ENHANCING, NECROSIS, OEDEMA, Tumour, grow_tumour

VERSION = 4
"""Raised whenever the same seed gives other voxels."""

_B = 1000.0
"""Diffusion weighting of the ADC, s/mm^2."""


def simulate_exam(seed: int, source: LabelMap | None = None, field: float = 3.0) -> Case:
    """Simulate one exam; the same seed gives the same voxels.

    Parameters
    ----------
    source
        Anatomy; by default the template.
    field
        Tesla, 1.5 or 3.

    Returns
    -------
    Case
        Volumes ``flair``, ``t1``, ``t1gd``, ``t2`` with whole, positive numbers in the brain and 0 outside; truth
        ``adc`` in mm^2/s, as it is measured; its mask; regions ``tumour``, ``necrosis``, ``oedema``, ``enhancing``,
        ``hyperintensity``; parameters with every random choice.
    """
    rng = np.random.default_rng([VERSION, seed])
    anatomy = build_anatomy(EXAM_GRID, rng, source)
    tumour = grow_tumour(anatomy, rng)
    spots = hyperintensities(anatomy, rng)
    head = make_head(anatomy, _lesions(tumour, spots.share), field, rng)
    geometry = geometry_from_affine(EXAM_GRID.shape, EXAM_GRID.affine)
    volumes, facts = {}, {}
    for name, sequence in protocol(rng, field).items():
        pure, means = pure_signal(sequence, head)
        volumes[name] = Volume(EXAM_GRID.whole(scan(pure, head, sequence, rng)), geometry)
        facts[name] = {**sequence.facts(), "tissue_signal": means}
    labels = EXAM_GRID.whole(tumour.labels)
    regions = {"necrosis": labels == NECROSIS, "oedema": labels == OEDEMA, "enhancing": labels == ENHANCING}
    spotted = EXAM_GRID.whole(spots.share > 0.5) & (labels == 0)
    return Case(
        id=f"exam-{seed}",
        geometry=geometry,
        volumes=volumes,
        truth={"adc": Volume(EXAM_GRID.whole(_measured_adc(head, rng)), geometry, "mm^2/s")},
        mask=EXAM_GRID.whole(anatomy.brain),
        regions={"tumour": labels > 0, **regions, "hyperintensity": spotted},
        parameters={
            **head.facts(),
            "preset": "exam",
            "version": VERSION,
            "seed": seed,
            "tumour": {**tumour.parameters, "voxels": {name: int(region.sum()) for name, region in regions.items()}},
            "hyperintensities": spots.parameters,
            "sequences": facts,
        },
    )


def protocol(rng: np.random.Generator, field: float = 3.0) -> dict[str, PulseSequence]:
    """Draw a protocol: times in seconds, angles in degrees; each exam has its own.

    T1-weighted images are of a spoiled gradient echo or of one with inversion, either with even odds: hospitals have
    both. Of 176 partitions the latter measures three quarters or more (partial Fourier). FLAIR's inversion time is a
    vendor's round one, which nulls fluid nearly, not exactly.
    """

    def draw(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 4)

    flair_tr = draw(8.5, 9.5)
    flair_ti = draw(2.4, 2.6)
    gradient: Equation
    t1: dict[str, float]
    if rng.random() < 0.5:
        gradient = signal.spoiled_gradient_echo
        t1 = {"tr": draw(0.018, 0.022), "te": draw(0.003, 0.005), "flip": draw(33, 40)}
    else:
        gradient = signal.inversion_prepared_gradient_echo
        t1 = {"tr": draw(1.7, 2.3), "ti": draw(0.9, 1.1), "spacing": round(float(rng.uniform(0.0065, 0.0085)), 5),
              "pulses": int(rng.integers(132, 177)), "te": draw(0.0025, 0.0045), "flip": draw(8, 10)}  # fmt: skip
    even, thick = (0.6, 0.6, 0.6), (0.6, 0.6, 0.9)
    return {
        "flair": PulseSequence(
            signal.inversion_recovery,
            {"tr": flair_tr, "te": draw(0.11, 0.135), "ti": flair_ti},
            blur=thick,
            mean=draw(150, 300),
        ),
        "t1": PulseSequence(gradient, t1, blur=even, mean=draw(280, 480), gradient=True),
        "t1gd": PulseSequence(gradient, t1, blur=even, mean=draw(340, 580), agent=True, gradient=True),
        "t2": PulseSequence(
            signal.spin_echo, {"tr": draw(5.0, 6.5), "te": draw(0.095, 0.115)}, blur=thick, mean=draw(200, 600)
        ),
    }


def _lesions(tumour: Tumour, spots: Array) -> dict[str, Array]:
    solid = tumour.necrosis + tumour.enhancing + tumour.infiltrated + tumour.oedema
    return {
        "necrosis": tumour.necrosis,
        "enhancing": tumour.enhancing,
        "infiltrated": tumour.infiltrated,
        "oedema": tumour.oedema,
        "hyperintensity": spots * np.clip(1 - solid, 0, 1),
    }


def _measured_adc(head: Head, rng: np.random.Generator) -> Array:
    """ADC of the box in mm^2/s from two noisy images, b 0 and 1000 s/mm^2: ``ln(S0/S1)/b``, 0 where nothing is left."""
    maps = head.maps()
    adc = maps["adc"] * np.exp(0.06 * (head.t2 - 1) / 0.04)
    s0 = signal.spin_echo(maps["pd"], maps["t1"], maps["t2"], tr=6.0, te=0.08)
    level = 0.02 * float(s0.mean())
    first, second = (
        np.maximum(signal.rician(part, level, rng), level) for part in (s0, np.asarray(signal.diffusion(s0, adc, b=_B)))
    )
    return head.image(np.maximum(np.log(first / second) / _B, 0).astype(np.float32))
