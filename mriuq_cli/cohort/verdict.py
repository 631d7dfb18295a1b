"""``evaluate`` and ``calibrate`` from cohort to report: everything but words on the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.cohort.assessment import assess
from mriuq_cli.cohort.calibrating import fit_calibration, left_out
from mriuq_cli.cohort.crossfit import Trial, make_trial
from mriuq_cli.cohort.evaluation import Collected, Fold, Settings, collect
from mriuq_cli.cohort.looks import Judged, judge_looks
from mriuq_cli.cohort.records import dropped_words
from mriuq_cli.cohort.situations import is_default, situations
from mriuq_cli.errors import UsageError, WeightsError
from mriuq_cli.hooks.context import Context
from mriuq_cli.hooks.options import default_values
from mriuq_cli.inference.device import pick_device, require_threads, usable_cores
from mriuq_cli.inference.memory import require_tile
from mriuq_cli.inference.weights import find_weights
from mriuq_cli.uncertainty.conformal import Calibration, read_calibration
from mriuq_cli.uncertainty.stretch import Rule, subjects_needed

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin

FORMAT = 1
FEWEST = 3
"""Cases from which on each is calibrated by all the others."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks of ``evaluate`` or ``calibrate``."""

    inputs: tuple[Path, ...]
    weights: tuple[Path, ...] = ()
    available: tuple[str, ...] | None = None
    all_subsets: bool = False
    baselines: bool = True
    level: float = 0.9
    rule: Rule = "plug-in"
    limit: int | None = None
    calibration: Path | None = None
    made_for: tuple[Path, ...] = ()
    teachers: tuple[Path, ...] = ()
    allow_seen: bool = False
    device: str = "auto"
    threads: int | None = None
    tile: int | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


