"""A method on the bench: what the checks ask of it, each thing made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mriuq_cli.errors import WeightsError
from mriuq_cli.hooks.context import Context
from mriuq_cli.hooks.options import default_values
from mriuq_cli.testing.check import NotApplicable
from mriuq_cli.testing.phantom import SHAPE, phantom_case

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.inference.weights import WeightsFolder
    from mriuq_cli.uncertainty.estimate import Prediction


@dataclass(frozen=True, eq=False)
class Bench:
    """A plugin with its network and its answers.

    Parameters
    ----------
    plugin
        The method under test.
    exam
        A case with all inputs of the method, to use instead of the suite's own phantom.
    """

    plugin: Plugin
    exam: Case | None = None
    _answers: dict[str, Prediction] = field(default_factory=dict)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the shipped weights, or of the default preset."""
        method = self.plugin.method
        return self._weights.config if self._weights else method.presets.get(method.default_preset, {})

    @cached_property
    def _weights(self) -> WeightsFolder | None:
        """The default weights; None where none ship or they are not sound, which a check of its own says."""
        from mriuq_cli.inference.weights import find_weights

        try:
            return find_weights(self.plugin, None)
        except WeightsError:
            return None

    @cached_property
    def model(self) -> Any:
        """The network with the shipped weights, or with fresh ones from a fixed seed."""
        import torch

        if self._weights:
            from mriuq_cli.inference.weights import load_model

            return load_model(self.plugin, self._weights, "cpu")
        torch.manual_seed(0)
        return self.plugin.call("mriuq_model", config=self.config).eval().requires_grad_(False)

    def exam_number(self, seed: int, shape: tuple[int, int, int] = SHAPE) -> Case:
        """Return an exam with all inputs and all targets that are not inputs (as truth)."""
        method = self.plugin.method
        names = [role.name for role in method.inputs]
        names += [role.name for role in method.targets if role.name not in names]
        return phantom_case(names, seed, shape).hiding(names[len(method.inputs) :])

    @cached_property
    def case(self) -> Case:
        """The exam that predictions are made of: one contrast is missing where the method is ``partial``."""
        return self.hidden(self.exam or self.exam_number(0))

    def hidden(self, exam: Case) -> Case:
        """Return an exam as the method gets it: without its last input where the method is ``partial``."""
        method = self.plugin.method
        return exam.hiding([method.inputs[-1].name]) if method.partial else exam

    def predict(self, case: Case, *, tile: int | None = None, seed: int = 0, outliers: bool = False) -> Prediction:
        """Ask the method for a prediction with the default options of its own, on one CPU thread.

        Raises
        ------
        NotApplicable
            If the method does not predict.
        """
        if not self.plugin.has("mriuq_predict"):
            raise NotApplicable("the method does not predict")
        context = Context(config=self.config, tile=tile, seed=seed)
        core = {"outliers": outliers} if self.plugin.method.outliers else {}
        options = core | default_values(self.plugin.options("predict"))
        answer: Prediction = self.plugin.call(
            "mriuq_predict", model=self.model, case=case, options=options, context=context
        )
        return answer

    @property
    def answer(self) -> Prediction:
        """The prediction of :attr:`case`, made once."""
        if "plain" not in self._answers:
            self._answers["plain"] = self.predict(self.case)
        return self._answers["plain"]
