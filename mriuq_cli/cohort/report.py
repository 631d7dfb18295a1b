"""What a run says: plans and outcomes as lines for a person, or as JSON objects for a script."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mriuq_cli.cohort.describe import input_names
from mriuq_cli.cohort.planned import Plan, PlannedCase
from mriuq_cli.cohort.run import Outcome
from mriuq_cli.data.sidecar import plain
from mriuq_cli.errors import MriuqError, PartialFailure
from mriuq_cli.present.console import note, print_error, warn


@dataclass(frozen=True, slots=True)
class Reporter:
    """Prints each case's fate: results on stdout, everything else on stderr.

    ``alone`` is true for a run of one case, whose error ends the process and is worded there.
    """

    method: str
    as_json: bool
    alone: bool

    def __call__(self, outcome: Outcome) -> None:
        """Print one outcome."""
        for warning in outcome.facts.get("warnings", ()):
            warn(f"{outcome.case.ref.id}: {warning}")
        if outcome.status == "skipped":
            note(f"{outcome.case.ref.id}: whole already, skipped")
        if outcome.error is not None and not self.alone:
            print_error(_one_line(outcome))
        for line in [_line(outcome_facts(outcome, self.method))] if self.as_json else _results(outcome):
            print(line, flush=True)


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print what a run would do, without doing it.

    Raises
    ------
    PartialFailure
        If some of the cases cannot be used.
    """
    for case in plan.cases:
        if case.ref.problem is not None:
            outcome = Outcome(case, "failed", error=case.ref.problem)
            print_error(_one_line(outcome))
            lines = [_line(outcome_facts(outcome, plan.method))] if as_json else []
        else:
            for warning in case.warnings:
                warn(f"{case.ref.id}: {warning}")
            lines = [_line(planned_facts(plan, case))] if as_json else _plan_lines(plan, case)
        for line in lines:
            print(line)
    unfit = sum(case.ref.problem is not None for case in plan.cases)
    if unfit:
        raise PartialFailure(f"{unfit} of {len(plan.cases)} cases cannot be used")


def outcome_facts(outcome: Outcome, method: str) -> dict[str, Any]:
    """Return the JSON object of a case."""
    facts: dict[str, Any] = {"case": outcome.case.ref.id, "method": method, "status": outcome.status}
    if outcome.error is not None:
        return facts | {"error": error_facts(outcome.error)}
    facts["outputs"] = {
        group: {part: str(path) for part, path in parts.items()} for group, parts in outcome.files.items()
    }
    return facts | dict(outcome.facts) | {"seconds": round(outcome.seconds, 3)}


def error_facts(error: MriuqError) -> dict[str, Any]:
    """Return an error as JSON-ready data."""
    place = f"{error.where}: " if error.where else ""
    return {
        "exit_code": int(error.exit_code),
        "message": f"{place}{error.what}",
        "what": error.what,
        "where": error.where,
        "hint": error.hint,
    }


def planned_facts(plan: Plan, case: PlannedCase) -> dict[str, Any]:
    """Return the JSON object of a case that was only planned."""
    groups: dict[str, dict[str, Path]] = {target: case.images(target) for target in case.targets}
    if case.checks:
        groups["maps"] = {f"{name}_outlier": case.map_image(f"{name}_outlier") for name in case.checks}
    return {
        "case": case.ref.id,
        "method": plan.method,
        "status": "whole" if case.done else "planned",
        "inputs": input_names(case.ref),
        "outputs": {group: {part: str(path) for part, path in parts.items()} for group, parts in groups.items()},
        "memory_bytes": case.demand,
        "tile": case.tile,
        "device": plan.device,
        "threads": plan.threads,
    }


def _plan_lines(plan: Plan, case: PlannedCase) -> list[str]:
    """Return a few lines a case: from what, in which way, to which files."""
    inputs = ", ".join(
        f"{role} {volume.path}" + (f"[{volume.index}]" if volume.index is not None else "")
        for role, volume in case.ref.volumes.items()
    )
    if case.done:
        return [f"{case.ref.id}: whole already, would be skipped"]
    tile = f", tiles of {case.tile}" if case.tile else ""
    way = f"{plan.device}, {plan.threads} threads{tile}, about {case.demand / 2**30:.1f} GiB of memory"
    outputs = [path for target in case.targets for path in case.images(target).values()]
    outputs += [case.map_image(f"{name}_outlier") for name in case.checks]
    return [f"{case.ref.id}: {way}", f"  from {inputs}", *(f"  to   {shlex.quote(str(path))}" for path in outputs)]


def _results(outcome: Outcome) -> list[str]:
    """Return the path of each predicted image; of a case without any, those of its maps."""
    values = [str(parts["value"]) for parts in outcome.files.values() if "value" in parts]
    others = [
        str(path) for parts in outcome.files.values() for part, path in parts.items() if part.endswith("_outlier")
    ]
    return values or others


def _one_line(outcome: Outcome) -> str:
    words = " ".join(str(outcome.error).split())
    return words if outcome.case.ref.id in words else f"{outcome.case.ref.id}: {words}"


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(plain(facts), ensure_ascii=False)
