"""JSON beside an image: written the same way every time, read with care.

Keys are PascalCase as in BIDS, sorted; numbers that are not finite become null; no times, no host, no full paths.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.errors import InputError

_LIMIT = 64 * 2**20
_CHUNK = 2**20
_DIGITS = 9
"""Significant digits of a float: as many as tell all float32 apart."""


def plain(value: Any) -> Any:
    """Return the value in JSON's own types: paths as text, arrays as lists, non-finite numbers as None."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(entry) for entry in value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy here
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Sequence):
        return [plain(entry) for entry in value]
    return str(value)


def encode(facts: Mapping[str, Any]) -> bytes:
    """Return the bytes of a sidecar: sorted keys, two spaces, one newline at the end."""
    text = json.dumps(plain(facts), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write the facts so that the file is either whole or absent.

    Raises
    ------
    MachineError
        If the disk is full or the folder cannot be written.
    """
    data = encode(facts)
    with atomic_file(path) as temporary:
        Path(temporary).write_bytes(data)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        If the file is absent, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise InputError("too large to be a sidecar", where=path)
        facts = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path) from error
    except ValueError as error:
        raise InputError(f"not JSON ({error})", where=path) from error
    if not isinstance(facts, dict):
        raise InputError("not a JSON object", where=path)
    return facts


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal text.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path) from error
    return digest.hexdigest()
