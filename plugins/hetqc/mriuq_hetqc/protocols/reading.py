"""A scan on the working grid and what weights say of copies of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mriuq_cli.api import Case, Context, gradient_magnitude
from mriuq_hetqc import yardsticks
from mriuq_hetqc.contrast.shipped import other_than_t1
from mriuq_hetqc.infer import Reading, read_scan
from mriuq_hetqc.kind import describe
from mriuq_hetqc.protocols.intervals import condensed
from mriuq_hetqc.protocols.statistics import against_truth, ause, dice, order, sampled, spearman
from mriuq_hetqc.quality import figures, headlines
from mriuq_hetqc.scan import Scan, full_scale, prepare

_LEAST = 20_000
"""Voxels of brain below which the head is taken instead."""
_BRAIN_ALONE = 0.7
"""Share of brain among the voxels that are not 0 above which a scan is taken for a stripped one."""


@dataclass(frozen=True, eq=False)
class Bench:
    """A clean scan, the weights, and what they say of it.

    Parameters
    ----------
    clean
        ``(x, y, z)`` on the working grid, on the device, in the unit of the file.
    truth
        The reading of the clean scan; its ``brain`` is the region of every figure against the truth.
    """

    model: Any
    context: Context
    scan: Scan
    clean: Tensor
    truth: Reading

    @classmethod
    def of(cls, model: Any, case: Case, context: Context) -> Bench:
        """Prepare a case and read it as it is."""
        (volume,) = case.volumes.values()
        scan = prepare(volume.data, case.geometry, case.id)
        clean = scan.image.to(context.device)
        return cls(model, context, scan, clean, read_scan(model, replace(scan, image=clean), context.device))

    @property
    def brain(self) -> Tensor:
        """The brain of the clean scan."""
        return self.truth.brain if int(self.truth.brain.sum()) >= _LEAST else self.truth.head

    @cached_property
    def spoilable(self) -> Tensor:
        """Where scanners can leave faults: not in what is empty around a brain that came without its head."""
        filled = self.clean > 0
        stripped = self.truth.classes is not None and bool(self.truth.brain[filled].float().mean() > _BRAIN_ALONE)
        return filled if stripped else torch.ones_like(filled)

    def cut(self, image: Tensor) -> Tensor:
        """Empty what is empty around a brain that came without its head: scanners spoil heads, not brains."""
        return image * self.spoilable

    def read(self, image: Tensor) -> tuple[Reading, float]:
        """Return the reading of a copy and the scale that the network divided it by."""
        scale = full_scale(image)
        return read_scan(self.model, replace(self.scan, image=image, scale=scale), self.context.device), scale

    def kind(self, image: Tensor, reading: Reading) -> dict[str, float]:
        """Return the descriptors of a copy by name."""
        other = other_than_t1(replace(self.scan, image=image), self.context.device)
        return {d.name: d.value for d in describe(reading, other, volume=self.scan.voxel_volume)}

    def compared(self, reading: Reading, scale: float) -> dict[str, object]:
        """Return what :func:`against_truth` says of the brain, as shares of full scale, and other orders.

        ``spearman_head`` is that in the head, ``spearman_field`` that in the whole image, air included.
        """
        error = self._error(reading, scale)
        found = against_truth(error[self.brain], reading.sigma[self.brain])
        head = self.truth.head
        return {**found, "spearman_head": order(error[head], reading.sigma[head]),
                "spearman_field": order(error.flatten(), reading.sigma.flatten())}  # fmt: skip

    def against_rivals(self, reading: Reading, scale: float) -> dict[str, object]:
        """Return ``sharp`` (:func:`mriuq_hetqc.protocols.intervals.condensed`) and how the gradient orders errors."""
        brain, recovered = self.brain, reading.recovered
        slope = torch.from_numpy(gradient_magnitude(recovered.cpu().numpy(), brain.cpu().numpy()))
        size, sigma, value, gradient = sampled(
            self._error(reading, scale)[brain].abs(), reading.sigma[brain], recovered[brain], slope
        )
        return {
            "sharp": condensed(size, sigma, value),
            "gradient_ause": ause(size, gradient), "gradient_spearman": spearman(size, gradient),
        }  # fmt: skip

    def _error(self, reading: Reading, scale: float) -> Tensor:
        with torch.inference_mode():
            return self.clean / scale - reading.recovered

    def lost(self, reading: Reading) -> dict[str, float]:
        """Return by how much a copy's tissues miss those of the clean scan, where tissues are found."""
        if reading.classes is None or self.truth.classes is None:
            return {}
        tissues = range(1, int(self.truth.classes.max()) + 1)
        overlaps = [dice(reading.classes == tissue, self.truth.classes == tissue) for tissue in tissues]
        return {"loss": 1 - float(np.mean(overlaps or [1.0]))}

    def scores(self, reading: Reading) -> dict[str, float]:
        """Return the figures of a reading, the headlines among them where the weights come with reference scans."""
        found = figures(reading)
        folder = self.context.weights
        if folder is None or not (folder / yardsticks.FILE).is_file():
            return found
        return {**headlines(reading, found, yardsticks.load(folder)), **found}
