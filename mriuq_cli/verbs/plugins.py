"""``mriuq plugins``: which methods are installed, and whether they keep the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mriuq_cli.hooks.discovery import Found

app = typer.Typer(name="plugins", help="List and check the installed methods.")


@app.command("list")
def list_plugins(
    json: Annotated[bool, typer.Option("--json", help="One JSON object a method, one a line.")] = False,
) -> None:
    """List the installed methods; a broken one with the reason."""
    import json as json_module

    from mriuq_cli.hooks.discovery import discover
    from mriuq_cli.present.console import columns, note

    rows = [describe(found) for found in discover()]
    if json:
        for row in rows:
            print(json_module.dumps(row))
    elif rows:
        heads = ("NAME", "VERSION", "DISTRIBUTION", "STATUS", "SUMMARY")
        cells = [(*(str(row[head.lower()]) for head in heads[:4]), _about(row)) for row in rows]
        print(columns([heads, *cells]))
    else:
        note("no methods are installed; for instance: pip install mriuq-qrunet")


def describe(found: Found) -> dict[str, Any]:
    """Import a method by itself and say how it is, ready for JSON."""
    from mriuq_cli.errors import MethodError
    from mriuq_cli.hooks.manager import load

    try:
        load(found)
        reason = None
    except MethodError as error:
        reason = error.what
    return {
        "name": found.name,
        "version": found.version,
        "distribution": found.distribution,
        "status": "broken" if reason else "ok",
        "summary": found.summary,
        "reason": reason,
    }


def _about(row: dict[str, Any]) -> str:
    return str(row["reason"] or row["summary"])


@app.command("check")
def check_plugin(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="An installed method.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a check, one a line.")] = False,
) -> None:
    """Run the conformance suite on a method; exit code 4 if it breaks the contract."""
    import json as json_module
    from dataclasses import asdict

    from mriuq_cli.errors import ExitCode
    from mriuq_cli.present.console import note
    from mriuq_cli.testing import Check, checks, run_checks

    commands = Check("commands", lambda bench: _commands(bench.plugin))
    failed = 0
    for result in run_checks(name, only=[commands, *checks]):
        failed += result.status == "fail"
        if json:
            print(json_module.dumps({"method": name, **asdict(result)}), flush=True)
        else:
            print(f"{result.status:14}  {result.name:22}  {result.detail}".rstrip(), flush=True)
    if failed:
        note(f"{name}: {failed} check{'s' if failed > 1 else ''} failed")
        raise typer.Exit(ExitCode.METHOD)


def _commands(plugin: Any) -> str:
    """Make the command of every verb, so that an option that clashes with one of the core is seen."""
    from importlib import import_module
    from importlib.util import find_spec

    from mriuq_cli.hooks.options import bind

    made = []
    for verb in ("predict", "train", "evaluate", "calibrate"):
        if find_spec(f"mriuq_cli.verbs.{verb}") is not None:
            bind(getattr(import_module(f"mriuq_cli.verbs.{verb}"), verb), plugin, verb)
            made.append(verb)
    return ", ".join(made)
