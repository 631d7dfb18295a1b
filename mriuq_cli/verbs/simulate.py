"""``mriuq simulate PRESET OUT``: scans with known truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mriuq_cli.data.case import Case

_BRATS_NAMES = {"t1gd": "t1ce"}
_LABELS = {"necrosis": 1, "oedema": 2, "enhancing": 4}


class Form(StrEnum):
    """How a case is laid out on disk."""

    brats = "brats"
    four_d = "4d"


def simulate(
    preset: Annotated[str, typer.Argument(help="What to simulate, such as exam.")],
    out: Annotated[Path, typer.Argument(help="Folder for the cases; made if its parent exists.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many cases; case k has seed SEED + k.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice: same seed, same bytes.")] = 0,
    form: Annotated[Form, typer.Option("--format", help="A folder of 3-D files a case, or one 4-D file.")] = Form.brats,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace cases that exist.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep cases that are whole, make the rest.")] = False,
) -> None:
    """Write simulated cases and print where each one is."""
    from mriuq_cli.errors import UsageError
    from mriuq_cli.present.console import progress

    if overwrite and resume:
        raise UsageError("--overwrite and --resume exclude each other", hint="Give one of them.")
    _refuse_folder(out)
    names = {one: f"{preset}-{one}" for one in range(seed, seed + n)}
    if not overwrite and not resume:
        _refuse_existing([_truth_file(out, name, form) for name in names.values()])
    with progress(f"simulate {preset}") as step:
        for number, (one, name) in enumerate(names.items()):
            step(number / n, name)
            if not (resume and _is_whole(_truth_file(out, name, form), preset, one)):
                _write_all(_simulated(preset, one), out, name, form)
            print(out / name if form is Form.brats else out / f"{name}.nii.gz", flush=True)


def _refuse_folder(out: Path) -> None:
    from mriuq_cli.errors import MachineError

    if not out.parent.is_dir():
        raise MachineError("the folder that should hold it does not exist", where=out, hint=f"mkdir -p {out.parent}")
    if out.exists() and not out.is_dir():
        raise MachineError("is a file, not a folder", where=out)


def _refuse_existing(files: Sequence[Path]) -> None:
    from mriuq_cli.errors import MachineError

    for file in files:
        if file.exists():
            hint = "Give --overwrite to replace it, --resume to keep it, or another --seed."
            raise MachineError("the case is there already", where=file, hint=hint)


def _simulated(preset: str, seed: int) -> Sequence[Case]:
    """Ask the core and then every method for the preset; the first that knows it answers."""
    from mriuq_cli.data.naming import nearest
    from mriuq_cli.errors import UsageError
    from mriuq_cli.hooks.context import Context
    from mriuq_cli.hooks.manager import broadcast
    from mriuq_cli.physics.presets import PRESETS

    for _, cases in broadcast("mriuq_simulate", preset=preset, seed=seed, options={}, context=Context(seed=seed)):
        return list(cases)
    raise UsageError(f"nothing simulates {preset!r}{nearest(preset, PRESETS)}", hint=f"Built in: {', '.join(PRESETS)}")


def _truth_file(out: Path, name: str, form: Form) -> Path:
    """Return the file that is written last: where it is, the case is whole."""
    return (out / name if form is Form.brats else out / "truth") / f"{name}.json"


def _is_whole(truth: Path, preset: str, seed: int) -> bool:
    """Tell whether every file of the case is there, unchanged since it was made."""
    from mriuq_cli.data.sidecar import read_json, sha256_file
    from mriuq_cli.errors import InputError

    try:
        facts = read_json(truth)
        made = facts["Preset"], facts["Seed"]
        return made == (preset, seed) and all(
            sha256_file(truth.parent / name) == digest for name, digest in facts["Files"].items()
        )
    except (InputError, KeyError, AttributeError, TypeError):
        return False


def _write_all(cases: Sequence[Case], out: Path, name: str, form: Form) -> None:
    """Write the cases of one seed; the first one last, since ``--resume`` looks at its truth file."""
    for number, case in reversed(list(enumerate(cases))):
        _write(case, out, name if number == 0 else f"{name}-{number + 1}", form)


def _write(case: Case, out: Path, name: str, form: Form) -> None:
    """Write images, labels, brain mask and, last, the truth as JSON."""
    import os

    from mriuq_cli.data.nifti import write_volume
    from mriuq_cli.data.sidecar import sha256_file, write_json

    truth = _truth_file(out, name, form)
    truth.unlink(missing_ok=True)
    images = _images(case, out, name, form)
    for path, image in images.items():
        _make_folder(out, path.parent)
        whole = image.dtype.kind in "bu"
        write_volume(path, image, case.geometry, dtype="uint8" if whole else "int16")
    _make_folder(out, truth.parent)
    parameters = dict(case.parameters)
    facts = {
        "Simulated": True,
        "Description": "Simulated by mriuq: not a scan of a person. Times in seconds.",
        "Preset": parameters.pop("preset", None),
        "Seed": parameters.pop("seed", None),
        "Contrasts": list(case.volumes),
        "Labels": {region: value for region, value in _LABELS.items() if region in case.regions},
        "Parameters": parameters,
        "Files": {os.path.relpath(path, truth.parent): sha256_file(path) for path in images},
    }
    write_json(truth, facts)


def _images(case: Case, out: Path, name: str, form: Form) -> dict[Path, NDArray[Any]]:
    """Return every image of the case by the file that it goes to."""
    import numpy as np

    labels = np.zeros(case.geometry.shape, dtype=np.uint8)
    for region, value in _LABELS.items():
        if region in case.regions:
            labels[case.regions[region]] = value
    if form is Form.brats:
        folder = out / name
        stored = {
            folder / f"{name}_{_BRATS_NAMES.get(contrast, contrast)}.nii.gz": volume.data
            for contrast, volume in case.volumes.items()
        }
        mask, seg = folder / f"{name}_mask.nii.gz", folder / f"{name}_seg.nii.gz"
    else:
        stored = {out / f"{name}.nii.gz": np.stack([volume.data for volume in case.volumes.values()], axis=-1)}
        mask, seg = out / "masks" / f"{name}.nii.gz", out / "labels" / f"{name}.nii.gz"
    extra = {seg: labels} if case.regions else {}
    return {**stored, **extra, **({} if case.mask is None else {mask: case.mask})}


def _make_folder(out: Path, folder: Path) -> None:
    """Make ``out`` and a folder in it, never anything above."""
    from mriuq_cli.data.atomic import machine_error

    try:
        out.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise machine_error(error, folder) from error
