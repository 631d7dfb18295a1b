"""A check, its result, and the two ways out of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mriuq_cli.errors import MriuqError

if TYPE_CHECKING:
    from mriuq_cli.testing.bench import Bench

Status = Literal["pass", "fail", "not applicable"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found; ``detail`` says in a sentence what was seen, or why it failed or was not applicable."""

    name: str
    status: Status
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One law of the contract.

    ``body`` returns what it saw, and raises :class:`Broken` or :class:`NotApplicable` otherwise.
    """

    name: str
    body: Callable[[Bench], str]

    def __call__(self, bench: Bench) -> Result:
        """Run the check; whatever the plugin raises counts against it."""
        try:
            return Result(self.name, "pass", self.body(bench))
        except NotApplicable as reason:
            return Result(self.name, "not applicable", str(reason))
        except Broken as reason:
            return Result(self.name, "fail", str(reason))
        except MriuqError as error:
            return Result(self.name, "fail", " ".join(str(error).split()))
        except Exception as error:  # noqa: BLE001 - the plugin's code may raise anything
            return Result(self.name, "fail", " ".join(f"{type(error).__name__}: {error}".split()))


class Broken(Exception):
    """Raised by a check when the plugin does not keep the law."""


class NotApplicable(Exception):
    """Raised by a check when the plugin does not ship what the law is about."""


def require(condition: object, complaint: str) -> None:
    """Raise :class:`Broken` with the complaint unless the condition holds."""
    if not condition:
        raise Broken(complaint)
