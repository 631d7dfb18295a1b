"""Presets ``qmri-t2`` and ``qmri-t1``: k-space of several coils for maps of T2 or T1, with the true maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.kspace import KSpace
from mriuq_cli.errors import InputError
from mriuq_cli.physics import signal
from mriuq_cli.physics.anatomy import build_anatomy
from mriuq_cli.physics.coils import birdcage_maps
from mriuq_cli.physics.field import Array, smooth_field
from mriuq_cli.physics.fourier import to_kspace
from mriuq_cli.physics.grid import HEAD_GRID
from mriuq_cli.physics.head import Head, make_head
from mriuq_cli.physics.hyperintensity import hyperintensities
from mriuq_cli.physics.labels import LabelMap
from mriuq_cli.physics.noise import complex_noise, noise_level
from mriuq_cli.physics.outside import with_outside
from mriuq_cli.physics.sampling import phase_masks

VERSION = 3
"""Raised whenever the same seed gives other voxels."""

TIMES = {
    "te": (0.0, 0.025, 0.035, 0.045, 0.065, 0.085, 0.105, 0.125),
    "ti": (0.251, 0.400, 1.251, 1.400, 2.251, 2.400, 3.251, 4.251),
}
"""Seconds: T2 preparations, and inversion times of two Look-Locker trains."""

READ_OUT = {"tr": 0.0028, "flip": 5.0}
"""Repetition in seconds and angle in degrees of excitations all the time after an inversion.

