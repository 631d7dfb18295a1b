"""FreeSurfer's .mgh and .mgz: read only; what is written for them is NIfTI with the same affine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mriuq_cli.data.geometry import geometry_from_affine, shape_text, usable
from mriuq_cli.data.header import Header, require_voxel_size
from mriuq_cli.errors import InputError

SUFFIXES = (".mgh", ".mgz")
_OFFSET = 284
_TAGS = 2**22
"""Scan parameters, the command history and colour tables may follow the voxels."""
_DTYPES = {0: "u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}


def parse_mgh(path: Path, start: bytes) -> Header:
    """Parse the first 284 bytes.

    A file without orientation gets the one that FreeSurfer assumes (coronal, 1 mm), with a warning.

    Raises
    ------
    InputError
        If this is no such file, or says something that cannot be.
    """
    from nibabel.freesurfer.mghformat import MGHHeader

    if len(start) < _OFFSET:
        raise InputError("the file ends within its header (truncated)", where=path)
    if int(np.frombuffer(start[:4], ">i4")[0]) != 1:
        raise InputError("is not a FreeSurfer volume", where=path)
    # Parsed here and not by nibabel: its constructor trusts the type code.
    dims = [int(n) for n in np.frombuffer(start[4:20], ">i4")]
    code = int(np.frombuffer(start[20:24], ">i4")[0])
    if min(dims) < 1:
        raise InputError(f"the header gives the impossible size {shape_text(dims)}", where=path)
    if code not in _DTYPES:
        raise InputError(f"voxels are of type {code}; integers and real numbers are read", where=path)
    oriented = int(np.frombuffer(start[28:30], ">i2")[0]) == 1
    parse: Any = MGHHeader
    with np.errstate(all="ignore"):  # wild numbers end in a matrix that is refused below
        affine = np.asarray(parse(start[:_OFFSET], check=False).get_affine(), dtype=np.float64)
    if not usable(affine):
        raise InputError("the header holds no usable affine", where=path)
    shape = tuple(dims[:3] if dims[3] == 1 else dims)
    geometry = geometry_from_affine(shape[:3], affine)
    require_voxel_size(path, geometry)
    return Header(
        shape,
        np.dtype(_DTYPES[code]),
        geometry,
        _OFFSET,
        slack=_TAGS,
        warnings=() if oriented else ("The file states no orientation; FreeSurfer's coronal default is used.",),
    )
