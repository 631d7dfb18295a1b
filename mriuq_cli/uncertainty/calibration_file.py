"""A calibration file that a person may have touched: read with suspicion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mriuq_cli.data.sidecar import read_json
from mriuq_cli.errors import InputError, WeightsError


def read_calibration_json(path: Path, expected_format: int) -> dict[str, Any]:
    """Read a JSON object that states its format; WeightsError if it is absent, broken, huge or of another format."""
    try:
        data = read_json(path)
    except InputError as error:
        raise WeightsError(
            f"no calibration: {error.what}", where=path, hint="Give the file that `mriuq calibrate` wrote."
        ) from error
    found = data.get("format")
    if found != expected_format:
        raise WeightsError(
            f"calibration format {found!r}; this version reads format {expected_format}", where=path,
            hint="Make it anew with `mriuq calibrate`.",
        )  # fmt: skip
    return data