Real read-outs take larger angles for a part of the time; this angle shortens T1 to T1* as much as series of brains do.
"""

MATRIX, SPACING, THICKNESS = 160, 1.25, 8.0
"""Voxels along x and y, their size and the distance of slices in mm."""

ACCELERATIONS = {"R6": (6, 0.06), "R8": (8, 0.06), "R10": (10, 0.08)}
"""Name of a mask to its acceleration and the share of lines in the measured centre."""


def simulate_qmri(
    seed: int, kind: str, source: LabelMap | None = None, field: float = 3.0, *, coils: int = 8, slices: int = 8,
    decibel: float = 40.0, device: str = "cpu", maps: Tensor | None = None,
) -> Case:  # fmt: skip
    """Simulate the fully sampled k-space of some axial slices.

    Parameters
    ----------
    kind
        ``te``: T2-prepared images for a map of T2; ``ti``: Look-Locker for one of T1.
    decibel
        Signal-to-noise ratio in the first image over the head, as :func:`mriuq_cli.physics.noise.noise_level` has it.
    maps
        Coil sensitivities complex ``(coils, 160, 160)``, or one set a slice ``(slices, coils, 160, 160)``, of a real
        array for instance; by default loops about the slice, turned at random.

    Returns
    -------
    Case
        Without volumes; ``kspace`` with the true maps and masks for undersampling.

    Raises
    ------
    InputError
        If the maps are not of that form.
    """
    given = None if maps is None else _given(maps, slices)
    name = "qmri-t2" if kind == "te" else "qmri-t1"
    rng = np.random.default_rng([VERSION, seed, len(name), kind == "ti"])
    anatomy = with_outside(build_anatomy(HEAD_GRID, rng, source), rng)
    head = make_head(anatomy, {"hyperintensity": hyperintensities(anatomy, rng).share}, field, rng, whole=True)
    heights = slice_heights(slices)
    truth = _slices(head, heights)
    if given is None:
        maps = torch.stack([birdcage_maps((MATRIX, MATRIX), coils, twist=float(rng.uniform(0, 45))) for _ in heights])
    else:
        maps = given
    data = measure(truth, kind, maps.to(device), decibel, rng)
    offset = head.grid.affine[:3, 3] + head.grid.affine[:3, :3] @ [*_corner(), heights[0]]
    affine = np.diag([SPACING, SPACING, THICKNESS, 1.0])
    affine[:3, 3] = offset
    masks = {label: phase_masks(len(TIMES[kind]), MATRIX, r, acs, seed) for label, (r, acs) in ACCELERATIONS.items()}
    target = "t2" if kind == "te" else "t1"
    known = {k: truth[k] for k in (target, "pd", "brain")}
    kspace = KSpace(
        data.cpu().numpy(), TIMES[kind], kind, maps.cpu().numpy(), known, masks,
        (SPACING, SPACING, THICKNESS),
    )  # fmt: skip
    return Case(
        id=f"{name}-{seed}",
        geometry=geometry_from_affine((MATRIX, MATRIX, slices), affine),
        volumes={},
        kspace=kspace,
        parameters={
            **head.facts(),
            "preset": name,
            "version": VERSION,
            "seed": seed,
            "signal": {"equation": "t2_decay"} if kind == "te" else {"equation": "look_locker", **READ_OUT},
            "snr_decibel": decibel,
            "coils": int(maps.shape[1]),
            "coil_maps": "loops" if given is None else "given",
        },
    )  # fmt: skip


def _given(maps: Tensor, slices: int) -> Tensor:
    """Return maps that a caller gave as one set a slice."""
    whole = maps[None].expand(slices, *maps.shape) if maps.ndim == 3 else maps
    if whole.ndim != 4 or (whole.shape[0], *whole.shape[2:]) != (slices, MATRIX, MATRIX) or not whole.is_complex():
        raise InputError(
            f"coil maps {tuple(maps.shape)} do not fit {slices} slices of {MATRIX} x {MATRIX} voxels",
            hint="Give complex maps (coils, x, y) or (slices, coils, x, y).",
        )
    return whole.to(torch.complex64).contiguous()


def slice_heights(slices: int) -> list[int]:
    """Return the voxels of the head grid that slices about the middle of the brain lie at."""
    first = HEAD_GRID.middle[2] - THICKNESS * (slices - 1) / 2
    return [int(np.clip(round(first + THICKNESS * k), 0, HEAD_GRID.shape[2] - 1)) for k in range(slices)]


def series(truth: dict[str, Array], kind: str) -> NDArray[np.float32]:
    """Return the images ``(slices, phases, x, y)`` of some maps, signed where inversions make them so."""
    if kind == "te":
        images = [signal.t2_decay(truth["pd"], truth["t2"], te=te) for te in TIMES["te"]]
    else:
        images = [signal.look_locker(truth["pd"], truth["t1"], ti=ti, signed=True, **READ_OUT) for ti in TIMES["ti"]]
    return np.stack(images, axis=1).astype(np.float32)


def measure(truth: dict[str, Array], kind: str, maps: Tensor, decibel: float, rng: np.random.Generator) -> Tensor:
    """Return k-space ``(slices, phases, coils, x, y)``: off-resonance phase, coils, Fourier transform, noise.

    Everything but the random numbers is done on the device of ``maps``.
    """
    images = torch.from_numpy(series(truth, kind)).to(maps.device)
    phase = np.stack([1.2 * smooth_field((MATRIX, MATRIX), 50, rng) for _ in range(len(images))])
    turned = images * torch.polar(torch.ones(()), torch.from_numpy(phase)).to(maps.device)[:, None]
    shown = torch.from_numpy(truth["pd"] > 0.05).to(maps.device)
    level = noise_level(images[:, 0], shown, decibel)
    data = to_kspace(turned[:, :, None] * maps[:, None])
    for number in range(len(data)):
        data[number] += level * complex_noise(tuple(data.shape[1:]), rng, data)
    return data


def _corner() -> tuple[float, float]:
    """Return the place in the head grid of the first voxel of a slice."""
    half = (MATRIX - 1) / 2 * SPACING
    return HEAD_GRID.middle[0] - half, HEAD_GRID.middle[1] - half


def _slices(head: Head, heights: Sequence[int]) -> dict[str, Any]:
    """Return maps ``(slices, x, y)`` in the matrix of the measurement; relaxation as rates of what is there."""
    from scipy import ndimage

    maps = head.maps()
    weights = maps["pd"]
    sources = {"pd": weights, "t1": weights / maps["t1"], "t2": weights / maps["t2"]}
    boxes = {name: head.image(values.astype(np.float32)) for name, values in sources.items()}
    first = _corner()
    x, y = (first[axis] + SPACING * np.arange(MATRIX) for axis in (0, 1))
    places = np.meshgrid(x, y, indexing="ij")

    def cut(box: Any, order: int) -> NDArray[np.float32]:
        found = [ndimage.map_coordinates(box[:, :, z], places, order=order) for z in heights]
        return np.stack(found).astype(np.float32)

    parts = {name: cut(box, 1) for name, box in boxes.items()}
    empty = parts["pd"] < 0.02
    found: dict[str, Any] = {"pd": np.where(empty, 0, parts["pd"]).astype(np.float32)}
    for name in ("t1", "t2"):
        times = parts["pd"] / np.maximum(parts[name], 1e-6)
        found[name] = np.where(empty, 1e-3, np.clip(times, 1e-3, 5)).astype(np.float32)
    found["brain"] = cut(head.brain.astype(np.float32), 0) > 0.5
    return found
