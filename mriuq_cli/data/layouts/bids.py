"""What marks a BIDS data set, and which of its folders hold no raw images."""

from __future__ import annotations

from pathlib import Path

_MARK = "dataset_description.json"
_NO_RAW_DATA = ("derivatives", "sourcedata", "code", "stimuli")


def in_data_set(folder: Path) -> bool:
    """Say whether a folder is a BIDS data set or lies in one."""
    return any((place / _MARK).is_file() for place in (folder, *folder.absolute().parents))


def raw(folders: list[str]) -> list[str]:
    """Return the names of folders in a data set that may hold raw images."""
    return [name for name in folders if name not in _NO_RAW_DATA]
