"""The list of checks and how to run it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mriuq_cli.testing import behaviour, facts, judging, learning
from mriuq_cli.testing.bench import Bench
from mriuq_cli.testing.check import Check, Result

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case
    from mriuq_cli.hooks.manager import Plugin

checks: tuple[Check, ...] = (
    Check("light import", facts.light_import),
    Check("method data", facts.method_data),
    Check("options", facts.options),
    Check("weights", facts.weights),
    Check("method card", facts.card),
    Check("presets build", learning.presets_build),
    Check("stages", learning.stages),
    Check("training step", learning.training_step),
    Check("baselines", learning.baselines),
    Check("metrics", learning.metrics),
    Check("protocols", learning.protocols),
    Check("judgement", judging.judgement),
    Check("own grid", behaviour.own_grid),
    Check("ordered bounds", behaviour.ordered_bounds),
    Check("inputs untouched", behaviour.inputs_untouched),
    Check("same seed, same answer", behaviour.deterministic),
    Check("empty space", behaviour.empty_space),
    Check("tiles", behaviour.tiles),
    Check("outlier maps", behaviour.outlier_maps),
    Check("left stays left", behaviour.orientation),
)
"""All checks, from the cheapest to the dearest."""


def run_checks(method: str | Plugin, *, only: Sequence[Check] = checks, exam: Case | None = None) -> Iterator[Result]:
    """Run the conformance suite, yielding each result as it is known.

    Parameters
    ----------
    method
        Name of an installed method, or a loaded plugin.
    only
        The checks to run.
    exam
        A case with all inputs of the method, for methods that cannot work on the suite's phantom.

    Raises
    ------
    MethodError
        If the method is not installed, or too broken to be checked.
    """
    from mriuq_cli.hooks.manager import get_plugin

    bench = Bench(get_plugin(method) if isinstance(method, str) else method, exam)
    for check in only:
        yield check(bench)
