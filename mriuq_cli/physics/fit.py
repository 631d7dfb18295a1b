"""Least-squares fits of relaxation times and diffusion by variable projection, for all voxels at once.

Each model is linear in all its parameters but one. For a given value of that one the others are a small linear
problem, so only it is searched: over a logarithmic grid, then by golden section between the grid's neighbours of the
best (Golub and Pereyra, SIAM J Numer Anal 10:413, 1973). There is no initial value, and no voxel that fails to
converge. Standard errors are those of the linearised model at the solution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mriuq_cli.errors import InputError
from mriuq_cli.physics.units import require_seconds

Basis = Callable[[Tensor], Tensor]
"""Values of the nonlinear parameter ``(...,)`` to the columns of the linear problem ``(..., m, p)``."""

_GRID = 200
_GOLDEN = (5**0.5 - 1) / 2
_STEPS = 26
"""Of golden section: two steps of the grid (5 %) shrink to 2e-7."""

_CHUNK = 32_768
"""Voxels worked on at once: the grid takes ``8 * 200`` bytes for each of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was fitted; all float64, one entry or row a voxel, in the signal's order.

    Parameters
    ----------
    value
        The time in seconds (diffusion coefficient in mm^2/s), ``(n,)``.
    error
        Its standard error; NaN with fewer measurements than unknowns plus one, infinite where the model is degenerate.
    linear, linear_error
        The linear parameters and their standard errors, ``(n, p)``, in the signal's unit.
    noise
        Standard deviation of the residuals, with degrees of freedom counted, ``(n,)``.
    at_bound
        True where the search ended at a bound: the value says no more than that it lies beyond.
    """

    value: Tensor
    error: Tensor
    linear: Tensor
    linear_error: Tensor
    noise: Tensor
    at_bound: Tensor


def fit_t2(
    signal: Tensor, te: Sequence[float], *, offset: bool = False, weights: Tensor | None = None,
    bounds: tuple[float, float] = (0.005, 5.0),
) -> Fit:  # fmt: skip
    """Fit ``S0 exp(-TE/T2)``, or with a constant beside it; ``linear`` is S0 (and the constant).

    Parameters
    ----------
    signal
        Magnitudes ``(n, echoes)``.
    te
        Echo times in seconds.
    weights
        ``(echoes,)`` or ``(n, echoes)``, proportional to one over the variance.
    bounds
        Range of T2 in seconds.

    Raises
    ------
    InputError
        If times and signals do not go together, or the times cannot be seconds.
    """
    times = _times(signal, te, "te")

    def basis(t2: Tensor) -> Tensor:
        decay = torch.exp(-times / t2[..., None])
        return torch.stack([decay, torch.ones_like(decay)], -1) if offset else decay[..., None]

    return _in_chunks(signal, weights, lambda part, w: _solution(_project(part, basis, bounds, w)))


def fit_adc(
    signal: Tensor, b: Sequence[float], *, weights: Tensor | None = None, bounds: tuple[float, float] = (1e-5, 1e-2)
) -> Fit:
    """Fit ``S0 exp(-b ADC)``; ``b`` in s/mm^2, ``value`` and ``bounds`` in mm^2/s."""
    values = torch.as_tensor(b, dtype=torch.float64, device=signal.device)
    _require_pairs(signal, len(values))

    def basis(adc: Tensor) -> Tensor:
        return torch.exp(-values * adc[..., None])[..., None]

    return _in_chunks(signal, weights, lambda part, w: _solution(_project(part, basis, bounds, w)))


def fit_inversion_recovery(
    signal: Tensor, ti: Sequence[float], *, tr: float | None = None, signed: bool = False,
    weights: Tensor | None = None, bounds: tuple[float, float] = (0.05, 6.0),
) -> Fit:  # fmt: skip
    """Fit T1 to an inversion recovery; magnitudes get back their signs.

    Without ``tr`` the three-parameter form ``A + B exp(-TI/T1)`` (``linear`` is A, B), which knows nothing of how well
    the pulse inverted (Barral et al., Magn Reson Med 64:1057, 2010); with it ``A (1 - 2 exp(-TI/T1) + exp(-TR/T1))``.

    Parameters
    ----------
    signal
        ``(n, inversions)``; magnitudes unless ``signed``. The signs tried are those of a recovery: the earliest 0, 1,
        2 ... values are negative; the least residual wins.
    ti, tr
        In seconds.

    Raises
    ------
    InputError
        If times and signals do not go together, or the times cannot be seconds.
    """
    times = _times(signal, ti, "ti")
    if tr is not None:
        require_seconds(tr=tr)

    def basis(t1: Tensor) -> Tensor:
        decay = torch.exp(-times / t1[..., None])
        if tr is None:
            return torch.stack([torch.ones_like(decay), decay], -1)
        return (1 - 2 * decay + torch.exp(-tr / t1)[..., None])[..., None]

    return _in_chunks(signal, weights, lambda part, w: _solution(_recovery(part, times, basis, bounds, w, signed)))


def fit_look_locker(
    signal: Tensor, ti: Sequence[float], *, signed: bool = False, weights: Tensor | None = None,
    bounds: tuple[float, float] = (0.05, 6.0),
) -> Fit:  # fmt: skip
    """Fit ``A - B exp(-TI/T1*)`` and correct for the read-out: ``value`` is ``T1 = T1* (B/A - 1)`` (MOLLI).

    ``linear`` is A, B; ``bounds`` are those of T1*. Where the fitted A is not above 0 or B not above A there is no T1:
    the value is 0, its error infinite. Other parameters are those of :func:`fit_inversion_recovery`; the correction is
    that of :func:`mriuq_cli.physics.signal.look_locker_t1`, its standard error by propagation.
    """
    times = _times(signal, ti, "ti")

    def basis(apparent: Tensor) -> Tensor:
        decay = torch.exp(-times / apparent[..., None])
        return torch.stack([torch.ones_like(decay), -decay], -1)

    def corrected(found: _Projection) -> Fit:
        a, b = found.linear.unbind(-1)
        value = found.value * (b / a - 1)
        # d T1 by A, by B and by log T1*
        slopes = torch.stack([-found.value * b / a**2, found.value / a, value], -1)
        error = torch.einsum("ni,nij,nj->n", slopes, found.covariance, slopes).clamp_min(0).sqrt()
        sound = (a > 0) & (b > a)
        fit = _solution(found)
        value = torch.where(sound, value, 0.0)
        error = torch.where(sound, error, torch.inf)
        return Fit(value, error, fit.linear, fit.linear_error, fit.noise, fit.at_bound | ~sound)

    return _in_chunks(signal, weights, lambda part, w: corrected(_recovery(part, times, basis, bounds, w, signed)))


@dataclass(frozen=True, slots=True, eq=False)
class _Projection:
    """The solution for ``n`` voxels; ``covariance`` ``(n, p + 1, p + 1)`` of linear parameters and log of the value."""

    value: Tensor
    linear: Tensor
    covariance: Tensor
    residual: Tensor
    noise: Tensor
    at_bound: Tensor


def _project(signal: Tensor, basis: Basis, bounds: tuple[float, float], weights: Tensor | None) -> _Projection:
    root = None if weights is None else weights.to(signal).expand_as(signal).sqrt()
    y = signal if root is None else signal * root

    def solve(log_value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return columns, linear parameters and squared residual for one value a voxel."""
        columns = basis(log_value.exp())
        if root is not None:
            columns = columns * root[..., None]
        linear = _least_squares(columns, y)
        return columns, linear, ((y - (columns * linear[:, None]).sum(-1)) ** 2).sum(-1)

    ends = [math.log(bound) for bound in bounds]
    grid = torch.linspace(ends[0], ends[1], _GRID, dtype=torch.float64, device=signal.device)
    best = _search_grid(y, basis(grid.exp()), root)
    low, high = grid[(best - 1).clamp_min(0)], grid[(best + 1).clamp_max(_GRID - 1)]
    found = _golden_section(lambda x: solve(x)[2], low, high)
    columns, linear, residual = solve(found)
    step = 1e-4
    slope = (solve(found + step)[0] - solve(found - step)[0]) / (2 * step) @ linear[..., None]
    jacobian = torch.cat([columns, slope], -1)
    freedom = signal.shape[-1] - jacobian.shape[-1]
    noise = (residual / freedom).sqrt() if freedom > 0 else torch.full_like(residual, torch.nan)
    inverse, failed = torch.linalg.inv_ex(jacobian.mT @ jacobian)
    inverse = torch.where((failed == 0)[:, None, None], inverse, torch.inf)
    at_bound = (found - grid[0] < 1e-6) | (grid[-1] - found < 1e-6)
    covariance = inverse * (noise**2)[:, None, None]
    return _Projection(found.exp(), linear, covariance, residual, noise, at_bound)


