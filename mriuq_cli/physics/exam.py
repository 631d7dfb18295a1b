"""Preset ``exam``: FLAIR, T1, T1 with gadolinium and T2 of one brain with a glioma, from signal equations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_cli.physics import signal
from mriuq_cli.physics.anatomy import BOX, GRID_AFFINE, GRID_SHAPE, Anatomy, Array, build_anatomy, smooth_field
from mriuq_cli.physics.tissue import TISSUES, Tissue
from mriuq_cli.physics.tumour import ENHANCING, NECROSIS, OEDEMA, Tumour, grow_tumour

VERSION = 1
"""Raised whenever the same seed gives other voxels."""

Equation = Callable[..., Array]
Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Sequence:
    """An equation of :mod:`mriuq_cli.physics.signal` with its times in seconds and what the scanner does to it."""

    equation: Equation
    settings: Mapping[str, float]
    agent: bool
    blur: tuple[float, float, float]
    mean: float

    def facts(self) -> dict[str, str | float | bool]:
        """Return what the truth file says of the sequence."""
        return {"equation": self.equation.__name__, **self.settings, "contrast_agent": self.agent}


def simulate_exam(seed: int) -> Case:
    """Simulate one exam; the same seed gives the same voxels.

    Returns
    -------
    Case
        Volumes ``flair``, ``t1``, ``t1gd``, ``t2`` with whole, positive numbers in the brain and 0 outside; its mask;
        regions ``tumour``, ``necrosis``, ``oedema``, ``enhancing``; parameters with every random choice.
    """
    rng = np.random.default_rng([VERSION, seed])
    anatomy = build_anatomy(rng)
    tumour = grow_tumour(anatomy, rng)
    inside = anatomy.brain
    fractions = _fractions(anatomy, tumour)
    variation = _variation(anatomy, rng)
    sequences = _protocol(rng)
    geometry = geometry_from_affine(GRID_SHAPE, GRID_AFFINE)
    volumes = {}
    means: dict[str, dict[str, float]] = {}
    for name, sequence in sequences.items():
        pure, means[name] = _signal(sequence, fractions, variation)
        image = _scan(pure, inside, sequence, rng)
        volumes[name] = Volume(_in_grid(image), geometry)
    labels = _in_grid(tumour.labels)
    regions = {"necrosis": labels == NECROSIS, "oedema": labels == OEDEMA, "enhancing": labels == ENHANCING}
    parameters = {
        "simulated": True,
        "preset": "exam",
        "version": VERSION,
        "seed": seed,
        "anatomy": {"template": "MNI152 (ICBM 2009a), nilearn", **anatomy.parameters},
        "tumour": {**tumour.parameters, "voxels": {name: int(region.sum()) for name, region in regions.items()}},
        "tissues": {name: asdict(tissue) for name, tissue in TISSUES.items()},
        "sequences": {name: {**s.facts(), "tissue_signal": means[name]} for name, s in sequences.items()},
    }
    return Case(
        id=f"exam-{seed}",
        geometry=geometry,
        volumes=volumes,
        mask=_in_grid(inside),
        regions={"tumour": labels > 0, **regions},
        parameters=parameters,
    )


def _protocol(rng: np.random.Generator) -> dict[str, Sequence]:
    """Draw a 3 T protocol: times in seconds, angles in degrees; each exam has its own."""

    def draw(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 4)

    flair_tr = draw(8.5, 9.5)
    flair_ti = round(signal.nulling_time(TISSUES["csf"].t1, tr=flair_tr), 4)
    t1 = {"tr": draw(0.018, 0.022), "te": draw(0.003, 0.005), "flip": draw(33, 40)}
    return {
        "flair": Sequence(
            signal.inversion_recovery,
            {"tr": flair_tr, "te": draw(0.1, 0.125), "ti": flair_ti},
            agent=False,
            blur=(0.6, 0.6, 0.9),
            mean=draw(150, 300),
        ),
        "t1": Sequence(signal.spoiled_gradient_echo, t1, agent=False, blur=(0.6, 0.6, 0.6), mean=draw(280, 480)),
        "t1gd": Sequence(signal.spoiled_gradient_echo, t1, agent=True, blur=(0.6, 0.6, 0.6), mean=draw(340, 580)),
        "t2": Sequence(
            signal.spin_echo,
            {"tr": draw(5.0, 6.5), "te": draw(0.095, 0.115)},
            agent=False,
            blur=(0.6, 0.6, 0.9),
            mean=draw(200, 600),
        ),
    }


def _fractions(anatomy: Anatomy, tumour: Tumour) -> dict[str, Array]:
    """Fractions of every tissue in the brain's voxels, ``(n,)`` each, summing to 1."""
    inside = anatomy.brain
    whole = (tumour.necrosis + tumour.enhancing)[inside]
    wet = tumour.oedema[inside]
    fluid = (anatomy.csf + anatomy.blood)[inside]
    # What is left of grey and white matter once the core and the oedema have taken their share of the voxel.
    tissue = np.maximum(1 - fluid, 1e-6)
    keep = np.clip(1 - whole - wet - fluid * (1 - whole), 0, 1) / tissue
    parts = {
        "grey": anatomy.grey[inside] * keep,
        "white": anatomy.white[inside] * keep,
        "csf": anatomy.csf[inside] * (1 - whole),
        "blood": anatomy.blood[inside] * (1 - whole),
        "necrosis": tumour.necrosis[inside],
        "enhancing": tumour.enhancing[inside],
        "oedema": wet,
    }
    total = np.sum(list(parts.values()), axis=0)
    return {name: (part / total).astype(np.float32) for name, part in parts.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Variation:
    """Smooth factors ``(n,)`` on the tissues' properties, so that none is uniform; ``sick`` acts in tumour only."""

    pd: Array
    t1: Array
    t2: Array
    sick: Array


def _variation(anatomy: Anatomy, rng: np.random.Generator) -> _Variation:
    """Draw how the tissues' properties vary from place to place."""
    inside, shape = anatomy.brain, anatomy.brain.shape

    def factor(spread: float, spacing: float) -> Array:
        return np.asarray(np.exp(spread * smooth_field(shape, spacing, rng)[inside]), dtype=np.float32)

    detail = np.exp(anatomy.detail[inside])
    return _Variation(
        pd=factor(0.02, 6), t1=factor(0.04, 5) * detail, t2=factor(0.04, 5) * np.sqrt(detail), sick=factor(0.22, 8)
    )


def _signal(
    sequence: Sequence, fractions: Mapping[str, Array], variation: _Variation
) -> tuple[Array, dict[str, float]]:
    """Signal ``(n,)`` of mixed voxels without noise, and the mean signal of each pure tissue."""
    total = np.zeros_like(variation.pd)
    means = {}
    for name, tissue in TISSUES.items():
        present = fractions[name] > 1e-3
        part = _pure(name, tissue, sequence, variation, present)
        total[present] += fractions[name][present] * part
        means[name] = round(float(part.mean()), 5) if part.size else 0.0
    return total, means


def _pure(name: str, tissue: Tissue, sequence: Sequence, variation: _Variation, present: NDArray[np.bool_]) -> Array:
    """Signal of voxels filled with one tissue, where it is present."""
    factor = variation.sick[present]
    sick = factor if name in ("necrosis", "enhancing", "oedema") else np.ones_like(factor)
    t1 = tissue.t1 * variation.t1[present] * np.sqrt(sick)
    t2 = tissue.t2 * variation.t2[present] * sick
    if sequence.agent:
        t1, t2 = signal.with_contrast_agent(t1, t2, tissue.agent / sick)
    made = np.asarray(sequence.equation(tissue.pd * variation.pd[present], t1, t2, **sequence.settings), np.float32)
    # Blood leaves the slice between excitation and echo: a flow void wherever there is a refocusing pulse.
    return made * np.float32(0.3) if name == "blood" and sequence.equation is not signal.spoiled_gradient_echo else made


def _scan(pure: Array, inside: NDArray[np.bool_], sequence: Sequence, rng: np.random.Generator) -> Array:
    """Shading, Rician noise, blur and gain of a scanner; whole numbers, at least 1 in the brain, 0 outside."""
    from scipy import ndimage

    shading = np.exp(0.06 * smooth_field(inside.shape, 60, rng)[inside])
    image = np.zeros(inside.shape, dtype=np.float32)
    image[inside] = signal.rician(pure * shading, 0.07 * float(pure.mean()), rng)
    # Blur over the brain alone, or its border would darken as if there were no fluid and no skull around it.
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sequence.blur)
    image = ndimage.gaussian_filter(image, sequence.blur) / np.maximum(weight, 1e-3)
    scaled = np.rint(image * (sequence.mean / image[inside].mean()))
    return np.where(inside, np.clip(scaled, 1, 32767), 0).astype(np.float32)


def _in_grid(part: NDArray[Kind]) -> NDArray[Kind]:
    """Place an array of the box in the whole grid."""
    whole = np.zeros(GRID_SHAPE, dtype=part.dtype)
    whole[BOX] = part
    return whole
