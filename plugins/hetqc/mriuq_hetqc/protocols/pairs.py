"""Real pairs: scans that somebody flagged beside clean scans of the same people. Scores need no alignment."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mriuq_cli.api import Case, Context, InputError, Report, Row, Table, UsageError
from mriuq_hetqc.protocols.artefacts import OWN
from mriuq_hetqc.protocols.reading import Bench
from mriuq_hetqc.protocols.statistics import auroc_between

_COLUMNS = ("flagged", "clean")


def measure(model: Any, case: Case, options: Mapping[str, Any], context: Context) -> list[Row]:
    """Return the scores of a scan."""
    read_pairs(options.get("pairs"))  # before an hour of work, not after it
    bench = Bench.of(model, case, context)
    return [bench.scores(bench.truth)]


def read_pairs(path: Path | None) -> list[tuple[str, str]]:
    """Return pairs of ids, flagged and clean, of a tab-separated table with these two columns.

    Raises
    ------
    UsageError
        If there is no table.
    InputError
        If it cannot be read or lacks a column.
    """
    if path is None:
        raise UsageError("needs a table of pairs", where="--protocol pairs", hint="Give --pairs FILE.tsv.")
    try:
        with Path(path).open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read ({error})", where=path) from error
    if not rows or any(row.get(name) in (None, "") for row in rows for name in _COLUMNS):
        raise InputError(
            "holds no pairs", where=path, hint="Tab-separated, with columns flagged and clean: ids of scans."
        )
    return [(row["flagged"], row["clean"]) for row in rows]


def report(rows: Sequence[Row], options: Mapping[str, Any]) -> Report:
    """Return for each score how often and how much it is higher on the flagged scan."""
    from scipy.stats import wilcoxon

    scans = {row["case"]: row for row in rows}
    pairs = [pair for pair in read_pairs(options.get("pairs")) if set(pair) <= set(scans)]
    lines = []
    for name in (name for name in OWN if name in rows[0]):
        bad, good = (np.array([scans[pair[k]][name] for pair in pairs]) for k in (0, 1))
        gap = bad - good
        chance = float(wilcoxon(gap).pvalue) if len(gap) > 1 and np.any(gap) else math.nan
        share = float(np.mean(gap > 0)) if len(gap) else math.nan
        mean = float(np.mean(gap)) if len(gap) else math.nan
        lines.append((name, len(pairs), share, mean, chance, auroc_between(good, bad)))
    columns = ("score", "pairs", "higher when flagged", "mean difference", "Wilcoxon p", "AUROC")
    return Report((Table("flagged scans against clean ones of the same people", columns, tuple(lines)),))