def _least_squares(columns: Tensor, y: Tensor) -> Tensor:
    """Solve for one or two linear parameters; in closed form, since a call of LAPACK for each voxel takes minutes."""
    first = columns[..., 0]
    if columns.shape[-1] == 1:
        return ((first * y).sum(-1) / (first * first).sum(-1).clamp_min(1e-300))[:, None]
    # The second column, freed of the first: no squares of nearly parallel columns are subtracted.
    size = (first * first).sum(-1).clamp_min(1e-300)
    shared = (first * columns[..., 1]).sum(-1) / size
    rest = columns[..., 1] - shared[:, None] * first
    slope = (rest * y).sum(-1) / (rest * rest).sum(-1).clamp_min(1e-300)
    return torch.stack([(first * y).sum(-1) / size - shared * slope, slope], -1)


def _search_grid(y: Tensor, columns: Tensor, root: Tensor | None) -> Tensor:
    """Return for each voxel the grid point with the least residual, that is with the largest projection."""
    if root is not None and not bool((root == root[:1]).all()):
        weighted = columns[:, None] * root[None, ..., None]  # (g, n, m, p): each voxel has a basis of its own
        projected = torch.einsum("nm,gnmp->ngp", y, torch.linalg.qr(weighted).Q)
    else:
        shared = columns if root is None else columns * root[0, :, None]
        projected = torch.einsum("nm,gmp->ngp", y, torch.linalg.qr(shared).Q)
    return (projected**2).sum(-1).argmax(-1)


