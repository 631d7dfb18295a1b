"""The one place where plugins are imported, checked and called.

Each method lives in a plugin manager of its own, so one that is broken says so by itself and spoils no other.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pluggy

from mriuq_cli.errors import MethodError, MriuqError
from mriuq_cli.hooks import spec
from mriuq_cli.hooks.discovery import Found, discover
from mriuq_cli.hooks.method import API_VERSION, Method, Option
from mriuq_cli.hooks.options import option_problems

if TYPE_CHECKING:
    from types import ModuleType

BUILTIN = ("mriuq_cli.physics.presets", "mriuq_cli.metrics.judge")
"""Modules of the core that implement broadcast hooks like any plugin; one that is not there is passed over."""

CORE = "mriuq"
"""The name under which the core answers a broadcast."""

HOOKS = tuple(sorted(name for name in vars(spec) if name.startswith("mriuq_")))
"""Names of all hooks of the contract."""


class PluginFault(Exception):
    """Raised when code of a plugin fails in a way that is not worded for a person."""


@dataclass(frozen=True, slots=True, eq=False)
class Plugin:
    """An installed method that was imported and found sound.

    Parameters
    ----------
    name
        The method's name, which is its entry point's name.
    distribution, version
        Where it comes from.
    module
        The module (or object) that implements the hooks.
    method
        What it says of itself.
    """

    name: str
    distribution: str
    version: str
    module: Any
    method: Method
    hooks: pluggy.PluginManager

    def has(self, hook: str) -> bool:
        """Tell whether the plugin implements a hook, such as ``mriuq_stages``."""
        caller = getattr(self.hooks.hook, hook, None)
        return caller is not None and bool(caller.get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook of this plugin and return its answer.

        Raises
        ------
        MethodError
            If the plugin does not implement the hook.
        Exception
            Whatever the plugin raises, with a note that names plugin and hook.
        """
        if not self.has(hook):
            raise MethodError(f"the method does not implement {hook}", where=self.name)
        with self.answering(hook):
            answer = getattr(self.hooks.hook, hook)(**arguments)
        # Broadcast hooks answer with a list, which holds one item at most as there is one plugin.
        return answer if _answers_once(hook) else next(iter(answer), None)

    @contextlib.contextmanager
    def answering(self, what: str) -> Iterator[None]:
        """Run code of the plugin, a hook's or what a hook answered: what it raises gets a note that names both."""
        try:
            yield
        except MriuqError:
            raise
        except Exception as error:
            error.add_note(f"raised by method {self.name!r} ({self.distribution} {self.version}) in {what}")
            raise

    def options(self, verb: str) -> tuple[Option, ...]:
        """Return the options that the method adds to a verb.

        Raises
        ------
        MethodError
            If they are not valid.
        """
        options = tuple(self.call("mriuq_options", verb=verb) or ()) if self.has("mriuq_options") else ()
        if problems := option_problems(options):
            raise MethodError(f"its options of {verb!r} are not valid: {problems[0]}", where=f"method {self.name}")
        return options


@cache
def get_plugin(name: str) -> Plugin:
    """Import one method and check it against the contract.

    Raises
    ------
    MethodError
        If no such method is installed (the nearest name is offered) or the plugin is broken (the reason is given).
    """
    found = discover()
    for one in found:
        if one.name == name:
            return load(one)
    raise _unknown(name, [one.name for one in found])


def load(found: Found) -> Plugin:
    """Import a method that was found and check it against the contract.

    Raises
    ------
    MethodError
        With the reason why the plugin cannot be used.
    """
    where = f"method {found.name} ({found.distribution} {found.version})"
    if len(found.entries) > 1:
        raise MethodError(
            f"the name is claimed by {' and '.join(found.rivals)}", where=where, hint="Uninstall all but one."
        )
    try:
        module = _guarded("its module cannot be imported", found.entries[0].load)
        manager = _registered(found.name, module)
        method = _guarded("mriuq_method failed", manager.hook.mriuq_method)
        _require_version(method)
    except PluginFault as fault:
        hint = "`mriuq plugins list` shows all methods; `--debug` shows the trace."
        raise MethodError(str(fault), where=where, hint=hint) from fault.__cause__
    return Plugin(found.name, found.distribution, found.version, module, method, manager)


