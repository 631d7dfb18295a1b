"""What is predicted from what, and by weights that have not seen the case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from mriuq_cli.errors import UsageError

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Method


@dataclass(frozen=True, slots=True)
class Situation:
    """Inputs that are given, and targets that are then predicted."""

    available: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def key(self) -> str:
        """The given inputs joined by ``+``, in the method's order."""
        return "+".join(self.available)


def situations(
    method: Method, available: Sequence[str] | None = None, *, all_subsets: bool = False
) -> tuple[Situation, ...]:
    """Return what is to be evaluated, most inputs first.

    Without a wish each input is predicted from all the others. A method that needs all of its inputs has one
    situation.

    Raises
    ------
    UsageError
        If the wish names all inputs, none, or one that there is not; or if the method has but one situation.
    """
    names = tuple(role.name for role in method.inputs)
    if not method.partial:
        if available or all_subsets:
            raise UsageError("the method needs all of its inputs: there is one situation only")
        return (Situation(names, tuple(role.name for role in method.targets)),)
    if all_subsets:
        sizes = range(len(names) - 1, 0, -1)
        return tuple(_from(names, given) for size in sizes for given in combinations(names, size))
    if available is None:
        return tuple(_from(names, [n for n in names if n != target]) for target in names)
    strangers = set(available) - set(names)
    if strangers or not available or set(available) == set(names):
        raise UsageError(
            f"--available takes some but not all of {', '.join(names)}", where=",".join(available) or "nothing"
        )
    return (_from(names, available),)


def _from(names: Sequence[str], given: Collection[str]) -> Situation:
    return Situation(tuple(n for n in names if n in given), tuple(n for n in names if n not in given))


def is_default(situation: Situation, method: Method) -> bool:
    """Tell whether everything that could be given is."""
    return not method.partial or len(situation.targets) == 1


def seen_by(meta: Mapping[str, Any], prints: frozenset[str]) -> bool:
    """Tell whether weights have learnt from a subject any of whose images has one of these fingerprints."""
    return any(not prints.isdisjoint(subject) for subject in meta.get("subjects", ()))


def assign(prints: Sequence[frozenset[str]], metas: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """Return for each case the first set of weights that has not seen it, None if all have."""
    return [next((k for k, meta in enumerate(metas) if not seen_by(meta, case)), None) for case in prints]
