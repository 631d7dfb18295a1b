"""All cases of a plan, in order: the next one is read while this one is worked on; a failed one stops no other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mriuq_cli.cohort import receipts
from mriuq_cli.cohort.lock import exclusive
from mriuq_cli.cohort.plan import basis_of
from mriuq_cli.cohort.planned import Plan, PlannedCase
from mriuq_cli.data.case import Case
from mriuq_cli.errors import MachineError, MethodError, MriuqError, PartialFailure

if TYPE_CHECKING:
    from mriuq_cli.cohort.case import Bench
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.uncertainty.conformal import Calibration

WRITERS = 2

Progress = Callable[[float, str], None]
Emit = Callable[["Outcome"], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case: its files by group and part, or its error."""

    case: PlannedCase
    status: Literal["done", "skipped", "failed"]
    files: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: MriuqError | None = None
    seconds: float = 0.0


def run_plan(plan: Plan, plugin: Plugin, emit: Emit, progress: Progress) -> None:
    """Predict every case of the plan that is not done.

    Parameters
    ----------
    emit
        Called once a case, in order, as soon as its fate is known.
    progress
        Called with the share of the run that is done, and a word.

    Raises
    ------
    MriuqError
        Of the only case, or what stops the whole run.
    PartialFailure
        If some of several cases failed.
    """
    todo = [case for case in plan.cases if not case.done]
    for case in plan.cases:
        if case.done:
            emit(Outcome(case, "skipped", files=_present(case)))
    if not todo:
        return
    with _lent(plan.folder), ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(WRITERS, "write") as writers:
        # Reading starts before torch is imported: on one exam the two take about as long as each other.
        upcoming = reader.submit(_read, todo[0], plan)
        bench = _bench(plan, plugin, writers)
        failed: list[MriuqError] = []
        for number, case in enumerate(todo):
            following = todo[number + 1 : number + 2]
            ready, upcoming = upcoming, (reader.submit(_read, following[0], plan) if following else upcoming)
            outcome = _attempt(case, ready, bench, _part(progress, number, len(todo)))
            del ready
            emit(outcome)
            if outcome.error is not None:
                failed.append(outcome.error)
    if failed and len(plan.cases) == 1:
        raise failed[0]
    if failed:
        raise PartialFailure(f"{len(failed)} of {len(plan.cases)} cases failed", hint="--resume does them again.")


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A case that was read, with its receipt's basis."""

    case: Case
    basis: Mapping[str, Any]
    seconds: float


def _read(planned: PlannedCase, plan: Plan) -> _Ready:
    """Read what the method is shown: no labels, which a prediction has no use for."""
    from mriuq_cli.data.reader import read_case

    start = time.perf_counter()
    case = read_case(replace(planned.ref, labels=None))
    basis = planned.basis if planned.basis is not None else basis_of(planned, plan.shared)
    return _Ready(case, basis, time.perf_counter() - start)


@contextmanager
def _lent(folder: Path | None) -> Iterator[None]:
    """Make an output folder and hold it; one that was made for nothing is removed again. None holds nothing."""
    if folder is None:
        yield
        return
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"the output folder cannot be made ({error.strerror})", where=folder) from error
    try:
        with exclusive([folder]):
            yield
    finally:
        if made:
            with suppress(OSError):  # something was written there, so it stays
                folder.rmdir()


def _bench(plan: Plan, plugin: Plugin, writers: ThreadPoolExecutor) -> Bench:
    """Import torch, load model and calibration: everything that the cases share."""
    from mriuq_cli.cohort.case import Bench
    from mriuq_cli.hooks.context import Context

    start = time.perf_counter()
    calibration = _calibration(plan)
    import torch

    from mriuq_cli.inference.weights import load_model

    torch.set_num_threads(plan.threads)
    model = load_model(plugin, plan.weights, plan.device) if plan.weights else None
    context = Context(
        config=plan.weights.config if plan.weights else {},
        weights=plan.weights.folder if plan.weights else None,
        device=plan.device,
        threads=plan.threads,
        seed=plan.request.seed,
    )
    scale = _scale(plan.request.scale_like) if plan.request.scale_like else None
    return Bench(
        plan,
        plugin,
        model,
        calibration,
        scale,
        writers,
        context,
        _versions(plugin),
        warnings=_doubts(plan, calibration),
        setup=time.perf_counter() - start,
    )


