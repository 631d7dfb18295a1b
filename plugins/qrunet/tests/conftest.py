"""What the tests of qrunet share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real scans, or skip."""
    folder = Path(os.environ.get("MRIUQ_DATA") or Path.home() / ".cache" / "mriuq-data")
    if not folder.is_dir():
        pytest.skip(f"no real scans in {folder}: set MRIUQ_DATA to a folder that holds them")
    return folder
