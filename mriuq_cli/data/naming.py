"""What people call contrasts, and the nearest name to a slip of the pen; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from mriuq_cli.errors import UsageError

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Role


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'flair'?``, or nothing where no known name is near."""
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


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


def resolve(words: Iterable[str], roles: Sequence[Role], option: str | None = None) -> tuple[str, ...]:
    """Turn what was typed, after ``option`` where there is one, into role names.

    Raises
    ------
    UsageError
        If a word is no contrast of the method (the nearest is offered) or a contrast is named twice.
    """
    spelled = [spelling.lower() for role in roles for spelling in (role.name, *role.aliases)]
    found: list[str] = []
    for word in words:
        name = find_role(word, roles)
        if name is None:
            raise UsageError(
                f"unknown contrast {word!r}{nearest(word.lower(), spelled)}",
                where=option,
                hint=f"Contrasts of this method: {', '.join(names_of(roles))}.",
            )
        if name in found:
            raise UsageError(f"contrast {name} is named twice", where=option)
        found.append(name)
    return tuple(found)
