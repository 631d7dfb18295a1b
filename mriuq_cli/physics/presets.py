"""The simulated scans that ship with the core, offered through the same hook as any plugin's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from mriuq_cli.data.form import Form
from mriuq_cli.errors import UsageError

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case
    from mriuq_cli.physics.labels import LabelMap

# The marker alone: physics lies below the hooks and must not import them.
hookimpl = pluggy.HookimplMarker("mriuq")


@dataclass(frozen=True, slots=True)
class Preset:
    """What a preset makes, how, from which of the verb's options, and how it is laid out unless asked otherwise."""

    summary: str
    make: Callable[[int, Mapping[str, Any]], Case]
    options: tuple[str, ...] = ("anatomy", "labels", "field")
    form: Form = Form.brats


@lru_cache(maxsize=1)
def _read(path: Path, labels: str | None) -> LabelMap:
    from mriuq_cli.physics.labels import read_label_map, read_table

    return read_label_map(path, read_table(labels) if labels else None)


def _head(seed: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return field strength and anatomy: that of one label map in turn, or None for the template."""
    from mriuq_cli.physics.labels import find_label_maps

    anatomy, labels = options.get("anatomy"), options.get("labels")
    if labels and anatomy is None:
        raise UsageError("--labels says what the labels of --anatomy are", hint="Give --anatomy too.")
    source = None
    if anatomy is not None:
        maps = find_label_maps(Path(anatomy))
        source = _read(maps[seed % len(maps)], labels)
    return {"source": source, "field": float(options.get("field") or 3.0)}


def _exam(seed: int, options: Mapping[str, Any]) -> Case:
    from mriuq_cli.physics.exam import simulate_exam

    return simulate_exam(seed, **_head(seed, options))


def _t1w(seed: int, options: Mapping[str, Any]) -> Case:
    from mriuq_cli.physics.t1w import simulate_t1w

    return simulate_t1w(seed, **_head(seed, options))


def _fse(seed: int, options: Mapping[str, Any]) -> Case:
    from mriuq_cli.physics.fse import simulate_fse

    return simulate_fse(seed, **_head(seed, options))


def _qmri_t2(seed: int, options: Mapping[str, Any]) -> Case:
    from mriuq_cli.physics.qmri import simulate_qmri

    return simulate_qmri(seed, "te", **_head(seed, options))


def _qmri_t1(seed: int, options: Mapping[str, Any]) -> Case:
    from mriuq_cli.physics.qmri import simulate_qmri

    return simulate_qmri(seed, "ti", **_head(seed, options))


def _artefact(seed: int, options: Mapping[str, Any]) -> Case:
    from mriuq_cli.physics.spoilt import simulate_artefact

    scan, region = (None if options.get(name) is None else Path(options[name]) for name in ("scan", "region"))
    if scan is not None and options.get("anatomy") is not None:
        raise UsageError("--scan and --anatomy exclude each other", hint="Give the scan to corrupt, or neither.")
    if region is not None and scan is None:
        raise UsageError("--region is a mask on the grid of --scan", hint="Give --scan too.")
    return simulate_artefact(seed, scan, **_head(seed, options), region=region)


PRESETS: Mapping[str, Preset] = {
    "exam": Preset("T1, T1Gd, T2, FLAIR and ADC of a brain with a glioma, without skull, 240x240x155 at 1 mm", _exam),
    "t1w": Preset("a clean T1-weighted whole head with labels of grey and white matter", _t1w, form=Form.bids),
    "fse": Preset("nine fast spin-echo sequences of a whole head, with the true PD, T1 and T2", _fse, form=Form.bids),
    "qmri-t2": Preset("k-space of 8 coils and 8 T2-prepared phases, with the true T2", _qmri_t2),
    "qmri-t1": Preset("k-space of 8 coils and 8 inversion times (Look-Locker), with the true T1", _qmri_t1),
    "artefact": Preset(
        "a corrupted copy of a scan (--scan) or of a simulated head",
        _artefact,
        ("scan", "region", "anatomy", "labels", "field"),
    ),
}
"""Names of the presets answered here."""


@hookimpl
def mriuq_simulate(preset: str, seed: int, options: Mapping[str, Any], context: object) -> Sequence[Case] | None:
    """Return one simulated case for a preset of the core, None for any other; nothing is written.

    The case's ``parameters`` hold every random choice.

    Raises
    ------
    UsageError
        If an option is given that the preset has no use for.
    """
    found = PRESETS.get(preset)
    if found is None:
        return None
    for name, value in options.items():
        if value is not None and name not in found.options:
            raise UsageError(f"--{name} means nothing to preset {preset}", hint="Leave it out.")
    return [found.make(seed, options)]
