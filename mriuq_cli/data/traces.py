"""How a run of ours marks its outputs, so that no output is ever taken for a scan, nor a scan for an output.

Beside the outputs of a group (``exam_flair``) lies a receipt that lists them, the last file written; while they are
being written or replaced there is a hidden claim as well. An image with neither beside it is somebody's scan.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PARTS = ("", "_lower", "_upper", "_width")
"""Endings of the four images of a target."""

MAPS = "maps"
"""Name of the group that holds a case's further images: outlier maps, whatever the method adds."""

QUALITY = "qc"
"""Name of the group that holds what was found on a scan's quality; its images have names of the judges' choice."""

_RECEIPT = ".receipt.json"
_CLAIM = ".claim"


def receipt_of(folder: Path, group: str) -> Path:
    """Return the receipt of the group ``exam_flair``."""
    return folder / f"{group}{_RECEIPT}"


def claim_of(receipt: Path) -> Path:
    """Return the hidden file that stands for a receipt which is not written yet."""
    return receipt.with_name(f".{receipt.name.removesuffix(_RECEIPT)}{_CLAIM}")


def is_ours(receipt: Path, path: Path) -> bool:
    """Tell whether a run of ours wrote, or began to write, a file of the group that a receipt belongs to."""
    if claim_of(receipt).exists():
        return True
    if not receipt.exists():
        return False
    listed = _listed(receipt)
    return listed is None or path.name in listed


def our_outputs(folder: Path, names: Iterable[str]) -> set[str]:
    """Return those of the names of images in a folder that are outputs of ours."""
    wanted = set(names)
    found: set[str] = set()
    for entry in folder.iterdir():
        if entry.name.endswith(_RECEIPT) and not entry.name.startswith("."):
            listed = _listed(entry)
            group = entry.name.removesuffix(_RECEIPT)
            found |= {n for n in wanted if _may_belong(n, group)} if listed is None else wanted & listed
        elif entry.name.startswith(".") and entry.name.endswith(_CLAIM):
            group = entry.name[1:].removesuffix(_CLAIM)
            found |= {n for n in wanted if _may_belong(n, group)}
    return found


def _listed(receipt: Path) -> set[str] | None:
    """Return the names that a receipt lists, None if it is damaged."""
    from mriuq_cli.data.sidecar import read_json
    from mriuq_cli.errors import InputError

    try:
        outputs = read_json(receipt).get("Outputs")
    except InputError:
        return None
    return set(outputs) if isinstance(outputs, dict) else None


def _may_belong(name: str, group: str) -> bool:
    """Tell by its name whether an image belongs to a group whose receipt cannot tell."""
    stem = name.removesuffix(".gz").removesuffix(".nii")
    case, _, last = group.rpartition("_")
    if last == MAPS and stem.startswith(f"{case}_") and stem.endswith("_outlier"):
        return True
    if last == QUALITY and stem.startswith(f"{case}_"):
        return True
    return stem in {group + part for part in PARTS}
