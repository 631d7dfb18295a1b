"""Figures of images against their definitions and against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest

from mriuq_cli.metrics.image import Similarity, bounding_box, gradient_magnitude, mae, peak, psnr, rmse


def ssim(value: np.ndarray, truth: np.ndarray, brain: np.ndarray, data_range: float) -> float:
    return Similarity.to(truth, brain, data_range).ssim(value)


def _pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(30, 32, 28)).astype(np.float32)
    truth = sum(np.roll(truth, s, axis=0) for s in range(4)) / 4
    brain = np.zeros(truth.shape, bool)
    brain[8:22, 9:24, 7:20] = True
    truth = np.where(brain, truth, 0).astype(np.float32)
    value = np.where(brain, truth + 0.3 * rng.normal(size=truth.shape), 0).astype(np.float32)
    return value, truth, brain


def test_ssim_is_that_of_scikit_image_over_the_brain() -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    value, truth, brain = _pair()
    width = peak(truth[brain])
    _, full = structural_similarity(
        value.astype(np.float64), truth.astype(np.float64), data_range=width, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    assert ssim(value, truth, brain, width) == pytest.approx(full[brain].mean(), abs=1e-5)


def test_ssim_does_not_depend_on_empty_space_around_the_brain() -> None:
    value, truth, brain = _pair()
    wide = [np.pad(a, 9) for a in (value, truth, brain)]
    assert ssim(*wide, 4.0) == pytest.approx(ssim(value, truth, brain, 4.0), abs=1e-7)


def test_ssim_looks_at_nothing_outside_the_brain_in_either_image() -> None:
    value, truth, brain = _pair()
    outside = np.where(brain, 0, 7).astype(np.float32)
    plain = ssim(value, truth, brain, 4.0)
    assert ssim(value + outside, truth, brain, 4.0) == ssim(value, truth + outside, brain, 4.0) == plain


def test_an_image_is_wholly_similar_to_itself() -> None:
    _, truth, brain = _pair()
    assert Similarity.to(truth, brain, 4.0).ssim(truth) == pytest.approx(1, abs=1e-5)


def test_psnr_of_a_known_error() -> None:
    truth = np.linspace(0, 1, 100_001)
    assert peak(truth) == pytest.approx(0.998)
    assert psnr(truth + 0.01, truth, 1.0) == pytest.approx(40)
    assert mae(truth + 0.01, truth) == pytest.approx(0.01)
    assert rmse(truth + 0.01, truth) == pytest.approx(0.01)
    assert psnr(truth, truth, 1.0) == np.inf


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    x, y, _ = np.meshgrid(*(np.arange(8.0),) * 3, indexing="ij")
    mask = np.zeros((8, 8, 8), bool)
    mask[2:6, 2:6, 2:6] = True
    np.testing.assert_allclose(gradient_magnitude(3 * x + 4 * y, mask), 5, rtol=1e-6)


def test_a_box_holds_the_mask_and_an_empty_one_is_refused() -> None:
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 2:4, 6] = True
    assert bounding_box(mask, 1) == (slice(0, 3), slice(1, 5), slice(5, 8))
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((2, 2), bool))
