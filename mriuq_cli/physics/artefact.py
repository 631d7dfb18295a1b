"""What goes wrong in a scanner, each drawn by seed, stated by its parameters, and made again from them.

An artefact is a function of a magnitude image ``(x, y, z)`` and of its parameters; :func:`draw_artefacts` chooses them,
:func:`corrupt` applies them. Every one may be confined to a region by weights from 0 to 1. Ranges of bias field,
ghosting and spikes are near those of TorchIO (Perez-Garcia et al., Comput Methods Programs Biomed 208:106236, 2021).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mriuq_cli.errors import UsageError
from mriuq_cli.physics.fourier import to_image, to_kspace
from mriuq_cli.physics.motion import Motion, draw_in_place, move
from mriuq_cli.physics.noise import add_rician, complex_noise, noise_level

_DIMS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Artefact:
    """One thing that went wrong: its name and the parameters that make it, JSON-ready."""

    name: str
    parameters: Mapping[str, Any]


def bias_field(image: Tensor, *, coefficients: Sequence[float], order: int = 3) -> Tensor:
    """Multiply by ``exp(p)``, ``p`` a polynomial in coordinates from -1 to 1, without its constant.

    ``coefficients`` belong to the monomials ``x^i y^j z^k`` with ``1 <= i + j + k <= order``, by rising (i, j, k).
    """
    axes = [torch.linspace(-1, 1, n, device=image.device).reshape([-1 if a == b else 1 for b in _DIMS])
            for a, n in enumerate(image.shape)]  # fmt: skip
    field = sum(
        c * axes[0] ** i * axes[1] ** j * axes[2] ** k
        for c, (i, j, k) in zip(coefficients, _monomials(order), strict=True)
    )
    return image * torch.as_tensor(field).exp()


def ghosting(image: Tensor, *, axis: int, every: int, strength: float, restored: float) -> Tensor:
    """Weaken every n-th line of k-space along an axis by ``1 - strength``, but for the middle share ``restored``."""
    size = image.shape[axis]
    place = torch.arange(size, device=image.device) - size // 2
    weak = (place % every == 0) & (place.abs() > restored * size / 2)
    factor = torch.where(weak, 1 - strength, 1.0).reshape([-1 if axis == a else 1 for a in _DIMS])
    return _weighed(image, factor).abs()


def spikes(image: Tensor, *, places: Sequence[Sequence[float]], strengths: Sequence[float]) -> Tensor:
    """Add constants to single points of k-space: stripes all over the image.

    ``places`` are shares of each axis in [0, 1), ``strengths`` multiples of the largest magnitude of k-space.
    """
    lines = to_kspace(image, _DIMS)
    largest = lines.abs().max()
    for place, strength in zip(places, strengths, strict=True):
        x, y, z = (int(p * n) for p, n in zip(place, image.shape, strict=True))
        lines[x, y, z] += strength * largest
    return to_image(lines, _DIMS).abs()


def wrap_around(image: Tensor, *, axis: int, kept: float) -> Tensor:
    """Keep the middle share of an axis and add what lies outside onto the opposite side of it; the matrix stays."""
    size = image.shape[axis]
    inside = max(1, round(kept * size))
    start = (size - inside) // 2
    found = torch.zeros_like(image)
    for k in range(size):
        found.select(axis, start + (k - start) % inside).add_(image.select(axis, k))
    return found


def low_resolution(image: Tensor, *, fractions: Sequence[float]) -> Tensor:
    """Zero k-space beyond a central share of each axis: the matrix stays, edges ring (Gibbs)."""
    keep = torch.ones((), device=image.device)
    for axis, (size, fraction) in enumerate(zip(image.shape, fractions, strict=True)):
        near = (torch.arange(size, device=image.device) - size // 2).abs() <= fraction * size / 2
        keep = keep * near.reshape([-1 if axis == a else 1 for a in _DIMS])
    return _weighed(image, keep).abs()


def noise(image: Tensor, *, decibel: float, seed: int) -> Tensor:
    """Add complex noise at a signal-to-noise ratio over the image's foreground (not 0), and take the magnitude."""
    level = noise_level(image, image > 0, decibel)
    return add_rician(image, level, complex_noise(tuple(image.shape), np.random.default_rng(seed), image))


