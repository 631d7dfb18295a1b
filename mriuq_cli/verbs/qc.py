"""``mriuq qc INPUT...``: how good scans are, by every installed method that judges them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_OUTPUT, _MACHINE = "Output", "Machine"


def qc(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="3-D scans, folders of them, BIDS data sets.")
    ],
    thresholds: Annotated[
        Path | None, typer.Option(help="YAML with the percentiles from which a scan is warned of or fails.")
    ] = None,
    fail_on: Annotated[
        Literal["warn", "fail"] | None, typer.Option(help="End with exit code 8 if a verdict is so bad, or worse.")
    ] = None,
    epistemic: Annotated[
        bool, typer.Option("--epistemic", help="Also say what the method does not know; slower.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a scan, one a line.", rich_help_panel=_OUTPUT)
    ] = False,
    tsv: Annotated[
        Path | None, typer.Option(help="Also write a table, with MRIQC's names.", rich_help_panel=_OUTPUT)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for images and scores; nothing is kept without.", rich_help_panel=_OUTPUT),
    ] = None,
    png: Annotated[
        bool, typer.Option("--png", help="Draw an overview of each scan into --out.", rich_help_panel=_OUTPUT)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that exist.", rich_help_panel=_OUTPUT)
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep scans whose receipts hold, do the rest.", rich_help_panel=_OUTPUT)
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MACHINE)] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; all usable cores by default.", rich_help_panel=_MACHINE)
    ] = None,
    seed: Annotated[int, typer.Option(help="Fixes every random choice.", rich_help_panel=_MACHINE)] = 0,
) -> None:
    """Judge scans and print what was found."""
    from mriuq_cli.cohort.places import require_place, write_text
    from mriuq_cli.cohort.quality import QualityRequest, find_judges, judge_scans
    from mriuq_cli.cohort.thresholds import read_thresholds
    from mriuq_cli.data.layouts.scans import find_scans
    from mriuq_cli.errors import ExitCode
    from mriuq_cli.hooks.manager import CORE
    from mriuq_cli.inference.device import pick_device, require_threads, usable_cores
    from mriuq_cli.present.console import note, progress
    from mriuq_cli.present.quality import table
    from mriuq_cli.present.quality import tsv as tsv_text

    _check_words(out, png=png, overwrite=overwrite, resume=resume, tsv=tsv)
    require_threads(threads)
    require_place(tsv, overwrite=overwrite or resume)
    limits = read_thresholds(thresholds)
    refs = find_scans(inputs)
    judges = find_judges(fail_on)
    if all(judge.name == CORE for judge in judges):
        note("no installed method rates scans: classical measures only (pip install mriuq-hetqc)")
    request = QualityRequest(
        limits, out, png, overwrite, resume, fail_on, epistemic, pick_device(device), threads or usable_cores(), seed
    )
    records: list[Mapping[str, Any]] = []
    say = _Speaker(records, as_json=json, alone=len(refs) == 1)
    try:
        with progress("qc") as step:
            reached = judge_scans(refs, judges, request, say, step)
    finally:
        told = len(refs) == 1 and any("error" in record for record in records)  # main says what happened to it
        if records and not json and not told:
            print(table(records), flush=True)
        if tsv is not None and len(records) == len(refs):
            write_text(tsv, tsv_text(records))
    if reached:
        note(f"{reached} of {len(refs)} scans: {fail_on} or worse")
        raise typer.Exit(ExitCode.VERDICT)


class _Speaker:
    """Takes the records as they come: JSON to stdout at once, doubts to stderr, all of them for the table."""

    def __init__(self, records: list[Mapping[str, Any]], *, as_json: bool, alone: bool) -> None:
        self._records, self._as_json, self._alone = records, as_json, alone

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take one record."""
        from mriuq_cli.present.console import note, print_error, warn
        from mriuq_cli.present.quality import json_line

        if "error" in record:
            if not self._alone:
                print_error(" ".join(str(record["error"]["message"]).split()))
        else:
            for judge, error in record["failures"].items():
                warn(f"{record['id']}: {judge} left out: {' '.join(str(error['message']).split())}")
        for text in record.get("warnings", ()):
            warn(f"{record['id']}: {text}")
        if self._alone:
            for judge, said in record.get("judges", {}).items():
                for text in said["notes"]:
                    note(f"{judge}: {text}")
        self._records.append(record)
        if self._as_json:
            print(json_line(record), flush=True)


def _check_words(out: Path | None, *, png: bool, overwrite: bool, resume: bool, tsv: Path | None) -> None:
    from mriuq_cli.errors import UsageError

    if overwrite and resume:
        raise UsageError("--overwrite and --resume contradict each other", hint="--resume redoes what is not whole.")
    if out is None and png:
        raise UsageError("--png needs a folder to draw into", hint="Name one with --out.")
    if out is None and tsv is None and (overwrite or resume):
        option = "--resume" if resume else "--overwrite"
        raise UsageError(f"{option} is about outputs, but nothing is written", hint="Name a folder with --out.")
