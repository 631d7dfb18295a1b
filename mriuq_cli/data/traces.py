"""How a run of ours marks its outputs, so that no output is ever taken for a scan, nor a scan for an output.

Beside the outputs of a group (``exam_flair``) lies a receipt, the last file written; while they are being written
there is a hidden claim instead. An image with neither beside it is somebody's scan.
"""

from __future__ import annotations

from pathlib import Path


def receipt_of(folder: Path, group: str) -> Path:
    """Return the receipt of the group ``exam_flair``."""
    return folder / f"{group}.receipt.json"


def claim_of(receipt: Path) -> Path:
    """Return the hidden file that stands for a receipt which is not written yet."""
    return receipt.with_name(f".{receipt.name.removesuffix('.receipt.json')}.claim")


def is_ours(receipt: Path) -> bool:
    """Tell whether a run of ours wrote, or began to write, the outputs that belong to a receipt."""
    return receipt.exists() or claim_of(receipt).exists()
