"""Receipts: the proof, beside the outputs, of what made them and that they are whole.

A receipt is the last file written of a group of outputs (one target, or the maps of a case). Its ``Basis`` holds
everything that decides the images; ``Outputs`` holds their hashes. ``--resume`` believes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.sidecar import plain, read_json, sha256_file, write_json
from mriuq_cli.errors import InputError, MachineError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What a receipt tells beyond the basis: facts of this run, which may differ between equal outputs."""

    seconds: Mapping[str, float]
    peak_memory: int
    versions: Mapping[str, str]


def basis(ref: CaseRef, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that decides a case's outputs, JSON-ready.

    Parameters
    ----------
    ref
        The case; its files are hashed, each once.
    shared
        What all cases of the run have in common: method, versions, options, weights, calibration, device, threads.
    """
    hashes: dict[Path, str] = {}

    def state(volume: VolumeRef) -> dict[str, Any]:
        if volume.path not in hashes:
            hashes[volume.path] = sha256_file(volume.path)
        return {"SHA256": hashes[volume.path], "Volume": volume.index}

    inputs = {role: state(volume) for role, volume in ref.volumes.items()}
    if ref.mask is not None:
        inputs["mask"] = state(ref.mask)
    settled: dict[str, Any] = plain({**shared, "Case": ref.id, "Inputs": inputs})
    return settled


def write_receipt(
    path: Path, base: Mapping[str, Any], outputs: Iterable[Path], groups: Iterable[str], run: Run
) -> None:
    """Write the receipt of a group of outputs that are on the disk already."""
    facts = {
        "Format": FORMAT,
        "Basis": base,
        "Groups": sorted(groups),
        "Outputs": {file.name: {"SHA256": sha256_file(file), "Bytes": file.stat().st_size} for file in outputs},
        "Seconds": {name: round(value, 3) for name, value in run.seconds.items()},
        "PeakMemoryBytes": run.peak_memory,
        "Versions": run.versions,
    }
    write_json(path, facts)


def read_receipt(path: Path) -> dict[str, Any] | None:
    """Return a receipt, or None if there is none that can be understood."""
    try:
        facts = read_json(path)
    except InputError:
        return None
    sound = (
        facts.get("Format") == FORMAT
        and isinstance(facts.get("Basis"), dict)
        and isinstance(facts.get("Outputs"), dict)
        and isinstance(facts.get("Groups"), list)
        and all(Path(name).name == name for name in facts["Outputs"])
    )
    return facts if sound else None


def is_whole(path: Path, base: Mapping[str, Any]) -> bool:
    """Return whether the receipt was made from this basis and every output still has its bytes."""
    facts = read_receipt(path)
    if facts is None or facts["Basis"] != plain(base):
        return False
    for name, stated in facts["Outputs"].items():
        file = path.parent / name
        try:
            if file.stat().st_size != stated["Bytes"] or sha256_file(file) != stated["SHA256"]:
                return False
        except (OSError, InputError, KeyError, TypeError):
            return False
    return True


def groups_of(path: Path) -> tuple[str, ...]:
    """Return the names of all groups that were written together with this receipt."""
    facts = read_receipt(path)
    return () if facts is None else tuple(str(name) for name in facts["Groups"])


def clear(receipts: Iterable[Path], others: Iterable[Path]) -> None:
    """Remove old receipts first, then what they list and ``others``: old and new outputs are never mixed.

    Raises
    ------
    MachineError
        If a file cannot be removed.
    """
    doomed: dict[Path, None] = {}
    listed: dict[Path, None] = {}
    for path in receipts:
        facts = read_receipt(path)
        doomed[path] = None
        listed.update({path.parent / name: None for name in (facts["Outputs"] if facts else ())})
    for path in [*doomed, *listed, *others]:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise MachineError(f"cannot be replaced ({error.strerror})", where=path) from error
