"""Which weights may judge which case, settled from fingerprints before anything is predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mriuq_cli.cohort.evaluation import Fold
from mriuq_cli.cohort.situations import assign
from mriuq_cli.cohort.store import CaseStore
from mriuq_cli.errors import InputError, UsageError, WeightsError

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin

Progress = Callable[[float, str], None]


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
    """

    store: CaseStore
    names: tuple[str, ...]
    unseen: tuple[Fold, ...]
    seen: tuple[Fold, ...]
    failed: tuple[str, ...]
    warnings: tuple[str, ...]

    def positions(self, *, seen: bool = False) -> tuple[int, ...]:
        """Return the positions of the cases that are judged, in order."""
        return tuple(sorted(index for fold in (self.seen if seen else self.unseen) for index in fold.cases))

    @property
    def hashes(self) -> tuple[str, ...]:
        """Hashes of the weights that judge a case they have not seen."""
        return tuple(fold.weights.sha256 for fold in self.unseen if fold.weights and fold.cases)


def make_trial(
    plugin: Plugin, inputs: Sequence[Path], weights: Sequence[Path], report: Progress,
    *, limit: int | None = None, allow_seen: bool = False,
) -> Trial:  # fmt: skip
    """Find cases and weights and bring together those that have not met.

    Every case is read (and kept, packed): only its voxels say which subject it is.

    Raises
    ------
    WeightsError
        If weights are unfit, or have all seen every case and ``allow_seen`` is false.
    InputError
        If no case can be read.
    """
    from mriuq_cli.data.layouts import find_cohort
    from mriuq_cli.data.reader import read_case
    from mriuq_cli.inference.weights import find_weights

    named: list[Path | None] = [*weights] or [None]
    folders = [find_weights(plugin, folder) for folder in named] if plugin.has("mriuq_model") else []
    method = plugin.method
    inside = {role.name for role in method.inputs}
    roles = (*method.inputs, *(role for role in method.targets if role.name not in inside))
    cohort = find_cohort(inputs, roles, complete=True)
    store = CaseStore(cohort.refs, read_case)
    failed, warnings = _read_all(store, [ref.id for ref in cohort.refs], report)
    names = tuple(ref.id for ref in cohort.refs)
    good = _distinct(store, names, warnings)
    chosen = assign([store.fingerprints(i) for i in good], [w.meta for w in folders] or [{}])
    seen = [i for i, fold in zip(good, chosen, strict=True) if fold is None]
    if seen and not allow_seen:
        _refuse_seen(len(seen), len(good), [names[i] for i in seen], warnings)
    parts = [[i for i, fold in zip(good, chosen, strict=True) if fold == k] for k in range(len(folders) or 1)]
    judged = [i for i in good if allow_seen or i not in seen]
    kept = set(judged[:limit])
    folds = tuple(
        Fold(folders[k] if folders else None, tuple(i for i in part if i in kept)) for k, part in enumerate(parts)
    )
    old = (Fold(folders[0], tuple(i for i in seen if i in kept)),) if seen and allow_seen else ()
    return Trial(store, names, folds, old, tuple(failed), tuple(warnings))


def _read_all(store: CaseStore, names: Sequence[str], report: Progress) -> tuple[list[str], list[str]]:
    failed: list[str] = []
    warnings: list[str] = []
    last: InputError | UsageError | None = None
    for index, name in enumerate(names):
        report(0.1 * index / len(names), f"read {name}")
        try:
            store.fingerprints(index)
        except (InputError, UsageError) as error:
            failed.append(name)
            warnings.append(f"{name} is left out: {error}".splitlines()[0])
            last = error
    if last is not None and not store.known:
        raise last
    return failed, warnings


def _distinct(store: CaseStore, names: Sequence[str], warnings: list[str]) -> list[int]:
    """Leave out cases that show a subject a second time: leaving one out would not leave it out."""
    kept: list[int] = []
    taken: set[str] = set()
    for index in store.known:
        prints = store.fingerprints(index)
        if taken & prints:
            warnings.append(f"{names[index]} is left out: it holds an image of an earlier exam")
            continue
        taken |= prints
        kept.append(index)
    return kept


def _refuse_seen(seen: int, total: int, names: Sequence[str], warnings: list[str]) -> None:
    if seen == total:
        raise WeightsError(
            f"the weights have learnt from {'this exam' if total == 1 else f'all {total} exams'}",
            where=names[0] if total == 1 else None,
            hint="Give other exams, or the weights of every fold (--weights A --weights B ...).",
        )
    shown = ", ".join(names[:3]) + (" ..." if seen > 3 else "")
    warnings.append(f"{seen} of {total} exams are left out, all weights have learnt from them: {shown}")
