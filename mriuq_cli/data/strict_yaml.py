"""YAML that people write, checked against a model before it is believed.

YAML 1.1 surprises are closed here: a key given twice is an error, ``1e-4`` is a number, keys are text; and every
complaint names file, line and column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, get_args

import yaml
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from mriuq_cli.data.naming import nearest
from mriuq_cli.errors import InputError, UsageError

Place = tuple[int, int]
Trail = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Safe YAML without the traps of version 1.1, and without aliases: a few of them can stand for a whole disk."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node; raise ComposerError for an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not used here", mark)
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
        faults.append(_fault(_place(node), f"the tag {node.tag.replace(_CORE, '!!')} is not used here"))
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


def read_yaml(path: Path, model: type[Model], noun: str) -> Model:
    """Read and check a file.

    Parameters
    ----------
    model
        What it must fit.
    noun
        What the file is called in messages: ``recipe``.

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
        raise InputError(f"there is no such {noun}", where=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the {noun}: {error}", where=path) from None
    return parse_yaml(text, path, model, noun)


def parse_yaml(text: str, where: object, model: type[Model], noun: str) -> Model:
    """Check a text as :func:`read_yaml` does; ``where`` is named in messages. Raises UsageError."""
    faults: list[str] = []
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise UsageError(f"the {noun} is empty", where=where)
        places = _places(node, faults)
        document = None if faults else yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UsageError(f"{place}{error.problem}", where=where, hint="see the YAML at that line") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # control characters, month 13, a thousand brackets
        raise UsageError(f"is no YAML that a {noun} can hold: {str(error).splitlines()[0]}", where=where) from None
    if faults:
        raise UsageError("\n".join(faults), where=where)
    try:
        return model.model_validate(document)
    except PydanticError as error:
        raise UsageError("\n".join(_fault_lines(error, places, model, noun)), where=where) from None


def _fault_lines(error: PydanticError, places: Mapping[Trail, Place], model: type[BaseModel], noun: str) -> list[str]:
    """Return one line for each fault that pydantic found, with its place in the file."""
    lines = []
    for fault in error.errors():
        path = tuple(fault["loc"])
        known = path
        while known not in places:
            known = known[:-1]
        unknown = fault["type"] == "extra_forbidden"
        what = f"no such key{nearest(str(path[-1]), _keys(model, path[:-1]))}" if unknown else fault["msg"]
        lines.append(_fault(places[known], f"{dotted(path, noun)}: {what}"))
    return lines


def _keys(model: type[BaseModel], path: Trail) -> list[str]:
    """Return the keys that a part of a document may have; none where the model leaves that open."""
    part: type[BaseModel] | None = model
    for name in path:
        field = part.model_fields.get(str(name)) if part else None
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        part = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return list(part.model_fields) if part else []


def dotted(path: Trail, whole: str = "recipe") -> str:
    """Return a place in a document as people write it: ``train.rate``; ``whole`` for the document itself."""
    return ".".join(map(str, path)) or whole
