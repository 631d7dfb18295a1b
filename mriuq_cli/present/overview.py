"""One picture of a scan and what its judges made of it: three views of each image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.data.geometry import Geometry, ras_geometry, to_ras
from mriuq_cli.present.figures import load_matplotlib
from mriuq_cli.present.quality import percentile_words

Image = NDArray[Any]
_VIEWS = ("axial", "coronal", "sagittal")


def draw_overview(
    name: str, scan: Image, images: Mapping[str, Image], geometry: Geometry, facts: Mapping[str, Any], path: Path
) -> None:
    """Draw axial, coronal and sagittal views of the scan, of what was recovered from it, and of a map of sigma.

    Parameters
    ----------
    scan
        float32 ``(x, y, z)`` in file orientation.
    images
        The judges' images on the same grid, by name; ``recovered`` and the first whose name begins with ``sigma``
        are shown.
    facts
        The scan's record: verdict, percentiles and scores go into the title.
    path
        The PNG to write; it appears whole or not at all.

    Raises
    ------
    MachineError
        If matplotlib is not installed or the file cannot be written.
    """
    figure_class, canvas_class = load_matplotlib()
    rows = _rows(scan, images)
    spacing = ras_geometry(geometry).spacing
    figure = figure_class(figsize=(9.6, 3.1 * len(rows) + 0.8), layout="constrained", facecolor="white")
    canvas_class(figure)
    grid = figure.subplots(len(rows), 3, squeeze=False)
    ras = to_ras(scan, geometry)
    middle = _middle(ras)
    grey = _limits(ras)
    for line, (title, image) in zip(grid, rows, strict=True):
        volume, is_map = to_ras(image, geometry), title.startswith("sigma")
        low, high = _limits(volume) if is_map else grey
        for axes, view, (slab, ratio) in zip(line, _VIEWS, _slices(volume, middle, spacing), strict=True):
            drawn = axes.imshow(slab.T, origin="lower", cmap="viridis" if is_map else "gray", vmin=low, vmax=high,
                                aspect=ratio, interpolation="nearest")  # fmt: skip
            axes.set_axis_off()
            axes.set_title(f"{title}, {view}", fontsize=9)
            if view != "sagittal":
                axes.text(0.03, 0.03, "R", transform=axes.transAxes, color="#ff8c00", fontsize=10, weight="bold")
        if is_map:
            figure.colorbar(drawn, ax=list(line), shrink=0.7, pad=0.01).ax.tick_params(labelsize=7)
    figure.suptitle(_title(name, facts), fontsize=10)
    figure.supxlabel("Radiological convention: the patient's right (R) is on the left.", fontsize=8)
    with atomic_file(path) as part:
        figure.savefig(part, format="png", dpi=75, metadata={"Software": None})


def _rows(scan: Image, images: Mapping[str, Image]) -> list[tuple[str, Image]]:
    rows = [("scan", scan)]
    if "recovered" in images:
        rows.append(("recovered", images["recovered"]))
    sigma = next((name for name in images if name.startswith("sigma")), None)
    return rows if sigma is None else [*rows, (sigma, images[sigma])]


def _middle(ras: Image) -> tuple[int, int, int]:
    """Return the voxel through which the views go: the middle of what is bright."""
    bright = ras > ras.mean()
    a, b, c = (int(np.median(np.flatnonzero(bright.any(axis=tuple({0, 1, 2} - {i}))))) for i in range(3))
    return a, b, c


def _limits(image: Image) -> tuple[float, float]:
    high = float(np.percentile(image, 99.5))
    low = min(float(np.percentile(image, 0.5)), 0.0)
    return low, max(high, low + 1e-6)


def _slices(ras: Image, middle: tuple[int, int, int], spacing: NDArray[np.float64]) -> list[tuple[Image, float]]:
    """Return the three views with the ratio of their pixels; x is turned so that the patient's right comes first."""
    x, y, z = middle
    return [
        (ras[::-1, :, z], spacing[1] / spacing[0]),
        (ras[::-1, y, :], spacing[2] / spacing[0]),
        (ras[x, :, :], spacing[2] / spacing[1]),
    ]


def _title(name: str, facts: Mapping[str, Any]) -> str:
    said = [f"{group}: {percentile_words(facts[group])}" for group in ("visual", "algorithmic") if facts.get(group)]
    head = f"{name}: {facts.get('verdict') or 'not rated'}"
    scores = [
        f"{score}={value['value']:.4g}"
        for judge in facts["judges"].values()
        for score, value in judge["scores"].items()
        if value["group"] and value["value"] == value["value"]
    ]
    return "\n".join(line for line in (head, "; ".join(said), "  ".join(scores[:6])) if line)
