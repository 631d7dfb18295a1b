"""Where simulated cases go on disk: a folder a case, one 4-D file, or BIDS; the truth beside them, written last."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.atomic import machine_error
from mriuq_cli.data.case import Case
from mriuq_cli.data.form import Form
from mriuq_cli.data.geometry import Geometry
from mriuq_cli.data.kspace import write_kspace
from mriuq_cli.data.nifti import Stored, write_volume
from mriuq_cli.data.sidecar import read_json, sha256_file, write_json
from mriuq_cli.errors import InputError, UsageError

_BRATS = {"t1gd": "t1ce"}
_BIDS = {
    "flair": "FLAIR", "t1": "T1w", "t1gd": "ce-gadolinium_T1w", "t2": "T2w",
    "fse1": "acq-fse1_T1w", "fse2": "acq-fse2_PDw", "fse3": "acq-fse3_PDw", "fse4": "acq-fse4_T2w",
    "fse5": "acq-fse5_PDw", "fse6": "acq-fse6_PDw", "fse7": "acq-fse7_T2w", "fse8": "acq-fse8_T2w",
    "fse9": "acq-fse9_FLAIR",
}  # fmt: skip
_MAPS = {"t1": "T1map", "t2": "T2map", "pd": "PDmap"}
_LABELS = {"necrosis": 1, "oedema": 2, "enhancing": 4, "csf": 1, "grey": 2, "white": 3}
_TIMES = {"tr": "RepetitionTime", "te": "EchoTime", "ti": "InversionTime", "flip": "FlipAngle"}
_LARGEST = 2**15


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case goes.

    Parameters
    ----------
    out
        The folder of all cases.
    name
        Of this one.
    form
        How it is laid out.
    """

    out: Path
    name: str
    form: Form

    @property
    def shown(self) -> Path:
        """The folder, or the 4-D file."""
        if self.form is Form.four_d:
            return self.out / f"{self.name}.nii.gz"
        return self.out / (self.subject if self.form is Form.bids else self.name)

    @property
    def subject(self) -> str:
        """The name as BIDS allows it."""
        return "sub-" + re.sub("[^A-Za-z0-9]", "", self.name)

    @property
    def truth(self) -> Path:
        """JSON that is written last: where it is, the case is whole."""
        if self.form is Form.bids:
            return self.derived / f"{self.subject}_truth.json"
        return (self.out / self.name if self.form is Form.brats else self.out / "truth") / f"{self.name}.json"

    @property
    def derived(self) -> Path:
        """Where BIDS has what is known of a subject."""
        return self.out / "derivatives" / "simulation" / self.subject / "anat"

    def image(self, contrast: str) -> Path:
        """Return the file of one contrast."""
        if self.form is Form.bids:
            return self.out / self.subject / "anat" / f"{self.subject}_{_BIDS.get(contrast, contrast)}.nii.gz"
        return self.out / self.name / f"{self.name}_{_BRATS.get(contrast, contrast)}.nii.gz"

    def known(self, what: str) -> Path:
        """Return the file of a mask, labels, or a true map."""
        if self.form is Form.bids:
            ending = {"mask": "desc-brain_mask", "seg": "dseg", "wmh": "label-hyperintensity_mask"}.get(what, what)
            return self.derived / f"{self.subject}_{ending}.nii.gz"
        if self.form is Form.brats:
            return self.out / self.name / f"{self.name}_{what}.nii.gz"
        return self.out / {"mask": "masks", "seg": "labels"}.get(what, what) / f"{self.name}.nii.gz"


@dataclass(frozen=True, slots=True)
class _Image:
    data: NDArray[Any]
    geometry: Geometry
    stored: Stored
    sidecar: Mapping[str, Any] = field(default_factory=dict)


def is_whole(place: Place, preset: str, seed: int, options: Mapping[str, Any]) -> bool:
    """Tell whether every file of the case is there, made from the same words and unchanged since."""
    try:
        facts = read_json(place.truth)
        made = facts["Preset"], facts["Seed"], facts["Options"]
        return made == (preset, seed, _said(options)) and all(
            sha256_file(place.truth.parent / name) == digest for name, digest in facts["Files"].items()
        )
    except (InputError, KeyError, AttributeError, TypeError):
        return False


