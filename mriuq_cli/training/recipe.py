"""Recipes: YAML files that fully state a training, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import ValidationError as PydanticError

from mriuq_cli.data.strict_yaml import dotted, parse_yaml, read_yaml
from mriuq_cli.errors import UsageError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Folds(_Part):
    """K-fold split by subject: by folder and id, subject ``i`` in fold ``i mod count``; ``hold_out`` is not seen."""

    count: int = Field(ge=2)
    hold_out: NonNegativeInt


class Optimisation(_Part):
    """How the weights move. The rate rises for ``warmup`` steps, then falls on a half cosine to zero."""

    steps: PositiveInt | None = None
    minutes: PositiveFloat | None = None
    batch: PositiveInt = 2
    rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 100
    decay: NonNegativeFloat = 0.0
    clip: PositiveFloat = 1.0
    average: float = Field(default=0.998, ge=0, lt=1, description="decay of the moving average of the weights")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    save_every: PositiveInt = 200


class Validation(_Part):
    """Training subjects to set apart for watching, and how often (in steps) to look."""

    subjects: NonNegativeInt = 0
    every: PositiveInt = 500
    batches: PositiveInt = 8


class Recipe(_Part):
    """A training, whole: preset, changes to it, weights to start from, split, optimisation, seed."""

    method: str
    preset: str
    model: dict[str, Any] = Field(default_factory=dict)
    start: str | None = Field(default=None, description="weights to start from: a folder, or a set that ships")
    seed: NonNegativeInt = 0
    folds: Folds | None = None
    train: Optimisation = Optimisation()
    validation: Validation = Validation()


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    InputError
        If the file cannot be read.
    UsageError
        If it is no valid YAML or does not fit; the message lists every fault with line and column.
    """
    return read_yaml(path, Recipe, "recipe")


def parse_recipe(text: str, where: object) -> Recipe:
    """Check a recipe's text; ``where`` is named in messages. Raises UsageError."""
    return parse_yaml(text, where, Recipe, "recipe")


def change_recipe(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe with some of its parts replaced, checked again. Raises UsageError if they do not fit."""
    try:
        return Recipe.model_validate({**recipe.model_dump(), **changes})
    except PydanticError as error:
        faults = [f"{dotted(tuple(fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise UsageError("\n".join(faults), where="command line") from None


def write_recipe(recipe: Recipe) -> str:
    """Return the recipe as YAML, every default spelled out."""
    return yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True), sort_keys=False)
