"""Endings of file names that say which contrast an image is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mriuq_cli.data.naming import find_role

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Role

_BRATS = {
    "flair": "flair", "t1": "t1", "t1ce": "t1gd", "t2": "t2",  # 2017 to 2021
    "t2f": "flair", "t1n": "t1", "t1c": "t1gd", "t2w": "t2",  # 2023
    "t1gd": "t1gd",  # Medical Segmentation Decathlon
}  # fmt: skip
LABELS = "seg"


def role_of_ending(ending: str, roles: Sequence[Role]) -> str | None:
    """Return the role that the ending of a file name means (``t1ce``, ``t2f``), or None."""
    known = _BRATS.get(ending.lower())
    return find_role(ending, roles) or (find_role(known, roles) if known else None)