def run_evaluation(plugin: Plugin, wish: Wish, report: Progress) -> dict[str, Any]:
    """Evaluate a method; returns the JSON-ready report of docs/schemas/evaluate.schema.json.

    Raises
    ------
    MriuqError
        If cohort, weights, calibration or device are unfit.
    """
    start = time.perf_counter()
    check_wish(wish)
    wanted = situations(plugin.method, wish.available, all_subsets=wish.all_subsets)
    given = _given_calibration(plugin, wish)
    device = pick_device(wish.device)
    trial = _begin(plugin, wish, report)
    if given is None and len(trial.positions()) >= FEWEST:
        _require_enough(wish, len(trial.positions()) - 1)
    context = evaluation_context(wish, device, report)
    thorough = frozenset(s.key for s in wanted if wish.available is not None or is_default(s, plugin.method))
    settings = Settings(wanted, thorough, wish.baselines, teachers=trial.teachers, options=_options(plugin, wish),
                        context=context)  # fmt: skip
    groups: list[dict[str, Any]] = []
    warnings = list(trial.warnings)
    for name, folds in (("unseen", trial.unseen), ("seen in training", trial.seen)):
        cases = [i for fold in folds for i in fold.cases]
        if not cases:
            continue
        found = collect(plugin, trial.store, folds, settings)
        calibration, facts = _calibration_for(folds, len(cases), given, wish)
        warnings += found.notes + _overlap(trial, cases, calibration) + _foreign(folds, calibration)
        rule = facts["rule"] or wish.rule
        group = assess(found.records, trial.names, wish.level, rule, calibration, method=plugin.name,
                       left_out=facts["kind"] == "leave-one-out", thorough=thorough,
                       judged=_judged(trial, folds, found, calibration, wish, rule))  # fmt: skip
        groups.append({"name": name, "calibration": facts, **group})
    return {
        "format": FORMAT, "method": plugin.name, "version": plugin.version,
        "weights": [weights_facts(fold, trial) for fold in trial.unseen if fold.weights],
        "level": wish.level, "rule": wish.rule, "calibration": groups[0]["calibration"], "groups": groups,
        "failed": list(trial.failed), "warnings": list(dict.fromkeys(warnings)),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip


def run_calibration(plugin: Plugin, wish: Wish, report: Progress) -> tuple[Calibration, Trial, str]:
    """Calibrate a method on cases that the weights have not seen; returns a sentence about what did not count too.

    Raises
    ------
    WeightsError
        If all weights have seen every case, or there are too few cases for the rule.
    """
    check_wish(wish)
    wanted = situations(plugin.method, wish.available, all_subsets=wish.all_subsets and plugin.method.partial)
    made_for = [find_weights(plugin, folder).sha256 for folder in wish.made_for]
    device = pick_device(wish.device)
    trial = _begin(plugin, wish, report)
    cases = trial.positions()
    _require_enough(wish, len(cases))
    context = evaluation_context(wish, device, report)
    settings = Settings(wanted, frozenset(), baselines=False, sample=False, options=_options(plugin, wish),
                        context=context)  # fmt: skip
    found: Collected = collect(plugin, trial.store, trial.unseen, settings)
    subjects = [sorted(trial.store.fingerprints(i)) for i in cases]
    crossed = len(trial.hashes) > 1
    calibration = fit_calibration(found, wish.level, wish.rule, method=plugin.name, weights=trial.hashes,
                                  subjects=subjects, cross_fitted=crossed, made_for=made_for)  # fmt: skip
    return calibration, trial, dropped_words(found.records)


def check_wish(wish: Wish) -> None:
    """Raise UsageError if what the command line asks contradicts itself."""
    if not 0 < wish.level < 1:
        raise UsageError("must lie between 0 and 1, such as .9", where=f"--level {wish.level:g}")
    if wish.limit is not None and wish.limit < 1:
        raise UsageError("must be 1 or more", where=f"--limit {wish.limit}")
    require_threads(wish.threads)
    require_tile(wish.tile)


def _begin(plugin: Plugin, wish: Wish, report: Progress) -> Trial:
    return make_trial(plugin, wish.inputs, wish.weights, report, limit=wish.limit, allow_seen=wish.allow_seen,
                      teachers=wish.teachers if wish.baselines else ())  # fmt: skip


def _require_enough(wish: Wish, n: int) -> None:
    """Refuse the risk rule before hours of work rather than after them."""
    if wish.rule == "risk" and n < (needed := subjects_needed(wish.level)):
        raise WeightsError(
            f"the risk rule cannot promise {wish.level:.0%} with {n} subjects: it takes at least {needed}",
            hint="Give more exams, a lower --level, or --rule plug-in.",
        )


def evaluation_context(wish: Wish, device: str, report: Progress) -> Context:
    """Keep torch to its threads and return what a method is lent; a tenth of the progress has gone into reading."""
    import torch

    threads = wish.threads or usable_cores()
    torch.set_num_threads(threads)
    return Context(device=device, threads=threads, tile=wish.tile, seed=wish.seed,
                   progress=lambda done, word: report(0.1 + 0.9 * done, word))  # fmt: skip


def _options(plugin: Plugin, wish: Wish) -> dict[str, Any]:
    """Return the options that ``mriuq_predict`` expects: those of predict at their defaults, then those given."""
    core = {"outliers": False} if plugin.method.outliers else {}
    return core | default_values(plugin.options("predict")) | dict(wish.options)


def _given_calibration(plugin: Plugin, wish: Wish) -> Calibration | None:
    if wish.calibration is None:
        return None
    calibration = read_calibration(wish.calibration)
    if calibration.method != plugin.name:
        raise WeightsError(f"a calibration of {calibration.method}, not of {plugin.name}", where=wish.calibration)
    if abs(calibration.level - wish.level) > 1e-9:
        raise UsageError(f"the calibration is for {calibration.level:.0%}", where=f"--level {wish.level:g}",
                         hint=f"Use --level {calibration.level:g}, or calibrate anew.")  # fmt: skip
    return calibration


def _calibration_for(
    folds: Sequence[Fold], n: int, given: Calibration | None, wish: Wish
) -> tuple[Calibration | None, dict[str, Any]]:
    """Return the calibration for the figures (None: each case by all the others, or none at all) and what it is."""
    if given is not None:
        words = f"calibration given ({given.rule}, n {given.n})"
        return given, {"kind": "file", "path": str(wish.calibration), "rule": given.rule, "words": words}
    if n >= FEWEST:
        words = f"each subject calibrated by the other {n - 1} ({wish.rule})"
        return None, {"kind": "leave-one-out", "path": None, "rule": wish.rule, "words": words}
    for fold in folds:
        path = fold.weights.calibration if fold.weights else None
        if path is not None:
            known = read_calibration(path)
            if abs(known.level - wish.level) < 1e-9:
                words = f"calibration of the weights ({known.rule}, n {known.n})"
                return known, {"kind": "file", "path": str(path), "rule": known.rule, "words": words}
    return None, {"kind": "none", "path": None, "rule": None, "words": "not calibrated"}


def _judged(
    trial: Trial, folds: Sequence[Fold], found: Collected, used: Calibration | None, wish: Wish, rule: Rule
) -> list[Judged]:
    """Judge what the familiarity check says of each look.

    A case is compared with the exams of the calibration that is used, else of the one that came with its weights;
    one that is among these, or has none, with the other cases of the evaluation.
    """
    shipped: dict[int, Calibration] = {}
    for fold in folds:
        known = used or (read_calibration(path) if fold.weights and (path := fold.weights.calibration) else None)
        if known is not None and known.familiarity:
            prints = {one for subject in known.subjects for one in subject}
            shipped |= {case: known for case in fold.cases if not prints & trial.store.fingerprints(case)}
    bare = Calibration("", (), wish.level, rule, len(found.looks), (), {})
    factors = left_out(found.records, bare) if used is None else {look.case: used for look in found.looks}
    return judge_looks(found.looks, shipped, factors)


def _overlap(trial: Trial, cases: Sequence[int], calibration: Calibration | None) -> list[str]:
    if calibration is None:
        return []
    known = {prints for subject in calibration.subjects for prints in subject}
    again = [trial.names[i] for i in cases if known & trial.store.fingerprints(i)]
    words = "the calibration was made on exams that are judged here, so coverage looks better than it is"
    return [f"{words}: {', '.join(again)}"] if again else []


def _foreign(folds: Sequence[Fold], calibration: Calibration | None) -> list[str]:
    """Say so if the calibration is neither made with nor meant for weights that it is used on."""
    used = [fold.weights for fold in folds if fold.weights and fold.cases]
    if calibration is None or all(calibration.speaks_for(weights.sha256) for weights in used):
        return []
    return ["the calibration was made with other weights and does not name those that are judged"]


def weights_facts(fold: Fold, trial: Trial) -> dict[str, Any]:
    """Return which weights judge which cases."""
    assert fold.weights is not None
    return {"folder": str(fold.weights.folder), "sha256": fold.weights.sha256,
            "cases": [trial.names[i] for i in fold.cases]}  # fmt: skip
