"""Checks of what a plugin says of itself and ships; no network is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from mriuq_cli.hooks.options import NAME
from mriuq_cli.testing.check import NotApplicable, require

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Method
    from mriuq_cli.testing.bench import Bench

HEAVY = ("torch", "numpy", "nibabel", "monai")
VERBS = ("predict", "train", "evaluate", "calibrate", "simulate", "qc")
_PROBE = "import sys, importlib; importlib.import_module(sys.argv[1]); print(*set(sys.argv[2:]) & set(sys.modules))"


def light_import(bench: Bench) -> str:
    """Require that importing the entry module imports no heavy package, so that help is quick."""
    module = bench.plugin.module
    name = module.__name__ if isinstance(module, ModuleType) else type(module).__module__
    run = subprocess.run(
        [sys.executable, "-c", _PROBE, name, *HEAVY],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    last = (run.stderr.strip().splitlines() or ["no message"])[-1]
    require(run.returncode == 0, f"{name} cannot be imported by itself: {last}")
    loaded = run.stdout.split()
    require(not loaded, f"importing {name} imports {', '.join(sorted(loaded))}: do that inside the functions")
    return f"{name} imports none of {', '.join(HEAVY)}"


def method_data(bench: Bench) -> str:
    """Require that what ``mriuq_method`` returns is complete and consistent."""
    method = bench.plugin.method
    problems = list(method_problems(method))
    require(not problems, "; ".join(problems))
    return f"{len(method.inputs)} inputs, {len(method.targets)} targets, {len(method.presets)} presets"


def method_problems(method: Method) -> Iterator[str]:
    """Say what is wrong with a method's data, one sentence each."""
    if not method.summary.strip() or "\n" in method.summary:
        yield "summary is not one line"
    for kind, roles in (("input", method.inputs), ("target", method.targets)):
        if not roles:
            yield f"no {kind} is named"
        for role in roles:
            if not NAME.fullmatch(role.name):
                yield f"{kind} {role.name!r}: a name is lower-case letters and digits, words joined by '-'"
            if not role.description.strip():
                yield f"{kind} {role.name!r} has no description"
        words = [word for role in roles for word in (role.name, *role.aliases)]
        for twice in sorted({word for word in words if words.count(word) > 1}):
            yield f"{kind} name or alias {twice!r} is used twice"
    if method.partial and len(method.inputs) < 2:
        yield "partial needs two inputs or more"
    if method.partial and not {role.name for role in method.targets} <= {role.name for role in method.inputs}:
        yield "partial: every target must be an input, as what is missing is what is predicted"
    if method.presets and method.default_preset not in method.presets:
        yield f"default_preset {method.default_preset!r} is not among the presets"


def options(bench: Bench) -> str:
    """Require that the options are valid for every verb and clash with no contrast."""
    names = {word for role in bench.plugin.method.inputs for word in (role.name, *role.aliases)}
    count = 0
    for verb in VERBS:
        mine = bench.plugin.options(verb)
        clash = sorted(names & {option.name for option in mine})
        require(not clash, f"{verb}: --{', --'.join(clash)} is a contrast and an option")
        count += len(mine)
    return f"{count} options"


def weights(bench: Bench) -> str:
    """Require that weights that ship have the stated hash, fill their network, and have no other's calibration."""
    from mriuq_cli.inference.weights import find_weights, load_model
    from mriuq_cli.uncertainty.conformal import read_calibration

    folder = bench.plugin.method.weights
    if folder is None:
        raise NotApplicable("no weights ship")
    require(folder.is_dir(), f"{folder} is not a folder")
    sets = sorted(entry for entry in folder.iterdir() if (entry / "weights.json").is_file())
    require(sets, f"{folder} holds no set of weights")
    default = bench.plugin.method.default_weights
    require(default in {entry.name for entry in sets}, f"default_weights {default!r} is not there")
    for entry in sets:
        found = find_weights(bench.plugin, entry)
        load_model(bench.plugin, found, "cpu")
        if found.calibration is not None:
            ours = read_calibration(found.calibration, bench.plugin.name).speaks_for(found.sha256)
            require(ours, f"{entry.name}: the calibration was not made for these weights")
    return ", ".join(entry.name for entry in sets)


def card(bench: Bench) -> str:
    """Require that the method card is there and says something."""
    path = bench.plugin.method.card
    if path is None:
        raise NotApplicable("no method card ships")
    require(path.is_file(), f"{path} is not a file")
    words = len(path.read_text(encoding="utf-8").split())
    require(words >= 50, f"{path.name} has {words} words: say what it was trained on, what it is good for, its limits")
    return f"{path.name}, {words} words"