def _calibration(plan: Plan) -> Calibration | None:
    from mriuq_cli.uncertainty.conformal import read_calibration

    if plan.calibration is None:
        return None
    return read_calibration(plan.calibration, plan.method)


def _doubts(plan: Plan, calibration: Calibration | None) -> tuple[str, ...]:
    """Return what speaks against the calibration."""
    if calibration is None or plan.weights is None or calibration.speaks_for(plan.weights.sha256):
        return ()
    return ("the calibration was not made for these weights: how often these intervals hold is not known",)


def _scale(path: Path) -> tuple[float, float]:
    """Return mean and SD of a reference image over its own non-zero voxels; it may lie on any grid."""
    from mriuq_cli.data.reader import read_single
    from mriuq_cli.uncertainty.display import scale_like

    return scale_like(read_single(path, "the image of --scale-like").data)


def _versions(plugin: Plugin) -> dict[str, str]:
    found = {plugin.distribution: plugin.version}
    for name in ("mriuq", "torch", "numpy", "nibabel", "zlib-ng"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def _part(progress: Progress, number: int, count: int) -> Progress:
    """Return the progress of one case within the run's."""

    def report(done: float, what: str) -> None:
        progress((number + min(max(done, 0.0), 1.0)) / count, what)

    return report


def _attempt(case: PlannedCase, ready: Future[_Ready], bench: Bench, progress: Progress) -> Outcome:
    """Complete one case; an error becomes an outcome."""
    from mriuq_cli.cohort.case import Clock, complete_case

    clock = Clock()
    start = time.perf_counter()
    try:
        progress(0.0, f"{case.ref.id}: read")
        found = ready.result()
        clock.seconds["read"] = found.seconds
        bench = replace(bench, context=replace(bench.context, progress=progress))
        with _lent(case.folder if bench.plan.folder is None else None):
            written = complete_case(found.case, case, found.basis, bench, clock)
        progress(1.0, case.ref.id)
        return Outcome(case, "done", written.files, written.facts, seconds=time.perf_counter() - start)
    except MriuqError as error:
        return Outcome(case, "failed", error=error)
    except MemoryError:
        return Outcome(case, "failed", error=MachineError("memory ran out", where=case.ref.id))
    except Exception as error:
        logging.getLogger("mriuq").debug("%s", case.ref.id, exc_info=True)
        return Outcome(case, "failed", error=_defect(error, case))


def _defect(error: Exception, case: PlannedCase) -> MriuqError:
    """Word an error that nobody foresaw; the plugin's, where the hook manager has noted that."""
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith("raised by method")]
    kind = MethodError if notes else MriuqError
    words = ", ".join([f"{type(error).__name__}: {error}".rstrip(": "), *notes])
    worded = kind(words, where=case.ref.id, hint="Run it alone with --debug for the trace.")
    worded.__cause__ = error
    return worded


def _present(case: PlannedCase) -> dict[str, dict[str, Path]]:
    """Return the files of a case that is done, from its receipts."""
    files: dict[str, dict[str, Path]] = {}
    for group in dict.fromkeys(g for own in case.groups for g in receipts.groups_of(case.receipt(own))):
        images = case.images(group) if group in case.targets else _listed_maps(case, group)
        files[group] = {**images, "sidecar": case.sidecar(group), "receipt": case.receipt(group)}
    return files


def _listed_maps(case: PlannedCase, group: str) -> dict[str, Path]:
    facts = receipts.read_receipt(case.receipt(group)) or {"Outputs": {}}
    start = len(case.ref.id) + 1
    names = [name for name in facts["Outputs"] if name.endswith(".nii.gz")]
    return {name[start : -len(".nii.gz")]: case.folder / name for name in sorted(names)}
