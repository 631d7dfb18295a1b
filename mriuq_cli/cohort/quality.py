"""The quality of many scans, one in memory at a time; one that cannot be judged stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

from mriuq_cli.cohort import receipts
from mriuq_cli.cohort.judging import Heard, hear
from mriuq_cli.cohort.keeping import Shelf, keep, kept
from mriuq_cli.cohort.places import run_folder
from mriuq_cli.cohort.rating import reaches
from mriuq_cli.cohort.report import error_facts
from mriuq_cli.cohort.thresholds import Thresholds
from mriuq_cli.data.case import Case, CaseRef
from mriuq_cli.data.layouts.scans import SCAN, require_distinct, require_one_image
from mriuq_cli.data.sidecar import plain
from mriuq_cli.errors import MachineError, MethodError, MriuqError, PartialFailure, WeightsError
from mriuq_cli.hooks.context import Context
from mriuq_cli.hooks.manager import CORE, Plugin, implementers
from mriuq_cli.inference.ahead import TorchAhead
from mriuq_cli.present.overview import draw_overview

Emit = Callable[[Mapping[str, Any]], None]
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class QualityRequest:
    """What the command line asks for; ``fail_on`` is ``warn``, ``fail`` or None."""

    thresholds: Thresholds
    out: Path | None = None
    png: bool = False
    overwrite: bool = False
    resume: bool = False
    fail_on: str | None = None
    epistemic: bool = False
    device: str = "cpu"
    threads: int = 1
    seed: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """What every judge is told: whether to estimate epistemic uncertainty, and whether anybody wants images."""
        return {"epistemic": self.epistemic, "maps": self.out is not None}


def find_judges(fail_on: str | None) -> tuple[Plugin, ...]:
    """Return everyone who judges scans, the core's classical measures first.

    Raises
    ------
    MethodError
        If a verdict is asked for and nobody is installed who could give one.
    """
    judges = implementers("mriuq_judge")
    if fail_on is not None and all(judge.name == CORE for judge in judges):
        raise MethodError("no installed method rates scans, so no verdict can be reached", where=f"--fail-on {fail_on}",
                          hint="pip install mriuq-hetqc, or leave the option out.")  # fmt: skip
    return judges


def judge_scans(
    refs: Sequence[CaseRef], judges: Sequence[Plugin], request: QualityRequest, emit: Emit, progress: Progress
) -> int:
    """Judge every scan and return how many reached ``request.fail_on``.

    Parameters
    ----------
    emit
        Called with the JSON-ready record of each scan, in order, as soon as it is known.
    progress
        Called with the share of the run that is done, and a word.

    Raises
    ------
    MriuqError
        Of the only scan, or what stops the whole run: weights that cannot be used, an output folder.
    PartialFailure
        If some of several scans could not be judged.
    """
    bench = Bench(judges, request)
    failed: list[MriuqError] = []
    reached = 0
    with ExitStack() as stack:
        if request.out is not None:
            require_distinct(refs)
            _refuse_existing(refs, request)
            stack.enter_context(run_folder(request.out))
        for number, ref in enumerate(refs):
            step = _part(progress, number, len(refs), ref.id)
            record, error = _one(ref, bench, step)
            emit(record)
            if isinstance(error, WeightsError):  # the next scan would fare no better
                raise error
            if error is not None:
                failed.append(error)
            elif request.fail_on is not None:
                reached += reaches(record["verdict"], request.fail_on, request.thresholds)
    if failed and len(refs) == 1:
        raise failed[0]
    if failed:
        hint = "--resume does them again." if request.out is not None else None
        raise PartialFailure(f"{len(failed)} of {len(refs)} scans could not be judged", hint=hint)
    return reached


class Bench:
    """What all scans share: who judges, what was asked, what decides all figures, and torch where a judge needs it."""

    def __init__(self, judges: Sequence[Plugin], request: QualityRequest) -> None:
        self.judges, self.request = judges, request
        networks = any(judge.has("mriuq_model") for judge in judges)
        self._torch = TorchAhead(request.threads) if networks else None
        self.shared = _shared_basis(judges, request)

    def ready(self, judge: Plugin) -> None:
        """Wait for what a judge needs; the core's measures are taken while torch is still being imported."""
        if self._torch is not None and judge.has("mriuq_model"):
            self._torch.ready()


