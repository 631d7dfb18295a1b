"""``evaluate --protocol``: a method's own evaluation, each case by weights that have not seen it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mriuq_cli.cohort.crossfit import Trial, make_trial
from mriuq_cli.cohort.evaluation import Fold
from mriuq_cli.cohort.verdict import FORMAT, Progress, Wish, check_wish, evaluation_context, weights_facts
from mriuq_cli.errors import MethodError, UsageError
from mriuq_cli.hooks.context import Context
from mriuq_cli.hooks.options import default_values
from mriuq_cli.inference.device import pick_device

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.hooks.roles import Protocol, Row, Table


def find_protocol(plugin: Plugin, name: str) -> Protocol:
    """Return a protocol by name; UsageError with those that there are if it is none of them."""
    known: Mapping[str, Protocol] = plugin.call("mriuq_protocols") if plugin.has("mriuq_protocols") else {}
    if name not in known:
        hint = f"One of: {', '.join(known)}" if known else None
        raise UsageError(f"'{plugin.name}' has no such protocol", where=f"--protocol {name}", hint=hint)
    return known[name]


def run_protocol(plugin: Plugin, name: str, wish: Wish, report: Progress) -> dict[str, Any]:
    """Measure a cohort; returns the JSON-ready report of docs/schemas/protocol.schema.json.

    Raises
    ------
    MriuqError
        If cohort, weights or device are unfit.
    """
    start = time.perf_counter()
    check_wish(wish)
    protocol = find_protocol(plugin, name)
    options = default_values(plugin.options("evaluate")) | dict(wish.options)
    device = pick_device(wish.device)
    trial = make_trial(plugin, wish.inputs, wish.weights, report, limit=wish.limit, allow_seen=wish.allow_seen,
                       truth=False)  # fmt: skip
    context = evaluation_context(wish, device, report)
    groups = []
    for title, folds in (("unseen", trial.unseen), ("seen in training", trial.seen)):
        rows = _measure(plugin, protocol, trial, folds, options, context)
        if rows:
            with plugin.answering(f"protocol {name!r}"):
                found = protocol.report(rows, options)
            groups.append({"name": title, "rows": rows, "tables": [_stated(table, plugin) for table in found.tables],
                           "plots": [_numbers(asdict(plot)) for plot in found.plots]})  # fmt: skip
    return {
        "format": FORMAT, "method": plugin.name, "version": plugin.version, "protocol": name,
        "weights": [weights_facts(fold, trial) for fold in trial.unseen if fold.weights], "groups": groups,
        "failed": list(trial.failed), "warnings": list(dict.fromkeys(trial.warnings)),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip


def _measure(
    plugin: Plugin, protocol: Protocol, trial: Trial, folds: Sequence[Fold], options: Mapping[str, Any],
    context: Context,
) -> list[Row]:  # fmt: skip
    from mriuq_cli.inference.weights import load_model

    rows: list[Row] = []
    total, done = sum(len(fold.cases) for fold in folds) or 1, 0
    for fold in folds:
        weights = fold.weights if fold.cases else None
        model = load_model(plugin, weights, context.device) if weights else None
        for index in fold.cases:
            case = trial.store.read(index)
            lent = replace(context, config=fold.config, weights=weights.folder if weights else None,
                           progress=_part(context, done / total, 1 / total))  # fmt: skip
            with plugin.answering(f"a protocol, on {case.id}"):
                rows += [{"case": case.id, **_numbers(row)} for row in protocol.measure(model, case, options, lent)]
            done += 1
    return rows


def _part(context: Context, start: float, share: float) -> Progress:
    return lambda done, what: context.progress(start + share * done, what)


def _stated(table: Table, plugin: Plugin) -> Any:
    """Return a table as JSON-ready data; MethodError if a row does not fit its columns."""
    if any(len(row) != len(table.columns) for row in table.rows):
        raise MethodError(f"the rows of the table {table.title!r} do not fit its columns", where=plugin.name)
    return _numbers(asdict(table))


def _numbers(value: Any) -> Any:
    """Return JSON-ready data: NaN and infinities are None there."""
    if isinstance(value, Mapping):
        return {key: _numbers(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(one) for one in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    number = float(value)
    return number if abs(number) < float("inf") else None
