"""What is measured of a scan as a whole before the network sees it, and how the network is told.

A network that sees one part at a time cannot tell a fault of k-space from anatomy, nor how strong noise is where all it
sees is noise; both can be measured on the whole (for noise see Zhang, Zuo and Zhang, IEEE TIP 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mriuq_hetqc.kspace import of_kspace
from mriuq_hetqc.noise import of_noise


class Mark(NamedTuple):
    """How a figure is told: ``(log - middle) / spread`` over clean and spoilt heads, no more than ``most``.

    A training is told wrong by ``unsure``, since other scanners leave other traces.
    """

    middle: float
    spread: float
    unsure: float
    most: float = math.inf


_MARKS = {
    "kspace_peak": Mark(2.5, 1.0, 0.15),  # a logarithm already
    "echo": Mark(-5.0, 1.5, 0.15),
    "ghost": Mark(-6.0, 1.5, 0.15),
    "noise": Mark(-3.0, 1.5, 0.005),
    "noise_grain": Mark(0.7, 0.7, 0.03, 0.6),  # quiet scans differ in it, and it says nothing of them
    "noise_contrast": Mark(2.0, 1.5, 0.03, 1.0),
}
MARKS = len(_MARKS)
"""How many figures there are."""
UNSURE = torch.tensor([mark.unsure for mark in _MARKS.values()])
"""SD by which what a training is told is off, float32 ``(MARKS,)``."""


def of_scan(image: Tensor, band: Sequence[float]) -> dict[str, float]:
    """Return the figures of :func:`mriuq_hetqc.kspace.of_kspace` and :func:`mriuq_hetqc.noise.of_noise`.

    Parameters
    ----------
    image
        Float32 ``(x, y, z)``, shares of full scale.
    band
        Share of each axis's frequencies that the scan was acquired with.
    """
    return {**of_kspace(image, band), **of_noise(image, band)}


def as_input(found: Mapping[str, float]) -> Tensor:
    """Return the figures of :func:`of_scan` as a network is told them, float32 ``(MARKS,)``, of order 1."""
    values = {name: value if name == "kspace_peak" else math.log(value) for name, value in found.items()}
    told = [min(mark.most, (values[name] - mark.middle) / mark.spread) for name, mark in _MARKS.items()]
    return torch.tensor(told)


def noise_told(told: Tensor) -> Tensor:
    """Return the SD of noise, shares of full scale ``(B,)``, of what networks are told, ``(B, MARKS)``."""
    mark = _MARKS["noise"]
    return (mark.spread * told[:, list(_MARKS).index("noise")].float() + mark.middle).exp()
