"""What a sequence makes of a head, and what the scanner makes of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.physics import signal
from mriuq_cli.physics.field import Array, smooth_field
from mriuq_cli.physics.head import Head

Equation = Callable[..., Array]


@dataclass(frozen=True, slots=True)
class PulseSequence:
    """An equation of :mod:`mriuq_cli.physics.signal` with its times in seconds, and what the scanner does to it.

    Parameters
    ----------
    equation, settings
        The signal and what it is called with.
    agent
        Whether contrast agent was given.
    blur
        Standard deviation in voxels along each axis.
    mean
        Mean of the stored whole numbers over what is shown.
    noise
        Standard deviation of a channel, as a share of the mean signal, before the blur.
    gradient
        Whether echoes are made by gradients: T2* stands for T2, and flowing blood is bright.
    """

    equation: Equation
    settings: Mapping[str, Any]
    blur: tuple[float, float, float]
    mean: float
    agent: bool = False
    noise: float = 0.07
    gradient: bool = False

    def facts(self) -> dict[str, str | float | bool]:
        """Return what the truth file says of the sequence."""
        return {"equation": self.equation.__name__, **self.settings, "contrast_agent": self.agent}


def pure_signal(sequence: PulseSequence, head: Head) -> tuple[Array, dict[str, float]]:
    """Signal ``(n,)`` of the head's voxels without noise, and the mean signal of each tissue; tissues add up."""
    total = np.zeros(head.count, np.float32)
    means = {}
    for name, fraction in head.fractions.items():
        present = fraction > 1e-3
        part = _of_tissue(name, sequence, head, present)
        total[present] += fraction[present] * part
        means[name] = round(float(part.mean()), 5) if part.size else 0.0
    return total, means


def _of_tissue(name: str, sequence: PulseSequence, head: Head, present: NDArray[np.bool_]) -> Array:
    """Signal of a pure tissue in the voxels where it is present."""
    pd, t1, t2, t2star, agent = head.properties(name, present)
    decay = t2star if sequence.gradient else t2
    if sequence.agent:
        t1, decay = signal.with_contrast_agent(t1, decay, agent)
    made = np.asarray(sequence.equation(pd, t1, decay, **sequence.settings), np.float32)
    # Blood leaves the slice between excitation and echo: a flow void wherever there is a refocusing pulse.
    return made * np.float32(0.3) if name == "blood" and not sequence.gradient else made


def scan(pure: Array, head: Head, sequence: PulseSequence, rng: np.random.Generator) -> Array:
    """Shading, Rician noise, blur and gain of a scanner; whole numbers ``(x, y, z)``.

    A stripped head is at least 1 in the brain and 0 outside; a whole one has noise in the air around it.
    """
    from scipy import ndimage

    shown = head.shown
    shading = np.exp(0.06 * smooth_field(shown.shape, 60, rng)[shown])
    if head.stripped:
        image = np.zeros(shown.shape, dtype=np.float32)
        image[shown] = signal.rician(pure * shading, sequence.noise * float(pure.mean()), rng)
        # Blur over the brain alone, or its border would darken as if there were no fluid and no skull around it.
        weight = ndimage.gaussian_filter(shown.astype(np.float32), sequence.blur)
        image = ndimage.gaussian_filter(image, sequence.blur) / np.maximum(weight, 1e-3)
        scaled = np.rint(image * (sequence.mean / image[shown].mean()))
        return np.where(shown, np.clip(scaled, 1, 32767), 0).astype(np.float32)
    clean = np.zeros(shown.shape, dtype=np.float32)
    clean[shown] = pure * shading
    noisy = signal.rician(ndimage.gaussian_filter(clean, sequence.blur), sequence.noise * float(pure.mean()), rng)
    stored = np.clip(np.rint(noisy * (sequence.mean / noisy[head.brain].mean())), 0, 32767)
    return np.asarray(stored, dtype=np.float32)
