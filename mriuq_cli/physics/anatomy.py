"""A seeded head: tissue fractions of a deformed brain, from the template or from a label map, on a grid of exams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.physics.field import Array, smooth_field
from mriuq_cli.physics.grid import Grid
from mriuq_cli.physics.labels import CLASSES, LabelMap
from mriuq_cli.physics.template import NAME, load_template
from mriuq_cli.physics.tissue import BRAIN, OUTSIDE

Bools = NDArray[np.bool_]

_SOFT = 0.7
"""Blur in voxels that turns crisp labels into shares of mixed voxels."""


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Tissue fractions inside a grid's box, float32 ``(x, y, z)``, summing to 1 in ``brain`` and to 0 outside.

    Parameters
    ----------
    detail
        By how much log T1 differs from the tissues' means (deep nuclei, brain stem).
    lesions
        What a label map already has of lesions, by tissue; taken out of white matter.
    outside
        Fractions of the tissues around the brain; empty where the source has none.
    source
        Name of the anatomy: deformed copies of one are one person.
    parameters
        The random choices, JSON-ready.
    """

    grid: Grid
    brain: Bools
    grey: Array
    white: Array
    csf: Array
    blood: Array
    detail: Array
    lesions: Mapping[str, Array]
    outside: Mapping[str, Array]
    source: str
    parameters: dict[str, Any]


def build_anatomy(grid: Grid, rng: np.random.Generator, source: LabelMap | None = None) -> Anatomy:
    """Deform a head at random, age it, and turn its maps into tissue fractions.

    Ageing widens sulci and ventricles: fluid gains against tissue at every border of the brain, and the middle of the
    brain is stretched about the ventricles.

    Raises
    ------
    MachineError
        If the template is asked for and nilearn, which carries it, is not installed.
    """
    return _from_template(grid, rng) if source is None else _from_labels(grid, rng, source)


def _from_template(grid: Grid, rng: np.random.Generator) -> Anatomy:
    from scipy import ndimage

    template = load_template()
    scale = float(rng.uniform(0.86, 0.94))
    age = float(rng.uniform(0.3, 1.4))
    centre = (template.affine @ [*np.argwhere(template.brain > 0).mean(axis=0), 1])[:3]
    places = _places(grid, template.affine, centre, scale, _widening(age - 0.6), rng)
    brain = ndimage.map_coordinates(template.brain, places, order=1) > 0.5
    within = places[:, brain]

    def warp(image: Array) -> Array:
        whole = np.zeros(brain.shape, dtype=np.float32)
        whole[brain] = ndimage.map_coordinates(image, within, order=1)
        return whole

    grey, white, csf = _sharpen(warp(template.grey), warp(template.white), brain, age, rng)
    blood = _vessels(csf, brain, rng)
    rest = 1 - blood
    return Anatomy(
        grid=grid,
        brain=brain,
        grey=grey * rest,
        white=white * rest,
        csf=csf * rest,
        blood=blood,
        detail=np.clip(warp(template.detail), -0.2, 0.2),
        lesions={},
        outside={},
        source=NAME,
        parameters={"scale": round(scale, 4), "age": round(age, 4), "brain_voxels": int(brain.sum())},
    )


def _from_labels(grid: Grid, rng: np.random.Generator, source: LabelMap) -> Anatomy:
    from scipy import ndimage

    scale = float(rng.uniform(0.94, 1.04))
    age = float(rng.uniform(-0.3, 0.8))
    inside = (source.classes > 0) & (source.classes <= CLASSES.index("white") + 1)
    centre = (source.affine @ [*np.argwhere(inside).mean(axis=0), 1])[:3]
    places = _places(grid, source.affine, centre, scale, _widening(age), rng)
    classes = ndimage.map_coordinates(source.classes, places, order=0)
    detail = ndimage.map_coordinates(source.detail, places, order=1)
    shares = {
        tissue: ndimage.gaussian_filter((classes == number).astype(np.float32), _SOFT)
        for number, tissue in enumerate(CLASSES, 1)
        if (classes == number).any()
    }
    brain = _within_skull(classes)
    shares["csf"] = _more_fluid(shares, brain, age)
    # Nothing but brain inside it, and around it whatever is there: bone, scalp, but also fluid, vessels and the cord.
    total = np.maximum(sum(share for tissue, share in shares.items() if tissue not in OUTSIDE), np.float32(1e-6))
    clean = {t: np.where(brain, share / total, 0) for t, share in shares.items() if t not in OUTSIDE}
    outer = {t: np.where(brain, 0, share) for t, share in shares.items()} if source.whole_head else {}
    nothing = np.zeros(brain.shape, np.float32)
    facts = {"scale": round(scale, 4), "age": round(age, 4), "brain_voxels": int(brain.sum()),
             "label_map_sha256": source.digest}  # fmt: skip
    return Anatomy(
        grid=grid,
        brain=brain,
        **{tissue: clean.get(tissue, nothing) for tissue in BRAIN},
        detail=detail,
        lesions={t: part for t, part in clean.items() if t not in BRAIN},
        outside=outer,
        source=source.name,
        parameters=facts,
    )


def _widening(age: float) -> float:
    """Return by how much the middle of the brain is stretched at an age; 0 is that of the source."""
    return float(np.clip(0.22 * age, -0.15, 0.3))


