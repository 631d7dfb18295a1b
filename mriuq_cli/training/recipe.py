"""Recipes: YAML files that fully state a training, checked before anything is read.

YAML 1.1 surprises are closed here: a key given twice is an error, ``1e-4`` is a number, keys are text; and every
complaint names file, line and column.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import ValidationError as PydanticError

from mriuq_cli.errors import InputError, UsageError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Folds(_Part):
    """K-fold split by subject: cases sorted by id, case ``i`` in fold ``i mod count``; ``hold_out`` is not seen."""

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
    """A training, whole: preset, changes to it, split, optimisation, seed."""

    method: str
    preset: str
    model: dict[str, Any] = Field(default_factory=dict)
    seed: NonNegativeInt = 0
    folds: Folds | None = None
    train: Optimisation = Optimisation()
    validation: Validation = Validation()


class _Loader(yaml.SafeLoader):
    """Safe YAML without the traps of version 1.1."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in pairs if tag not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:bool")
    ]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\d[\d_]*\.[\d_]*(?:[eE][-+]?\d+)?|\.\d[\d_]*(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def _places(node: yaml.Node, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], tuple[int, int]]:
    """Map each path in the document to its line and column (from 1); refuse doubled keys and keys that are no text."""
    found = {path: (node.start_mark.line + 1, node.start_mark.column + 1)}
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise _Fault(line, column, "keys must be text")
            if key.value in seen:
                raise _Fault(line, column, f"key '{key.value}' is given twice")
            seen.add(key.value)
            found.update(_places(value, (*path, key.value)))
            found[(*path, key.value)] = (line, column)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found.update(_places(value, (*path, index)))
    return found


class _Fault(Exception):
    """A fault of the document with its place."""

    def __init__(self, line: int, column: int, what: str) -> None:
        self.text = f"line {line}, column {column}: {what}"
        super().__init__(self.text)


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    InputError
        If the file cannot be read.
    UsageError
        If it is no valid YAML or does not fit; the message lists every fault with line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError("there is no such recipe", where=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the recipe: {error}", where=path) from None
    return parse_recipe(text, path)


def parse_recipe(text: str, where: object) -> Recipe:
    """Check a recipe's text; ``where`` is named in messages. Raises UsageError."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise UsageError("the recipe is empty", where=where)
        places = _places(node)
        document = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UsageError(f"{place}{error.problem}", where=where, hint="see the YAML at that line") from None
    except _Fault as fault:
        raise UsageError(fault.text, where=where) from None
    try:
        return Recipe.model_validate(document)
    except PydanticError as error:
        raise UsageError("\n".join(_fault_lines(error, places)), where=where) from None


def _fault_lines(error: PydanticError, places: dict[tuple[str | int, ...], tuple[int, int]]) -> list[str]:
    """Return one line for each fault that pydantic found, with its place in the file."""
    lines = []
    for fault in error.errors():
        path = tuple(fault["loc"])
        known = path
        while known not in places:
            known = known[:-1]
        line, column = places[known]
        lines.append(f"line {line}, column {column}: {'.'.join(map(str, path)) or 'recipe'}: {fault['msg']}")
    return lines


def write_recipe(recipe: Recipe) -> str:
    """Return the recipe as YAML, every default spelled out."""
    return yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True), sort_keys=False)