def _golden_section(function: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Return where a function of one variable, one a voxel, is least between two bounds."""
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        lower = function(left) < function(right)
        low, high = torch.where(lower, low, left), torch.where(lower, right, high)
    return (low + high) / 2


def _recovery(
    signal: Tensor, times: Tensor, basis: Basis, bounds: tuple[float, float], weights: Tensor | None, signed: bool
) -> _Projection:
    """Project a recovery; magnitudes with every number of early values made negative, the best of which is kept."""
    if signed:
        return _project(signal, basis, bounds, weights)
    rank = times.argsort().argsort()
    best = _project(signal, basis, bounds, weights)
    for count in range(1, len(times) + 1):
        found = _project(torch.where(rank < count, -signal, signal), basis, bounds, weights)
        better = found.residual < best.residual
        names = ("value", "linear", "covariance", "residual", "noise", "at_bound")
        parts = {}
        for name in names:
            ours, theirs = getattr(found, name), getattr(best, name)
            parts[name] = torch.where(better.reshape(-1, *[1] * (ours.ndim - 1)), ours, theirs)
        best = _Projection(**parts)
    return best


def _solution(found: _Projection) -> Fit:
    errors = found.covariance.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()
    return Fit(found.value, found.value * errors[:, -1], found.linear, errors[:, :-1], found.noise, found.at_bound)


def _in_chunks(signal: Tensor, weights: Tensor | None, run: Callable[[Tensor, Tensor | None], Fit]) -> Fit:
    y = signal.to(torch.float64)
    if not bool(torch.isfinite(y).all()):
        raise InputError("signals to fit must be finite numbers", hint="Mask what was not measured.")
    own = weights is not None and weights.ndim == 2
    starts = range(0, max(len(y), 1), _CHUNK)
    fits = [run(y[s : s + _CHUNK], weights[s : s + _CHUNK] if own and weights is not None else weights) for s in starts]
    names = ("value", "error", "linear", "linear_error", "noise", "at_bound")
    return Fit(**{name: torch.cat([getattr(fit, name) for fit in fits]) for name in names})


def _times(signal: Tensor, times: Sequence[float], name: str) -> Tensor:
    _require_pairs(signal, len(times))
    for time in times:
        require_seconds(**{name: time})
    return torch.as_tensor(times, dtype=torch.float64, device=signal.device)


def _require_pairs(signal: Tensor, count: int) -> None:
    if signal.ndim != 2 or signal.shape[1] != count:
        raise InputError(
            f"signals {tuple(signal.shape)} and {count} times or b-values do not go together",
            hint="Signals have one row a voxel and one column a measurement.",
        )
