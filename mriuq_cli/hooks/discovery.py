"""Which methods are installed, read from the metadata of distributions; no plugin is imported.

A distribution offers a method with an entry point of the group :data:`GROUP`; the entry point's name is the method's
name and the distribution's one-line description is the method's line in lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "mriuq.methods"


@dataclass(frozen=True, slots=True)
class Found:
    """A method that some distribution offers.

    Parameters
    ----------
    name
        The method's name.
    distribution, version
        What has to be installed or removed to add or drop it.
    entries
        The entry points of that name. More than one means that distributions contend for the name: none is used.
    """

    name: str
    distribution: str
    version: str
    entries: tuple[EntryPoint, ...]

    @property
    def rivals(self) -> tuple[str, ...]:
        """Names of all distributions that claim the name; one unless they contend."""
        return tuple(_owner(entry) for entry in self.entries)

    @property
    def summary(self) -> str:
        """The distribution's one-line description, or an empty string."""
        if len(self.entries) > 1:
            return f"claimed by {' and '.join(self.rivals)}: not usable"
        distribution = self.entries[0].dist
        text = distribution.read_text("METADATA") if distribution else None
        # Headers end at the first blank line; parsing the whole message would cost more than all of discovery.
        for line in (text or "").split("\n\n", 1)[0].splitlines():
            if line.startswith("Summary:"):
                return line.removeprefix("Summary:").strip()
        return ""


@cache
def discover() -> tuple[Found, ...]:
    """Find the installed methods, ordered by name."""
    from importlib.metadata import entry_points

    by_name: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        by_name.setdefault(entry.name, []).append(entry)
    return tuple(_found(name, tuple(by_name[name])) for name in sorted(by_name))


def _found(name: str, entries: tuple[EntryPoint, ...]) -> Found:
    entries = tuple(sorted(entries, key=_owner))
    distribution = entries[0].dist
    return Found(name, _owner(entries[0]), distribution.version if distribution else "?", entries)


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unnamed distribution"
