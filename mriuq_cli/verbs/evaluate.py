"""``mriuq evaluate METHOD COHORT``: how near, and how far to trust, on exams with known truth; trains no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mriuq_cli.uncertainty.stretch import Rule

_MACHINE = "Machine"


def evaluate(
    method: str,
    options: Mapping[str, Any],
    cohort: Annotated[list[Path], typer.Argument(help="Exams with every image: files, folders.")],
    weights: Annotated[
        list[Path] | None, typer.Option(help="Weights folder; repeat it for the folds of a cross-validation.")
    ] = None,
    available: Annotated[str | None, typer.Option(help="Given images, comma-separated; the rest is predicted.")] = None,
    all_subsets: Annotated[bool, typer.Option("--all-subsets", help="Every set of given images.")] = False,
    baselines: Annotated[bool, typer.Option(help="Compare with predictors that need no network.")] = True,
    learn_from: Annotated[
        list[Path] | None,
        typer.Option(help="Exams to fit those on; by default those of COHORT that the weights have learnt from."),
    ] = None,
    level: Annotated[float, typer.Option(help="Nominal coverage of the intervals.")] = 0.9,
    rule: Annotated[str, typer.Option(help="How intervals are calibrated: plug-in or risk.")] = "plug-in",
    calibration: Annotated[
        Path | None, typer.Option(help="Judge this one; by default all other exams calibrate each.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="An evaluation of the method's own, such as its paper's, in place of the usual.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for the plots of a protocol, PNG.")] = None,
    seen: Annotated[bool, typer.Option("--seen", help="Also judge exams that all weights have seen.")] = False,
    limit: Annotated[int | None, typer.Option(help="Judge the first N exams and read no more.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout in place of tables.")] = False,
    tsv: Annotated[Path | None, typer.Option(help="Write all rows to this tab-separated file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON object to this file.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MACHINE)] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; all usable cores by default.", rich_help_panel=_MACHINE)
    ] = None,
    tile: Annotated[int | None, typer.Option(help="Edge of the tiles in voxels.", rich_help_panel=_MACHINE)] = None,
    seed: Annotated[int, typer.Option(help="Fixes every random choice.", rich_help_panel=_MACHINE)] = 0,
) -> None:
    """Measure a method on a cohort with known truth."""
    from mriuq_cli.cohort.protocols import run_protocol
    from mriuq_cli.cohort.verdict import Wish, run_evaluation
    from mriuq_cli.errors import PartialFailure, UsageError
    from mriuq_cli.hooks.manager import get_plugin
    from mriuq_cli.hooks.options import role_names
    from mriuq_cli.present.console import progress, warn

    if available is not None and all_subsets:
        raise UsageError("--available and --all-subsets contradict each other")
    if plots is not None and protocol is None:
        raise UsageError("--plots takes --protocol")
    plugin = get_plugin(method)
    _require_places((tsv, out), plots, overwrite=overwrite)
    given = role_names([available], plugin.method.inputs) if available is not None else None
    wish = Wish(
        inputs=tuple(cohort), weights=tuple(weights or ()), available=given, all_subsets=all_subsets,
        baselines=baselines, level=level, rule=read_rule(rule), limit=limit, calibration=calibration, allow_seen=seen,
        teachers=tuple(learn_from or ()), device=device, threads=threads, tile=tile, seed=seed, options=options,
    )  # fmt: skip
    with progress(f"evaluate {method}") as report:
        if protocol is None:
            found = run_evaluation(plugin, wish, report)
        else:
            found = run_protocol(plugin, protocol, wish, report)
    for warning in found["warnings"]:
        warn(warning)
    _write(found, tsv, out)
    if plots is not None:
        _draw(found, plots)
    _print(found, as_json=json)
    if found["failed"]:
        raise PartialFailure(f"{len(found['failed'])} exams could not be read: {', '.join(found['failed'])}")


def _require_places(files: Sequence[Path | None], plots: Path | None, *, overwrite: bool) -> None:
    """Find out before the work what would hinder writing and drawing after it."""
    from mriuq_cli.cohort.places import require_folder, require_place

    for path in files:
        require_place(path, overwrite=overwrite)
    if plots is not None:
        from mriuq_cli.present.figures import load_matplotlib

        require_folder(plots, overwrite=overwrite)
        load_matplotlib()


def _write(found: Mapping[str, Any], tsv: Path | None, out: Path | None) -> None:
    from mriuq_cli.cohort.places import write_text
    from mriuq_cli.present import evaluation, protocol

    if tsv is not None:
        write_text(tsv, (protocol if "protocol" in found else evaluation).tab_separated(found))
    if out is not None:
        write_text(out, _json_text(found) + "\n")


def _draw(found: Mapping[str, Any], folder: Path) -> None:
    from mriuq_cli.data.atomic import machine_error
    from mriuq_cli.present.protocol import draw_plots

    try:
        folder.mkdir(parents=True, exist_ok=True)
        draw_plots(found, folder)
    except OSError as error:
        raise machine_error(error, folder) from error


def _print(found: Mapping[str, Any], *, as_json: bool) -> None:
    from mriuq_cli.present.evaluation import evaluation_notes, evaluation_tables, print_tables
    from mriuq_cli.present.protocol import protocol_tables

    if as_json:
        print(_json_text(found))
    elif "protocol" in found:
        print_tables(protocol_tables(found))
    else:
        print_tables(evaluation_tables(found))
        for line in evaluation_notes(found):
            print(line)


def read_rule(word: str) -> Rule:
    """Return the rule that a word names; UsageError if it names none."""
    from mriuq_cli.errors import UsageError

    if word == "plug-in":
        return "plug-in"
    if word == "risk":
        return "risk"
    raise UsageError(f"unknown rule {word!r}", where="--rule", hint="One of: plug-in, risk")


def _json_text(found: Mapping[str, Any]) -> str:
    from json import dumps

    return dumps(found, allow_nan=False)
