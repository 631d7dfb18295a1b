"""Classical figures of image quality that need no reference image, as MRIQC defines them.

Arrays of voxels in, figures out; what is tissue and what is air is somebody else's business
(:mod:`mriuq_cli.metrics.regions`). A figure that cannot be had is NaN.

Sources: Esteban et al., *MRIQC*, PLoS ONE 12:e0184661, 2017, whose code settles where its pages differ from it;
Dietrich et al., J Magn Reson Imaging 26:375, 2007 (SNRd); Magnotta and Friedman, J Digit Imaging 19:140, 2006 (CNR);
Ganzetti et al., Front Neuroinform 10:10, 2016 (CJV); Atkinson et al., IEEE Trans Med Imaging 16:903, 1997 (EFC);
Shehzad et al., Front Neurosci (Preprocessed Connectomes QAP), 2015 (FBER); Mortamet et al., Magn Reson Med 62:365,
2009 (QI1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Voxels = NDArray[Any]

DIETRICH = 1 / math.sqrt(2 / (4 - math.pi))
"""Rayleigh-distributed air has this share of the standard deviation of its two Gaussian channels: 0.6551."""
_NORMAL = 0.6744897501960817  # the MAD of a standard normal distribution
_LITTLE = 1e-3


def snr(tissue: Voxels) -> float:
    """Return median over SD of one tissue's voxels, the SD with the correction of small samples."""
    n = tissue.size
    spread = _sd(tissue) * math.sqrt(n / (n - 1)) if n > 1 else 0.0
    return float(np.median(tissue)) / spread if spread > 0 else math.nan


def snr_dietrich(tissue: Voxels, air: Voxels) -> float:
    """Return ``0.6551`` times the tissue's median over the robust SD of air (its SD where that is at most 1).

    Both in units in which white matter has the median 1000.
    """
    if not tissue.size or not air.size:
        return math.nan
    spread = mad(air)
    spread = spread if spread > 1 else _sd(air)
    return DIETRICH * float(np.median(tissue)) / spread if spread > 0 else math.nan


def cnr(white: Voxels, grey: Voxels, air: Voxels) -> float:
    """Return the distance of white and grey matter over the root of the three variances."""
    if not white.size or not grey.size or not air.size:
        return math.nan
    spread = math.sqrt(_sd(air) ** 2 + _sd(white) ** 2 + _sd(grey) ** 2)
    return _distance(white, grey) / spread if spread > 0 else math.nan


def cjv(white: Voxels, grey: Voxels) -> float:
    """Return the coefficient of joint variation: robust SDs of white and grey matter over their distance."""
    if not white.size or not grey.size:
        return math.nan
    distance = _distance(white, grey)
    return (mad(white) + mad(grey)) / distance if distance > 0 else math.nan


def efc(image: Voxels) -> float:
    """Return the entropy focus criterion of a whole image: 0 if all energy is in one voxel, 1 if it is uniform."""
    n = image.size
    values = np.abs(image[image != 0]).astype(np.float64)
    energy = math.sqrt(float(np.square(values).sum()))
    if n < 2 or energy == 0:
        return math.nan
    shares = values / energy
    most = math.sqrt(n) * math.log(1 / math.sqrt(n))
    return float((shares * np.log(shares)).sum()) / most


def fber(head: Voxels, air: Voxels) -> float:
    """Return the ratio of the median energy in the head to that in air; NaN where air is silent.

    (MRIQC writes -1 there.)
    """
    if not head.size or not air.size:
        return math.nan
    silence = float(np.median(np.square(air, dtype=np.float64)))
    return float(np.median(np.square(head, dtype=np.float64))) / silence if silence >= _LITTLE else math.nan


def wm2max(white: Voxels, image: Voxels) -> float:
    """Return white matter's median over the 99.95th percentile of the image; 0.6 to 0.8 is usual."""
    if not white.size or not image.size:
        return math.nan
    top = float(np.percentile(image, 99.95))
    return float(np.median(white)) / top if top > 0 else math.nan


def mad(values: Voxels) -> float:
    """Return the median distance from the median, scaled so that it is the SD of a normal distribution."""
    return float(np.median(np.abs(values - np.median(values)))) / _NORMAL


def _distance(a: Voxels, b: Voxels) -> float:
    return abs(float(np.median(a)) - float(np.median(b)))


def _sd(values: Voxels) -> float:
    return float(np.std(values, dtype=np.float64))
