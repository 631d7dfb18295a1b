"""The contract between the core and a method.

A method is a module (or object) that an entry point of the group ``mriuq.methods`` names; the entry point's name is
the method's name. It implements some of the hooks below with ``@hookimpl`` from :mod:`mriuq_cli.api`. Importing it
must not import torch, numpy, nibabel or monai: do that inside the functions.

Hooks called *on one* method are answered by that method alone. *Broadcast* hooks go to every installed method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from mriuq_cli.hooks.context import Context
from mriuq_cli.hooks.method import Config, Method, Option

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from mriuq_cli.data.case import Case
    from mriuq_cli.hooks.roles import Baseline, Cases, Metric, Protocol, Stage
    from mriuq_cli.uncertainty.estimate import Prediction
    from mriuq_cli.uncertainty.judgement import Judgement

PROJECT = "mriuq"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def mriuq_method() -> Method:
    """State what the method is."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_options(verb: str) -> Sequence[Option]:
    """Name the options that the method adds to ``verb`` (``predict``, ``evaluate``, ``simulate`` ...)."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_model(config: Config) -> nn.Module:
    """Build the network of a configuration, with fresh weights."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_stages(config: Config) -> Sequence[Stage]:
    """Name the training stages in order; without this hook there is one, called ``main``."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_loss(config: Config, stage: str) -> Callable[[nn.Module, Any], Mapping[str, Tensor]]:
    """Return the objective ``(model, batch) -> {"loss": scalar, name: scalar, ...}``."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_dataset(
    config: Config, cases: Cases, stage: str, split: str, previous: Mapping[str, nn.Module], context: Context
) -> Dataset[Any]:
    """Return a map-style dataset for ``split`` (``train`` or ``validation``) over ``cases``.

    ``context.device`` is where training computes: a dataset that has much to compute may do it there.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_step(config: Config, stage: str) -> Callable[..., Mapping[str, Tensor]]:
    """Replace the plain training step where one loss and one optimiser do not do."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_metrics(config: Config) -> Mapping[str, Metric]:
    """Return named figures of ``(estimate, truth, masks)`` beyond those of the core."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_predict(model: nn.Module, case: Case, options: Mapping[str, Any], context: Context) -> Prediction:
    """Predict the targets of a case on the case's own grid."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_baselines(config: Config) -> Mapping[str, Baseline]:
    """Return named predictors that need no network, for ``evaluate`` to compare with."""
    raise NotImplementedError


@hookspec(firstresult=True)
def mriuq_protocols() -> Mapping[str, Protocol]:
    """Return named evaluations, such as those of the method's paper."""
    raise NotImplementedError


@hookspec
def mriuq_simulate(preset: str, seed: int, options: Mapping[str, Any], context: Context) -> Sequence[Case] | None:
    """Return simulated cases with truth for a preset that the method knows, else None."""
    raise NotImplementedError


@hookspec
def mriuq_judge(scan: Case, options: Mapping[str, Any], context: Context) -> Judgement | None:
    """Say how good a scan is, or None if the method does not judge such scans."""
    raise NotImplementedError