def _shared_basis(judges: Sequence[Plugin], request: QualityRequest) -> dict[str, Any]:
    """Return what decides all figures besides the scan, for the receipts."""
    from mriuq_cli.inference.shipped import shipped_state

    asked = {judge.name: {"Version": judge.version, "Weights": shipped_state(judge)} for judge in judges}
    return {
        "Judges": asked, "CoreVersion": version("mriuq"), "Thresholds": request.thresholds.model_dump(),
        "Options": request.options, "Picture": request.png, "Device": request.device, "Threads": request.threads,
        "Seed": request.seed,
    }  # fmt: skip


def _refuse_existing(refs: Sequence[CaseRef], request: QualityRequest) -> None:
    assert request.out is not None
    if request.resume or request.overwrite:
        return
    shelves = [Shelf.of(ref, request.out) for ref in refs]
    found = [path for shelf in shelves for path in (shelf.scores, shelf.receipt) if path.exists()]
    if found:
        raise MachineError(f"the output exists already{f' and {len(found) - 1} more' if len(found) > 1 else ''}",
                           where=min(found), hint="--overwrite replaces it; --resume keeps what is whole.")  # fmt: skip


def _part(progress: Progress, number: int, count: int, name: str) -> Progress:
    return lambda done, word: progress((number + done) / count, f"{name}: {word}")


def _one(ref: CaseRef, bench: Bench, progress: Progress) -> tuple[dict[str, Any], MriuqError | None]:
    """Return the record of a scan, and its error if it could not be judged."""
    start = time.perf_counter()
    record: dict[str, Any] = {"scan": str(ref.volumes[SCAN].path), "id": str(PurePath(ref.subfolder) / ref.id)}
    error: MriuqError | None
    try:
        found, error = _judged(ref, bench, progress)
        record |= found
    except MriuqError as caught:
        error = caught
    except MemoryError:
        error = MachineError("memory ran out", where=ref.volumes[SCAN].path)
    if error is not None:
        record |= {"status": "failed", "error": error_facts(error)}
    return plain({**record, "seconds": round(time.perf_counter() - start, 3)}), error


def _judged(ref: CaseRef, bench: Bench, progress: Progress) -> tuple[dict[str, Any], MriuqError | None]:
    from mriuq_cli.data.reader import read_case

    request = bench.request
    if ref.problem is not None:
        raise ref.problem
    progress(0.0, "read")
    require_one_image(ref.volumes[SCAN].path)
    shelf = None if request.out is None else Shelf.of(ref, request.out)
    base = receipts.basis(ref, bench.shared) if shelf is not None else {}
    if shelf is not None and request.resume and (old := kept(shelf, base)) is not None:
        return {**old, "status": "skipped", "outputs": shelf.outputs()}, None
    start = time.perf_counter()
    scan = read_case(ref)
    context = Context(device=request.device, threads=request.threads, seed=request.seed, progress=progress)
    heard = hear(scan, bench.judges, request.options, context, request.thresholds, bench.ready)
    if heard.error is not None or shelf is None:
        return {**heard.facts, "status": "done"}, heard.error
    progress(1.0, "write")
    seconds = {"judge": time.perf_counter() - start}
    files = _keep(shelf, heard, scan, request, base, seconds, bench.judges)
    return {**heard.facts, "status": "done", "outputs": files}, None


def _keep(
    shelf: Shelf, heard: Heard, scan: Case, request: QualityRequest, base: Mapping[str, Any],
    seconds: Mapping[str, float], judges: Sequence[Plugin],
) -> list[Path]:  # fmt: skip
    from mriuq_cli.inference.memory import peak_memory

    picture = partial(draw_overview, shelf.id, scan.volumes[SCAN].data, heard.images, scan.geometry, heard.facts)
    versions = {judge.distribution: judge.version or version("mriuq") for judge in judges}
    run = receipts.Run(seconds, peak_memory(), versions)
    return keep(shelf, heard.facts, heard.images, scan.geometry, picture if request.png else None, base, run)
