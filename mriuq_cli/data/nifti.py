"""Images in files: headers, single volumes of a 4-D file, and files made afresh."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.data.bounded import Stream, check_announced, check_memory, head, opened
from mriuq_cli.data.geometry import Forms, Geometry, shape_text
from mriuq_cli.data.header import HEAD, Header, is_nifti, parse_nifti, two_files
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import InputError

SUFFIXES = (".nii.gz", ".nii", ".mgz", ".mgh")
Stored = Literal["float32", "uint8", "int16"]
_LEVEL, _GZIP = 2, 31
"""Level beyond which maps get no smaller; window bits that ask for a gzip header."""
_PIECE = 2**18
"""Voxels that are read and converted at a time."""

__all__ = ["SUFFIXES", "Header", "read_header", "read_volume", "read_volumes", "stem", "write_volume"]


def stem(path: Path) -> str:
    """Return the file's name without ``.nii.gz``, ``.nii``, ``.mgz`` or ``.mgh``."""
    name = Path(path).name
    return next((name[: -len(s)] for s in SUFFIXES if name.lower().endswith(s) and len(name) > len(s)), name)


def read_header(path: Path) -> Header:
    """Read and check what a file says about itself; a few hundred bytes are read.

    Raises
    ------
    InputError
        If the file is missing, is no image that can be read here, or announces what it cannot hold.
    """
    from dataclasses import replace

    from mriuq_cli.data import mgh

    path = Path(path)
    start, compressed, file_size = head(path, HEAD)
    if path.suffix.lower() in (".hdr", ".img"):
        raise two_files(path)
    if is_nifti(start):
        header = parse_nifti(path, start)
    elif path.name.lower().endswith(mgh.SUFFIXES):
        header = mgh.parse_mgh(path, start)
    else:
        raise InputError(f"is not a NIfTI file{_guess(start)}", where=path, hint=_CONVERT)
    announced = header.offset + header.volume_bytes * header.n_volumes
    check_announced(path, announced, compressed=compressed, file_size=file_size, slack=header.slack)
    return replace(header, compressed=compressed)


_CONVERT = "Images are read as .nii, .nii.gz (one file) or .mgz; dcm2niix converts DICOM."


def _guess(start: bytes) -> str:
    if start[128:132] == b"DICM":
        return " but DICOM"
    if start[:4] == b"NRRD":
        return " but NRRD"
    if start[:8] == b"\x89HDF\r\n\x1a\n":
        return " but HDF5 or MINC"
    return ""


def read_volume(path: Path, index: int | None = None) -> Volume:
    """Read a file, or one volume of a 4-D file.

    Parameters
    ----------
    index
        Which volume, from 0; None for the whole file.

    Returns
    -------
    Volume
        float32 in the file's own axis order (Fortran-contiguous), scaled as the header says: ``(x, y, z)``, or
        ``(x, y, z, t)`` for a 4-D file read whole. Non-finite voxels are left as they are.

    Raises
    ------
    InputError
        If the file is missing, unreadable, damaged, lies, or has no such volume.
    MachineError
        If it would not fit into memory.
    """
    path = Path(path)
    header = read_header(path)
    if index is not None:
        return read_volumes(path, (index,))[index]
    if len(header.shape) <= 3:
        return read_volumes(path, (0,))[0]
    volumes = read_volumes(path, range(header.n_volumes))
    data = np.stack([volumes[i].data.T for i in range(header.n_volumes)]).T
    return Volume(data, header.geometry, source=path, warnings=header.warnings)


def read_volumes(path: Path, indices: Collection[int]) -> Mapping[int, Volume]:
    """Read some volumes of a file in one pass; the others are passed over unconverted.

    Memory holds the wanted volumes as float32 and nothing else that grows with the file.

    Returns
    -------
    mapping
        Index to float32 ``(x, y, z)``.

    Raises
    ------
    InputError, MachineError
        As for :func:`read_volume`.
    """
    path = Path(path)
    header = read_header(path)
    shape: Any = header.geometry.shape
    if len(header.shape) > 4 or len(header.shape) < 3:
        raise InputError(f"is {len(header.shape)}-D ({shape_text(header.shape)}); 3-D and 4-D are read", where=path)
    if outside := [i for i in indices if not 0 <= i < header.n_volumes]:
        raise InputError(f"has {header.n_volumes} volumes, so none with index {outside[0]}", where=path)
    check_memory(path, int(np.prod(shape, dtype=np.int64)) * 4 * len(indices))
    found: dict[int, Volume] = {}
    with opened(path) as stream:
        stream.skip(header.offset)
        for index in range(header.n_volumes):
            if index not in indices:
                stream.skip(header.volume_bytes)
                continue
            data = _read_scaled(stream, header).reshape(shape, order="F")
            found[index] = Volume(data, header.geometry, source=path, warnings=header.warnings)
        stream.finish(header.slack)
    return found


