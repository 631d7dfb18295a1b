"""One pass of the network over a scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mriuq_cli.api import WeightsError
from mriuq_hetqc.marks import as_input, of_scan
from mriuq_hetqc.region import widened
from mriuq_hetqc.scan import Scan

_HEAD = 0.1
_REACH = 5


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the network says of a scan, on the working grid ``(x, y, z)``, float32, on the device that computed it.

    Parameters
    ----------
    image
        The scaled scan.
    residual, sigma
        Correction and its standard deviation, as shares of full scale.
    head
        Voxels of the cleaned head and those around it, bool.
    classes
        Tissue of each voxel, int64 (0 outside the brain, 1 fluid, 2 grey, 3 white; 1 for grey alone in the published
        form); None without the task.
    sigma_task
        Standard deviation of the segmentation, unitless; None without the task.
    marks
        What :func:`mriuq_hetqc.marks.of_scan` says of the scan.
    features, brain_features
        Float32 ``(C,)``: mean of the network's deepest image over the head, and over the brain.
    epistemic
        Standard deviation of the cleaned image over passes with dropout, or None.
    """

    image: Tensor
    residual: Tensor
    sigma: Tensor
    head: Tensor
    classes: Tensor | None
    sigma_task: Tensor | None
    marks: Mapping[str, float]
    features: Tensor
    brain_features: Tensor
    epistemic: Tensor | None = None

    @property
    def brain(self) -> Tensor:
        """Voxels that the network takes for brain, fluid inside it included; the head without that task."""
        return self.head if self.classes is None else self.classes > 0

    @property
    def recovered(self) -> Tensor:
        """The cleaned image, scaled; not negative, as magnitudes are."""
        return (self.image + self.residual).clamp_min(0)


@torch.inference_mode()
def read_scan(model: nn.Module, scan: Scan, device: str = "cpu", *, passes: int = 0, seed: int = 0) -> Reading:
    """Run the network once, and ``passes`` times more with dropout where the epistemic uncertainty is wanted.

    Raises
    ------
    WeightsError
        If the network is one that cleans nothing.
    """
    if not hasattr(model, "multiple"):
        raise WeightsError("these weights tell contrasts apart and clean no scan", hint="Leave out --weights.")
    if device == "cpu":
        model.to(memory_format=torch.channels_last_3d)  # convolutions take two thirds of the time, answers stay
    batch = scan.padded(int(model.multiple)).to(device)
    marks = of_scan(scan.image.to(device) / scan.scale, scan.band)
    told = as_input(marks)[None].to(device)
    answer = model(batch, told)
    x, y, z = scan.image.shape

    def cut(values: Tensor) -> Tensor:
        return values[0, 0, :x, :y, :z].float()

    image, residual = cut(batch), cut(answer.residual)
    head = widened(image + residual > _HEAD, _REACH)
    classes = sigma_task = None
    if answer.logits is not None and answer.task_log_variance is not None:
        classes = answer.logits[0].max(0).indices[:x, :y, :z]  # many times as quick as argmax
        sigma_task = cut((0.5 * answer.task_log_variance).exp())
    brain = head if classes is None else classes > 0
    return Reading(
        image=image, residual=residual, sigma=cut((0.5 * answer.log_variance).exp()), head=head,
        classes=classes, sigma_task=sigma_task, marks=marks,
        features=_pooled(answer.features, head), brain_features=_pooled(answer.features, brain),
        epistemic=_spread(lambda: cut(model(batch, told).residual), model, passes, seed) if passes else None,
    )  # fmt: skip


def _pooled(features: Tensor, region: Tensor) -> Tensor:
    """Return the mean over a region of each channel."""
    where = torch.nn.functional.interpolate(region.float()[None, None], size=features.shape[-3:], mode="area")[0, 0]
    where = where.to(features)
    return ((features[0] * where).sum((1, 2, 3)) / where.sum().clamp_min(1e-6)).float()


def _spread(residual: Callable[[], Tensor], model: nn.Module, passes: int, seed: int) -> Tensor:
    """Return the standard deviation of the correction over passes with dropout."""
    torch.manual_seed(seed)
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Dropout3d)]
    total = square = torch.zeros(())
    for layer in layers:
        layer.train()
    try:
        for _ in range(passes):
            found = residual()
            total, square = total + found, square + found**2
    finally:
        for layer in layers:
            layer.eval()
    return (square / passes - (total / passes) ** 2).clamp_min(0).sqrt()
