"""A head ready to be scanned: fractions of tissues, what they are made of, and how that varies from place to place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.physics.anatomy import Anatomy
from mriuq_cli.physics.field import Array, smooth_field
from mriuq_cli.physics.grid import Grid
from mriuq_cli.physics.tissue import LESIONS, Tissue, tissues

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Head:
    """Voxels of a head, ``n`` of them, those of ``shown`` in its order.

    Parameters
    ----------
    grid, brain, shown
        ``shown`` is the brain alone for a stripped head, all that is not air for a whole one; both within the box.
    fractions
        Tissue to share of each voxel, ``(n,)``; what is missing to 1 is air.
    pd, t1, t2, sick
        Smooth factors ``(n,)`` on the tissues' properties, so that none is uniform; ``sick`` acts in lesions only.
    field
        Tesla.
    source
        Name of the anatomy.
    parameters
        Random choices, JSON-ready.
    """

    grid: Grid
    brain: Bools
    shown: Bools
    fractions: Mapping[str, Array]
    pd: Array
    t1: Array
    t2: Array
    sick: Array
    field: float
    source: str
    parameters: Mapping[str, Any]

    @property
    def count(self) -> int:
        """Number of voxels."""
        return len(self.pd)

    @property
    def stripped(self) -> bool:
        """Whether there is nothing but brain."""
        return self.brain is self.shown

    @cached_property
    def table(self) -> Mapping[str, Tissue]:
        """Tissues at the head's field strength."""
        return tissues(self.field)

    def properties(self, name: str, present: Bools) -> tuple[Array, Array, Array, Array, Array]:
        """Return PD, T1, T2, T2* (s) and uptake (mmol/l) of a tissue in some voxels."""
        tissue = self.table[name]
        sick = self.sick[present] if name in LESIONS else np.float32(1)
        t1 = tissue.t1 * self.t1[present] * np.sqrt(sick)
        t2 = tissue.t2 * self.t2[present] * sick
        t2star = tissue.t2star * self.t2[present] * sick
        agent = np.broadcast_to(np.float32(tissue.agent) / sick, t1.shape)
        return tissue.pd * self.pd[present], t1, t2, t2star, agent

    def maps(self) -> dict[str, Array]:
        """Return proton density, T1 and T2 (s) and ADC (mm^2/s) of each voxel as if it were of one kind, ``(n,)``.

        Proton densities add up; rates (1/T1, 1/T2) and ADC are means weighted with them.
        """
        total = {name: np.zeros(self.count, np.float32) for name in ("pd", "t1", "t2", "adc")}
        everywhere = np.ones(self.count, bool)
        for name, fraction in self.fractions.items():
            pd, t1, t2, _, _ = self.properties(name, everywhere)
            amount = fraction * pd
            total["pd"] += amount
            total["t1"] += amount / t1
            total["t2"] += amount / t2
            total["adc"] += amount * self.table[name].adc
        amount = np.maximum(total["pd"], 1e-6)
        return {"pd": total["pd"], "t1": amount / total["t1"], "t2": amount / total["t2"], "adc": total["adc"] / amount}

    def facts(self) -> dict[str, Any]:
        """Return what a truth file says of the head."""
        return {
            "simulated": True,
            "field": self.field,
            "anatomy": {"source": self.source, **self.parameters},
            "tissues": {name: asdict(self.table[name]) for name in self.fractions},
        }

    def image(self, values: Array) -> Array:
        """Place values of the voxels in the box, 0 elsewhere."""
        found = np.zeros(self.shown.shape, np.float32)
        found[self.shown] = values
        return found


def make_head(
    anatomy: Anatomy, lesions: Mapping[str, Array], field: float, rng: np.random.Generator, *, whole: bool = False
) -> Head:
    """Put lesions into an anatomy and let its tissues vary.

    Parameters
    ----------
    lesions
        Share of each voxel of the box by tissue; they displace grey and white matter first, and fluid where they are
        solid.
    whole
        Show what lies around the brain too.
    """
    outside = anatomy.outside if whole else {}
    shown = anatomy.brain
    if outside:
        shown = anatomy.brain | (np.add.reduce(list(outside.values())) > 0.02)
    fractions = _fractions(anatomy, lesions, shown)
    for name, part in outside.items():
        fractions[name] = fractions.get(name, np.float32(0)) + part[shown]

    def factor(spread: float, spacing: float) -> Array:
        return np.asarray(np.exp(spread * smooth_field(shown.shape, spacing, rng)[shown]), dtype=np.float32)

    detail = np.exp(anatomy.detail[shown])
    return Head(
        anatomy.grid, anatomy.brain, shown, fractions, pd=factor(0.02, 6), t1=factor(0.04, 5) * detail,
        t2=factor(0.04, 5) * np.sqrt(detail), sick=factor(0.22, 8), field=field, source=anatomy.source,
        parameters=anatomy.parameters,
    )  # fmt: skip


def _fractions(anatomy: Anatomy, lesions: Mapping[str, Array], shown: Bools) -> dict[str, Array]:
    """Fractions of every tissue of the brain in the voxels shown, summing to 1 in the brain."""
    sick = {name: part[shown] for name, part in lesions.items()}
    for name, part in anatomy.lesions.items():
        sick[name] = np.maximum(sick.get(name, 0), part[shown])
    solid = sum((sick[name] for name in ("necrosis", "enhancing", "infiltrated") if name in sick), np.float32(0))
    all_sick = sum(sick.values(), np.float32(0))
    fluid = (anatomy.csf + anatomy.blood)[shown]
    # What is left of grey and white matter once lesions and fluid have taken their share of the voxel.
    tissue = np.maximum(1 - fluid, 1e-6)
    keep = np.clip(1 - all_sick - fluid * (1 - solid), 0, 1) / tissue
    parts = {
        "grey": anatomy.grey[shown] * keep,
        "white": anatomy.white[shown] * keep,
        "csf": anatomy.csf[shown] * (1 - solid),
        "blood": anatomy.blood[shown] * (1 - solid),
        **sick,
    }
    inside = anatomy.brain[shown]
    total = np.maximum(sum(parts.values(), np.float32(0)), 1e-6)
    return {name: np.where(inside, part / total, 0).astype(np.float32) for name, part in parts.items()}
