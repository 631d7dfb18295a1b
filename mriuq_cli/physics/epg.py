"""Echo trains of imperfect pulses by extended phase graphs, for many tissues at once.

The magnetisation is a sum of configurations, each wound up by a whole number of gradient areas: transverse ``F+`` and
``F-`` (the latter stored as the conjugate of ``F(-k)``) and longitudinal ``Z``. Pulses mix the three of equal order,
gradients shift orders, relaxation shrinks them. Source: Hennig, J Magn Reson 78:397 (1988); Weigel, J Magn Reson
Imaging 41:266 (2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mriuq_cli.errors import InputError
from mriuq_cli.physics.units import require_seconds


def echo_train(
    t1: Tensor, t2: Tensor, *, spacing: float, refocusing: Sequence[float], excitation: float = 90.0,
    start: Tensor | float = 1.0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the echoes of one train of refocusing pulses, and the longitudinal magnetisation that it leaves.

    Excitation about x, refocusing about y (the condition of Carr, Purcell, Meiboom and Gill), equal crushers on both
    sides of each refocusing pulse.

    Parameters
    ----------
    t1, t2
        Relaxation times in seconds, one shape.
    spacing
        Time from echo to echo in seconds.
    refocusing
        Flip angles of the refocusing pulses in degrees, one an echo.
    excitation
        Flip angle in degrees.
    start
        Longitudinal magnetisation before excitation; in equilibrium it is 1.

    Returns
    -------
    echoes
        Magnitudes, ``(*shape, echoes)``, in units of the equilibrium magnetisation.
    left
        Longitudinal magnetisation at the last echo, ``shape``.

    Raises
    ------
    InputError
        If there is no refocusing pulse or ``spacing`` cannot be seconds.
    """
    require_seconds(spacing=spacing)
    if not len(refocusing):
        raise InputError("an echo train has at least one refocusing pulse")
    t1, t2 = t1 + 0 * t2, t2 + 0 * t1
    orders = 2 * len(refocusing) + 2
    plus, minus, along = (torch.zeros(*t1.shape, orders, dtype=torch.complex128, device=t1.device) for _ in range(3))
    along[..., 0] = start
    e1, e2 = (torch.exp(-spacing / 2 / t.double()) for t in (t1, t2))
    plus, minus, along = _pulse(plus, minus, along, excitation, 0.0)
    echoes = []
    for flip in refocusing:
        plus, minus, along = _wind(*_relax(plus, minus, along, e1, e2))
        plus, minus, along = _pulse(plus, minus, along, flip, 90.0)
        plus, minus, along = _wind(*_relax(plus, minus, along, e1, e2))
        echoes.append(plus[..., 0].abs())
    return torch.stack(echoes, -1), along[..., 0].real


def _pulse(plus: Tensor, minus: Tensor, along: Tensor, flip: float, phase: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mix the configurations of each order by a rotation of ``flip`` about an axis at ``phase`` degrees."""
    a, p = math.radians(flip), math.radians(phase)
    cos2, sin2, sin, cos = math.cos(a / 2) ** 2, math.sin(a / 2) ** 2, math.sin(a), math.cos(a)
    turn = complex(math.cos(p), math.sin(p))
    return (
        cos2 * plus + turn**2 * sin2 * minus - 1j * turn * sin * along,
        sin2 / turn**2 * plus + cos2 * minus + 1j / turn * sin * along,
        -0.5j / turn * sin * plus + 0.5j * turn * sin * minus + cos * along,
    )


def _relax(plus: Tensor, minus: Tensor, along: Tensor, e1: Tensor, e2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    along = along * e1[..., None]
    along[..., 0] += 1 - e1  # only what is not wound up recovers towards equilibrium
    return plus * e2[..., None], minus * e2[..., None], along


def _wind(plus: Tensor, minus: Tensor, along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shift every transverse configuration by one gradient area."""
    lower = torch.roll(minus, -1, -1)
    lower[..., -1] = 0
    upper = torch.roll(plus, 1, -1)
    upper[..., 0] = lower[..., 0].conj()
    return upper, lower, along
