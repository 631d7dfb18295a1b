"""The signal equations obey what physics says of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mriuq_cli.physics import signal
from mriuq_cli.physics.tissue import tissues

times = st.floats(0.05, 5.0)


def test_a_spin_echo_with_long_tr_and_no_te_shows_proton_density() -> None:
    assert signal.spin_echo(0.7, 0.8, 0.08, tr=40.0, te=0.0) == pytest.approx(0.7)


@given(t1=times, tr=st.floats(1.0, 15.0))
def test_the_nulling_time_nulls(t1: float, tr: float) -> None:
    ti = signal.nulling_time(t1, tr=tr)
    assert signal.inversion_recovery(1.0, t1, 1.0, tr=tr, te=0.0, ti=ti) == pytest.approx(0, abs=1e-6)


@given(t1=times, tr=st.floats(0.003, 0.05))
def test_a_spoiled_gradient_echo_is_strongest_at_the_ernst_angle(t1: float, tr: float) -> None:
    ernst = float(np.rad2deg(np.arccos(np.exp(-tr / t1))))
    best = signal.spoiled_gradient_echo(1.0, t1, 1.0, tr=tr, te=0.0, flip=ernst)
    for other in (0.7 * ernst, min(1.3 * ernst, 90)):
        assert signal.spoiled_gradient_echo(1.0, t1, 1.0, tr=tr, te=0.0, flip=other) <= best * (1 + 1e-6)


@given(t1=times, t2=st.floats(0.02, 2.0), c=st.floats(0.001, 2.0))
def test_a_contrast_agent_adds_relaxation_rates(t1: float, t2: float, c: float) -> None:
    after_t1, after_t2 = signal.with_contrast_agent(t1, t2, c, r1=5.0, r2=7.0)
    assert 1 / after_t1 == pytest.approx(1 / t1 + 5 * c, rel=1e-5)
    assert 1 / after_t2 == pytest.approx(1 / t2 + 7 * c, rel=1e-5)


def test_rician_noise_without_signal_has_the_rayleigh_mean() -> None:
    noise = signal.rician(np.zeros(200_000, dtype=np.float32), 2.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.01)


def test_rician_noise_leaves_a_strong_signal_in_place() -> None:
    noisy = signal.rician(np.full(200_000, 100, dtype=np.float32), 1.0, np.random.default_rng(0))
    assert noisy.mean() == pytest.approx(100, abs=0.05)
    assert noisy.std() == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("name", sorted(tissues()))
def test_tissues_are_physical(name: str) -> None:
    tissue = tissues()[name]
    assert 0 < tissue.pd <= 1
    assert 0 < tissue.t2 < tissue.t1 < 5
    assert tissue.agent >= 0