def write_case(case: Case, place: Place, options: Mapping[str, Any]) -> None:
    """Write images, labels, maps or k-space and, last, the truth as JSON.

    Raises
    ------
    UsageError
        If the case cannot be laid out like that.
    MachineError
        If something cannot be written.
    """
    place.truth.unlink(missing_ok=True)
    written = []
    if case.kspace is not None:
        written.append(_write_kspace(case, place))
    for path, image in _images(case, place):
        _make_folder(place.out, path.parent)
        write_volume(path, image.data, image.geometry, dtype=image.stored)
        written.append(path)
        if image.sidecar:
            sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
            write_json(sidecar, image.sidecar)
            written.append(sidecar)
    if place.form is Form.bids:
        _describe(place.out)
    _make_folder(place.out, place.truth.parent)
    parameters = dict(case.parameters)
    facts = {
        "Simulated": True,
        "Description": "Simulated by mriuq: not a scan of a person. Times in seconds.",
        "Preset": parameters.pop("preset", None),
        "Seed": parameters.pop("seed", None),
        "Options": _said(options),
        "Contrasts": list(case.volumes),
        "Labels": {region: value for region, value in _LABELS.items() if region in case.regions},
        "Parameters": parameters,
        "Files": {os.path.relpath(path, place.truth.parent): sha256_file(path) for path in written},
    }
    write_json(place.truth, facts)


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given; of a path what it holds, so that other content under its name is seen."""
    given = {name: value for name, value in options.items() if value is not None}
    return {name: _content(value) if isinstance(value, Path) else value for name, value in given.items()}


def _content(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files in a folder together."""
    if path.is_file():
        return sha256_file(path)
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else []
    return sha256("".join(map(sha256_file, files)).encode()).hexdigest()


def _images(case: Case, place: Place) -> Iterator[tuple[Path, _Image]]:
    """Yield every image of the case with the file that it goes to."""
    if place.form is Form.four_d and case.volumes:
        stacked = np.stack([volume.data for volume in case.volumes.values()], axis=-1)
        yield place.shown, _Image(stacked, case.geometry, _stored(stacked))
    else:
        for name, volume in case.volumes.items():
            sidecar = _sidecar(case, name) if place.form is Form.bids else {}
            yield place.image(name), _Image(volume.data, volume.geometry, _stored(volume.data), sidecar)
    for name, volume in case.truth.items():
        yield place.known(_MAPS.get(name, name)), _Image(volume.data, volume.geometry, _stored(volume.data))
    labels = np.zeros(case.geometry.shape, dtype=np.uint8)
    for region, value in _LABELS.items():
        if region in case.regions:
            labels[case.regions[region]] = value
    if case.regions:
        yield place.known("seg"), _Image(labels, case.geometry, "uint8")
    if "hyperintensity" in case.regions:
        yield place.known("wmh"), _Image(case.regions["hyperintensity"], case.geometry, "uint8")
    if case.mask is not None:
        yield place.known("mask"), _Image(case.mask, case.geometry, "uint8")


def _stored(data: NDArray[Any]) -> Stored:
    """Return the type that keeps the values: whole numbers of a scanner, or anything."""
    whole = np.abs(data).max(initial=0) < _LARGEST and np.array_equal(data, np.rint(data))
    return "int16" if whole else "float32"


def _sidecar(case: Case, name: str) -> dict[str, Any]:
    """Return what BIDS says of an image: times in seconds, angles in degrees."""
    settings = case.parameters["sequences"][name]
    found = {key: settings[ours] for ours, key in _TIMES.items() if ours in settings}
    if "spacing" in settings:  # inversion-prepared: the repetition is that of the inversions
        found["RepetitionTimePreparation"] = found.pop("RepetitionTime")
        found["RepetitionTimeExcitation"] = settings["spacing"]
    return {"Simulated": True, "MagneticFieldStrength": case.parameters["field"], **found}


def _write_kspace(case: Case, place: Place) -> Path:
    if place.form is not Form.brats or case.kspace is None:
        raise UsageError(f"k-space cannot be laid out as {place.form.value}", hint="Leave out --format.")
    path = place.shown / f"{place.name}.h5"
    _make_folder(place.out, path.parent)
    write_kspace(path, case.kspace, {"simulated": 1, "field_tesla": case.parameters["field"]})
    return path


def _describe(out: Path) -> None:
    """Write the descriptions that make a folder a BIDS dataset."""
    common = {"BIDSVersion": "1.10.0", "GeneratedBy": [{"Name": "mriuq simulate"}]}
    for folder, kind in ((out, "raw"), (out / "derivatives" / "simulation", "derivative")):
        _make_folder(out, folder)
        name = "Simulated heads" if kind == "raw" else "What is known of the simulated heads"
        write_json(folder / "dataset_description.json", {"Name": name, "DatasetType": kind, **common})


def _make_folder(out: Path, folder: Path) -> None:
    """Make ``out`` and folders in it, never anything above."""
    try:
        out.mkdir(exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise machine_error(error, folder) from error
