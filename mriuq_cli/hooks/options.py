"""Options as data: checked, then turned into parameters of a Typer command.

A verb that works on a method is one function whose parameters ``method``, ``roles`` and ``options`` are not options
themselves. :func:`bind` replaces them by real ones made from :class:`~mriuq_cli.hooks.method.Method` and
:class:`~mriuq_cli.hooks.method.Option` and hands their values back under those three names::

    def predict(method: str, roles: Mapping[str, Path], options: Mapping[str, Any], inputs: Annotated[...] = None, ...)

``mriuq predict toy --t1 a.nii.gz --samples 8`` then calls
``predict(method="toy", roles={"t1": Path("a.nii.gz")}, options={"samples": 8}, ...)``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from mriuq_cli.data.naming import nearest, resolve
from mriuq_cli.errors import MethodError, UsageError
from mriuq_cli.hooks.method import Option, Role

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin

TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "path": Path}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CONTEXT_PARAMETERS = ("method", "roles", "options")
"""Parameters of a verb's function that the binder supplies."""

NAMES_ROLES = ("missing", "order", "available")
"""Core options whose words are names of contrasts: the shell completes them."""

RESERVED = {"--help", "--debug", "--version"}


def option_problems(options: Sequence[object]) -> list[str]:
    """Say what is wrong with a plugin's options, one sentence each; empty if they are sound."""
    problems: list[str] = []
    seen: set[str] = set()
    for option in options:
        if not isinstance(option, Option):
            problems.append(f"{option!r} is not an Option")
            continue
        problems += [f"--{option.name}: {fault}" for fault in _faults(option)]
        if option.name in seen:
            problems.append(f"--{option.name}: given twice")
        seen.add(option.name)
    return problems


def _faults(option: Option) -> Iterator[str]:
    words: tuple[object, ...] = (option.name, option.help)
    if not all(isinstance(word, str) for word in words):
        yield "name and help are words"
        return
    if not NAME.fullmatch(option.name):
        yield "a name is lower-case words joined by '-', without leading dashes"
    if not option.help.strip():
        yield "help is empty"
    if option.type not in TYPES:
        yield f"type is {option.type!r}, not one of {', '.join(TYPES)}"
        return
    if option.choices and option.type != "str":
        yield "only a str option has choices"
    if option.multiple and option.type == "bool":
        yield "a flag cannot be multiple"
    if option.multiple and not isinstance(option.default, tuple | list | None):
        yield "the default of a multiple option is a tuple"
        return
    for value in _default_values(option):
        if not _is_a(value, option.type):
            yield f"default {value!r} is not of type {option.type}"
        elif option.choices and value not in option.choices:
            yield f"default {value!r} is not among the choices"


def _default_values(option: Option) -> tuple[Any, ...]:
    if option.default is None:
        return ()
    return tuple(option.default) if option.multiple else (option.default,)


def _is_a(value: object, kind: str) -> bool:
    if kind in ("int", "float") and isinstance(value, bool):
        return False
    return isinstance(value, {"float": (int, float), "path": (str, Path)}.get(kind, TYPES[kind]))


def default_values(options: Sequence[Option]) -> dict[str, Any]:
    """Return the values that a hook gets when no option is given on the command line."""
    return {
        option.name.replace("-", "_"): _default_values(option) if option.multiple else _single_default(option)
        for option in options
    }


def _single_default(option: Option) -> Any:
    return bool(option.default) if option.type == "bool" else option.default


def role_names(words: Sequence[str], roles: Sequence[Role]) -> tuple[str, ...]:
    """Turn words of a person, comma-separated or repeated, into names of roles.

    Raises
    ------
    UsageError
        If a word is no role's name or alias (the nearest is offered), or a role is named twice.
    """
    return resolve(_split(words), roles)


