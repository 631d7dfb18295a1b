"""What was found on a scan's quality, on the disk: images, figures and a receipt, together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.cohort import receipts
from mriuq_cli.cohort.lock import undisturbed
from mriuq_cli.data.atomic import machine_error
from mriuq_cli.data.case import CaseRef
from mriuq_cli.data.geometry import Geometry
from mriuq_cli.data.nifti import write_volume
from mriuq_cli.data.sidecar import read_json, write_json
from mriuq_cli.data.traces import QUALITY, claim_of, is_ours, receipt_of
from mriuq_cli.errors import InputError, MachineError

Draw = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the outputs of one scan go."""

    folder: Path
    id: str

    @classmethod
    def of(cls, ref: CaseRef, out: Path) -> Shelf:
        """Return the place of a scan below the output folder; it mirrors the scan's own."""
        return cls(out / ref.subfolder, ref.id)

    @property
    def scores(self) -> Path:
        """The figures, JSON."""
        return self.folder / f"{self.id}_{QUALITY}.json"

    @property
    def receipt(self) -> Path:
        """The receipt, written last."""
        return receipt_of(self.folder, f"{self.id}_{QUALITY}")

    @property
    def picture(self) -> Path:
        """The overview."""
        return self.folder / f"{self.id}_{QUALITY}.png"

    def image(self, name: str) -> Path:
        """Return the place of an image."""
        return self.folder / f"{self.id}_{name}.nii.gz"

    def outputs(self) -> list[Path]:
        """Return the outputs that the receipt lists, and the receipt; of a scan that has one."""
        facts = receipts.read_receipt(self.receipt)
        return [] if facts is None else [*(self.folder / name for name in sorted(facts["Outputs"])), self.receipt]


def kept(shelf: Shelf, base: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the figures of a scan whose receipt holds, else None."""
    if not receipts.is_whole(shelf.receipt, base):
        return None
    try:
        return read_json(shelf.scores)
    except InputError:
        return None


def keep(
    shelf: Shelf,
    facts: Mapping[str, Any],
    images: Mapping[str, NDArray[Any]],
    geometry: Geometry,
    draw: Draw | None,
    base: Mapping[str, Any],
    run: receipts.Run,
) -> list[Path]:
    """Write everything, the receipt last, and return the files; old outputs of ours are replaced.

    Raises
    ------
    MachineError
        If a file is in the way that mriuq did not write, or the disk refuses. No file of this scan is then left.
    """
    places = {shelf.image(name): image for name, image in images.items()}
    files = [*places, *([shelf.picture] if draw else []), shelf.scores]
    made = _make_folder(shelf.folder)
    for path in files:
        if path.exists() and not is_ours(shelf.receipt, path):
            raise MachineError("is a file that mriuq did not write, so it is never replaced", where=path,
                               hint="Name another folder with --out.")  # fmt: skip
    claim = claim_of(shelf.receipt)
    try:
        # The claim comes before anything is removed: whenever this is killed, what is left can be told from scans.
        claim.touch()
        receipts.clear([shelf.receipt], files)
        for path, image in places.items():
            whole = image.dtype in (np.uint8, np.bool_)
            write_volume(path, image, geometry, dtype="uint8" if whole else "float32")
        if draw is not None:
            draw(shelf.picture)
        write_json(shelf.scores, facts)
        receipts.write_receipt(shelf.receipt, base, files, [QUALITY], run)
    except BaseException as error:
        with undisturbed():
            _remove([shelf.receipt, *reversed(files), claim])
            _remove_empty(made)
        if isinstance(error, OSError):
            raise machine_error(error, shelf.folder) from error
        raise
    with undisturbed():
        _remove([claim])
    return [*files, shelf.receipt]


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and its parents; return those that were not there, the innermost first."""
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise machine_error(error, folder) from error
    return absent


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return  # the claim, which comes last, stays as long as anything else does


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
