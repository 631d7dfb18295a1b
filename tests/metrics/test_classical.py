"""Classical figures against their closed forms, and the laws that they keep."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mriuq_cli.metrics import classical
from mriuq_cli.metrics.regions import Regions, artefacts_in_air

RNG = np.random.default_rng(0)
gains = st.floats(1e-3, 1e3)
sizes = st.integers(2, 12)


def normal(mean, sd, n=200_000):
    return RNG.normal(mean, sd, n)


def test_efc_is_one_for_a_uniform_image_and_zero_for_a_single_voxel():
    assert classical.efc(np.full((7, 8, 9), 3.0, np.float32)) == pytest.approx(1)
    single = np.zeros((7, 8, 9), np.float32)
    single[1, 2, 3] = 5
    assert classical.efc(single) == 0


@given(n=sizes, m=sizes)
def test_efc_of_m_equal_voxels_among_n_times_m_has_a_closed_form(n, m):
    image = np.zeros((n, m))
    image[0] = 4
    assert classical.efc(image) == pytest.approx(math.sqrt(m) * math.log(m) / (math.sqrt(n * m) * math.log(n * m)))


@given(gain=gains, seed=st.integers(0, 50))
def test_efc_lies_between_zero_and_one_and_does_not_depend_on_scale_or_order(gain, seed):
    rng = np.random.default_rng(seed)
    image = rng.random((4, 5, 6))
    figure = classical.efc(image)
    assert 0 < figure < 1
    assert classical.efc(gain * rng.permutation(image.ravel())) == pytest.approx(figure)


def test_snr_is_median_over_sd_with_the_correction_of_small_samples():
    assert classical.snr(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / (math.sqrt(2 / 3) * math.sqrt(3 / 2)))
    assert classical.snr(normal(100, 5)) == pytest.approx(20, rel=0.02)


def test_dietrichs_snr_finds_the_noise_of_the_channels_from_rayleigh_air():
    air = np.hypot(normal(0, 10), normal(0, 10))
    # The robust SD of a Rayleigh distribution is 0.664 of the channels', near the 0.655 that the factor is made for.
    assert classical.snr_dietrich(normal(1000, 10), air) == pytest.approx(100, rel=0.03)
    assert pytest.approx(0.6551, abs=5e-5) == classical.DIETRICH


def test_dietrichs_snr_takes_the_sd_where_the_robust_one_is_not_above_one():
    air = np.array([0.0] * 98 + [10.0, 10.0])
    assert classical.snr_dietrich(np.full(5, 1000.0), air) == pytest.approx(classical.DIETRICH * 1000 / air.std())


def test_cnr_and_cjv_of_normal_tissues():
    white, grey, air = normal(1000, 30), normal(700, 40), normal(0, 10)
    assert classical.cnr(white, grey, air) == pytest.approx(300 / math.sqrt(30**2 + 40**2 + 10**2), rel=0.02)
    assert classical.cjv(white, grey) == pytest.approx(70 / 300, rel=0.02)


@given(gain=gains)
def test_ratios_do_not_depend_on_the_scale(gain):
    rng = np.random.default_rng(1)
    white, grey, air = rng.normal(1000, 30, 500), rng.normal(700, 40, 500), rng.normal(0, 10, 500)
    assert classical.cjv(gain * white, gain * grey) == pytest.approx(classical.cjv(white, grey))
    assert classical.cnr(gain * white, gain * grey, gain * air) == pytest.approx(classical.cnr(white, grey, air))
    assert classical.snr(gain * white) == pytest.approx(classical.snr(white))


def test_fber_and_wm2max():
    assert classical.fber(np.full(9, 20.0), np.full(9, 2.0)) == pytest.approx(100)
    image = np.linspace(0, 1000, 100_001)
    assert classical.wm2max(np.full(5, 600.0), image) == pytest.approx(600 / 999.5)


def test_what_cannot_be_had_is_nan():
    nothing, some = np.empty(0), np.array([1.0, 2.0, 3.0])
    assert all(
        math.isnan(figure)
        for figure in (
            classical.snr(nothing), classical.snr(np.ones(5)), classical.snr_dietrich(some, nothing),
            classical.snr_dietrich(some, np.ones(4)), classical.cnr(some, some, nothing), classical.cjv(some, some),
            classical.efc(np.zeros(5)), classical.fber(some, nothing), classical.fber(some, np.zeros(5)),
            classical.wm2max(nothing, some),
        )
    )  # fmt: skip


def test_qi1_counts_ghosts_in_the_air_and_not_noise():
    shape = (30, 30, 30)
    image = np.abs(np.random.default_rng(2).normal(0, 1, shape)).astype(np.float32)
    everywhere, distance = np.ones(shape, dtype=bool), np.full(shape, 50, np.float32)
    regions = Regions(image, ~everywhere, everywhere, everywhere, {}, distance)
    assert artefacts_in_air(regions) == 0
    image[5:15, 5:15, 5:15] = 100
    # Opening with a cross takes the edges off a cube of 10 voxels: it keeps all but its 12 edges (8 corners of them).
    assert artefacts_in_air(regions) == pytest.approx((1000 - 12 * 8 - 8) / 30**3)
    distance[:15] = 1
    assert artefacts_in_air(regions) == 0
