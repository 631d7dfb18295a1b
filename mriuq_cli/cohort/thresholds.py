"""When a scan's quality is a warning and when it fails: typed, and read from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mriuq_cli.data.strict_yaml import read_yaml

SHIPPED = Path(__file__).with_name("thresholds.yaml")

Percentile = Annotated[float, Field(gt=0, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Limits(_Part):
    """Percentiles among clean reference scans from which a scan is warned of, and from which it fails."""

    warn: Percentile | None = None
    fail: Percentile | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Limits:
        if self.warn is not None and self.fail is not None and self.warn > self.fail:
            raise ValueError("warn must not be above fail")
        return self


class Thresholds(_Part):
    """Limits of the two kinds of quality, and what ``--fail-on`` takes a scan for that nobody rates."""

    visual: Limits = Limits()
    algorithmic: Limits = Limits()
    unfamiliar: Literal["pass", "warn", "fail"] = "warn"


def read_thresholds(path: Path | None = None) -> Thresholds:
    """Read thresholds; those that ship if no file is named.

    Raises
    ------
    InputError
        If the file cannot be read.
    UsageError
        If it is no valid YAML or does not fit; the message lists every fault with line and column.
    """
    return read_yaml(path or SHIPPED, Thresholds, "file of thresholds")
