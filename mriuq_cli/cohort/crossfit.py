"""Which weights may judge which case, settled from fingerprints before anything is predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.cohort.evaluation import Fold
from mriuq_cli.cohort.situations import assign, seen_by
from mriuq_cli.cohort.store import Cases, CaseStore
from mriuq_cli.data.people import copies_words
from mriuq_cli.errors import InputError, UsageError, WeightsError

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.inference.weights import WeightsFolder

Progress = Callable[[float, str], None]
_FREE = {"seed", "memory"}
"""Parts of a configuration in which folds may differ: neither says what was learnt or how."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A cohort and the weights that judge it.

    Parameters
    ----------
    names
        Id of each case, by position in ``store``.
    unseen
        Folds with the cases that their weights have not seen.
    seen
        The same for cases that every set of weights has learnt from; empty unless asked for.
    failed
        Ids of the cases that could not be read.
    teachers
        Cases to fit baselines on; None: those of the cohort that the weights have learnt from.
    """

    store: CaseStore
    names: tuple[str, ...]
    unseen: tuple[Fold, ...]
    seen: tuple[Fold, ...]
    failed: tuple[str, ...]
    warnings: tuple[str, ...]
    teachers: Cases | None = None

    def positions(self, *, seen: bool = False) -> tuple[int, ...]:
        """Return the positions of the cases that are judged, in order."""
        return tuple(sorted(index for fold in (self.seen if seen else self.unseen) for index in fold.cases))

    @property
    def hashes(self) -> tuple[str, ...]:
        """Hashes of the weights that judge a case they have not seen."""
        return tuple(fold.weights.sha256 for fold in self.unseen if fold.weights and fold.cases)


def make_trial(
    plugin: Plugin, inputs: Sequence[Path], weights: Sequence[Path], report: Progress,
    *, limit: int | None = None, allow_seen: bool = False, teachers: Sequence[Path] = (), truth: bool = True,
) -> Trial:  # fmt: skip
    """Find cases and weights and bring together those that have not met.

    Cases are read until ``limit`` of them can be judged: only a case's voxels say which subject it is.

    Parameters
    ----------
    teachers
        Cohort to fit baselines on.
    truth
        Whether cases must hold true images of what is predicted.

    Raises
    ------
    WeightsError
        If weights are unfit or unlike one another, or have all seen every case and ``allow_seen`` is false.
    InputError
        If no case can be read.
    """
    from mriuq_cli.inference.weights import find_weights

    named: list[Path | None] = [*weights] or [None]
    folders = [find_weights(plugin, folder) for folder in named] if plugin.has("mriuq_model") else []
    _require_alike(folders)
    store, names = _store(plugin, inputs, truth=truth)
    metas = [folder.meta for folder in folders] or [{}]
    met = _meet(store, names, metas, report, limit=limit, allow_seen=allow_seen)
    seen = [i for i, fold in met.folds.items() if fold is None]
    if seen and not allow_seen:
        _refuse_seen(len(seen), len(met.folds), [names[i] for i in seen], met.warnings)
    if len(folders) > 1 and not any(seen_by(meta, store.fingerprints(i)) for meta in metas for i in met.folds):
        met.warnings.append("none of these weights has learnt from any of these exams: the first judge them all")
    folds = tuple(
        Fold(folders[k] if folders else None, tuple(i for i, fold in met.folds.items() if fold == k))
        for k in range(len(metas))
    )
    old = (Fold(folders[0], tuple(seen)),) if seen and allow_seen else ()
    counted = [i for i in met.folds if allow_seen or i not in seen]
    anatomies = [store.anatomy(i) for i in counted]
    met.warnings += copies_words(anatomies, [one for meta in metas for one in meta.get("anatomies", ())])
    judged = {one for i in counted for one in store.fingerprints(i)}
    learnt = _teachers(plugin, teachers, judged, met.warnings, report) if teachers else None
    return Trial(store, names, folds, old, tuple(met.failed), tuple(met.warnings), learnt)


def _store(plugin: Plugin, inputs: Sequence[Path], *, truth: bool = True) -> tuple[CaseStore, tuple[str, ...]]:
    from mriuq_cli.data.layouts import find_cohort
    from mriuq_cli.data.reader import read_case

    method = plugin.method
    inside = {role.name for role in method.inputs}
    roles = (*method.inputs, *(role for role in method.targets if truth and role.name not in inside))
    cohort = find_cohort(inputs, roles, complete=True)
    return CaseStore(cohort.refs, read_case), tuple(ref.id for ref in cohort.refs)


def _require_alike(folders: Sequence[WeightsFolder]) -> None:
    """Refuse weights of different networks or trainings as folds of one study: their figures would be of neither."""
    for other in folders[1:]:
        first, second = folders[0].config, other.config
        names = sorted(k for k in {*first, *second} - _FREE if first.get(k) != second.get(k))
        if names or folders[0].meta.get("preset") != other.meta.get("preset"):
            raise WeightsError(
                f"not trained like {folders[0].folder}: {', '.join(names) or 'preset'} differ",
                where=other.folder,
                hint="The folds of a cross-validation differ in seed and subjects alone.",
            )


@dataclass(slots=True, eq=False)
class _Met:
    """Cases that were read: position to the weights that have not seen it (None: all have), and what went wrong."""

    folds: dict[int, int | None] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _meet(
    store: CaseStore, names: Sequence[str], metas: Sequence[Mapping[str, Any]], report: Progress,
    *, limit: int | None, allow_seen: bool,
) -> _Met:  # fmt: skip
    """Read cases in order until enough can be judged; leave out those that show a subject a second time.

    Leaving one of two exams of a subject out would not leave the subject out.
    """
    met = _Met()
    last: InputError | UsageError | None = None
    taken: set[str] = set()
    judged = 0
    for index, name in enumerate(names):
        if judged == limit:
            break
        report(0.1 * index / len(names), f"read {name}")
        try:
            prints = store.fingerprints(index)
        except (InputError, UsageError) as error:
            met.failed.append(name)
            met.warnings.append(f"{name} is left out: {error}".splitlines()[0])
            last = error
            continue
        if taken & prints:
            met.warnings.append(f"{name} is left out: it holds an image of an earlier exam")
            continue
        taken |= prints
        (met.folds[index],) = assign([prints], metas)
        judged += allow_seen or met.folds[index] is not None
    if last is not None and not store.known:
        raise last
    return met


def _teachers(plugin: Plugin, inputs: Sequence[Path], judged: set[str], warnings: list[str], report: Progress) -> Cases:
    """Return the cases of a cohort to fit baselines on: those that can be read and are not judged."""
    store, names = _store(plugin, inputs)
    kept = []
    for index, name in enumerate(names):
        report(0.1, f"read {name}")
        try:
            if judged.isdisjoint(store.fingerprints(index)):
                kept.append(index)
        except (InputError, UsageError) as error:
            warnings.append(f"{name} is not learnt from: {error}".splitlines()[0])
    return store.cases(kept)


def _refuse_seen(seen: int, total: int, names: Sequence[str], warnings: list[str]) -> None:
    if seen == total:
        raise WeightsError(
            f"the weights have learnt from {'this exam' if total == 1 else f'all {total} exams'}",
            where=names[0] if total == 1 else None,
            hint="Give other exams, or the weights of every fold (--weights A --weights B ...).",
        )
    shown = ", ".join(names[:3]) + (" ..." if seen > 3 else "")
    warnings.append(f"{seen} of {total} exams are left out, all weights have learnt from them: {shown}")
