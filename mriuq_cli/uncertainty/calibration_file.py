"""JSON files that a person may have touched: written whole, read with suspicion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mriuq_cli.errors import WeightsError

_LARGEST = 64 * 2**20


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON under a temporary name, then rename it; MachineError if that fails."""
    from mriuq_cli.data.atomic import atomic_file

    text = json.dumps(data, indent=1, allow_nan=False)
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, expected_format: int) -> dict[str, Any]:
    """Read a JSON object that states its format; WeightsError if it is absent, broken, huge or of another format."""
    try:
        if path.stat().st_size > _LARGEST:
            raise WeightsError("too large to be a calibration file", where=path)
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"the calibration cannot be read ({error.strerror})", where=path,
            hint="Give the file that `mriuq calibrate` wrote.",
        ) from error  # fmt: skip
    except ValueError as error:  # covers broken JSON and broken UTF-8
        raise WeightsError("not JSON, so not a calibration file", where=path) from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != expected_format:
        raise WeightsError(
            f"calibration format {found!r}; this version reads format {expected_format}", where=path,
            hint="Make it anew with `mriuq calibrate`.",
        )  # fmt: skip
    return dict(data)
