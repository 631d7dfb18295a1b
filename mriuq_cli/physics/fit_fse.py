"""PD, T1 and T2 from fast spin echoes of several settings, by variable projection over two times.

The signal is linear in PD alone. T1 and T2 are searched together: over a logarithmic grid, then over ever finer grids
about the best (a magnitude has kinks where T1 is nulled, so slopes are not trusted). Standard errors are those of the
linearised model at the solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mriuq_cli.errors import InputError
from mriuq_cli.physics.signal import fast_spin_echo

_GRID = 64
_STEPS = 40
_SHRINK = 0.65
_CHUNK = 4096
"""Voxels worked on at once: the grid takes ``8 * 64 * 64`` bytes for each of them."""


@dataclass(frozen=True, slots=True, eq=False)
class ContrastFit:
    """What was fitted; float64, one entry a voxel, in the signal's order.

    Parameters
    ----------
    pd, t1, t2
        Proton density in the signal's unit, times in seconds, ``(n,)``.
    pd_error, t1_error, t2_error
        Standard errors; NaN with three measurements, infinite where the model is degenerate.
    noise
        Standard deviation of the residuals, with degrees of freedom counted.
    at_bound
        True where the search of T1 or T2 ended at a bound.
    """

    pd: Tensor
    t1: Tensor
    t2: Tensor
    pd_error: Tensor
    t1_error: Tensor
    t2_error: Tensor
    noise: Tensor
    at_bound: Tensor


def fit_fast_spin_echo(
    signal: Tensor, settings: Sequence[Mapping[str, float]], *, t1_bounds: tuple[float, float] = (0.1, 8.0),
    t2_bounds: tuple[float, float] = (0.01, 4.0),
) -> ContrastFit:  # fmt: skip
    """Fit :func:`mriuq_cli.physics.signal.fast_spin_echo` to magnitudes of several settings on one scale.

    Parameters
    ----------
    signal
        ``(n, settings)``.
    settings
        ``tr``, ``te``, ``ti`` and ``te_last`` of each, seconds; the latter two may be left out.
    t1_bounds, t2_bounds
        Ranges in seconds.

    Raises
    ------
    InputError
        If signals and settings do not go together, are fewer than three or not finite, or a setting is impossible or
        cannot be seconds.
    """
    if signal.ndim != 2 or signal.shape[1] != len(settings):
        raise InputError(f"signals {tuple(signal.shape)} and {len(settings)} settings do not go together",
                         hint="Signals have one row a voxel and one column a sequence.")  # fmt: skip
    if len(settings) < 3:
        raise InputError(f"{len(settings)} sequences cannot tell PD, T1 and T2", hint="Give three or more.")
    if not bool(torch.isfinite(signal).all()):
        raise InputError("signals to fit must be finite numbers", hint="Mask what was not measured.")
    log_bounds = torch.tensor([t1_bounds, t2_bounds], dtype=torch.float64, device=signal.device).log()
    y = signal.to(torch.float64)
    parts = [_fit(y[s : s + _CHUNK], settings, log_bounds) for s in range(0, max(len(y), 1), _CHUNK)]
    names = [one.name for one in fields(ContrastFit)]
    return ContrastFit(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def _model(logs: Tensor, settings: Sequence[Mapping[str, float]]) -> Tensor:
    """Return signals ``(..., m)`` of unit PD for the logarithms of T1 and T2 ``(..., 2)``."""
    t1, t2 = logs.exp().unbind(-1)
    return torch.stack([fast_spin_echo(1.0, t1, t2, **one) for one in settings], -1)


def _fit(y: Tensor, settings: Sequence[Mapping[str, float]], bounds: Tensor) -> ContrastFit:
    low, high = bounds[:, 0], bounds[:, 1]
    share = torch.linspace(0, 1, _GRID, dtype=torch.float64, device=y.device)
    grid = low + torch.cartesian_prod(share, share) * (high - low)  # (g, 2)
    columns = _model(grid, settings)
    # The least residual is the largest projection on the direction of the model; PD is not negative.
    best = grid[(y @ (columns / columns.norm(dim=-1, keepdim=True).clamp_min(1e-300)).T).argmax(-1)]
    near = torch.arange(-2, 3, dtype=torch.float64, device=y.device)
    around = torch.cartesian_prod(near, near)
    step = (high - low) / (_GRID - 1) / 2
    for _ in range(_STEPS):
        tried = (best[:, None] + around * step).clamp(low, high)
        columns = _model(tried, settings)
        size = columns.norm(dim=-1).clamp_min(1e-300)
        found = torch.einsum("nm,ngm->ng", y, columns) / size
        best = torch.gather(tried, 1, found.argmax(-1)[:, None, None].expand(-1, 1, 2))[:, 0]
        step = step * _SHRINK
    return _solved(y, best, settings, bounds)


def _solved(y: Tensor, best: Tensor, settings: Sequence[Mapping[str, float]], bounds: Tensor) -> ContrastFit:
    columns = _model(best, settings)
    pd = (y * columns).sum(-1) / (columns**2).sum(-1).clamp_min(1e-300)
    residual = ((y - pd[:, None] * columns) ** 2).sum(-1)
    step = 1e-5 * torch.eye(2, dtype=torch.float64, device=y.device)
    slopes = [(_model(best + one, settings) - _model(best - one, settings)) / 2e-5 * pd[:, None] for one in step]
    jacobian = torch.stack([columns, *slopes], -1)
    freedom = y.shape[-1] - 3
    noise = (residual / freedom).sqrt() if freedom > 0 else torch.full_like(residual, torch.nan)
    inverse, failed = torch.linalg.inv_ex(jacobian.mT @ jacobian)
    inverse = torch.where((failed == 0)[:, None, None], inverse, torch.inf)
    errors = (inverse.diagonal(dim1=-2, dim2=-1).clamp_min(0) * noise[:, None] ** 2).sqrt()
    at_bound = ((best - bounds[:, 0] < 1e-6) | (bounds[:, 1] - best < 1e-6)).any(-1)
    t1, t2 = best.exp().unbind(-1)
    return ContrastFit(pd, t1, t2, errors[:, 0], t1 * errors[:, 1], t2 * errors[:, 2], noise, at_bound)
