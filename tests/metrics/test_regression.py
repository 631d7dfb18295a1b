"""Figures of intervals where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from mriuq_cli.metrics.regression import (
    auroc,
    ause,
    coverage,
    coverage_by_width,
    exceedance,
    interval_score,
    spearman,
)

N = 200_000
Z95 = 1.6449


def _normal(spread: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return errors and their true standard deviations."""
    rng = np.random.default_rng(0)
    sigma = np.exp(spread * rng.normal(size=N))
    return sigma * rng.normal(size=N), sigma


def test_the_true_interval_of_normal_errors_covers_its_level_and_scores_best() -> None:
    error, sigma = _normal(0.5)
    assert coverage(-Z95 * sigma, Z95 * sigma, error) == pytest.approx(0.9, abs=0.003)
    best = interval_score(-Z95 * sigma, Z95 * sigma, error, 0.9)
    assert best < interval_score(-1.2 * Z95 * sigma, 1.2 * Z95 * sigma, error, 0.9)
    assert best < interval_score(-Z95 * np.full(N, sigma.mean()), Z95 * np.full(N, sigma.mean()), error, 0.9)


def test_interval_score_of_a_standard_normal_is_the_known_number() -> None:
    error, _ = _normal()
    density = np.exp(-(Z95**2) / 2) / np.sqrt(2 * np.pi)
    assert interval_score(np.full(N, -Z95), np.full(N, Z95), error, 0.9) == pytest.approx(40 * density, rel=0.01)


def test_coverage_by_width_is_flat_for_true_widths_and_is_not_for_constant_ones_in_disguise() -> None:
    error, sigma = _normal(0.5)
    assert coverage_by_width(-Z95 * sigma, Z95 * sigma, error) == pytest.approx([0.9] * 5, abs=0.01)
    nearly = np.full(N, 2.0) + 1e-6 * sigma
    parts = coverage_by_width(-nearly, nearly, error)
    assert parts[0] > 0.97
    assert parts[-1] < 0.8


def test_ause_is_0_for_the_errors_own_order_1_for_chance_and_above_1_for_the_reverse() -> None:
    error, sigma = _normal(1.0)
    assert ause(error, np.abs(error)) == pytest.approx(0, abs=1e-9)
    assert ause(error, np.random.default_rng(1).random(N)) == pytest.approx(1, abs=0.02)
    assert ause(error, np.ones(N)) == pytest.approx(1, abs=0.02)
    assert ause(error, -np.abs(error)) > 1.3
    assert 0 < ause(error, sigma) < 0.7


def test_ause_cannot_be_good_where_the_true_sigma_hardly_varies() -> None:
    error, sigma = _normal(0.05)
    assert ause(error, sigma) > 0.9


def test_spearman_sees_any_rising_relation_and_refuses_a_constant() -> None:
    x = np.random.default_rng(2).random(1000)
    assert spearman(x, np.exp(5 * x)) == pytest.approx(1)
    assert spearman(x, -(x**3)) == pytest.approx(-1)
    assert np.isnan(spearman(x, np.ones(1000)))


def test_spearman_with_ties_is_that_of_scipy() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(4)
    a = rng.integers(0, 9, 500).astype(float)
    b = a + rng.integers(0, 9, 500)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_auroc_of_two_normals_a_distance_apart() -> None:
    rng = np.random.default_rng(3)
    label = np.arange(N) % 4 == 0
    score = rng.normal(size=N) + 1.0 * label
    assert auroc(score, label) == pytest.approx(0.7602, abs=0.005)  # Phi(1 / sqrt 2)
    assert np.isnan(auroc(score, np.zeros(N, bool)))


def test_auroc_counts_ties_half() -> None:
    assert auroc(np.array([1, 1, 0]), np.array([True, False, False])) == 0.75
    assert auroc(np.array([np.inf, np.inf, 0]), np.array([True, False, False])) == 0.75


def test_exceedance_is_1_at_the_bound_of_its_own_side() -> None:
    value, lower, upper = np.zeros(5), np.full(5, -1.0), np.full(5, 2.0)
    found = exceedance(value, lower, upper, np.array([-1, 2, 4, 0, -0.5]))
    assert found == pytest.approx([1, 1, 2, 0, 0.5])
    assert np.isinf(exceedance(np.zeros(1), np.zeros(1), np.ones(1), np.array([-1.0])))[0]
