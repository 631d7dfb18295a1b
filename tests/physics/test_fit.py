"""Fits find what made the signal, and say how well."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit
from scipy.stats import t as student_t

from mriuq_cli.errors import InputError
from mriuq_cli.physics import signal
from mriuq_cli.physics.fit import Fit, fit_adc, fit_inversion_recovery, fit_look_locker, fit_t2

TE = [0.0, 0.025, 0.035, 0.045, 0.065, 0.085, 0.105, 0.125]
TI = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0]
MOLLI = [0.251, 0.400, 1.251, 1.400, 2.251, 2.400, 3.251, 4.251]
N = 2000


def draw(low: float, high: float, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.exp(rng.uniform(np.log(low), np.log(high), N)))


def noisy(clean: list[torch.Tensor], sd: float, seed: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    stacked = torch.stack(clean, -1)
    return stacked + sd * torch.from_numpy(rng.normal(size=stacked.shape))


def assert_honest(fit: Fit, truth: torch.Tensor, freedom: int) -> None:
    """Hold that truths lie within the 95 % interval of Student's t as often as that says, and on either side of it."""
    z = ((fit.value - truth) / fit.error)[~fit.at_bound]
    assert float((z.abs() < student_t.ppf(0.975, freedom)).double().mean()) == pytest.approx(0.95, abs=0.02)
    assert abs(float(z.median())) < 0.15


def test_t2_is_found_within_its_own_standard_error() -> None:
    t2 = draw(0.03, 0.3)
    exact = fit_t2(torch.stack([signal.t2_decay(100.0, t2, te=te) for te in TE], -1), TE)
    torch.testing.assert_close(exact.value, t2, rtol=1e-5, atol=0)
    torch.testing.assert_close(exact.linear[:, 0], torch.full_like(t2, 100.0), rtol=1e-5, atol=0)
    fit = fit_t2(noisy([signal.t2_decay(100.0, t2, te=te) for te in TE], 2.0), TE)
    assert_honest(fit, t2, len(TE) - 2)
    assert float(fit.noise.square().mean().sqrt()) == pytest.approx(2.0, rel=0.03)
    amplitude = Fit(fit.linear[:, 0], fit.linear_error[:, 0], fit.linear, fit.linear_error, fit.noise, fit.at_bound)
    assert_honest(amplitude, torch.full_like(t2, 100.0), len(TE) - 2)


def test_a_constant_beside_the_decay_is_found_too() -> None:
    t2 = draw(0.03, 0.1)
    fit = fit_t2(torch.stack([5.0 + signal.t2_decay(100.0, t2, te=te) for te in TE], -1), TE, offset=True)
    torch.testing.assert_close(fit.value, t2, rtol=1e-4, atol=0)
    torch.testing.assert_close(fit.linear[:, 1], torch.full_like(t2, 5.0), rtol=1e-3, atol=0)


def test_t2_and_its_error_are_those_of_scipy() -> None:
    data = noisy([signal.t2_decay(100.0, draw(0.03, 0.2), te=te) for te in TE], 2.0)[:20]
    fit = fit_t2(data, TE)
    for row, value, error in zip(data.numpy(), fit.value.tolist(), fit.error.tolist(), strict=True):
        found, covariance = curve_fit(lambda te, s0, t2: s0 * np.exp(-te / t2), np.array(TE), row, (90.0, 0.08))
        assert value == pytest.approx(found[1], rel=1e-4)
        assert error == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-3)


def test_weights_are_those_of_scipy_whether_shared_or_a_voxels_own() -> None:
    data = noisy([signal.t2_decay(100.0, draw(0.03, 0.2), te=te) for te in TE], 2.0)[:5]
    sds = np.linspace(1.0, 4.0, len(TE))
    shared = torch.from_numpy(1 / sds**2)
    fit, own = (
        fit_t2(data, TE, weights=shared),
        fit_t2(data, TE, weights=shared.expand(5, -1) * torch.arange(1, 6)[:, None]),
    )
    for row, value in zip(data.numpy(), fit.value.tolist(), strict=True):
        found, _ = curve_fit(lambda te, s0, t2: s0 * np.exp(-te / t2), np.array(TE), row, (90.0, 0.08), sigma=sds)
        assert value == pytest.approx(found[1], rel=1e-4)
    torch.testing.assert_close(own.value, fit.value, rtol=1e-6, atol=0)


