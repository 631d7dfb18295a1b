"""One case from its files to its receipts: the only place where the stops meet.

::

    Case -> mriuq_predict -> answer (calibration, self-check, familiarity) -> images -> sidecars -> receipts
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.cohort import receipts
from mriuq_cli.cohort.answer import Answer, refuse_unfamiliar, settle
from mriuq_cli.cohort.describe import describe_maps, describe_target
from mriuq_cli.cohort.lock import undisturbed
from mriuq_cli.cohort.plan import require_ours
from mriuq_cli.cohort.planned import Plan, PlannedCase
from mriuq_cli.data.atomic import machine_error
from mriuq_cli.data.case import Case
from mriuq_cli.data.nifti import write_volume
from mriuq_cli.data.sidecar import write_json
from mriuq_cli.data.traces import MAPS, claim_of
from mriuq_cli.errors import MachineError, MethodError
from mriuq_cli.hooks.context import Context
from mriuq_cli.inference.memory import peak_memory
from mriuq_cli.uncertainty.conformal import Calibration
from mriuq_cli.uncertainty.display import to_display
from mriuq_cli.uncertainty.estimate import Estimate, Prediction

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin

_SMALLER_TILES = (192, 128, 96, 64)
_NO_MEMORY = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED", "unable to find an engine")
"""Words of a RuntimeError that means memory: torch's allocator for the CPU, the CUDA runtime (while another process
fills the device), its libraries, and convolutions none of whose algorithms got the memory it works in."""


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What every case of a run is worked on with.

    ``scale`` is that of ``--scale-like``, or None; ``writers`` are the threads that compress and write images;
    ``warnings`` hold for every case; ``setup`` is how many seconds all of this took to get ready.
    """

    plan: Plan
    plugin: Plugin
    model: Any
    calibration: Calibration | None
    scale: tuple[float, float] | None
    writers: Executor
    context: Context
    versions: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    setup: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """The files that a case has now, by group and part, and what was said of it."""

    files: Mapping[str, Mapping[str, Path]]
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Clock:
    """Seconds by name of the step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time that a block takes to ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def words(self, report: Callable[[float, str], None]) -> Callable[[float, str], None]:
        """Pass a method's progress on, and add the time between two reports to the word of the first."""
        said = ("", time.perf_counter())

        def note(done: float, word: str) -> None:
            nonlocal said
            now = time.perf_counter()
            if said[0]:
                name = f"predict: {said[0]}"
                self.seconds[name] = self.seconds.get(name, 0.0) + now - said[1]
            said = (word, now)
            report(done, word)

        return note


def complete_case(case: Case, planned: PlannedCase, base: Mapping[str, Any], bench: Bench, clock: Clock) -> Written:
    """Predict a case and write all of its files, receipts last.

    Parameters
    ----------
    base
        The receipt's basis, from :func:`mriuq_cli.cohort.receipts.basis`.

    Raises
    ------
    MriuqError
        Whatever stands in the way; then no file of this case is left behind.
    """
    context = replace(bench.context, tile=planned.tile, progress=clock.words(bench.context.progress))
    with clock.step("predict"):
        prediction, tile = _predict(bench, case, context)
        context.progress(1.0, "calibrate")
    with clock.step("calibrate"):
        weights = bench.plan.weights
        sha256 = weights.sha256 if weights else None
        answer = settle(prediction, case, planned.targets, bench.calibration, outliers=planned.checks, weights=sha256)
    answer = replace(answer, warnings=(*planned.warnings, *answer.warnings, *bench.warnings))
    if bench.plan.request.refuse_unfamiliar:
        refuse_unfamiliar(answer, planned.ref.id)
    del prediction
    if not answer.estimates and not answer.maps:
        raise MethodError("the method gave no image to write", where=planned.ref.id)
    files = _write(answer, case, planned, base, bench, clock)
    return Written(files, answer.warnings, _summary(answer, tile))


def _predict(bench: Bench, case: Case, context: Context) -> tuple[Prediction, int | None]:
    """Ask the method; where a GPU runs out of memory, again in tiles, as large as will do."""
    import torch

    weights = bench.plan.weights
    free = weights is not None and weights.config.get("fov") != "fixed" and context.device != "cpu"
    tiles = [size for size in _SMALLER_TILES if context.tile is None or size < context.tile] if free else []
    for tile in (context.tile, *tiles):
        try:
            with torch.inference_mode():
                answer: Prediction = bench.plugin.call(
                    "mriuq_predict",
                    model=bench.model,
                    case=case,
                    options=bench.plan.request.options,
                    context=replace(context, tile=tile),
                )
                return answer, tile
        except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_memory(error):
                raise
            reason = str(error).splitlines()[0][:200] if str(error) else "no more memory"
        if context.device != "cpu":
            torch.cuda.empty_cache()
    raise MachineError(f"memory ran out on {context.device}: {reason}", where=case.id,
                       hint="Try a smaller --tile, or --device cpu.")  # fmt: skip


def _is_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error) for word in _NO_MEMORY)


