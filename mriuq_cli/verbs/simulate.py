"""``mriuq simulate PRESET OUT``: scans with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mriuq_cli.data.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mriuq_cli.data.case import Case


def simulate(
    preset: Annotated[
        str, typer.Argument(help="What to simulate: exam, t1w, fse, qmri-t1, qmri-t2, artefact, or a method's own.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the cases; made if its parent exists.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many cases; case k has seed SEED + k.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Fixes every random choice: same seed, same bytes.")] = 0,
    anatomy: Annotated[
        Path | None,
        typer.Option(help="Label map, or a folder of them: the heads to take, in turn. Default: the MNI152 template."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="What the labels are: freesurfer (default), brainweb, or a YAML file.")
    ] = None,
    field: Annotated[float | None, typer.Option(help="Field strength in tesla: 1.5 or 3 (default).")] = None,
    scan: Annotated[Path | None, typer.Option(help="For preset artefact: the scan to corrupt.")] = None,
    region: Annotated[
        Path | None, typer.Option(help="For preset artefact: mask on the scan's grid; outside it nothing is corrupted.")
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format", help="A folder of 3-D files a case, one 4-D file, or BIDS. Default: BIDS for t1w and fse."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace cases that exist.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep cases that are whole, make the rest.")] = False,
) -> None:
    """Write simulated cases and print where each one is."""
    from mriuq_cli.cohort.simulated import Place, is_whole
    from mriuq_cli.errors import UsageError
    from mriuq_cli.physics.presets import PRESETS
    from mriuq_cli.present.console import progress

    if overwrite and resume:
        raise UsageError("--overwrite and --resume exclude each other", hint="Give one of them.")
    _refuse_folder(out)
    options = {"anatomy": anatomy, "labels": labels, "field": field, "scan": scan, "region": region}
    layout = form or (PRESETS[preset].form if preset in PRESETS else Form.brats)
    places = {one: Place(out, f"{preset}-{one}", layout) for one in range(seed, seed + n)}
    if not overwrite and not resume:
        _refuse_existing([place.truth for place in places.values()])
    with progress(f"simulate {preset}") as step:
        for number, (one, place) in enumerate(places.items()):
            step(number / n, place.name)
            if not (resume and is_whole(place, preset, one, options)):
                _write_all(_simulated(preset, one, options), place, options)
            print(place.shown, flush=True)


def _refuse_folder(out: Path) -> None:
    from mriuq_cli.errors import MachineError

    if not out.parent.is_dir():
        raise MachineError("the folder that should hold it does not exist", where=out, hint=f"mkdir -p {out.parent}")
    if out.exists() and not out.is_dir():
        raise MachineError("is a file, not a folder", where=out)


def _refuse_existing(files: Sequence[Path]) -> None:
    from mriuq_cli.errors import MachineError

    for file in files:
        if file.exists():
            hint = "Give --overwrite to replace it, --resume to keep it, or another --seed."
            raise MachineError("the case is there already", where=file, hint=hint)


def _simulated(preset: str, seed: int, options: Mapping[str, Any]) -> Sequence[Case]:
    """Ask the core and then every method for the preset; the first that knows it answers."""
    from mriuq_cli.data.naming import nearest
    from mriuq_cli.errors import UsageError
    from mriuq_cli.hooks.context import Context
    from mriuq_cli.hooks.manager import broadcast
    from mriuq_cli.physics.presets import PRESETS

    for _, cases in broadcast("mriuq_simulate", preset=preset, seed=seed, options=options, context=Context(seed=seed)):
        return list(cases)
    raise UsageError(f"nothing simulates {preset!r}{nearest(preset, PRESETS)}", hint=f"Built in: {', '.join(PRESETS)}")


def _write_all(cases: Sequence[Case], place: Any, options: Mapping[str, Any]) -> None:
    """Write the cases of one seed; the first one last, since ``--resume`` looks at its truth file."""
    from dataclasses import replace

    from mriuq_cli.cohort.simulated import write_case

    for number, case in reversed(list(enumerate(cases))):
        name = place.name if number == 0 else f"{place.name}-{number + 1}"
        write_case(case, replace(place, name=name), options)