def _places(
    grid: Grid, affine: NDArray[np.float64], middle: NDArray[np.float64], scale: float, widening: float,
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Source voxel coordinates ``(3, x, y, z)`` of every voxel of the box; ``middle`` in mm goes to the grid's centre.

    Turns of 3 degrees, stretches of 3 % and bends of 3 mm, all at random.
    """
    tilt = _rotation(rng.normal(0, 3, 3))
    stretch = np.eye(3) / (scale * rng.uniform(0.97, 1.03, 3))
    # grid voxel -> mm -> turned and stretched about the brain's centre -> source voxel
    linear = np.linalg.inv(affine[:3, :3]) @ stretch @ tilt @ grid.affine[:3, :3]
    start = np.array([part.start for part in grid.box], dtype=np.float64)
    offset = (
        np.linalg.inv(affine[:3, :3]) @ (stretch @ tilt @ (grid.affine[:3, 3] - grid.centre) + middle - affine[:3, 3])
        + linear @ start
    )
    shape = grid.box_shape
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    about = np.linalg.inv(affine)[:3, :3] @ (middle - affine[:3, 3])
    places = np.empty((3, *shape), dtype=np.float32)
    for axis in range(3):
        bend = 3.0 * smooth_field(shape, 36, rng) + 1.0 * smooth_field(shape, 14, rng)
        places[axis] = sum(linear[axis, k] * grids[k] for k in range(3)) + offset[axis] + bend
    # The ventricles lie about the brain's middle: sampling nearer to it there shows them larger.
    far = sum((places[axis] - about[axis]) ** 2 for axis in range(3))
    nearer = 1 - widening * np.exp(-far / (2 * 22.0**2))
    for axis in range(3):
        places[axis] = about[axis] + (places[axis] - about[axis]) * nearer
    return places


def _rotation(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrix of three small turns about x, y, z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def _sharpen(grey: Array, white: Array, brain: Bools, age: float, rng: np.random.Generator) -> tuple[Array, ...]:
    """Turn average probabilities of 152 people into the fractions of one.

    Random sheets fold the blurred cortex into gyri and sulci that differ from seed to seed.
    """
    # Where a smooth field crosses zero lies a winding sheet: fluid on it, grey matter beside it, white farther away.
    fold = np.minimum(np.abs(smooth_field(grey.shape, 7, rng)), 1.2)
    loose = 0.8 * smooth_field(grey.shape, 4, rng)
    odds = (
        2.2 * np.log(grey + 0.03),
        2.2 * np.log(white + 0.03) + 2.0 * (fold - 0.7) + loose,
        2.2 * np.log(np.clip(1 - grey - white, 0, 1) + 0.03) + 4.0 * (0.5 - fold) + age,
    )
    peak = np.maximum(np.maximum(odds[0], odds[1]), odds[2])
    parts = [np.exp(odd - peak) for odd in odds]
    total = parts[0] + parts[1] + parts[2]
    return tuple(np.where(brain, part / total, 0).astype(np.float32) for part in parts)


def _vessels(csf: Array, brain: Bools, rng: np.random.Generator) -> Array:
    """Fraction of blood: thin tubes, where two random surfaces meet, near fluid."""
    from scipy import ndimage

    across = smooth_field(csf.shape, 12, rng) ** 2 + smooth_field(csf.shape, 12, rng) ** 2
    near = np.clip(3 * ndimage.gaussian_filter(csf, 2) - 0.6, 0, 1)
    return np.where(brain, 0.9 * near * np.exp(-across / (2 * 0.11**2)), 0).astype(np.float32)


def _within_skull(classes: NDArray[np.uint8]) -> Bools:
    """Return what is left of a head when it is stripped: brain tissue, the fluid in it, and a rim of a voxel."""
    from scipy import ndimage

    fluid = (CLASSES.index("csf") + 1, CLASSES.index("blood") + 1)
    tissue = (classes > 0) & (classes <= len(CLASSES) - len(OUTSIDE)) & ~np.isin(classes, fluid)
    ball = ndimage.generate_binary_structure(3, 1)
    closed = ndimage.binary_closing(np.pad(tissue, 6), ball, iterations=5)[6:-6, 6:-6, 6:-6]
    filled = _filled(closed) & (classes > 0) & (classes <= len(CLASSES) - len(OUTSIDE))
    # Vessels and nerves that leave the brain hang on by threads.
    filled = ndimage.binary_opening(filled, ball, iterations=3)
    pieces, count = ndimage.label(filled)
    if count < 2:
        return np.asarray(filled)
    return np.asarray(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)


def _filled(mask: Bools) -> Bools:
    """Fill holes, such as ventricles, also where they are open to the outside by a way out of an upright slice."""
    from scipy import ndimage

    found = ndimage.binary_fill_holes(mask)
    for axis in (1, 2):
        flat = np.ones((3, 3, 3), bool)
        flat[tuple(slice(0, 3, 2) if a == axis else slice(None) for a in range(3))] = False
        found |= ndimage.binary_fill_holes(mask, flat & ndimage.generate_binary_structure(3, 1))
    return np.asarray(found)


def _more_fluid(shares: Mapping[str, Array], brain: Bools, age: float) -> Array:
    """Return the share of fluid after it gained on (or lost to) the tissue that it borders."""
    from scipy import ndimage

    fluid = shares.get("csf", np.zeros(brain.shape, np.float32))
    near = ndimage.gaussian_filter(fluid, 1.0)
    return np.where(
        brain, np.clip(fluid * (1 + 0.6 * min(age, 0)) + max(age, 0) * 0.8 * near * (1 - fluid), 0, 1), fluid
    )
