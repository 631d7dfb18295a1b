"""Times that cannot be seconds are refused: a millisecond read as a second gives an image that looks right."""

from __future__ import annotations

from mriuq_cli.errors import InputError

LONGEST = {"te": 2.0, "ti": 15.0, "tr": 40.0, "t1": 20.0, "t2": 10.0, "spacing": 1.0}
"""Longest plausible value of each time in seconds: no tissue, and no sequence of this package, comes near it."""


def require_seconds(**times: float) -> None:
    """Refuse a time that is negative, not a number, or so long that it must be in another unit.

    Parameters
    ----------
    times
        Values by name: ``te``, ``ti``, ``tr``, ``t1``, ``t2``, ``spacing`` (of echoes).

    Raises
    ------
    InputError
        Naming the value, its limit and what it would be if it were milliseconds.
    """
    for name, value in times.items():
        longest = LONGEST[name]
        if not value >= 0:
            raise InputError("must be 0 or more seconds", where=f"{name.upper()} {value:g}")
        if value > longest:
            raise InputError(
                f"longer than {longest:g} s, the longest that is plausible",
                where=f"{name.upper()} {value:g} s",
                hint=f"If milliseconds were meant, give {value / 1000:g}.",
            )
