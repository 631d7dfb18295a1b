"""Recipes: YAML files that fully state a training, checked before anything is read.

YAML 1.1 surprises are closed here: a key given twice is an error, ``1e-4`` is a number, keys are text; and every
complaint names file, line and column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import ValidationError as PydanticError

from mriuq_cli.errors import InputError, UsageError

Place = tuple[int, int]
Trail = tuple[str | int, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Folds(_Part):
    """K-fold split by subject: cases by folder and id, case ``i`` in fold ``i mod count``; ``hold_out`` is not seen."""

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
    """Safe YAML without the traps of version 1.1, and without aliases: a few of them can stand for a whole disk."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node; raise ComposerError for an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not used in recipes", mark)
        return super().compose_node(parent, index)


_CORE = "tag:yaml.org,2002:"
_TAGS = {_CORE + name for name in ("map", "seq", "str", "int", "float", "bool", "null")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag == _CORE + "null"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_CORE + "int", re.compile(r"^[-+]?(?:0|[1-9][\d_]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _CORE + "float",
    re.compile(
        r"^[-+]?(?:\d[\d_]*\.[\d_]*(?:[eE][-+]?\d+)?|\.\d[\d_]*(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver(_CORE + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _places(node: yaml.Node, faults: list[str], path: Trail = ()) -> dict[Trail, Place]:
    """Map each path in the document to its line and column (from 1); note doubled keys and keys that are no text."""
    found = {path: _place(node)}
    if node.tag not in _TAGS:
        faults.append(_fault(_place(node), f"the tag {node.tag.replace(_CORE, '!!')} is not used in recipes"))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _CORE + "str":
                faults.append(_fault(_place(key), f"{_shown(key)}keys must be text"))
                continue
            if key.value in seen:
                faults.append(_fault(_place(key), f"key '{key.value}' is given twice"))
            seen.add(key.value)
            found.update(_places(value, faults, (*path, key.value)))
            found[(*path, key.value)] = _place(key)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found.update(_places(value, faults, (*path, index)))
    return found


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _shown(key: yaml.Node) -> str:
    return f"{key.value}: " if isinstance(key, yaml.ScalarNode) else ""


def _fault(place: Place, what: str) -> str:
    return f"line {place[0]}, column {place[1]}: {what}"


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
    faults: list[str] = []
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise UsageError("the recipe is empty", where=where)
        places = _places(node, faults)
        document = None if faults else yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UsageError(f"{place}{error.problem}", where=where, hint="see the YAML at that line") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # control characters, month 13, a thousand brackets
        raise UsageError(f"is no YAML that a recipe can hold: {str(error).splitlines()[0]}", where=where) from None
    if faults:
        raise UsageError("\n".join(faults), where=where)
    try:
        return Recipe.model_validate(document)
    except PydanticError as error:
        raise UsageError("\n".join(_fault_lines(error, places)), where=where) from None


def _fault_lines(error: PydanticError, places: Mapping[Trail, Place]) -> list[str]:
    """Return one line for each fault that pydantic found, with its place in the file."""
    lines = []
    for fault in error.errors():
        path = tuple(fault["loc"])
        known = path
        while known not in places:
            known = known[:-1]
        lines.append(_fault(places[known], f"{_dotted(path)}: {fault['msg']}"))
    return lines


def _dotted(path: Trail) -> str:
    return ".".join(map(str, path)) or "recipe"


def change_recipe(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe with some of its parts replaced, checked again. Raises UsageError if they do not fit."""
    try:
        return Recipe.model_validate({**recipe.model_dump(), **changes})
    except PydanticError as error:
        faults = [f"{_dotted(tuple(fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise UsageError("\n".join(faults), where="command line") from None


def write_recipe(recipe: Recipe) -> str:
    """Return the recipe as YAML, every default spelled out."""
    return yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True), sort_keys=False)
