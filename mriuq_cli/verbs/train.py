"""``mriuq train METHOD RECIPE.yaml``: from a recipe and a cohort to weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    method: str,
    options: Mapping[str, Any],
    recipe: Annotated[
        Path, typer.Argument(help="YAML file that states the training, or the name of a recipe that ships.")
    ],
    data: Annotated[list[Path], typer.Option(help="Cohort to learn from: folders of cases, or 4-D files.")],
    out: Annotated[Path, typer.Option(help="Run folder: recipe, log, checkpoints, weights.")],
    steps: Annotated[int | None, typer.Option(help="Budget in steps (overrides the recipe).")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in minutes (overrides the recipe).")] = None,
    fold: Annotated[int | None, typer.Option(help="Fold to hold out (overrides the recipe), from 0.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed (overrides the recipe).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes all usable cores.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Train a method's weights."""
    from json import dumps

    from mriuq_cli.data.layouts import find_cohort
    from mriuq_cli.hooks.manager import get_plugin
    from mriuq_cli.inference.device import pick_device, usable_cores
    from mriuq_cli.present.console import progress
    from mriuq_cli.training.run import Run, run_training

    plugin = get_plugin(method)
    stated = _changed(_recipe(plugin, recipe), method, steps=steps, minutes=minutes, fold=fold, seed=seed)
    cohort = find_cohort(data, plugin.method.inputs, complete=True)
    with progress(f"train {method}") as report:
        run = Run(out, pick_device(device), threads or usable_cores(), resume, report)
        weights = run_training(plugin, stated, cohort, run)
    print(dumps({"method": method, "weights": str(weights), "cases": len(cohort)}) if json else weights)


def _recipe(plugin: Any, given: Path) -> Any:
    """Read the recipe from a file, or by name from those that the plugin ships."""
    from mriuq_cli.training.recipe import read_recipe

    folder = plugin.method.recipes
    shipped = folder / f"{given}.yaml" if folder else given
    return read_recipe(shipped if not given.exists() and shipped.exists() else given)


def _changed(
    recipe: Any, method: str, *, steps: int | None, minutes: float | None, fold: int | None, seed: int | None
) -> Any:
    """Return the recipe with the command line's changes; raise UsageError if it is another method's."""
    from mriuq_cli.errors import UsageError
    from mriuq_cli.training.recipe import change_recipe

    if recipe.method != method:
        raise UsageError(f"the recipe is for '{recipe.method}', not '{method}'")
    changes: dict[str, Any] = {}
    if steps is not None or minutes is not None:
        changes["train"] = {**recipe.train.model_dump(), "steps": steps, "minutes": minutes}
    if fold is not None:
        if recipe.folds is None:
            raise UsageError("--fold needs a recipe with 'folds'")
        changes["folds"] = {"count": recipe.folds.count, "hold_out": fold}
    if seed is not None:
        changes["seed"] = seed
    return change_recipe(recipe, changes)
