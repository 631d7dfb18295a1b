"""Signal equations of the sequences that exams are made of.

Every time is in seconds, every angle in degrees, concentrations in mmol/l. Tissue properties are numbers, numpy arrays
or torch tensors and broadcast; signals come back as what went in, in the unit of ``pd`` (proton density relative to
water), before coil and receiver gain. Times of the sequence are plain numbers; such as cannot be seconds are refused
with :class:`~mriuq_cli.errors.InputError`, and so are T1 and T2 but for tensors.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.errors import InputError
from mriuq_cli.physics.units import require_seconds, require_tissue_seconds

Array = NDArray[np.float32]
Value: TypeAlias = Any
"""A number, a numpy array or a torch tensor; this module needs torch no more than its caller does."""


def exp(x: Value) -> Value:
    """Return the exponential of a number, an array or a tensor."""
    return x.exp() if hasattr(x, "exp") else np.exp(x)


def spin_echo(pd: Value, t1: Value, t2: Value, *, tr: float, te: float) -> Value:
    """Spin echo: ``pd (1 - exp(-TR/T1)) exp(-TE/T2)``, for TE much shorter than TR.

    Source: Bernstein, King, Zhou, Handbook of MRI Pulse Sequences (2004), eq. 14.52.
    """
    require_seconds(tr=tr, te=te)
    require_tissue_seconds(t1=t1, t2=t2)
    return pd * (1 - exp(-tr / t1)) * exp(-te / t2)


def fast_spin_echo(
    pd: Value, t1: Value, t2: Value, *, tr: float, te: float, ti: float = 0.0, te_last: float | None = None
) -> Value:
    """Fast spin echo, inversion-recovery prepared where ``ti`` is above 0; magnitude.

    ``pd |1 - 2 exp(-TI/T1) + exp(-(TR - TE_last)/T1)| exp(-TE/T2)``: perfect pulses leave no longitudinal
    magnetisation after the last echo, ``TE_last`` after excitation, and it recovers until the next repetition. TI = 0
    gives ``pd (1 - exp(-(TR - TE_last)/T1)) exp(-TE/T2)``, the sequence without inversion. ``te_last`` is the effective
    TE unless it is given. Source: Rydberg et al., Magn Reson Med 34:868 (1995); Bernstein et al. (2004), section 16.4.

    Raises
    ------
    InputError
        If the echo train does not fit into what TI leaves of TR.
    """
    last = te if te_last is None else te_last
    require_seconds(tr=tr, te=te, ti=ti)
    require_tissue_seconds(t1=t1, t2=t2)
    if not te <= last <= tr - ti:
        raise _unfit(f"TE {te:g} <= TE_last {last:g} <= TR - TI {tr - ti:g} does not hold")
    recovered = 1 - 2 * exp(-ti / t1) + exp(-(tr - last) / t1)
    return pd * abs(recovered) * exp(-te / t2)


def inversion_recovery(
    pd: Value, t1: Value, t2: Value, *, tr: float, te: float, ti: float, signed: bool = False
) -> Value:
    """Inversion-recovery spin echo (FLAIR where TI nulls cerebrospinal fluid).

    ``pd (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2)`` with an ideal inversion and TE much shorter than TR; its
    magnitude unless ``signed``. Source: Bernstein et al. (2004), eq. 14.38; Bydder and Young, J Comput Assist Tomogr
    9:659 (1985).
    """
    require_seconds(tr=tr, te=te, ti=ti)
    require_tissue_seconds(t1=t1, t2=t2)
    recovered = 1 - 2 * exp(-ti / t1) + exp(-tr / t1)
    return pd * (recovered if signed else abs(recovered)) * exp(-te / t2)


def spoiled_gradient_echo(pd: Value, t1: Value, t2: Value, *, tr: float, te: float, flip: float) -> Value:
    """Ideally spoiled gradient echo: ``pd sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE/T2)``, ``E1 = exp(-TR/T1)``.

    ``t2`` stands for T2* where that is known. Source: Ernst and Anderson, Rev Sci Instrum 37:93 (1966).
    """
    require_seconds(tr_gradient=tr, te=te)
    require_tissue_seconds(t1=t1, t2=t2)
    angle = np.deg2rad(flip)
    e1 = exp(-tr / t1)
    return pd * np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1) * exp(-te / t2)


def inversion_prepared_gradient_echo(
    pd: Value, t1: Value, t2: Value, *, tr: float, ti: float, spacing: float, pulses: int, te: float, flip: float
) -> Value:
    """Magnitude of an inversion-prepared spoiled gradient echo (MPRAGE) at the centre of its train, in steady state.

    An inversion every TR; a train of ``pulses`` excitations ``spacing`` apart whose middle lies TI after it; recovery
    until the next. Every part maps the longitudinal magnetisation ``M -> a M + b``: recovery for ``t`` with
    ``a = exp(-t/T1)``, ``b = pd (1 - a)``, and ``n`` excitations with ``a = (cos(flip) E1)^n`` towards the steady state
    of the train. The fixed point of their chain is the steady state. ``t2`` stands for T2* where that is known.
    Source: Mugler and Brookeman, Magn Reson Med 15:152 (1990); Deichmann et al., NeuroImage 12:112 (2000).

    Raises
    ------
    InputError
        If half the train does not fit before TI, or after it.
    """
    require_seconds(tr=tr, te=te, ti=ti, spacing=spacing)
    require_tissue_seconds(t1=t1, t2=t2)
    half = pulses / 2
    before, after = ti - half * spacing, tr - ti - half * spacing
    if before < 0 or after < 0:
        raise _unfit(f"{pulses} excitations {spacing:g} s apart do not fit about TI {ti:g} s in TR {tr:g} s")
    angle = math.radians(flip)
    e1 = exp(-spacing / t1)
    kept = (math.cos(angle) * e1) ** half
    train = (1 - e1) / (1 - math.cos(angle) * e1)
    rise, fall = exp(-before / t1), exp(-after / t1)

    def to_centre(start: Value) -> Value:
        recovered = 1 + (-start - 1) * rise
        return train + (recovered - train) * kept

    def to_inversion(centre: Value) -> Value:
        return 1 + (train + (centre - train) * kept - 1) * fall

    # The chain is affine: its offset is what it makes of 0, its slope what it adds for 1.
    offset = to_inversion(to_centre(0 * t1))
    slope = to_inversion(to_centre(0 * t1 + 1)) - offset
    centre = to_centre(offset / (1 - slope))
    return pd * abs(centre) * math.sin(angle) * exp(-te / t2)


def t2_decay(s0: Value, t2: Value, *, te: float) -> Value:
    """Signal of a T2-prepared or multi-echo spin-echo image at one echo time: ``s0 exp(-TE/T2)``.

    Source: Carr and Purcell, Phys Rev 94:630 (1954). Of imperfect pulses :mod:`mriuq_cli.physics.epg` knows.
    """
    require_seconds(te=te)
    require_tissue_seconds(t2=t2)
    return s0 * exp(-te / t2)


def look_locker(pd: Value, t1: Value, *, ti: float, tr: float, flip: float, signed: bool = False) -> Value:
    """Signal of an inversion recovery that is read out by excitations all along (MOLLI between its pauses).

    ``|A - B exp(-TI/T1*)|`` with ``1/T1* = 1/T1 - ln(cos a)/TR``, ``A = pd (1 - exp(-TR/T1))/(1 - exp(-TR/T1*))`` and
    ``B = A + pd``. Source: Look and Locker, Rev Sci Instrum 41:250 (1970); Deichmann and Haase, J Magn Reson 96:608
    (1992).
    """
    require_seconds(ti=ti, tr_gradient=tr)
    require_tissue_seconds(t1=t1)
    rate = 1 / t1 - math.log(math.cos(math.radians(flip))) / tr
    a = pd * (1 - exp(-tr / t1)) / (1 - exp(-tr * rate))
    found = a - (a + pd) * exp(-ti * rate)
    return found if signed else abs(found)


def look_locker_t1(a: Value, b: Value, apparent: Value) -> Value:
    """T1 from the three parameters of ``A - B exp(-TI/T1*)``: ``T1* (B/A - 1)``, all in seconds.

    Source: Deichmann and Haase (1992); Messroghli et al., Magn Reson Med 52:141 (2004).
    """
    return apparent * (b / a - 1)


def diffusion(s0: Value, adc: Value, *, b: float) -> Value:
    """Diffusion-weighted signal ``s0 exp(-b ADC)``; ``b`` in s/mm^2, ``adc`` in mm^2/s.

    Source: Stejskal and Tanner, J Chem Phys 42:288 (1965).
    """
    return s0 * exp(-b * adc)


def nulling_time(t1: float, *, tr: float, te_last: float = 0.0) -> float:
    """Inversion time in seconds at which this T1 gives no signal: ``T1 (ln 2 - ln(1 + exp(-(TR - TE_last)/T1)))``.

    Of :func:`inversion_recovery` as it stands, of :func:`fast_spin_echo` with its ``te_last``.
    """
    require_seconds(tr=tr, te=te_last)
    require_tissue_seconds(t1=t1)
    return float(t1 * (np.log(2) - np.log1p(np.exp(-(tr - te_last) / t1))))


def with_contrast_agent(
    t1: Value, t2: Value, concentration: Value, *, r1: float = 5.0, r2: float = 7.1
) -> tuple[Value, Value]:
    """T1 and T2 in seconds after a contrast agent came in: ``1/T = 1/T0 + r c``, fast exchange.

    The default relaxivities, in l/(mmol s), are those of gadobutrol in plasma at 3 T
    (Rohrer et al., Invest Radiol 40:715, 2005).
    """
    require_tissue_seconds(t1=t1, t2=t2)
    return 1 / (1 / t1 + r1 * concentration), 1 / (1 / t2 + r2 * concentration)


def rician(signal: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Magnitude of ``signal`` after complex Gaussian noise of standard deviation ``sigma`` a channel.

    Source: Gudbjartsson and Patz, Magn Reson Med 34:910 (1995).
    """
    real = signal + sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


def _unfit(what: str) -> InputError:
    return InputError(f"the sequence is impossible: {what}")
