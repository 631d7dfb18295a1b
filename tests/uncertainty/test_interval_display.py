"""Outliers and the scale of files."""

from __future__ import annotations

import numpy as np
import pytest

from mriuq_cli.errors import InputError
from mriuq_cli.uncertainty.display import scale_like, to_display
from mriuq_cli.uncertainty.estimate import Estimate
from mriuq_cli.uncertainty.interval import outlier_map, share_inside


def _estimate() -> tuple[Estimate, np.ndarray]:
    mask = np.array([[[True, True, True, False]]])
    zero = np.zeros((1, 1, 4), np.float32)
    estimate = Estimate(zero, np.where(mask, -1, zero), np.where(mask, 1, zero), mask, 0.9)
    return estimate, np.array([[[0.5, 2, -2, 5]]], np.float32)


def test_outliers_are_above_below_or_not_evaluable() -> None:
    assert outlier_map(*_estimate()).tolist() == [[[0, 1, 2, 3]]]
    assert share_inside(*_estimate()) == pytest.approx(1 / 3)


def test_a_file_is_exactly_zero_outside_and_gives_its_scores_back() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((5, 6, 7)) > 0.5
    scores = rng.normal(size=mask.shape).astype(np.float32)
    image = to_display(scores, mask, (1000.0, 250.0))
    assert image.dtype == np.float32
    assert not image[~mask].any()
    np.testing.assert_allclose((image[mask] - 1000) / 250, scores[mask], atol=1e-5)


def test_a_reference_lends_the_mean_and_sd_of_its_brain() -> None:
    rng = np.random.default_rng(1)
    mask = rng.random((20, 20, 20)) > 0.5
    reference = np.where(mask, rng.normal(300, 40, mask.shape), 0)
    reference[0, 0, 0] = np.nan
    assert scale_like(reference) == pytest.approx((300, 40), rel=0.02)


@pytest.mark.parametrize("reference", [np.zeros((3, 3, 3)), np.full((3, 3, 3), 7.0)])
def test_an_empty_or_constant_reference_is_refused(reference: np.ndarray) -> None:
    with pytest.raises(InputError, match="empty or constant"):
        scale_like(reference)
