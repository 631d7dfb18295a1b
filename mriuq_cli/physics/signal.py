"""Steady-state signal equations of the sequences that exams are made of.

Every time is in seconds, every angle in degrees, concentrations in mmol/l. Arguments broadcast like numpy arrays and
signals are in the unit of ``pd`` (proton density relative to water), before coil and receiver gain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Number = float | Array


def spin_echo(pd: Number, t1: Number, t2: Number, *, tr: float, te: float) -> Array:
    """Spin echo: ``pd (1 - exp(-TR/T1)) exp(-TE/T2)``, for TE much shorter than TR.

    Source: Bernstein, King, Zhou, Handbook of MRI Pulse Sequences (2004), eq. 14.52.
    """
    return np.asarray(pd * (1 - np.exp(-tr / t1)) * np.exp(-te / t2), dtype=np.float32)


def inversion_recovery(pd: Number, t1: Number, t2: Number, *, tr: float, te: float, ti: float) -> Array:
    """Magnitude of an inversion-recovery spin echo (FLAIR where TI nulls cerebrospinal fluid).

    ``|pd (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2)|`` with an ideal inversion and TE much shorter than TR.
    Source: Bernstein et al. (2004), eq. 14.38; Bydder and Young, J Comput Assist Tomogr 9:659 (1985).
    """
    recovered = 1 - 2 * np.exp(-ti / t1) + np.exp(-tr / t1)
    return np.asarray(np.abs(pd * recovered) * np.exp(-te / t2), dtype=np.float32)


def spoiled_gradient_echo(pd: Number, t1: Number, t2: Number, *, tr: float, te: float, flip: float) -> Array:
    """Ideally spoiled gradient echo: ``pd sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE/T2)``, ``E1 = exp(-TR/T1)``.

    ``t2`` stands for T2* where that is known. Source: Ernst and Anderson, Rev Sci Instrum 37:93 (1966).
    """
    angle = np.deg2rad(flip)
    e1 = np.exp(-tr / t1)
    return np.asarray(pd * np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1) * np.exp(-te / t2), dtype=np.float32)


def nulling_time(t1: float, *, tr: float) -> float:
    """Inversion time in seconds at which :func:`inversion_recovery` gives no signal for this T1."""
    return float(t1 * (np.log(2) - np.log1p(np.exp(-tr / t1))))


def with_contrast_agent(
    t1: Number, t2: Number, concentration: Number, *, r1: float = 5.0, r2: float = 7.1
) -> tuple[Array, Array]:
    """T1 and T2 in seconds after a contrast agent came in: ``1/T = 1/T0 + r c``, fast exchange.

    The default relaxivities, in l/(mmol s), are those of gadobutrol in plasma at 3 T
    (Rohrer et al., Invest Radiol 40:715, 2005).
    """
    after_t1 = 1 / (1 / np.asarray(t1) + r1 * np.asarray(concentration))
    after_t2 = 1 / (1 / np.asarray(t2) + r2 * np.asarray(concentration))
    return after_t1.astype(np.float32), after_t2.astype(np.float32)


def rician(signal: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Magnitude of ``signal`` after complex Gaussian noise of standard deviation ``sigma`` a channel.

    Source: Gudbjartsson and Patz, Magn Reson Med 34:910 (1995).
    """
    real = signal + sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)
