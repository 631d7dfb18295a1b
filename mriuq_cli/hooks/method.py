"""Facts that a plugin states about itself; plain data, importing nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

API_VERSION = 1
"""Version of the contract in :mod:`mriuq_cli.hooks.spec`; a plugin states the one it was written for."""

Config = Mapping[str, Any]
"""A preset's values after a recipe or the weights have spoken."""


@dataclass(frozen=True, slots=True)
class Role:
    """A named image that a method reads or predicts, such as ``flair``.

    ``aliases`` are other spellings that people use (``t1ce`` for ``t1gd``).
    """

    name: str
    description: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """What a method is: the answer to ``mriuq_method()``.

    Parameters
    ----------
    api_version
        The :data:`API_VERSION` the plugin was written for.
    summary
        One line, as shown by ``mriuq plugins list``.
    inputs
        Images that it reads, in the order a 4-D file holds them.
    targets
        Images that it can predict.
    presets
        Name to hyper-parameters; ``default_preset`` is one of the names.
    partial
        True if any non-empty proper subset of ``inputs`` will do; what is missing is then predicted,
        and the core offers ``--missing``.
    outliers
        True if it can predict given images from the other given ones over the whole brain
        (``Prediction.outliers``); the core offers ``--outliers`` and passes it in ``options``.
    weights
        Folder that holds one sub-folder for each set of weights that ships, or None.
    default_weights
        Name of the sub-folder that is used when the command line names none.
    recipes
        Folder of recipes that ship, ``NAME.yaml`` each, or None.
    card
        The method card (Markdown), or None while there is none.
    citation
        The paper, in one line.
    """

    api_version: int
    summary: str
    inputs: tuple[Role, ...]
    targets: tuple[Role, ...]
    presets: Mapping[str, Config] = field(default_factory=dict)
    default_preset: str = ""
    partial: bool = False
    outliers: bool = False
    weights: Path | None = None
    default_weights: str = ""
    recipes: Path | None = None
    card: Path | None = None
    citation: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A command-line option as data; the core makes ``--name`` of it and hands the value back typed.

    Parameters
    ----------
    name
        Without dashes, words joined by ``-``; the value arrives under ``name`` with ``_`` for ``-``.
    type
        Kind of value. ``bool`` becomes a flag.
    choices
        Allowed words of a ``str`` option.
    multiple
        Comma-separated or repeated; the value arrives as a tuple.
    """

    name: str
    type: Literal["str", "int", "float", "bool", "path"]
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    multiple: bool = False