@pytest.mark.parametrize("tr", [None, 8.0])
@pytest.mark.parametrize("signed", [True, False])
def test_t1_is_found_from_signed_and_from_magnitude_recoveries(tr: float | None, signed: bool) -> None:
    t1 = draw(0.5, 2.0)
    clean = [signal.inversion_recovery(100.0, t1, math.inf, tr=8.0, te=0.0, ti=ti, signed=True) for ti in TI]
    data = noisy(clean, 1.0)
    fit = fit_inversion_recovery(data if signed else data.abs(), TI, tr=tr, signed=signed)
    assert_honest(fit, t1, len(TI) - (3 if tr is None else 2))


def test_the_look_locker_correction_gives_t1_back_with_an_honest_error() -> None:
    t1 = draw(0.6, 2.0)
    clean = [signal.look_locker(100.0, t1, ti=ti, tr=0.0028, flip=7.0, signed=True) for ti in MOLLI]
    exact = fit_look_locker(torch.stack(clean, -1), MOLLI, signed=True)
    # 1/T1* is not exactly that of the continuous limit: B/A - 1 times T1* is T1 to first order in TR/T1.
    torch.testing.assert_close(exact.value, t1, rtol=0.01, atol=0)
    assert_honest(fit_look_locker(noisy(clean, 0.5), MOLLI, signed=True), exact.value, len(MOLLI) - 3)
    same = fit_look_locker(torch.stack(clean, -1).abs(), MOLLI)
    torch.testing.assert_close(same.value, exact.value, rtol=1e-3, atol=0)


def test_adc_is_found_within_its_own_standard_error() -> None:
    adc = draw(0.5e-3, 3e-3)
    b = [0.0, 500.0, 1000.0]
    fit = fit_adc(torch.stack([signal.diffusion(100.0, adc, b=one) for one in b], -1), b)
    torch.testing.assert_close(fit.value, adc, rtol=1e-5, atol=0)
    b = [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
    fit = fit_adc(noisy([signal.diffusion(100.0, adc, b=one) for one in b], 1.0), b)
    assert_honest(fit, adc, len(b) - 2)


def test_t1_and_its_error_are_those_of_scipy() -> None:
    t1 = draw(0.5, 2.0)
    data = noisy([signal.inversion_recovery(100.0, t1, math.inf, tr=8.0, te=0.0, ti=ti, signed=True) for ti in TI], 2.0)
    fit = fit_inversion_recovery(data[:20], TI, signed=True)
    for row, value, error in zip(data[:20].numpy(), fit.value.tolist(), fit.error.tolist(), strict=True):
        found, covariance = curve_fit(lambda ti, a, b, t: a + b * np.exp(-ti / t), np.array(TI), row, (90, -180, 1.0))
        assert value == pytest.approx(found[2], rel=1e-4)
        assert error == pytest.approx(np.sqrt(covariance[2, 2]), rel=1e-3)


def test_a_value_beyond_the_bounds_is_said_to_be_at_the_bound() -> None:
    fit = fit_t2(torch.tensor([[100.0] * 8, [100.0, *[0.0] * 7]]), TE)
    assert fit.at_bound.tolist() == [True, True]


def test_two_measurements_give_a_value_but_no_error() -> None:
    fit = fit_t2(torch.tensor([[100.0, 50.0]]), [0.0, 0.1])
    assert float(fit.value) == pytest.approx(0.1 / np.log(2), rel=1e-5)
    assert torch.isnan(fit.error).all()


@pytest.mark.parametrize(
    ("times", "data", "words"),
    [
        ([25.0, 35.0], [[1.0, 0.5]], "If milliseconds were meant, give 0.025"),
        ([0.025], [[1.0, 0.5]], "do not go together"),
        ([0.025, 0.035], [[1.0, float("nan")]], "finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(times: list[float], data: list[list[float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_t2(torch.tensor(data), times)