def _read_scaled(stream: Stream, header: Header) -> NDArray[np.float32]:
    """Read one volume piece by piece, so that each piece is converted while it is in the processor's cache."""
    voxels: NDArray[np.float32] = np.empty(header.volume_bytes // header.dtype.itemsize, dtype=np.float32)
    piece: Any = np.empty(min(_PIECE, voxels.size), dtype=header.dtype)
    for begin in range(0, voxels.size, _PIECE):
        part = piece[: voxels.size - begin]
        stream.fill(memoryview(part.view(np.uint8)))
        with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite
            voxels[begin : begin + part.size] = _scaled(part, header)
    return voxels


def _scaled(stored: NDArray[Any], header: Header) -> NDArray[Any]:
    """Apply slope and intercept; wide numbers as float64, so that a large intercept costs no precision."""
    if header.slope == 1 and header.inter == 0:
        return stored
    number: Any = np.float32 if stored.dtype.itemsize <= 2 or stored.dtype == np.float32 else np.float64
    scaled: NDArray[Any] = stored.astype(number) * number(header.slope) + number(header.inter)
    return scaled


def write_volume(path: Path, array: NDArray[Any], geometry: Geometry, *, dtype: Stored = "float32") -> None:
    """Write an image with a fresh header; the file appears whole or not at all.

    sform, qform, their codes, voxel sizes and units repeat those of ``geometry.forms`` to the bit (in its NIfTI
    version). A grid without them (``.mgz``, simulated) gets its affine as sform and, where a qform can express it,
    as qform, both with code 1 (scanner). The same voxels give the same bytes.

    Parameters
    ----------
    path
        Ends in ``.nii.gz`` or ``.nii``.
    array
        ``(x, y, z)`` or ``(x, y, z, t)`` on the grid.
    dtype
        What is stored; for integers the values must be whole and in range.

    Raises
    ------
    ValueError
        If the array is not on the grid or does not fit the type.
    MachineError
        If the system refuses to write.
    """
    from zlib_ng import zlib_ng

    path = Path(path)
    if array.ndim not in (3, 4) or array.shape[:3] != geometry.shape:
        raise ValueError(f"array of shape {array.shape} is not on the grid {geometry.shape}")
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"{path.name}: images are written as .nii.gz or .nii")
    start = _fresh_header(array.shape, geometry, np.dtype(dtype).newbyteorder("<"))
    fitted: Any = _fitted(array, dtype).T
    content = b"".join((start, memoryview(fitted).cast("B")))
    if path.name.endswith(".gz"):
        # isal packs faster, but its output was seen to differ between two runs on the same bytes.
        content = zlib_ng.compress(content, _LEVEL, _GZIP)
    with atomic_file(path) as part:
        part.write_bytes(content)


def _fitted(array: NDArray[Any], dtype: Stored) -> NDArray[Any]:
    """Return the array in the stored type and file order, or refuse to lose something."""
    wanted = np.dtype(dtype)
    if wanted.kind in "iu" and array.dtype != wanted and array.dtype != np.bool_:
        limits = np.iinfo(wanted)
        low, high = float(array.min()), float(array.max())  # NaN fails the comparison
        if not (limits.min <= low and high <= limits.max) or (array != np.rint(array)).any():
            raise ValueError(f"values from {low:g} to {high:g} do not fit {dtype}")
    return np.asarray(array, dtype=wanted.newbyteorder("<"), order="F")


def _fresh_header(shape: tuple[int, ...], geometry: Geometry, dtype: np.dtype[Any]) -> bytes:
    """Return header and the four bytes that say that no extension follows."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    forms = geometry.forms
    kind: Any = Nifti2Header if forms and forms.version == 2 else Nifti1Header
    header = kind(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    fields = header.structarr
    fields["magic"] = b"n+2\0\r\n\x1a\n" if forms and forms.version == 2 else b"n+1"
    fields["vox_offset"] = header.sizeof_hdr + 4
    fields["scl_slope"], fields["scl_inter"] = 1, 0
    if forms:
        _repeat(fields, forms)
        if len(shape) == 3:  # the steps of axes that a 3-D image lacks; inputs leave anything there
            fields["pixdim"][4:] = 1
    else:
        header.set_xyzt_units("mm", "sec" if len(shape) > 3 else None)
        header.set_qform(geometry.affine, code=1, strip_shears=True)
        header.set_sform(geometry.affine, code=1)
        if np.abs(header.get_qform() - geometry.affine).max() > 1e-3:
            fields["qform_code"] = 0
    return bytes(header.binaryblock) + bytes(4)


def _repeat(fields: Any, forms: Forms) -> None:
    for name in ("qform_code", "sform_code", "xyzt_units", "pixdim"):
        fields[name] = getattr(forms, name)
    for axis, name in enumerate("bcd"):
        fields[f"quatern_{name}"] = forms.quatern[axis]
    for axis, name in enumerate("xyz"):
        fields[f"qoffset_{name}"] = forms.qoffset[axis]
        fields[f"srow_{name}"] = forms.srow[4 * axis : 4 * axis + 4]
