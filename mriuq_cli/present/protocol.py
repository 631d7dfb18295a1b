"""What a protocol found: tables for the terminal, rows as TSV, plots as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def protocol_tables(found: Mapping[str, Any]) -> list[Table]:
    """Return the tables of every group of cases."""
    from mriuq_cli.present.evaluation import start_table

    tables = []
    for group in found["groups"]:
        cases = len({row["case"] for row in group["rows"]})
        for stated in group["tables"]:
            words = sum(isinstance(cell, str) for cell in stated["rows"][0]) if stated["rows"] else 1
            table = start_table(f"{stated['title']} ({group['name']}, n {cases})", stated["columns"], words)
            for row in stated["rows"]:
                table.add_row(*map(_cell, row))
            tables.append(table)
    return tables


def tab_separated(found: Mapping[str, Any]) -> str:
    """Return the plain values of all rows, a line each; what a row holds that is no number or word is left out."""
    rows = [{"group": group["name"], **row} for group in found["groups"] for row in group["rows"]]
    names = list(
        dict.fromkeys(name for row in rows for name, value in row.items() if not isinstance(value, list | dict))
    )
    lines = [names, *([_plain(row.get(name)) for name in names] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def draw_plots(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw every plot to ``folder/NAME.png``; those of cases seen in training to ``NAME-seen.png``."""
    made = []
    for group in found["groups"]:
        ending = "" if group["name"] == "unseen" else "-seen"
        for plot in group["plots"]:
            made.append(folder / f"{plot['name']}{ending}.png")
            _draw(plot, made[-1])
    return made


def _draw(plot: Mapping[str, Any], path: Path) -> None:
    from mriuq_cli.data.atomic import atomic_file
    from mriuq_cli.present.figures import load_matplotlib

    figure_kind, canvas = load_matplotlib()
    figure = figure_kind(figsize=(7, 5), layout="constrained")
    canvas(figure)
    axes = figure.add_subplot()
    for stated in plot["curves"]:
        curve = {name: values if name == "name" else _drawn(values) for name, values in stated.items()}
        bars = _bars(curve)
        axes.errorbar(curve["x"], curve["y"], yerr=bars, marker=".", linewidth=1, elinewidth=0.5, label=curve["name"])
    axes.set(title=plot["title"], xlabel=plot["x"], ylabel=plot["y"])
    axes.grid(alpha=0.3)
    if plot["curves"]:
        axes.legend(fontsize=7)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _drawn(values: Sequence[float | None]) -> list[float]:
    """Return numbers that matplotlib leaves out where there are none."""
    return [float("nan") if value is None else value for value in values]


def _bars(curve: Mapping[str, Sequence[float]]) -> list[list[float]] | None:
    if not curve["low"]:
        return None
    below = [y - low for y, low in zip(curve["y"], curve["low"], strict=True)]
    above = [high - y for y, high in zip(curve["y"], curve["high"], strict=True)]
    return [below, above]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> str:
    return "" if value is None or isinstance(value, list | dict) else str(value)
