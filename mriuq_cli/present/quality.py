"""What a person and a script see of scans' quality: a table, lines of JSON, a TSV file."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mriuq_cli.present.console import columns, has_colour, is_lively

Record = Mapping[str, Any]

HEADINGS = ("scan", "visual", "algorithmic", "looks like", "verdict", "why")
CLASSICAL = ("snr_total", "snrd_total", "cnr", "cjv", "efc", "fber", "wm2max", "qi_1")
"""The measures of the core that the table shows where nobody rates."""
_COLOURS = {"pass": "green", "warn": "yellow", "unfamiliar": "yellow", "fail": "red", "error": "red"}
_ABSENT = "n/a"


def json_line(record: Record) -> str:
    """Return a record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def table(records: Sequence[Record]) -> str:
    """Return the scans as a table: ruled and coloured on a terminal, else plain columns that ``grep`` can read."""
    rated = any(record.get("verdict") for record in records)
    headings = HEADINGS if rated else ("scan", *CLASSICAL)
    rows = [_row(record) if rated else _classical_row(record) for record in records]
    text = _ruled(headings, rows) if is_lively(sys.stdout) else columns([headings, *rows])
    return "\n".join([text, *_legend(records)])


def percentile_words(group: Mapping[str, Any] | None) -> str:
    """Return a percentile as a person says it, with the number of scans behind it: ``97.5 (39 of 40)``."""
    if not group:
        return "-"
    if group["better"] == group["clean"]:
        return f"beyond all {group['clean']}"
    return f"{group['percentile']:.3g} ({group['better']} of {group['clean']})"


def tsv(records: Sequence[Record]) -> str:
    """Return the scans as tab-separated values with a heading; the names of MRIQC's tables where there are such.

    ``n/a`` stands where a figure could not be had, as in BIDS.
    """
    rows = [_figures(record) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _row(record: Record) -> tuple[str, ...]:
    if "error" in record:
        return (record["id"], "-", "-", "-", "error", " ".join(str(record["error"]["message"]).split()))
    artefact = record["artefact"] if record["verdict"] in ("warn", "fail") else None
    likely = f"{artefact['name']} {artefact['share']:.0%}" if artefact else "-"
    groups = (percentile_words(record["visual"]), percentile_words(record["algorithmic"]))
    return (record["id"], *groups, likely, record["verdict"] or "-", _why(record))


def _why(record: Record) -> str:
    """Return the reason; for a pass, whose standing the row shows, how often such a one is wrong."""
    if record["verdict"] != "pass":
        return record["reason"] or "not rated"
    kinds = [(kind, record[kind]["wrong"]) for kind in ("visual", "algorithmic") if record[kind]]
    return "; ".join(f"{kind} {wrong}" for kind, wrong in kinds if wrong)


def _classical_row(record: Record) -> tuple[str, ...]:
    scores = record.get("judges", {}).get("mriuq", {}).get("scores", {})
    values = [scores.get(name, {}).get("value") for name in CLASSICAL]
    return (record["id"], *("-" if value is None else f"{value:.4g}" for value in values))


def _ruled(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, no_color=not has_colour(sys.stdout), highlight=False)
    ruled = Table(*headings)
    for row in rows:
        ruled.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    with console.capture() as captured:
        console.print(ruled)
    return captured.get().rstrip("\n")


def _legend(records: Sequence[Record]) -> list[str]:
    """Say once for each score what its percentiles rest on and how often its thresholds are wrong."""
    said: dict[str, None] = {}
    for record in records:
        for kind in ("visual", "algorithmic"):
            if group := record.get(kind):
                said |= dict.fromkeys(_about(kind, group))
    return list(said)


def _about(kind: str, group: Mapping[str, Any]) -> list[str]:
    head = (
        f"{kind}: percentage of {group['clean']} clean scans ({group['simulated']} of them simulated) that are better, "
        f"by {group['judge']} {group['score']}"
    )
    lines = [head]
    for level, rates in group["error_rates"].items():
        low, high = rates["interval"]
        alarms = f"{rates['false_alarms']} of {rates['clean']} clean scans ({low:.1%} to {high:.1%})"
        missed = ", ".join(f"{name} {k} of {n}" for name, (k, n) in rates["misses"].items()) or "not known"
        lines.append(f"  {level} from {rates['threshold']:g}: false alarms {alarms}; misses: {missed}")
    return lines


def _figures(record: Record) -> dict[str, Any]:
    """Return the row of a scan: scores of the core under MRIQC's names, those of methods with their name in front."""
    row: dict[str, Any] = {"bids_name": PurePath(record["id"]).name, "path": record["scan"], "status": record["status"]}
    row |= {"verdict": record.get("verdict"), "reason": record.get("reason")}
    for kind in ("visual", "algorithmic"):
        row[f"{kind}_percentile"] = (record.get(kind) or {}).get("percentile")
    row["artefact"] = (record.get("artefact") or {}).get("name")
    row["error"] = record.get("error", {}).get("message")
    for judge, said in record.get("judges", {}).items():
        for name, score in said["scores"].items():
            row[name if judge == "mriuq" else f"{judge}_{name}"] = score["value"]
    return row


def _cell(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return _ABSENT
    return f"{value:.9g}" if isinstance(value, float) else " ".join(str(value).split())
