"""What a network says of the voxels of a brain."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Rows for the voxels of ``brain`` in order.

    ``quantiles`` is float32 ``(n, targets, taus)`` in rising order of tau; ``mean`` is ``(n, targets)`` or None.
    """

    quantiles: Tensor
    mean: Tensor | None
    taus: tuple[float, ...]
