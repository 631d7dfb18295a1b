"""Pictures of a prediction; matplotlib is imported when one is drawn, and no display is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.data.geometry import Geometry, to_ras
from mriuq_cli.errors import MachineError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["image", "error", "width", "outliers"]

_MAPS = {"image": "gray", "error": "RdBu_r", "width": "viridis"}
_OUTLIERS = {
    0: ("inside", "#d9d9d9"),
    1: ("above", "#d73027"),
    2: ("below", "#2c7bb6"),
    3: ("not evaluable", "#ffffff"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One image of a figure.

    Parameters
    ----------
    image
        ``(x, y, z)`` in file orientation.
    kind
        ``image`` in grey; ``error`` around zero; ``width`` from zero; ``outliers`` with the codes 0 inside,
        1 above, 2 below, 3 not evaluable.
    unit
        Written beside the colour bar.
    limits
        Lowest and highest value shown; chosen from the slice if None.
    """

    title: str
    image: NDArray[Any]
    kind: Kind = "image"
    unit: str = ""
    limits: tuple[float, float] | None = None


def comparison(
    path: Path,
    panels: Sequence[Panel],
    geometry: Geometry,
    brain: NDArray[np.bool_],
    *,
    outline: NDArray[np.bool_] | None = None,
    caption: str = "",
    columns: int = 4,
) -> None:
    """Draw one axial slice of every panel into a PNG.

    The slice is the one with most of ``outline``, or with most brain. Shown in radiological convention: the
    patient's right is on the left, which the figure says.

    Parameters
    ----------
    path
        The PNG to write; it appears whole or not at all.
    brain, outline
        bool ``(x, y, z)`` in file orientation; ``outline`` (a tumour, say) is drawn as a line.
    caption
        One line at the bottom.

    Raises
    ------
    MachineError
        If matplotlib is not installed or the file cannot be written.
    """
    figure_class, canvas_class = load_matplotlib()
    shown = to_ras(brain, geometry)
    marked = None if outline is None or not outline.any() else to_ras(outline, geometry)
    level = int(np.argmax((shown if marked is None else marked).sum(axis=(0, 1))))
    window = _window(shown[:, :, level])
    rows = -(-len(panels) // columns)
    figure = figure_class(figsize=(3.3 * columns, 3.4 * rows + 0.4), layout="constrained", facecolor="white")
    canvas_class(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    line = None if marked is None else marked[:, :, level][window]
    for axes, panel in zip(grid, panels, strict=False):
        _draw(axes, panel, to_ras(panel.image, geometry)[:, :, level][window], shown[:, :, level][window])
        if line is not None and line.any():
            axes.contour(line.T.astype(float), levels=[0.5], colors="#ffb000", linewidths=0.9)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    convention = "Radiological convention: the patient's right (R) is on the left."
    outlined = " Outline: tumour." if line is not None else ""
    figure.supxlabel(f"{caption}  {convention}{outlined}".strip(), fontsize=9)
    with atomic_file(path) as part:
        figure.savefig(part, format="png", dpi=75, metadata={"Software": None})


def load_matplotlib() -> tuple[Any, Any]:
    """Return the classes that draw without pyplot, hence without any display or global state."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MachineError(
            "figures need a package that is not installed", where="matplotlib", hint="pip install 'mriuq[figures]'"
        ) from error
    return Figure, FigureCanvasAgg


def _window(brain: NDArray[np.bool_], margin: int = 4) -> tuple[slice, slice]:
    """Return the part of a slice that holds brain, x reversed so that the patient's right comes first."""
    found = [np.flatnonzero(brain.any(axis=other)) for other in (1, 0)]
    (left, right), (back, front) = (
        (max(int(place[0]) - margin, 0), min(int(place[-1]) + margin + 1, size)) if place.size else (0, size)
        for place, size in zip(found, brain.shape, strict=True)
    )
    return slice(right - 1, left - 1 if left else None, -1), slice(back, front)


def _draw(axes: Axes, panel: Panel, image: NDArray[Any], brain: NDArray[np.bool_]) -> None:
    axes.set_title(panel.title, fontsize=11)
    axes.set_axis_off()
    look: dict[str, Any] = {"origin": "lower", "interpolation": "nearest"}
    if panel.kind == "outliers":
        _draw_codes(axes, image, brain, look)
    else:
        low, high = panel.limits or _limits(panel.kind, image[brain])
        values = np.ma.masked_array(image, mask=~brain)
        drawn = axes.imshow(values.T, cmap=_colours(panel.kind), vmin=low, vmax=high, **look)
        if axes.figure is not None:
            bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.75, pad=0.02)
            bar.ax.tick_params(labelsize=8)
            bar.ax.set_title(panel.unit, fontsize=9)
    axes.text(0.03, 0.03, "R", transform=axes.transAxes, color="#ff8c00", fontsize=10, weight="bold")


def _colours(kind: Kind) -> Any:
    """Return the colour map of a kind; outside the brain it is black for images, else white."""
    from matplotlib import colormaps

    return colormaps[_MAPS[kind]].with_extremes(bad="black" if kind == "image" else "white")


def _draw_codes(axes: Axes, image: NDArray[Any], brain: NDArray[np.bool_], look: dict[str, Any]) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    colours = ListedColormap([colour for _, colour in _OUTLIERS.values()])
    axes.imshow(np.where(brain, image, 3).T, cmap=colours, vmin=-0.5, vmax=3.5, **look)
    handles = [
        Patch(facecolor=colour, label=f"{word} ({(image[brain] == code).mean():.1%})")
        for code, (word, colour) in _OUTLIERS.items()
        if code < 3
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=3,
        fontsize=7,
        frameon=False,
        handlelength=1,
        columnspacing=0.8,
    )


def _limits(kind: Kind, values: NDArray[Any]) -> tuple[float, float]:
    """Choose what to show from the brain's voxels in the slice; a constant image still gets a range."""
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (1, 99)))
    if kind == "error":
        bound = max(abs(low), abs(high), 1e-6)
        return -bound, bound
    if kind == "width":
        low = 0.0
    return low, max(high, low + 1e-6)
