"""What people call contrasts: exact names, aliases, and the endings of BraTS file names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from mriuq_cli.errors import UsageError

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Role

_BRATS = {
    "flair": "flair", "t1": "t1", "t1ce": "t1gd", "t2": "t2",  # 2017 to 2021
    "t2f": "flair", "t1n": "t1", "t1c": "t1gd", "t2w": "t2",  # 2023
    "t1gd": "t1gd",  # Medical Segmentation Decathlon
}  # fmt: skip
LABELS = "seg"


def names_of(roles: Sequence[Role]) -> tuple[str, ...]:
    """Return the names of roles, in order."""
    return tuple(role.name for role in roles)


def find_role(word: str, roles: Sequence[Role]) -> str | None:
    """Return the role that a name or alias means in any case of letters, or None."""
    word = word.strip().lower()
    for role in roles:
        if word == role.name.lower() or word in (alias.lower() for alias in role.aliases):
            return role.name
    return None


def role_of_ending(ending: str, roles: Sequence[Role]) -> str | None:
    """Return the role that the ending of a file name means (``t1ce``, ``t2f``), or None."""
    known = _BRATS.get(ending.lower())
    return find_role(ending, roles) or (find_role(known, roles) if known else None)


def resolve(words: Iterable[str], roles: Sequence[Role], option: str) -> tuple[str, ...]:
    """Turn what was typed after ``option`` into role names.

    Raises
    ------
    UsageError
        If a word is no contrast of the method (the nearest is offered) or a contrast is named twice.
    """
    found: list[str] = []
    for word in words:
        name = find_role(word, roles)
        if name is None:
            raise UsageError(f"unknown contrast {word!r}", where=option, hint=_offer(word, roles))
        if name in found:
            raise UsageError(f"contrast {name} is given twice", where=option)
        found.append(name)
    return tuple(found)


def _offer(word: str, roles: Sequence[Role]) -> str:
    spellings = [s for role in roles for s in (role.name, *role.aliases)]
    near = get_close_matches(word.lower(), spellings, n=1, cutoff=0.5)
    question = f"Did you mean {near[0]}? " if near else ""
    return f"{question}Contrasts of this method: {', '.join(names_of(roles))}."