def _split(words: Sequence[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def bind(function: Callable[..., Any], plugin: Plugin, verb: str) -> Callable[..., Any]:
    """Make a function for Typer from a verb's function and a plugin's data.

    Every parameter of the result is a Typer parameter. ``--missing`` is dropped unless the method is ``partial``,
    ``--outliers`` unless it has ``outliers``.

    Raises
    ------
    MethodError
        If an option of the plugin is not valid or takes the name of one of the core's.
    """
    core = dict(inspect.signature(function, eval_str=True).parameters)
    supplied = {name for name in CONTEXT_PARAMETERS if core.pop(name, None)}
    for name, offered in (("missing", plugin.method.partial), ("outliers", plugin.method.outliers)):
        if not offered:
            core.pop(name, None)
    for name in NAMES_ROLES:
        if name in core:
            core[name] = _completing(core[name], plugin.method.inputs)
    taken = RESERVED.union(*(_flags(parameter) for parameter in core.values()))
    roles = plugin.method.inputs if "roles" in supplied else ()
    options = plugin.options(verb)
    role_parameters = _role_parameters(roles, taken, plugin.name)
    option_parameters = _option_parameters(options, taken, plugin.name)

    def run(**given: Any) -> Any:
        values = {option.name.replace("-", "_"): _value(option, given.pop(_key(option))) for option in options}
        files = {role.name: _only_file(role, given.pop(_key(role))) for role in roles}
        supply = {
            "method": plugin.name,
            "roles": {name: path for name, path in files.items() if path is not None},
            "options": values,
        }
        if given.get("missing"):
            given["missing"] = list(role_names(given["missing"], plugin.method.inputs))
        return function(**{name: supply[name] for name in supplied}, **given)

    parameters = [*_arguments(core), *role_parameters, *option_parameters, *_not_arguments(core)]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = function.__doc__
    return run


def _typer_info(parameter: inspect.Parameter) -> Any:
    from typer.models import ParameterInfo

    return next((item for item in get_args(parameter.annotation)[1:] if isinstance(item, ParameterInfo)), None)


def _arguments(core: Mapping[str, inspect.Parameter]) -> list[inspect.Parameter]:
    from typer.models import ArgumentInfo

    return [parameter for parameter in core.values() if isinstance(_typer_info(parameter), ArgumentInfo)]


def _not_arguments(core: Mapping[str, inspect.Parameter]) -> list[inspect.Parameter]:
    arguments = _arguments(core)
    return [parameter for parameter in core.values() if parameter not in arguments]


def _flags(parameter: inspect.Parameter) -> set[str]:
    info = _typer_info(parameter)
    words = (getattr(info, "default", None), *(getattr(info, "param_decls", None) or ()))
    spelled = {part for word in words if isinstance(word, str) for part in word.split("/") if part.startswith("-")}
    return spelled or {"--" + parameter.name.replace("_", "-")}


def _completing(parameter: inspect.Parameter, roles: Sequence[Role]) -> inspect.Parameter:
    info = _typer_info(parameter)
    if info is None:
        return parameter
    info = copy(info)
    info.autocompletion = _completion([(role.name, role.description) for role in roles])
    kind = get_args(parameter.annotation)[0]
    return parameter.replace(annotation=Annotated[kind, info])


def _completion(words: Sequence[tuple[str, str]]) -> Callable[[str], list[tuple[str, str]]]:
    """Complete the last of comma-separated words, leaving out those already there."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        before, comma, _ = incomplete.rpartition(",")
        used = before.split(",")
        return [(f"{before}{comma}{word}", text) for word, text in words if word not in used]

    return complete


def _key(thing: Role | Option) -> str:
    kind = "role" if isinstance(thing, Role) else "option"
    return f"{kind}_{re.sub(r'[^0-9a-z]', '_', thing.name.lower())}"


def _role_parameters(roles: Sequence[Role], taken: set[str], method: str) -> list[inspect.Parameter]:
    """Make ``--t1 FILE`` of each role; an alias that another option already has is passed over."""
    import typer

    parameters = []
    for role in roles:
        flag = _claim(f"--{role.name}", taken, method)
        aliases = [f"--{alias}" for alias in role.aliases if f"--{alias}" not in taken]
        taken.update(aliases)
        info = typer.Option(
            flag, *aliases, metavar="FILE", help=role.description, rich_help_panel="One file a contrast"
        )
        # A list, although one is wanted: of a plain option given twice the first would vanish without a word.
        parameters.append(_parameter(_key(role), list[Path] | None, info, None))
    return parameters


def _option_parameters(options: Sequence[Option], taken: set[str], method: str) -> list[inspect.Parameter]:
    import typer

    parameters = []
    for option in options:
        flag = _claim(f"--{option.name}", taken, method)
        if option.type == "bool" and option.default:
            flag = f"{flag}/{_claim(f'--no-{option.name}', taken, method)}"
        info = typer.Option(flag, metavar=_metavar(option), help=option.help, rich_help_panel=f"Options of {method}")
        if option.choices:
            info.autocompletion = _completion([(choice, "") for choice in option.choices])
        default = [str(value) for value in _default_values(option)] or None if option.multiple else option.default
        if option.type == "bool":
            parameters.append(_parameter(_key(option), bool, info, bool(default)))
        else:
            kind = list[str] if option.multiple else TYPES[option.type]
            parameters.append(_parameter(_key(option), kind | None, info, default))
    return parameters


def _metavar(option: Option) -> str | None:
    if option.choices:
        return "|".join(option.choices)
    return None if option.type == "bool" else {"path": "FILE", "str": "TEXT"}.get(option.type, option.type.upper())


def _claim(flag: str, taken: set[str], method: str) -> str:
    if flag in taken:
        raise MethodError(f"its {flag} is already an option of the command", where=f"method {method}")
    taken.add(flag)
    return flag


def _parameter(name: str, kind: Any, info: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _only_file(role: Role, given: Sequence[Path] | None) -> Path | None:
    if given and len(given) > 1:
        raise UsageError(
            f"contrast {role.name} is given twice",
            where=f"--{role.name}",
            hint=f"{given[0]} and {given[1]}: leave one out, or name the contrast that it is.",
        )
    return given[0] if given else None


def _value(option: Option, given: Any) -> Any:
    """Give a value from the command line the type that the option states."""
    if not option.multiple:
        return given if given is None or not option.choices else _choice(option, given)
    if given is None:
        return ()
    # A comma may be part of a path, so files are given by repeating the option.
    words = list(given) if option.type == "path" else _split(given)
    return tuple(_choice(option, word) if option.choices else _converted(option, word) for word in words)


def _choice(option: Option, word: str) -> str:
    if word not in option.choices:
        raise UsageError(
            f"unknown value {word!r}{nearest(word, option.choices)}",
            where=f"--{option.name}",
            hint=f"One of: {', '.join(option.choices)}",
        )
    return word


def _converted(option: Option, word: str) -> Any:
    try:
        return TYPES[option.type](word)
    except ValueError:
        raise UsageError(f"{word!r} is not of type {option.type}", where=f"--{option.name}") from None
