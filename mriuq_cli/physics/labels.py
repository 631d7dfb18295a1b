"""Heads from label maps: a table says which tissue a label is, so that every labelled person is an anatomy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.geometry import ras_geometry, to_ras
from mriuq_cli.data.nifti import read_volume
from mriuq_cli.data.sidecar import sha256_file
from mriuq_cli.errors import InputError, UsageError
from mriuq_cli.physics.field import Array
from mriuq_cli.physics.tissue import BRAIN, LESIONS, OUTSIDE

CLASSES = (*BRAIN, *LESIONS, *OUTSIDE)
"""Tissue names by index, from 1 on; 0 is air."""

_LARGEST = 2**16

Table = Mapping[int, tuple[str, float]]
"""Label to tissue, and by how much log T1 differs there from that tissue's mean."""


def _table(entries: Mapping[str, str]) -> Table:
    """Read ``{"grey -0.1": "10 49", ...}``: labels, and ranges of them, by tissue and difference."""
    found = {}
    for key, labels in entries.items():
        tissue, _, differs = key.partition(" ")
        for word in labels.split():
            first, _, last = word.partition("-")
            for label in range(int(first), int(last or first) + 1):
                found[label] = (tissue, float(differs or 0))
    return MappingProxyType(found)


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        # FreeSurfer's colour table, and beyond 500 the head around the brain as label maps of SynthSeg have it: which
        # is which was read off their shapes. Nuclei differ from cortex as their T1 does: Wansapura et al. (1999).
        "freesurfer": _table(
            {
                "white": "2 41 7 46 85 251-255 530 531 3000-4999",
                "white 0.12": "16 28 60",
                "grey": "3 42 8 47 11 50 17 53 18 54 19 20 26 55 56 58 80 1000-2999",
                "grey -0.06": "12 51",
                "grey -0.12": "10 49",
                "grey -0.28": "13 52",
                "csf": "4 5 43 44 14 15 24 72 221",
                "csf -0.6": "31 63 136 137 163 164",
                "blood": "30 62 502 514",
                "hyperintensity": "25 57 77 78 79",
                "white 0.1": "512",
                "eye": "506",
                "muscle": "508 511",
                "fat": "507",
                "mucosa": "509",
                "bone": "515",
                "marrow": "516",
            }
        ),
        "brainweb": _table(
            {"csf": "1", "grey": "2 8", "white": "3", "fat": "4", "muscle": "5 6 9", "bone": "7", "blood": "10"}
        ),
    }
)
"""Tables by name."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """A labelled head in RAS order: index into :data:`CLASSES` plus 1, uint8 ``(x, y, z)``, and log T1 differences."""

    name: str
    digest: str
    classes: NDArray[np.uint8]
    detail: Array
    affine: NDArray[np.float64]

    @property
    def whole_head(self) -> bool:
        """Whether there is anything outside the brain."""
        return bool((self.classes > len(BRAIN) + len(LESIONS)).any())


def read_label_map(path: Path, table: Table | None = None) -> LabelMap:
    """Read a label map.

    Parameters
    ----------
    table
        By default FreeSurfer's where the map has its labels of white matter (2 and 41).

    Raises
    ------
    InputError
        If the file is no label map, holds labels that the table lacks, or no grey or white matter.
    """
    volume = read_volume(path)
    labels = np.asarray(to_ras(volume.data, volume.geometry))
    if labels.ndim != 3 or not np.array_equal(labels, np.rint(labels)) or labels.min() < 0 or labels.max() >= _LARGEST:
        raise InputError("is no label map: one image of whole numbers from 0 on", where=path)
    whole = labels.astype(np.int32)
    present = np.unique(whole)
    if table is None:
        if not {2, 41} <= set(present.tolist()):
            hint = f"Give the table of its labels: --labels NAME or FILE.yaml; built in: {', '.join(TABLES)}."
            raise InputError("the labels are not those of FreeSurfer", where=path, hint=hint)
        table = TABLES["freesurfer"]
    strangers = [int(label) for label in present if label and label not in table]
    if strangers:
        some = ", ".join(map(str, strangers[:5])) + (" ..." if len(strangers) > 5 else "")
        raise InputError(f"labels that the table does not have: {some}", where=path, hint="Add them to the table.")
    lookup = np.zeros(int(present[-1]) + 1, np.uint8)
    detail = np.zeros(len(lookup), np.float32)
    for label in present[present > 0].tolist():
        tissue, differs = table[label]
        lookup[label], detail[label] = CLASSES.index(tissue) + 1, differs
    classes = lookup[whole]
    for tissue in ("grey", "white"):
        if not (classes == CLASSES.index(tissue) + 1).any():
            raise InputError(f"the label map holds no {tissue} matter", where=path)
    grid = ras_geometry(volume.geometry)
    return LabelMap(_name(path), sha256_file(path), classes, detail[whole], np.asarray(grid.affine))


def read_table(where: str) -> Table:
    """Return a table by name, or from a YAML file ``{tissue: labels}`` such as ``grey: "3 42 1000-2035"``.

    Raises
    ------
    UsageError
        If there is no table of that name and no such file, or it is not of that form.
    """
    if where in TABLES:
        return TABLES[where]
    path = Path(where)
    if not path.is_file():
        raise UsageError("no table of labels has that name, and no such file exists", where=where,
                         hint=f"Built in: {', '.join(TABLES)}.")  # fmt: skip
    import yaml

    try:
        entries = yaml.safe_load(path.read_text())
        table = _table({str(key): str(labels) for key, labels in entries.items()})
    except (yaml.YAMLError, AttributeError, ValueError, UnicodeDecodeError) as error:
        hint = 'One line a tissue, such as: grey: "3 42 1000-2035"'
        raise UsageError("is no table of labels", where=where, hint=hint) from error
    strangers = sorted({tissue for tissue, _ in table.values()} - set(CLASSES))
    if strangers:
        raise UsageError(f"no tissue is called {', '.join(strangers)}", where=where,
                         hint=f"Known: {', '.join(CLASSES)}.")  # fmt: skip
    return table


def find_label_maps(where: Path) -> list[Path]:
    """Return the label maps at a path: the file, or the images in a folder, in the order of their names.

    Raises
    ------
    InputError
        If there are none.
    """
    if where.is_file():
        return [where]
    found = sorted(path for path in where.glob("*") if re.search(r"\.(nii|nii\.gz|mgz)$", path.name))
    if not found:
        raise InputError("no label maps are there", where=where, hint="Give a NIfTI or MGZ file, or a folder of them.")
    return found


def _name(path: Path) -> str:
    return re.sub(r"\.(nii|nii\.gz|mgz)$", "", path.name)
