"""The simulated exams that ship with the core, offered through the same hook as any plugin's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case

# The marker alone: physics lies below the hooks and must not import them.
hookimpl = pluggy.HookimplMarker("mriuq")

PRESETS: Mapping[str, str] = {"exam": "four contrasts of a brain with a glioma, without skull, 240x240x155 at 1 mm"}
"""Names of the presets answered here, each with what it makes."""


@hookimpl
def mriuq_simulate(preset: str, seed: int, options: Mapping[str, Any], context: object) -> Sequence[Case] | None:
    """Return one simulated case for preset ``exam``, None for any other.

    The case's ``regions`` hold the tumour, its ``parameters`` every random choice; nothing is written.
    """
    if preset not in PRESETS:
        return None
    from mriuq_cli.physics.exam import simulate_exam

    return [simulate_exam(seed)]
