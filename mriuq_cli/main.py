"""The command ``mriuq``: names and help of the verbs, exit codes, and nothing else.

A verb's module is imported when the verb is run, a method's when the method is named. Everything that ``--help`` and
shell completion need beyond that is written here or read from the metadata of distributions.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mriuq_cli.errors import ExitCode, MethodError, MriuqError

METHOD_VERBS = {
    "predict": "Predict images with a method, each voxel with an interval.",
    "train": "Train a method by a recipe.",
    "evaluate": "Measure a method on a cohort with known truth.",
    "calibrate": "Make a method's intervals hold on a cohort that its weights never saw.",
}
PLAIN_VERBS = {
    "qc": "Say how good scans are, and how often such a verdict is wrong.",
    "simulate": "Make scans with known truth.",
    "plugins": "List and check the installed methods.",
    "doctor": "Check this installation and this machine.",
}
VERBS = METHOD_VERBS | PLAIN_VERBS
STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOMEM, errno.EMFILE}


class Terminated(BaseException):
    """Raised in the main thread by SIGTERM and SIGHUP, so that temporary files are removed on the way out."""


class NobodyReads(Exception):
    """Raised when what reads our stdout has gone."""


class LightGroup(TyperGroup):
    """A group that is parsed without importing pydantic, and shows its help on stderr where a word is wanting."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words; no words at all are a usage error that the help answers."""
        if not args and not ctx.resilient_parsing:
            with contextlib.redirect_stdout(sys.stderr):
                print(ctx.get_help())
            raise typer.Exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; Typer would turn a broken pipe into exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise NobodyReads from error

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, with False for the None that Typer gives flags of its own (``--help``).

        It would import pydantic to look at each of those, which takes as long as everything else together.
        """
        parameters = super().get_params(ctx)
        for parameter in parameters:
            if getattr(parameter, "is_bool_flag", False) and parameter.default is None:
                parameter.default = False
        return parameters


class VerbGroup(LightGroup):
    """The verbs; listing them imports none, running one imports that one."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs' names in the order of the help page."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what help and completion show of a verb."""
        return TyperCommand(cmd_name, help=VERBS[cmd_name]) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb to run, importing its module unless it first needs a method's name."""
        self.commands = dict.fromkeys(VERBS)  # type: ignore[assignment]  # names to offer for a mistyped one
        name, stub, rest = super().resolve_command(ctx, args)
        if name is None or stub is None:
            return name, stub, rest
        if name in METHOD_VERBS:
            return name, MethodGroup(name=name, help=_about(name), verb=name), rest
        return name, _verb_command(name), rest


class MethodGroup(LightGroup):
    """The methods as sub-commands of a verb; listing them imports none, naming one imports that one."""

    def __init__(self, *, verb: str, **attributes: Any) -> None:
        super().__init__(subcommand_metavar="METHOD [ARGS]...", **attributes)
        self.verb = verb

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the installed methods' names."""
        from mriuq_cli.hooks.discovery import discover

        return [found.name for found in discover()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what help and completion show of a method: its distribution's description."""
        from mriuq_cli.hooks.discovery import discover

        summaries = {found.name: found for found in discover() if found.name == cmd_name}
        return TyperCommand(cmd_name, help=summaries[cmd_name].summary) if summaries else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of one method, built from its data."""
        if args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        try:
            return args[0], _method_command(self.verb, args[0]), args[1:]
        except MethodError:
            if ctx.resilient_parsing:
                return None, None, args[1:]
            raise


def _about(verb: str) -> str:
    return f"{VERBS[verb]}\n\nEach method has options of its own: mriuq {verb} METHOD --help"


def _verb_command(verb: str) -> Any:
    """Import a verb's module and return its ``app``, or a command made of its one function."""
    module = import_module(f"mriuq_cli.verbs.{verb}")
    app = getattr(module, "app", None)
    return get_command(app) if app is not None else _command(verb, getattr(module, verb), VERBS[verb])


def _method_command(verb: str, name: str) -> Any:
    from mriuq_cli.hooks.manager import get_plugin
    from mriuq_cli.hooks.options import bind

    plugin = get_plugin(name)
    function = getattr(import_module(f"mriuq_cli.verbs.{verb}"), verb)
    return _command(name, bind(function, plugin, verb), f"{plugin.method.summary}\n\n{VERBS[verb]}")


def _command(name: str, function: Any, text: str) -> Any:
    single = typer.Typer(add_completion=False)
    single.command(name, help=text)(function)
    return get_command(single)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"mriuq {version('mriuq')}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error; allowed anywhere.")] = False,
) -> None:
    """Take the options that come before a verb; ``main`` has read ``--debug`` by then."""


