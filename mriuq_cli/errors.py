"""Every error a person can cause or meet, each with its exit code.

::

    MriuqError
    ├── UsageError          2   the command line cannot be understood
    ├── InputError          3   a file is missing, unreadable or unfit
    ├── MethodError         4   a method is unknown, broken or incompatible
    ├── WeightsError        5   weights or calibration cannot be trusted
    ├── MachineError        6   disk, permission, memory, device
    └── PartialFailure      7   some cases of a cohort failed

Anything else that escapes is a defect of ours: exit code 1, trace with ``--debug``.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell."""

    DONE = 0
    DEFECT = 1
    USAGE = 2
    INPUT = 3
    METHOD = 4
    WEIGHTS = 5
    MACHINE = 6
    PARTIAL = 7
    VERDICT = 8
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class MriuqError(Exception):
    """A failure that is worth a sentence instead of a trace.

    Parameters
    ----------
    what
        What went wrong, one line, no full stop needed.
    where
        The file, option, plugin or device at fault.
    hint
        What the person can do about it.
    """

    exit_code: ExitCode = ExitCode.DEFECT

    def __init__(self, what: str, *, where: object = None, hint: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n{self.hint}" if self.hint else ""
        return f"{place}{self.what}{advice}"


class UsageError(MriuqError):
    """Raised when words on the command line or in a recipe do not fit together."""

    exit_code = ExitCode.USAGE


class InputError(MriuqError):
    """Raised when a scan is missing, unreadable or unfit for the method."""

    exit_code = ExitCode.INPUT


class MethodError(MriuqError):
    """Raised when a method is unknown, broken or made for another version."""

    exit_code = ExitCode.METHOD


class WeightsError(MriuqError):
    """Raised when weights or a calibration are absent, altered or of another method."""

    exit_code = ExitCode.WEIGHTS


class MachineError(MriuqError):
    """Raised when disk, permission, memory or device stand in the way."""

    exit_code = ExitCode.MACHINE


class PartialFailure(MriuqError):
    """Raised at the end of a cohort in which some cases failed."""

    exit_code = ExitCode.PARTIAL
