"""``mriuq predict METHOD INPUT...``: from scans to estimates with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

_OUTPUT, _MACHINE = "Output", "Machine"


def predict(
    method: str,
    roles: Mapping[str, Path],
    options: Mapping[str, Any],
    inputs: Annotated[list[Path] | None, typer.Argument(help="4-D files, case folders, or folders of them.")] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="Contrast to leave unread; every absent one is predicted.")
    ] = None,
    order: Annotated[str | None, typer.Option(help="Contrasts of a 4-D file in order, comma-separated.")] = None,
    mask: Annotated[Path | None, typer.Option(help="Brain mask on the same grid.")] = None,
    id: Annotated[str | None, typer.Option(help="Name of the case: outputs begin with it.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights folder, or the name of a set that ships.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="File that `mriuq calibrate` wrote.")] = None,
    outliers: Annotated[
        bool, typer.Option("--outliers", help="Map where each given contrast lies outside what the others predict.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the outputs; the input's by default.", rich_help_panel=_OUTPUT)
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that exist.", rich_help_panel=_OUTPUT)
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep cases whose receipts hold, do the rest.", rich_help_panel=_OUTPUT)
    ] = False,
    scale_like: Annotated[
        Path | None, typer.Option(help="Image whose mean and SD the outputs get.", rich_help_panel=_OUTPUT)
    ] = None,
    refuse_unfamiliar: Annotated[
        bool, typer.Option("--refuse-unfamiliar", help="Write nothing for an unfamiliar scan.", rich_help_panel=_OUTPUT)
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a case, one a line.", rich_help_panel=_OUTPUT)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, write nothing.", rich_help_panel=_OUTPUT)
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MACHINE)] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; all usable cores by default.", rich_help_panel=_MACHINE)
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Edge of the tiles in voxels, to save memory.", rich_help_panel=_MACHINE)
    ] = None,
    seed: Annotated[int, typer.Option(help="Fixes every random choice.", rich_help_panel=_MACHINE)] = 0,
) -> None:
    """Predict images, each with a lower and an upper bound."""
    from mriuq_cli.cohort.plan import make_plan
    from mriuq_cli.cohort.planned import Request
    from mriuq_cli.cohort.report import Reporter, show_plan
    from mriuq_cli.cohort.run import run_plan
    from mriuq_cli.errors import UsageError
    from mriuq_cli.hooks.manager import get_plugin
    from mriuq_cli.hooks.options import role_names
    from mriuq_cli.present.console import progress

    plugin = get_plugin(method)
    request = Request(
        inputs=tuple(inputs or ()),
        files=roles,
        missing=tuple(missing or ()),
        order=role_names([order], plugin.method.inputs) if order else None,
        mask=mask,
        case_id=id,
        weights=weights,
        calibration=calibration,
        out=out,
        overwrite=overwrite,
        resume=resume,
        device=device,
        threads=threads,
        tile=tile,
        scale_like=scale_like,
        refuse_unfamiliar=refuse_unfamiliar,
        outliers=outliers,
        seed=seed,
        options={**options, "outliers": outliers} if plugin.method.outliers else options,
    )
    if not request.inputs and not request.files:
        raise UsageError("no input", hint="Name a 4-D file, case folders, or one file a contrast (see --help).")
    plan = make_plan(plugin, request)
    if dry_run:
        show_plan(plan, as_json=json)
        return
    with progress(f"predict {method}") as report:
        run_plan(plan, plugin, Reporter(method, as_json=json, alone=len(plan.cases) == 1), report)