def build() -> Any:
    """Return the command ``mriuq``."""
    app = typer.Typer(
        name="mriuq",
        cls=VerbGroup,
        help="Predict from MR images, and say how far to trust each voxel.",
        epilog="Results go to stdout, everything else to stderr. Exit codes: 0 done, 2 usage, 3 input, 4 method, "
        "5 weights or calibration, 6 output or machine, 7 some cases failed, 8 a verdict reached --fail-on.",
    )
    app.callback()(root)
    return get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the one place where an error becomes a message.

    Parameters
    ----------
    arguments
        Words after the program's name; ``sys.argv[1:]`` if None.
    """
    words, debug = _without_debug(list(sys.argv[1:] if arguments is None else arguments))
    _heed_signals()
    try:
        code = build().main(args=words, prog_name="mriuq", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else ExitCode.DONE
    except BaseException as error:  # noqa: BLE001 - the last line of defence
        if debug and not isinstance(error, SystemExit):
            import traceback

            traceback.print_exception(error)
        return _exit_code(error, debug)


def _without_debug(words: list[str]) -> tuple[list[str], bool]:
    """Take ``--debug`` out of the words, wherever it stands before a ``--``."""
    end = words.index("--") if "--" in words else len(words)
    return [word for word in words[:end] if word != "--debug"] + words[end:], "--debug" in words[:end]


def _heed_signals() -> None:
    """Let signals that end a process clean up first; what was started with nohup keeps ignoring that it was hung up."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _terminate(number: int, frame: object) -> None:
    # A second signal must not cut short what the first one started to clean up.
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Terminated(number)


def _exit_code(error: BaseException, debug: bool) -> int:
    """Say what happened in one to three lines and choose the exit code."""
    from mriuq_cli.present.console import note, print_error

    if isinstance(error, MriuqError):
        print_error(error)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else ExitCode.DEFECT
    if isinstance(error, KeyboardInterrupt):
        note("interrupted")
        return ExitCode.INTERRUPTED
    if isinstance(error, Terminated):
        hung_up = error.args == (signal.SIGHUP,)
        note("hung up" if hung_up else "terminated")
        return ExitCode.HUNG_UP if hung_up else ExitCode.TERMINATED
    if isinstance(error, NobodyReads | BrokenPipeError):
        # Nobody reads stdout any more; without this the interpreter complains when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.MACHINE
    return _unforeseen(error, debug)


def _usage(error: typer.TyperException) -> int:
    from mriuq_cli.present.console import print_error

    context = getattr(error, "ctx", None)
    hint = f"\nTry: {context.command_path} --help" if context else ""
    print_error(f"{error.format_message()}{hint}")
    return ExitCode.USAGE


def _unforeseen(error: BaseException, debug: bool) -> int:
    from mriuq_cli.present.console import print_error

    words = " ".join(f"{type(error).__name__}: {error}".split())
    again = "" if debug else "; run again with --debug for the trace"
    if isinstance(error, MemoryError):
        print_error(f"not enough memory{again}")
        return ExitCode.MACHINE
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        print_error(f"{error.filename or 'this machine'}: {error.strerror}{again}")
        return ExitCode.MACHINE
    blame = next((text for text in getattr(error, "__notes__", ()) if text.startswith("raised by method")), None)
    print_error(f"{words}, {blame}{again}" if blame else f"defect of mriuq: {words}{again}")
    return ExitCode.METHOD if blame else ExitCode.DEFECT
