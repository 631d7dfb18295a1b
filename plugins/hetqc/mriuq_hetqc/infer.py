"""One pass of the network over a scan."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mriuq_hetqc.network import CLASSES
from mriuq_hetqc.scan import Scan

_HEAD = 0.1
_REACH = 5


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the network says of a scan, on the working grid ``(x, y, z)``, CPU, float32.

    Parameters
    ----------
    image
        The scaled scan.
    residual, sigma
        Correction and its standard deviation, as shares of full scale.
    head
        Voxels of the cleaned head and those around it, bool.
    brain, grey
        Voxels that the network takes for brain (tissues and fluid inside) and for grey matter; None without the task.
    sigma_task
        Standard deviation of the segmentation, unitless; None without the task.
    features
        Float32 ``(C,)``: mean of the network's deepest image over the head.
    epistemic
        Standard deviation of the cleaned image over passes with dropout, or None.
    """

    image: Tensor
    residual: Tensor
    sigma: Tensor
    head: Tensor
    brain: Tensor | None
    grey: Tensor | None
    sigma_task: Tensor | None
    features: Tensor
    epistemic: Tensor | None = None

    @property
    def recovered(self) -> Tensor:
        """The cleaned image, scaled; not negative, as magnitudes are."""
        return (self.image + self.residual).clamp_min(0)


@torch.inference_mode()
def read_scan(model: nn.Module, scan: Scan, device: str = "cpu", *, passes: int = 0, seed: int = 0) -> Reading:
    """Run the network once, and ``passes`` times more with dropout where the epistemic uncertainty is wanted."""
    batch = scan.padded(int(model.multiple)).to(device)
    if device == "cpu":
        batch = batch.contiguous(memory_format=torch.channels_last_3d)
    answer = model(batch)
    x, y, z = scan.image.shape

    def cut(values: Tensor) -> Tensor:
        return values[0, 0, :x, :y, :z].float().cpu()

    image, residual = cut(batch), cut(answer.residual)
    head = _around(image + residual)
    brain = grey = sigma_task = None
    if answer.logits is not None and answer.task_log_variance is not None:
        classes = answer.logits[0].argmax(0)[:x, :y, :z].cpu()
        tissues = answer.logits.shape[1] == CLASSES
        brain, grey = classes > 0, classes == (2 if tissues else 1)
        sigma_task = cut((0.5 * answer.task_log_variance).exp())
    return Reading(
        image=image, residual=residual, sigma=cut((0.5 * answer.log_variance).exp()), head=head, brain=brain,
        grey=grey, sigma_task=sigma_task, features=_pooled(answer.features, head),
        epistemic=_spread(model, batch, cut, passes, seed) if passes else None,
    )  # fmt: skip


def _around(clean: Tensor) -> Tensor:
    """Return the head and a few voxels about it."""
    head = (clean > _HEAD).float()[None, None]
    return torch.nn.functional.max_pool3d(head, 2 * _REACH + 1, 1, _REACH)[0, 0] > 0


def _pooled(features: Tensor, head: Tensor) -> Tensor:
    """Return the mean over the head of each channel."""
    where = torch.nn.functional.interpolate(head.float()[None, None], size=features.shape[-3:], mode="area")[0, 0]
    where = where.to(features)
    return ((features[0] * where).sum((1, 2, 3)) / where.sum().clamp_min(1e-6)).float().cpu()


def _spread(model: nn.Module, batch: Tensor, cut: object, passes: int, seed: int) -> Tensor:
    """Return the standard deviation of the cleaned image over passes with dropout."""
    torch.manual_seed(seed)
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Dropout3d)]
    total = square = torch.zeros(())
    for layer in layers:
        layer.train()
    try:
        for _ in range(passes):
            found = cut(model(batch).residual)  # type: ignore[operator]
            total, square = total + found, square + found**2
    finally:
        for layer in layers:
            layer.eval()
    return (square / passes - (total / passes) ** 2).clamp_min(0).sqrt()
