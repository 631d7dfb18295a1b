"""Curves of one subject against the definitions, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mriuq_cli.uncertainty.scores import STRETCHES, read_curve, score_voxels, solve_curve


def _voxels(seed: int = 0, n: int = 20_000) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    value = rng.normal(size=n).astype(np.float32)
    low, high = rng.gamma(2, 0.5, size=(2, n)).astype(np.float32)
    truth = value + rng.standard_t(4, size=n).astype(np.float32)
    return value, value - low, value + high, truth


@given(st.floats(0.05, 20), st.floats(0.05, 20))
@settings(max_examples=30, deadline=None)
def test_figures_of_a_stretched_interval_are_those_of_its_voxels(a: float, b: float) -> None:
    value, lower, upper, truth = _voxels()
    scores = score_voxels(value, lower, upper, truth)
    low, high = value - a * (value - lower), value + b * (upper - value)
    inside = (truth >= low) & (truth <= high)
    winkler = high - low + 20 * (np.maximum(low - truth, 0) + np.maximum(truth - high, 0))
    assert scores.coverage(a, b) == pytest.approx(inside.mean(), abs=2e-3)
    assert scores.width(a, b) == pytest.approx((high - low).mean(), rel=1e-4)
    assert scores.interval_score(a, b, 0.9) == pytest.approx(winkler.mean(), rel=1e-3)


def test_a_side_without_width_is_missed_at_every_stretch() -> None:
    value = np.zeros(4, np.float32)
    truth = np.array([-1, -1, 1, 0], np.float32)
    scores = score_voxels(value, value, value + 2, truth)
    assert scores.miss(1000, 1000) == (0.5, 0.0)
    assert scores.miss(1, 1) == (0.5, 0.0)
    assert scores.interval_score(1, 1, 0.9) == pytest.approx(2 + 20 * 0.5, rel=1e-6)


def test_a_truth_at_the_value_is_inside_every_interval() -> None:
    value = np.zeros(3, np.float32)
    assert score_voxels(value, value, value, value).coverage(1, 1) == 1


def test_solving_inverts_reading() -> None:
    scores = score_voxels(*_voxels())
    for share in (0.3, 0.05, 0.01):
        stretch = solve_curve(scores.miss_low, share)
        assert stretch is not None
        assert read_curve(scores.miss_low, stretch) == pytest.approx(share, abs=1e-9)


def test_no_stretch_is_offered_for_a_share_that_none_reaches() -> None:
    assert solve_curve(np.full_like(STRETCHES, 0.2), 0.05) is None


def test_no_voxels_are_refused() -> None:
    nothing = np.zeros(0, np.float32)
    with pytest.raises(ValueError, match="no voxels"):
        score_voxels(nothing, nothing, nothing, nothing)
