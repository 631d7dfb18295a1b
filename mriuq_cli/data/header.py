"""NIfTI-1 and NIfTI-2 headers: what a file says about itself, checked before a voxel is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.geometry import Forms, Geometry, corners, geometry_from_affine, shape_text, spacing_text, usable
from mriuq_cli.errors import InputError

HEAD = 544
"""Bytes that are enough to parse any header read here."""
FORMS_AGREE = 1e-3
"""sform and qform agree if no corner is displaced by more than this many mm."""

VOXEL_MM = (0.2, 12.0)
"""Shortest and longest edge of a voxel that is read, mm."""

_LARGEST_OFFSET = 2**26
_DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_REFUSED = {
    1: "one bit a voxel", 32: "complex", 128: "RGB colour", 1536: "128-bit float", 1792: "complex", 2048: "complex",
    2304: "RGBA colour",
}  # fmt: skip
_UNITS = {1: "metres", 3: "micrometres"}


@dataclass(frozen=True, slots=True)
class Header:
    """What a file announces.

    Parameters
    ----------
    shape
        Sizes of all axes, without trailing ones beyond the third.
    dtype
        Of the stored numbers, byte order included.
    geometry
        The grid of the first three axes.
    offset
        Where the voxels begin in the uncompressed file.
    slope, inter
        Voxel = stored * slope + inter.
    slack
        Bytes that may follow the voxels.
    warnings
        What is odd, a sentence each.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    geometry: Geometry
    offset: int
    slope: float = 1.0
    inter: float = 0.0
    slack: int = 4096
    warnings: tuple[str, ...] = ()
    compressed: bool = False

    @property
    def n_volumes(self) -> int:
        """Number of 3-D volumes in the file."""
        return math.prod(self.shape[3:])

    @property
    def volume_bytes(self) -> int:
        """Bytes that one stored volume takes."""
        return math.prod(self.shape[:3]) * self.dtype.itemsize


def is_nifti(start: bytes) -> bool:
    """Tell whether a file begins like NIfTI-1, NIfTI-2 or ANALYZE, of either byte order."""
    return len(start) >= 4 and _version(start) is not None


def _version(start: bytes) -> tuple[int, str] | None:
    for order in "<>":
        size = int(np.frombuffer(start[:4], order + "i4")[0])
        if size in (348, 540):
            return (1 if size == 348 else 2), order
    return None


