"""What the Fourier transform of a scan says of faults that were born in k-space.

Bright single points are spikes. Where lines were weighted regularly or in blocks (ghosts, moves between lines), the
logarithm of the transform ripples, and its own transform, the cepstrum (Bogert, Healy and Tukey 1963), holds a peak at
the distance of the echo, along the axis of phase encoding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_LOW = 0.1
"""Cycles per voxel below which bright points are the head itself."""
_FLOOR = 1e-7
"""Share of the largest magnitude that counts as nothing."""
_POINT, _SLOPE = 9, 21
"""Edges of the cubes, in points of k-space, against which points and ripples stand out."""
_NEAREST = 20
"""Voxels by which an echo must be displaced: nearer ones are blur, or what a filter of the scanner leaves."""
_LEAST = 1e-3
"""Amplitude of an echo below which it counts as none."""
_ALONE = (3, 6)
"""Voxels from an echo, least and most, at which there is none if it is a ghost's: edges of k-space ring on and on."""


def of_kspace(image: Tensor, band: Sequence[float]) -> dict[str, float]:
    """Return how much points stand out of k-space, and echoes out of the cepstrum.

    Parameters
    ----------
    image
        Float32 ``(x, y, z)``.
    band
        Share of each axis's frequencies that the scan was acquired with, 1 where it was not interpolated; the rest is
        left out, since interpolation leaves echoes of its own.

    Returns
    -------
    dict
        ``kspace_peak``: logarithm of the brightest point over those around it. ``echo``: amplitude of the largest
        echo along an axis, as a share of the image, .001 or more. ``ghost``: the same of echoes that stand alone.
    """
    magnitude, shape = _acquired(torch.fft.rfftn(image).abs(), image.shape, band)
    log = magnitude.clamp_min(max(_FLOOR * float(magnitude.max()), 1e-30)).log()
    lines = [line for line in _cepstrum(log, shape) if len(line) > _NEAREST]
    points = (log - _around(log, _POINT))[_radius(shape, log) > _LOW]
    return {
        "kspace_peak": float(points.max()),
        "echo": max([_LEAST, *(float(line[_NEAREST:].max()) for line in lines)]),
        "ghost": max([_LEAST, *(float((line - _beside(line))[_NEAREST:].max()) for line in lines)]),
    }


def _acquired(spectrum: Tensor, shape: Sequence[int], band: Sequence[float]) -> tuple[Tensor, list[int]]:
    """Cut the half spectrum of an image to its band, and return it with the shape of the image that it then makes."""
    found = list(shape)
    for axis, share in enumerate(band):
        if share >= 1:
            continue
        half = int(shape[axis] * share / 2)
        low = spectrum.narrow(axis, 0, half + 1)
        found[axis] = 2 * half + (axis < 2)
        spectrum = low if axis == 2 else torch.cat([low, spectrum.narrow(axis, shape[axis] - half, half)], axis)
    return spectrum, found


def _radius(shape: Sequence[int], like: Tensor) -> Tensor:
    """Return the cycles per voxel of each point of a half spectrum."""
    x, y = (torch.fft.fftfreq(n, device=like.device).square() for n in shape[:2])
    z = torch.fft.rfftfreq(shape[2], device=like.device).square()
    return (x[:, None, None] + y[:, None] + z).sqrt()


def _around(values: Tensor, edge: int) -> Tensor:
    """Return the mean over cubes, smaller ones at the border."""
    found = values[None, None]
    for axis, length in enumerate(values.shape):
        size = min(edge, length - 1 + length % 2)
        window, pad = ([n if k == axis else other for k in range(3)] for n, other in ((size, 1), (size // 2, 0)))
        found = functional.avg_pool3d(found, window, 1, pad, count_include_pad=False)
    return found[0, 0]


def _cepstrum(log: Tensor, shape: Sequence[int]) -> list[Tensor]:
    """Return the amplitude of echoes along each axis, by voxels of displacement from 0 to half the field of view.

    The logarithm of a half spectrum, less its mean over cubes, is transformed. A line of that is the transform of
    its mean over the other two axes, so the cepstrum as a whole is never made.
    """
    smooth = [_running_mean(n, _SLOPE).to(log) for n in log.shape]
    plain = [torch.full((n,), 1 / n).to(log) for n in log.shape]
    plain[2] = torch.full((log.shape[2],), 2 / shape[2]).to(log)  # half of the points stand for two
    plain[2][0] /= 2
    if shape[2] % 2 == 0:
        plain[2][-1] /= 2
    weighted = [weights @ matrix for weights, matrix in zip(plain, smooth, strict=True)]
    found = []
    for axis in range(3):
        rough, slope = (_mean_over_others(log, axis, weights) for weights in (plain, weighted))
        ripple = rough - smooth[axis] @ slope
        line = torch.fft.irfft(ripple, n=shape[2]) if axis == 2 else torch.fft.ifft(ripple).real
        found.append(2 * line[: shape[axis] // 2 + 1].abs())
    return found


def _running_mean(n: int, edge: int) -> Tensor:
    """Return the matrix ``(n, n)`` of a running mean, shorter at the ends."""
    at = torch.arange(n)
    near = ((at[:, None] - at).abs() <= edge // 2).float()
    return near / near.sum(1, keepdim=True)


def _mean_over_others(values: Tensor, axis: int, weights: Sequence[Tensor]) -> Tensor:
    for other in range(2, -1, -1):
        if other != axis:
            values = torch.movedim(values, other, -1) @ weights[other]
    return values


def _beside(line: Tensor) -> Tensor:
    """Return the largest value some voxels before or after each one."""
    least, most = _ALONE
    windows = functional.pad(line, (most, most)).unfold(0, 2 * most + 1, 1)
    width = most - least + 1
    return torch.cat([windows[:, :width], windows[:, -width:]], 1).amax(1)