def broadcast(hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
    """Ask every installed method, yielding its name and its answer where it has one.

    The core's own modules (:data:`BUILTIN`) come first, under the name :data:`CORE`. A plugin that is broken, or whose
    hook fails, is left out with a warning; a fault of the core is raised as it is.
    """
    log = logging.getLogger("mriuq")
    for source, plugin in _everyone(log):
        if not plugin.has(hook):
            continue
        try:
            answer = plugin.call(hook, **arguments)
        except MriuqError:
            raise
        except Exception as error:
            if source == CORE:
                raise
            # One plugin must not spoil the others.
            log.warning("%s: left out, %s failed: %s", source, hook, _words(error))
            continue
        if answer is not None:
            yield source, answer


def implementers(hook: str) -> tuple[Plugin, ...]:
    """Return everyone who answers a broadcast hook, the core's own modules first, all under the name :data:`CORE`.

    For a verb that asks many times: a plugin that is broken is warned of once. Calling one is :meth:`Plugin.call`.
    """
    return tuple(plugin for _, plugin in _everyone(logging.getLogger("mriuq")) if plugin.has(hook))


def _everyone(log: logging.Logger) -> Iterator[tuple[str, Plugin]]:
    for module_name in BUILTIN:
        if find_spec(module_name) is None:
            continue
        module = import_module(module_name)
        facts = Method(API_VERSION, "built into mriuq", inputs=(), targets=())
        yield CORE, Plugin(CORE, CORE, "", module, facts, _registered(CORE, module))
    for found in discover():
        try:
            yield found.name, get_plugin(found.name)
        except MethodError as error:
            log.warning("%s: left out, %s", error.where, error.what)


def _registered(name: str, module: ModuleType | Any) -> pluggy.PluginManager:
    """Register one plugin on a manager of its own; other versions and wrong hooks are refused."""
    manager = pluggy.PluginManager(spec.PROJECT)
    manager.add_hookspecs(spec)
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        # A plugin for another version often has other hooks too: the version is then the reason to give.
        _refuse_other_version(module)
        raise PluginFault(_hook_reason(error)) from error
    for hook in HOOKS:
        if callable(getattr(module, hook, None)) and not getattr(manager.hook, hook).get_hookimpls():
            raise PluginFault(f"{hook} lacks the decorator @hookimpl")
    return manager


def _refuse_other_version(module: Any) -> None:
    try:
        method = module.mriuq_method()
    except Exception:  # noqa: BLE001 - the reason found before is then the better one
        return
    if isinstance(method, Method):
        _require_version(method)


def _hook_reason(error: pluggy.PluginValidationError) -> str:
    """Say in one line what pluggy found; its own words take four and name memory addresses."""
    text = str(error)
    for hook in HOOKS:
        if f"for hook {hook!r}" in text:
            expected = ", ".join(name for name in getattr(spec, hook).__annotations__ if name != "return")
            given = ", ".join(sorted(text.partition("Argument(s) {")[2].partition("}")[0].split(", ")))
            return f"{hook} has unknown arguments {given}; the contract has: {expected or 'none'}"
    unknown = text.partition("unknown hook '")[2].partition("'")[0]
    if unknown:
        from mriuq_cli.data.naming import nearest

        return f"unknown hook {unknown}{nearest(unknown, list(HOOKS))}"
    return " ".join(text.split())


def _require_version(method: object) -> None:
    if not isinstance(method, Method):
        got = "nothing: is it there?" if method is None else f"a {type(method).__name__}, not a Method"
        raise PluginFault(f"mriuq_method returned {got}")
    if method.api_version != API_VERSION:
        raise PluginFault(f"made for version {method.api_version} of the contract; this mriuq has {API_VERSION}")


def _guarded(what: str, call: Callable[[], Any]) -> Any:
    """Run code of a plugin; what it prints must not end up among the results on stdout."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return call()
    except (Exception, SystemExit) as error:
        raise PluginFault(f"{what}: {_words(error)}") from error


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _answers_once(hook: str) -> bool:
    options: dict[str, Any] = getattr(getattr(spec, hook), f"{spec.PROJECT}_spec")
    return bool(options.get("firstresult"))


def _unknown(name: str, known: list[str]) -> MethodError:
    from mriuq_cli.data.naming import nearest

    if not known:
        return MethodError(
            f"no method {name!r}: none is installed", hint="Install one, for instance: pip install mriuq-qrunet"
        )
    return MethodError(f"no method {name!r}{nearest(name, known)}", hint=f"Installed: {', '.join(known)}")
