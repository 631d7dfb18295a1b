"""Noise as a receiver makes it: complex, Gaussian, equal in both channels; magnitudes are then Rician."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mriuq_cli.errors import InputError

Signal = Literal["rms", "mean"]


def noise_level(image: Tensor, region: Tensor, decibel: float, signal: Signal = "rms") -> float:
    """Return the standard deviation of each channel at which the signal-to-noise ratio has this value.

    ``SNR = 20 log10(S / sigma)`` in dB, where ``S`` is the root mean square (or the mean) of the magnitude over a
    region, the brain as a rule, and ``sigma`` the standard deviation of each of the two Gaussian channels.

    Raises
    ------
    InputError
        If the region is empty.
    """
    values = image.abs()[region].double()
    if not values.numel():
        raise InputError("the region whose signal is to be measured holds no voxel")
    size = float(values.square().mean().sqrt() if signal == "rms" else values.mean())
    return size / 10 ** (decibel / 20)


def complex_noise(shape: tuple[int, ...], rng: np.random.Generator, like: Tensor) -> Tensor:
    """Draw complex noise with unit standard deviation in each channel, complex64, on the device of a tensor.

    Drawn on the CPU, so that the same seed gives the same noise on every device.
    """
    parts = rng.standard_normal((2, *shape), dtype=np.float32)
    return torch.complex(*torch.from_numpy(parts)).to(like.device)


def add_rician(image: Tensor, level: float, noise: Tensor, where: Tensor | None = None) -> Tensor:
    """Return the magnitude of an image after complex noise of standard deviation ``level`` a channel.

    ``|x + level n|``, mixed with the clean image by ``where``, weights from 0 to 1. The same ``noise`` at rising levels
    gives a smooth series. Source: Gudbjartsson and Patz, Magn Reson Med 34:910 (1995).
    """
    noisy = (image + level * noise).abs()
    return noisy if where is None else image + where * (noisy - image)
