"""Preset ``artefact``: a corrupted copy of a scan, real or simulated, and what was done to it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mriuq_cli.data.case import Case
from mriuq_cli.data.grids import require_3d, require_same_grid
from mriuq_cli.data.nifti import read_volume
from mriuq_cli.data.sidecar import sha256_file
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import InputError
from mriuq_cli.physics.artefact import corrupt, draw_artefacts
from mriuq_cli.physics.labels import LabelMap
from mriuq_cli.physics.t1w import simulate_t1w

VERSION = 4
"""Raised whenever the same seed gives other voxels."""


def simulate_artefact(
    seed: int,
    scan: Path | None = None,
    source: LabelMap | None = None,
    field: float = 3.0,
    region: Path | None = None,
) -> Case:
    """Corrupt a scan; a simulated T1-weighted head where none is given.

    Every copy is corrupted, by one to three artefacts of :data:`mriuq_cli.physics.artefact.MENU`, on the scan's own
    grid and scale.

    Parameters
    ----------
    region
        Mask on the grid of ``scan``; where it is 0 the copy is as clean as the scan. The same seed draws the same
        artefacts with and without it.

    Returns
    -------
    Case
        Volume ``corrupted``; truth ``clean``; parameters with the artefacts, from which the copy can be made again.
    """
    rng = np.random.default_rng([VERSION, seed, 7])
    if scan is None:
        head = simulate_t1w(seed, source, field)
        clean, origin = head.volumes["t1"], {"preset": "t1w", "seed": seed, **head.parameters["anatomy"]}
    else:
        clean, origin = read_volume(scan), {"name": scan.name, "sha256": sha256_file(scan)}
        if clean.data.ndim != 3:
            raise InputError(f"holds {clean.data.shape[3]} images; one is corrupted at a time", where=scan,
                             hint="Give a file of one image.")  # fmt: skip
    # Artefacts are those of magnitudes: what is below 0 (a resampling that rang) or not finite is background.
    image = torch.from_numpy(np.maximum(np.nan_to_num(clean.data, posinf=0), 0).astype(np.float32, order="C"))
    found = draw_artefacts(image, rng, untouched=0, spacing=[float(mm) for mm in clean.geometry.spacing])
    where, confined = (None, {}) if region is None else _region(region, clean)
    spoilt = corrupt(image, found, where).numpy()
    return Case(
        id=f"artefact-{seed}",
        geometry=clean.geometry,
        volumes={"corrupted": Volume(spoilt, clean.geometry, clean.unit)},
        truth={"clean": clean},
        parameters={
            "simulated": True,
            "preset": "artefact",
            "version": VERSION,
            "seed": seed,
            "scan": origin,
            "artefacts": [asdict(one) for one in found],
            **confined,
        },
    )


def _region(path: Path, scan: Volume) -> tuple[torch.Tensor, dict[str, Any]]:
    """Return where the artefacts act, 1 or 0, and what the truth says of it."""
    mask = read_volume(path)
    require_3d(path, mask.data.shape)
    require_same_grid(scan.source or path, scan.geometry, path, mask.geometry)
    inside = np.nan_to_num(mask.data) > 0
    if not inside.any():
        raise InputError("has no voxel above 0: nothing would be corrupted", where=path)
    facts = {"name": path.name, "sha256": sha256_file(path), "voxels": int(inside.sum())}
    return torch.from_numpy(inside.astype(np.float32)), {"region": facts}