def motion(image: Tensor, *, spacing: Sequence[float] = (1.0, 1.0, 1.0), **parameters: Any) -> Tensor:
    """Move the head while k-space is filled: parameters of :class:`~mriuq_cli.physics.motion.Motion`; spacing in mm."""
    return move(image, Motion(**parameters), spacing)


def _weighed(image: Tensor, factor: Tensor) -> Tensor:
    """Return the image, complex, after its k-space was multiplied by real weights: a self-adjoint operator."""
    return to_image(to_kspace(image, _DIMS) * factor, _DIMS)


def _monomials(order: int) -> list[tuple[int, int, int]]:
    return [(i, j, k) for i, j, k in itertools.product(range(order + 1), repeat=3) if 1 <= i + j + k <= order]


_Make = Callable[..., Tensor]
_Draw = Callable[[np.random.Generator, Tensor, Sequence[float]], dict[str, Any]]


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 6)


def _some_spikes(rng: np.random.Generator, *_: Any) -> dict[str, Any]:
    count = int(rng.integers(1, 4))
    places = [[_uniform(rng, 0, 1) for _ in _DIMS] for _ in range(count)]
    return {"places": places, "strengths": [_uniform(rng, 0.02, 0.5) for _ in range(count)]}


def _moved(rng: np.random.Generator, image: Tensor, spacing: Sequence[float]) -> dict[str, Any]:
    return {**asdict(draw_in_place(image, rng, spacing=spacing)), "spacing": [float(mm) for mm in spacing]}


MENU: Mapping[str, tuple[_Make, _Draw, float]] = {
    "bias field": (bias_field,
                   lambda rng, *_: {"coefficients": [_uniform(rng, -0.5, 0.5) for _ in _monomials(3)]}, 0.3),
    "motion": (motion, _moved, 0.4),
    "ghosting": (ghosting, lambda rng, *_: {"axis": int(rng.integers(3)), "every": int(rng.integers(4, 11)),
                                        "strength": _uniform(rng, 0.5, 1), "restored": _uniform(rng, 0.02, 0.1)}, 0.15),
    "spikes": (spikes, _some_spikes, 0.1),
    "wrap-around": (wrap_around,
                    lambda rng, *_: {"axis": int(rng.integers(3)), "kept": _uniform(rng, 0.75, 0.95)}, 0.1),
    "low resolution": (low_resolution, lambda rng, *_: {"fractions": [_uniform(rng, 0.4, 0.9) for _ in _DIMS]}, 0.2),
    "noise": (noise, lambda rng, *_: {"decibel": _uniform(rng, -5, 30), "seed": int(rng.integers(2**32))}, 0.5),
}  # fmt: skip
"""Name to function, to what draws its parameters, and to its weight; in the order in which they act on an image."""


def draw_artefacts(
    image: Tensor,
    rng: np.random.Generator,
    *,
    untouched: float = 0.1,
    names: Sequence[str] | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> list[Artefact]:
    """Choose what goes wrong with an image: nothing at all, or one to three different artefacts by weight.

    Parameters
    ----------
    image
        Looked at where a draw could displace it.
    untouched
        Chance of nothing.
    names
        Those to choose from; all by default.
    spacing
        Of the voxels in mm.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    known = list(MENU if names is None else names)
    _require_known(known)
    if rng.random() < untouched:
        return []
    weights = np.array([MENU[name][2] for name in known])
    count = min(int(rng.integers(1, 4)), len(known))
    chosen = {str(name) for name in rng.choice(known, count, replace=False, p=weights / weights.sum())}
    return [Artefact(name, MENU[name][1](rng, image, spacing)) for name in MENU if name in chosen]


def corrupt(image: Tensor, artefacts: Sequence[Artefact], where: Tensor | None = None) -> Tensor:
    """Apply artefacts one after another to a magnitude image; float32 ``(x, y, z)``.

    ``where``, weights from 0 to 1, confines each: outside it the image is the clean one.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    _require_known([one.name for one in artefacts])
    for one in artefacts:
        spoilt = MENU[one.name][0](image, **one.parameters)
        image = spoilt if where is None else image + where * (spoilt - image)
    return image


def _require_known(names: Sequence[str]) -> None:
    strangers = [name for name in names if name not in MENU]
    if strangers:
        raise UsageError(f"no artefact is called {', '.join(strangers)}", hint=f"Known: {', '.join(MENU)}.")
