"""Tables of an evaluation, drawn from its JSON-ready data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Any]

_COLUMNS = (
    ("PSNR of mean", "psnr_mean", 2), ("PSNR", "psnr", 2), ("SSIM", "ssim", 3), ("MAE", "mae", 3),
    ("coverage", "coverage", 3), ("worst", "coverage/min", 3), ("width", "width", 2), ("score", "interval_score", 2),
    ("AUSE", "ause", 2), ("Spearman", "spearman", 2), ("tumour", "coverage_tumour", 3),
)  # fmt: skip


def evaluation_tables(report: Mapping[str, Any]) -> list[Table]:
    """Return the tables that ``evaluate`` prints, group by group."""
    tables = []
    for group in report["groups"]:
        tables.append(_main(group, report))
        for rows, make in ((group["rows"], _authors), (group["rows"], _outliers), (group["paired"], _paired),
                           (group["gate"], _gate), (group["narrower"], _narrower),
                           (group["familiarity"]["looks"], _familiarity), (group["claims"], _claims)):  # fmt: skip
            table = make(rows)
            if table is not None:
                tables.append(table)
    return tables


def start_table(title: str, columns: Sequence[str], words: int) -> Table:
    """Start a table whose first ``words`` columns are words and the others figures."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, collapse_padding=True)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < words else "right", no_wrap=True)
    return table


def _main(group: Mapping[str, Any], report: Mapping[str, Any]) -> Table:
    rows = group["rows"]
    known = [c for c in _COLUMNS if any(_found(row, c[1]) is not None for row in rows)]
    title = (f"{report['method']}: {group['name']}, n {len(group['cases'])}, mean ± SD over subjects; "
             f"{report['level']:.0%} intervals, {group['calibration']['words']}")  # fmt: skip
    table = start_table(title, ["target", "given", "predictor", "n", *(name for name, _, _ in known)], 3)
    last = None
    for row in rows:
        place = (row["target"], row["situation"])
        if last is not None and place[0] != last[0]:
            table.add_section()
        first = place if place != last else ("", "")
        cells = [_cell(_found(row, key), digits, bare="/" in key) for _, key, digits in known]
        table.add_row(*first, row["predictor"], str(row["n"]), *cells)
        last = place
    return table


def _found(row: Row, key: str) -> Any:
    name, _, part = key.partition("/")
    figure = row["figures"].get(name)
    if figure is None or figure["mean"] is None:
        return None
    return figure[part] if part else figure


def _cell(figure: Any, digits: int, *, bare: bool = False) -> str:
    if figure is None:
        return ""
    if bare:
        return f"{figure:.{digits}f}"
    sd = "" if figure["sd"] is None else f" ± {figure['sd']:.{digits}f}"
    return f"{figure['mean']:.{digits}f}{sd}"


def _authors(rows: Sequence[Row]) -> Table | None:
    names = list(dict.fromkeys(name for row in rows for name in row["authors"]))
    if not names:
        return None
    table = start_table("authors' form", ["target", "given", *names], 2)
    for row in rows:
        if row["authors"]:
            cells = [_cell(row["authors"].get(name), 3) for name in names]
            table.add_row(row["target"], row["situation"], *cells)
    return table


def _outliers(rows: Sequence[Row]) -> Table | None:
    found = [row for row in rows if _found(row, "outlier_auroc") is not None]
    if not found:
        return None
    table = start_table("tumour label: AUROC", ["target", "given", "outside the interval", "|z| of the image"], 2)
    for row in found:
        cells = [_cell(_found(row, key), 3) for key in ("outlier_auroc", "contrast_auroc")]
        table.add_row(row["target"], row["situation"], *cells)
    return table