def _write(
    answer: Answer, case: Case, planned: PlannedCase, base: Mapping[str, Any], bench: Bench, clock: Clock
) -> dict[str, dict[str, Path]]:
    files = _file_names(answer, planned)
    everything = [path for parts in files.values() for path in parts.values()]
    scales = {name: bench.scale or e.display if e.unit == "z" else None for name, e in answer.estimates.items()}
    old = _look_at_the_place(planned, files, bench)
    claims = [claim_of(receipt) for receipt in dict.fromkeys([*old, *(p["receipt"] for p in files.values())])]
    # Claims come before anything is removed: whenever this is killed, what is left can be told from scans.
    _touch(claims)
    try:
        with clock.step("write"):
            if old:
                receipts.clear(old, [*planned.foreseen(), *everything])
            _write_images(_images(answer, files, scales), case, bench.writers)
            for group, parts in files.items():
                facts = (
                    describe_maps(answer, case, planned, bench.plan, bench.plugin)
                    if group == MAPS
                    else describe_target(group, answer, case, planned, bench.plan, bench.plugin, scales[group])
                )
                write_json(parts["sidecar"], facts)
        run = receipts.Run({"setup": bench.setup, **clock.seconds}, peak_memory(), bench.versions)
        for parts in files.values():
            outputs = [path for part, path in parts.items() if part != "receipt"]
            receipts.write_receipt(parts["receipt"], base, outputs, files, run)
    except BaseException:
        # A set without all of its receipts proves nothing: an interrupted case leaves no files at all.
        with undisturbed():
            if _removed(reversed(everything)):
                _removed(claims)
        raise
    with undisturbed():
        _removed(claims)
    return files


def _touch(claims: Sequence[Path]) -> None:
    try:
        for claim in claims:
            claim.touch()
    except BaseException as error:
        _removed(claims)
        if isinstance(error, OSError):
            raise machine_error(error, claims[0].parent) from error
        raise


def _removed(paths: Iterable[Path]) -> bool:
    """Remove files as far as possible; return whether none of them is left."""
    whole = True
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            whole = False
    return whole


def _file_names(answer: Answer, planned: PlannedCase) -> dict[str, dict[str, Path]]:
    files: dict[str, dict[str, Path]] = {name: dict(planned.images(name)) for name in answer.estimates}
    if answer.maps:
        files[MAPS] = {name: planned.map_image(name) for name in answer.maps}
    for group, parts in files.items():
        parts |= {"sidecar": planned.sidecar(group), "receipt": planned.receipt(group)}
    return files


def _look_at_the_place(planned: PlannedCase, files: Mapping[str, Mapping[str, Path]], bench: Bench) -> list[Path]:
    """Make the folder; refuse to replace what is not ours, or anything where that was not asked for.

    Returns
    -------
    list
        Receipts of the sets that are to be replaced; empty where nothing may be.
    """
    request = bench.plan.request
    try:
        planned.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"the folder cannot be made ({error.strerror})", where=planned.folder) from error
    groups: dict[str, list[Path]] = planned.foreseen_by_group()
    for group, parts in files.items():
        groups[group] = [*groups.get(group, ()), *parts.values()]
    if request.overwrite or request.resume:
        require_ours(planned, groups)
        names = {g for own in planned.groups for g in (own, *receipts.groups_of(planned.receipt(own)))}
        return [planned.receipt(group) for group in sorted(names | set(files))]
    for parts in files.values():
        for path in parts.values():
            if path.exists():
                raise MachineError("the output exists already", where=path, hint="--overwrite replaces it.")
    return []


Image = Callable[[], NDArray[Any]]
"""An image that is made when it is written, so that only those at work are held."""


def _images(
    answer: Answer, files: Mapping[str, Mapping[str, Path]], scales: Mapping[str, tuple[float, float] | None]
) -> list[tuple[Path, Image]]:
    jobs: list[tuple[Path, Image]] = []
    for name, estimate in answer.estimates.items():
        jobs += [
            (files[name][part], _part(estimate, part, scales[name])) for part in ("value", "lower", "upper", "width")
        ]
    return jobs + [(files[MAPS][name], _given(array)) for name, array in answer.maps.items()]


def _part(estimate: Estimate, part: str, scale: tuple[float, float] | None) -> Image:
    def shown(array: NDArray[np.float32]) -> NDArray[np.float32]:
        return to_display(array, estimate.mask, scale or (0.0, 1.0))

    if part == "width":  # the difference of what the files hold, so that the three images agree to the bit
        return lambda: shown(estimate.upper) - shown(estimate.lower)
    return lambda: shown(getattr(estimate, part))


def _given(array: NDArray[Any]) -> Image:
    return lambda: array


def _write_images(jobs: list[tuple[Path, Image]], case: Case, writers: Executor) -> None:
    """Write in the writers' threads; when this returns or raises, none of them is at work any more."""

    def write(path: Path, image: Image) -> None:
        array = image()
        write_volume(path, array, case.geometry, dtype="uint8" if array.dtype == np.uint8 else "float32")

    running = [writers.submit(write, path, image) for path, image in jobs]
    try:
        for job in running:
            job.result()
    finally:
        with undisturbed():
            for job in running:
                job.cancel()
            for job in running:
                if not job.cancelled():
                    job.exception()


def _summary(answer: Answer, tile: int | None) -> dict[str, Any]:
    familiarity = answer.familiarity
    return {
        "familiar": None if familiarity is None else familiarity.familiar,
        "calibrated": bool(answer.notes),
        "self_check": answer.self_check,
        "tile": tile,
        "warnings": list(answer.warnings),
    }
