"""A scan on the working grid and what weights say of copies of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mriuq_cli.api import Case, Context, ause, gradient_magnitude, spearman
from mriuq_hetqc import yardsticks
from mriuq_hetqc.contrast.shipped import other_than_t1
from mriuq_hetqc.infer import Reading, read_scan
from mriuq_hetqc.kind import describe
from mriuq_hetqc.protocols.intervals import OF_SIGMA, sample
from mriuq_hetqc.protocols.statistics import against_truth, dice, order, sampled
from mriuq_hetqc.quality import figures, for_users, headlines
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
        """Return the reading of a copy, as the network states it, and the scale that it was divided by."""
        scale = full_scale(image)
        return read_scan(self.model, replace(self.scan, image=image, scale=scale), self.context.device), scale

    def for_users(self, reading: Reading) -> Reading:
        """Return the reading with the sigma that users are told."""
        return for_users(reading, yardsticks.of(self.context.weights))

    def kind(self, image: Tensor, reading: Reading) -> dict[str, float]:
        """Return the descriptors of a copy by name."""
        other = other_than_t1(replace(self.scan, image=image), self.context.device)
        return {d.name: d.value for d in describe(reading, other, volume=self.scan.voxel_volume)}

    def compared(self, reading: Reading, scale: float) -> dict[str, object]:
        """Compare errors with sigma, as shares of full scale.

        Returns
        -------
        dict
            What :func:`against_truth` says of the brain; ``spearman_head`` and ``spearman_field``, the same order in
            the head and in the whole image.
        """
        error, head = self._error(reading, scale), self.truth.head
        return {
            **against_truth(error[self.brain], reading.sigma[self.brain]),
            "spearman_head": order(error[head], reading.sigma[head]),
            "spearman_field": order(error.flatten(), reading.sigma.flatten()),
        }

    def against_rivals(self, reading: Reading, scale: float) -> dict[str, object]:
        """Set sigma in the brain beside what knows less.

        Returns
        -------
        dict
            ``sample``, size of the error, sigma, recovered ``value``, image and residual in some voxels of the brain;
            ``around``, the same in the whole image, and whether they belong to the head; ``gradient_spearman`` and
            ``gradient_ause``, how the gradient orders errors.
        """
        brain, error = self.brain, self._error(reading, scale).abs()
        maps = {"size": error, "value": reading.recovered, **{name: getattr(reading, name) for name in OF_SIGMA}}
        slope = torch.from_numpy(gradient_magnitude(reading.recovered.cpu().numpy(), brain.cpu().numpy()))
        size, gradient = sampled(error[brain], slope)
        return {
            "sample": sample({name: part[brain] for name, part in maps.items()}),
            "around": sample({name: part.flatten() for name, part in {**maps, "head": self.truth.head}.items()}),
            "gradient_spearman": spearman(size, gradient), "gradient_ause": ause(size, gradient),
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

    def pooled(self, reading: Reading) -> dict[str, list[float]]:
        """Return the features of head and brain."""
        parts = {"features": reading.features, "brain_features": reading.brain_features}
        return {name: [round(float(v), 5) for v in values] for name, values in parts.items()}

    def scores(self, reading: Reading) -> dict[str, float]:
        """Return the figures of a reading, the headlines among them where the weights come with reference scans."""
        found, known = figures(reading), yardsticks.of(self.context.weights)
        return found if known is None else {**headlines(reading, found, known), **found}