def parse_nifti(path: Path, start: bytes) -> Header:
    """Parse the first bytes of a file.

    Raises
    ------
    InputError
        If it is no single-file NIfTI, or says something that cannot be.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    known = _version(start)
    if known is None:
        raise InputError("is not a NIfTI file", where=path)
    version, order = known
    kind: Any = Nifti1Header if version == 1 else Nifti2Header
    length = 348 if version == 1 else 540
    if len(start) < length:
        raise InputError("the file ends within its header (truncated)", where=path)
    header = kind(start[:length], endianness=order, check=False)
    fields = header.structarr
    magic = bytes(fields["magic"].tobytes())[:3]
    if magic != (b"n+1", b"n+2")[version - 1]:
        raise two_files(path)
    shape = _shape(path, fields["dim"])
    geometry, warnings = _geometry(path, header, version, shape)
    slope, inter = _scaling(path, float(fields["scl_slope"]), float(fields["scl_inter"]))
    return Header(
        shape, _dtype(path, int(fields["datatype"]), order), geometry,
        _offset(path, float(fields["vox_offset"]), length + 4), slope, inter, warnings=warnings,
    )  # fmt: skip


def two_files(path: Path) -> InputError:
    """Word the refusal of .hdr/.img."""
    return InputError(
        "is half of a two-file image (.hdr/.img) or ANALYZE, which does not tell left from right",
        where=path,
        hint="Convert it to one file, for example with: nib-convert image.hdr image.nii.gz",
    )


def _shape(path: Path, dim: NDArray[Any]) -> tuple[int, ...]:
    count = int(dim[0])
    if not 1 <= count <= 7:
        raise InputError(f"the header gives {count} dimensions; 1 to 7 are possible", where=path)
    sizes = [int(n) for n in dim[1 : count + 1]]
    if min(sizes) < 1:
        raise InputError(f"the header gives the impossible size {shape_text(sizes)}", where=path)
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    return tuple(sizes)


def _dtype(path: Path, code: int, order: str) -> np.dtype[Any]:
    if code in _DTYPES:
        return np.dtype(order + _DTYPES[code])
    kind = _REFUSED.get(code, f"of unknown type {code}")
    raise InputError(f"voxels are {kind}; integers and real numbers are read", where=path)


def _scaling(path: Path, slope: float, inter: float) -> tuple[float, float]:
    """Return slope and intercept; by the standard a slope of 0 (or none) means that there is no scaling."""
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(inter):
        raise InputError("the header scales voxels by a number that is not finite (scl_inter)", where=path)
    return slope, inter


def _offset(path: Path, offset: float, least: int) -> int:
    if offset == 0:
        return least
    if not least <= offset <= _LARGEST_OFFSET:
        raise InputError(f"the header says that voxels begin at byte {offset:g}, which cannot be", where=path)
    return int(offset)


def _forms(fields: Any, version: int) -> Forms:
    def numbers(*names: str) -> tuple[float, ...]:
        return tuple(float(x) for name in names for x in np.atleast_1d(fields[name]))

    return Forms(
        version,
        int(fields["qform_code"]),
        int(fields["sform_code"]),
        int(fields["xyzt_units"]),
        numbers("pixdim"),
        numbers("quatern_b", "quatern_c", "quatern_d"),
        numbers("qoffset_x", "qoffset_y", "qoffset_z"),
        numbers("srow_x", "srow_y", "srow_z"),
    )


def _qform(header: Any) -> NDArray[np.float64] | None:
    """Return the qform, or None if its numbers make no matrix."""
    from nibabel.spatialimages import HeaderDataError

    header = header.copy()
    if header["pixdim"][0] == 0:  # the standard: read as +1
        header["pixdim"][0] = 1
    try:
        with np.errstate(all="ignore"):
            affine = np.asarray(header.get_qform(), dtype=np.float64)
    except (HeaderDataError, ValueError):
        return None
    return affine if usable(affine) else None


def _geometry(path: Path, header: Any, version: int, shape: tuple[int, ...]) -> tuple[Geometry, tuple[str, ...]]:
    forms = _forms(header.structarr, version)
    grid = ((*shape, 1, 1)[0], (*shape, 1, 1)[1], (*shape, 1, 1)[2])
    sform = np.vstack([np.reshape(forms.srow, (3, 4)), (0.0, 0.0, 0.0, 1.0)]) if forms.sform_code > 0 else None
    qform = _qform(header) if forms.qform_code > 0 else None
    if sform is not None and not usable(sform):
        raise InputError("the sform is no usable affine (flat or not finite)", where=path, hint=_SET_FORMS)
    chosen = sform if sform is not None else qform
    if chosen is None:
        what = "the qform is no usable affine" if forms.qform_code > 0 else "has neither sform nor qform"
        raise InputError(f"{what}: left and right cannot be told", where=path, hint=_SET_FORMS)
    warnings = []
    if sform is not None and qform is not None:
        apart = float(np.abs((sform - qform) @ corners(grid)).max())
        if apart > FORMS_AGREE:
            warnings.append(f"sform and qform place voxels up to {apart:.3g} mm apart; the sform is used.")
    geometry = replace(geometry_from_affine(grid, chosen), forms=forms)
    require_voxel_size(path, geometry)
    unit = forms.xyzt_units & 7
    if unit in _UNITS:
        warnings.append(f"The header gives lengths in {_UNITS[unit]}; they are read as millimetres.")
    return geometry, tuple(warnings)


def require_voxel_size(path: Path, geometry: Geometry) -> None:
    """Refuse voxels that no exam of a head has: an affine in metres or micrometres, most likely.

    Raises
    ------
    InputError
        If an edge of the voxel is below 0.2 or above 12 mm.
    """
    least, most = VOXEL_MM
    if geometry.spacing.min() < 0.99 * least or geometry.spacing.max() > 1.01 * most:  # float32 headers
        raise InputError(
            f"voxels measure {spacing_text(geometry)} mm; {least:g} to {most:g} mm along each axis are read",
            where=path,
            hint="The affine has to be in millimetres; is this one in metres or micrometres?",
        )


_SET_FORMS = "Set the orientation from the source of the image, for example with fslorient -setsform and -setsformcode."