def _paired(entries: Sequence[Row]) -> Table | None:
    if not entries:
        return None
    columns = ["target", "against", "figure", "difference", "95 % bootstrap", "relative", "better"]
    table = start_table("paired over subjects (ours minus theirs)", columns, 3)
    for entry in entries:
        gap = entry["difference"]
        if gap["mean"] is None:
            continue
        relative = "" if entry["relative"] is None else f"{100 * entry['relative']:+.1f} %"
        table.add_row(
            entry["target"], f"{entry['kind']}: {entry['baseline']}", entry["figure"].upper(), f"{gap['mean']:+.3f}",
            f"[{gap['low']:+.3f}, {gap['high']:+.3f}]", relative, "yes" if entry["better"] else "no",
        )  # fmt: skip
    return table


def _gate(gates: Sequence[Row]) -> Table | None:
    if not gates:
        return None
    table = start_table("uncertainty gate", ["target", "item", "demand", "found", ""], 5)
    for entry in gates:
        for i, item in enumerate(entry["items"]):
            word = {True: "pass", False: "miss", None: ""}[item["passed"]]
            table.add_row(entry["target"] if i == 0 else "", item["item"], item["demand"], item["found"], word)
        table.add_section()
    return table


def _narrower(entries: Sequence[Row]) -> Table | None:
    if not entries:
        return None
    table = start_table(
        "fewer inputs, yet narrower intervals", ["target", "fewer", "more", "width", "width of more"], 3
    )
    for entry in entries:
        table.add_row(entry["target"], entry["fewer"], entry["more"], f"{entry['width_fewer']:.3f}",
                      f"{entry['width_more']:.3f}")  # fmt: skip
    return table


def _familiarity(looks: Sequence[Row]) -> Table | None:
    """Draw one row a case, one column a situation: the smallest coverage of any target, and what is flagged."""
    if not any(look["familiar"] is not None for look in looks):
        return None
    keys = list(dict.fromkeys(look["situation"] for look in looks))
    table = start_table("smallest coverage of each exam, and whether it is flagged as unfamiliar", ["exam", *keys], 1)
    rows: dict[str, dict[str, str]] = {}
    for look in looks:
        known = [share for share in look["coverage"].values() if share is not None]
        word = {True: "", False: " flagged", None: " not judged"}[look["familiar"]]
        rows.setdefault(look["case"], {})[look["situation"]] = f"{min(known):.3f}{word}" if known else word.strip()
    for case, cells in sorted(rows.items()):
        table.add_row(case, *(cells.get(key, "") for key in keys))
    return table


def _claims(items: Sequence[Row]) -> Table | None:
    table = start_table("over all situations", ["item", "demand", "found", ""], 4)
    for item in items:
        table.add_row(item["item"], item["demand"], item["found"], "pass" if item["passed"] else "miss")
    return table


def evaluation_notes(report: Mapping[str, Any]) -> list[str]:
    """Return the lines that ``evaluate`` prints below its tables."""
    return [line for group in report["groups"] for line in group["notes"]]


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables on stdout; where that is no terminal nothing is cut to a width."""
    import sys

    from rich.console import Console
    from rich.measure import Measurement

    from mriuq_cli.present.console import has_colour

    console = Console(file=sys.stdout, no_color=not has_colour(sys.stdout), highlight=False)
    for table in tables:
        wide = Console(file=sys.stdout, width=10_000)
        console.width = max(console.width, Measurement.get(wide, wide.options, table).maximum)
        console.print(table)


def tab_separated(report: Mapping[str, Any]) -> str:
    """Return all rows as tab-separated text: mean, SD and n of every figure."""
    rows = [(group["name"], row) for group in report["groups"] for row in group["rows"]]
    names = list(dict.fromkeys(name for _, row in rows for name in row["figures"]))
    head = ["group", "predictor", "target", "given", "unit", "n"]
    head += [f"{name}_{part}" for name in names for part in ("mean", "sd", "min", "max")]
    lines = ["\t".join(head)]
    for name, row in rows:
        cells = [name, row["predictor"], row["target"], row["situation"], row["unit"], str(row["n"])]
        for figure in names:
            found = row["figures"].get(figure) or {}
            cells += ["" if found.get(p) is None else f"{found[p]:.6g}" for p in ("mean", "sd", "min", "max")]
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"
