"""``mriuq calibrate METHOD COHORT --out F``: make intervals hold on exams like these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mriuq_cli.uncertainty.conformal import Calibration

_MACHINE = "Machine"


def calibrate(
    method: str,
    options: Mapping[str, Any],
    cohort: Annotated[list[Path], typer.Argument(help="Exams with every image that the weights have never seen.")],
    out: Annotated[Path, typer.Option(help="Calibration file to write.")],
    weights: Annotated[
        list[Path] | None, typer.Option(help="Weights folder; repeat it for the folds of a cross-validation.")
    ] = None,
    made_for: Annotated[
        list[Path] | None, typer.Option("--for", help="Weights that it will ship with, such as those of all subjects.")
    ] = None,
    rule: Annotated[
        str, typer.Option(help="plug-in: the mean over exams is right; risk: holds for a new exam in expectation.")
    ] = "plug-in",
    level: Annotated[float, typer.Option(help="Nominal coverage of the intervals.")] = 0.9,
    available: Annotated[
        str | None, typer.Option(help="Given images, comma-separated: calibrate this set alone, the rest predicted.")
    ] = None,
    all_subsets: Annotated[
        bool | None,
        typer.Option("--all-subsets/--one-missing", help="Every set of given images (default), or all but one."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use the first N exams only.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MACHINE)] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; all usable cores by default.", rich_help_panel=_MACHINE)
    ] = None,
    tile: Annotated[int | None, typer.Option(help="Edge of the tiles in voxels.", rich_help_panel=_MACHINE)] = None,
    seed: Annotated[int, typer.Option(help="Fixes every random choice.", rich_help_panel=_MACHINE)] = 0,
) -> None:
    """Make a method's intervals hold on a cohort that its weights never saw."""
    from mriuq_cli.cohort.places import require_place
    from mriuq_cli.cohort.verdict import Wish, run_calibration
    from mriuq_cli.errors import PartialFailure, UsageError
    from mriuq_cli.hooks.manager import get_plugin
    from mriuq_cli.hooks.options import role_names
    from mriuq_cli.present.console import columns, note, progress, warn
    from mriuq_cli.uncertainty.conformal import write_calibration
    from mriuq_cli.verbs.evaluate import read_rule

    if available is not None and all_subsets is not None:
        raise UsageError("--available contradicts --all-subsets and --one-missing")
    plugin = get_plugin(method)
    require_place(out, overwrite=overwrite)
    given = role_names([available], plugin.method.inputs) if available is not None else None
    every = available is None and all_subsets is not False
    wish = Wish(
        inputs=tuple(cohort), weights=tuple(weights or ()), available=given, all_subsets=every, level=level,
        rule=read_rule(rule), limit=limit, made_for=tuple(made_for or ()), device=device, threads=threads,
        tile=tile, seed=seed, options=options,
    )  # fmt: skip
    with progress(f"calibrate {method}") as report:
        calibration, trial, left_out = run_calibration(plugin, wish, report)
    write_calibration(out, calibration)
    for warning in trial.warnings:
        warn(warning)
    note(columns(_rows(calibration)))
    note(left_out)
    print(_json_text(calibration, out) if json else out)
    if trial.failed:
        raise PartialFailure(f"{len(trial.failed)} exams could not be read: {', '.join(trial.failed)}")


def _rows(calibration: Calibration) -> list[list[str]]:
    """Say what was found, one target and situation a row; coverage is of left-out exams."""
    rows = [["target", "given", "lower", "upper", "coverage", "SD", "worst", "width", *_regions(calibration)]]
    for target, known in calibration.factors.items():
        for key, found in known.items():
            figures = [found.lower, found.upper, found.coverage, found.sd, found.worst, found.width]
            figures += [found.regions.get(name, float("nan")) for name in _regions(calibration)]
            rows.append([target, key, *(f"{figure:.3f}" for figure in figures)])
    return rows


def _regions(calibration: Calibration) -> list[str]:
    names = {name for known in calibration.factors.values() for found in known.values() for name in found.regions}
    return sorted(names)


def _json_text(calibration: Calibration, out: Path) -> str:
    from json import dumps, loads

    written = loads(out.read_text(encoding="utf-8"))
    kept = ("method", "level", "rule", "n", "cross-fitted", "weights_sha256", "for", "factors")
    return dumps({"calibration": str(out), **{key: written[key] for key in kept}}, allow_nan=False)
