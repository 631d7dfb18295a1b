"""PD, T1 and T2 come back from fast spin echoes, with errors that cover, and from echo trains played pulse by pulse."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit
from scipy.stats import t as student_t

from mriuq_cli.errors import InputError
from mriuq_cli.physics import signal
from mriuq_cli.physics.epg import echo_train
from mriuq_cli.physics.fit_fse import fit_fast_spin_echo
from mriuq_cli.physics.fse import TIMES

NINE = [{"tr": tr, "te": te, "ti": ti, "te_last": max(te, 0.15)} for tr, te, ti in TIMES.values()]
N = 1500


def draw(low: float, high: float, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), N)))


PD, T1, T2 = draw(50, 100, 0), draw(0.6, 3.0, 1), draw(0.05, 0.3, 2)


def clean(pd: torch.Tensor, t1: torch.Tensor, t2: torch.Tensor) -> torch.Tensor:
    return torch.stack([signal.fast_spin_echo(pd, t1, t2, **one) for one in NINE], -1)


def test_the_nine_sequences_without_noise_give_the_tissue_back() -> None:
    fit = fit_fast_spin_echo(clean(PD, T1, T2), NINE)
    for found, truth in ((fit.pd, PD), (fit.t1, T1), (fit.t2, T2)):
        torch.testing.assert_close(found, truth, rtol=1e-4, atol=0)
    assert not fit.at_bound.any()


def test_truths_lie_within_the_errors_as_often_as_those_say() -> None:
    data = clean(PD, T1, T2)
    fit = fit_fast_spin_echo(data + 0.2 * torch.from_numpy(np.random.default_rng(3).normal(size=data.shape)), NINE)
    assert float(fit.noise.square().mean().sqrt()) == pytest.approx(0.2, rel=0.04)
    bound = student_t.ppf(0.975, len(NINE) - 3)
    for name, truth in (("pd", PD), ("t1", T1), ("t2", T2)):
        z = (getattr(fit, name) - truth) / getattr(fit, f"{name}_error")
        assert float((z.abs() < bound).double().mean()) == pytest.approx(0.95, abs=0.025), name
        assert abs(float(z.median())) < 0.15


def test_values_and_errors_are_those_of_scipy() -> None:
    data = clean(PD, T1, T2)[:15]
    data = data + 0.2 * torch.from_numpy(np.random.default_rng(4).normal(size=data.shape))
    fit = fit_fast_spin_echo(data, NINE)

    def model(_: np.ndarray, pd: float, t1: float, t2: float) -> np.ndarray:
        return np.array([signal.fast_spin_echo(pd, t1, t2, **one) for one in NINE])

    for row in range(len(data)):
        start = (float(PD[row]), float(T1[row]), float(T2[row]))
        found, covariance = curve_fit(model, np.arange(len(NINE)), data[row].numpy(), start)
        ours = [float(one[row]) for one in (fit.pd, fit.t1, fit.t2)]
        assert ours == pytest.approx(list(found), rel=1e-3)
        errors = [float(one[row]) for one in (fit.pd_error, fit.t1_error, fit.t2_error)]
        assert errors == pytest.approx(np.sqrt(np.diag(covariance)).tolist(), rel=0.01)


def test_echo_trains_played_pulse_by_pulse_give_the_tissue_back() -> None:
    """Extended phase graphs in steady state, inverted or not: what the equation leaves out costs a per cent at most."""
    t1, t2 = torch.tensor([0.8, 1.3, 2.5], dtype=torch.float64), torch.tensor([0.07, 0.1, 0.2], dtype=torch.float64)
    spacing, made, settings = 0.0104, [], []
    for tr, ti, echoes, echo in ((2.5, 1.0, 8, 1), (2.5, 0.0, 8, 1), (8.0, 0.0, 16, 1), (8.0, 0.0, 16, 10),
                                 (8.0, 2.0, 16, 10)):  # fmt: skip
        last, z = spacing * echoes, torch.ones_like(t1)
        for _ in range(8):
            ready = 1 + (-z - 1) * torch.exp(-ti / t1) if ti else z
            train, left = echo_train(t1, t2, spacing=spacing, refocusing=[180.0] * echoes, start=ready)
            z = 1 + (left - 1) * torch.exp(-(tr - ti - last) / t1)
        made.append(train[:, echo - 1])
        settings.append({"tr": tr, "te": spacing * echo, "ti": ti, "te_last": last})
    fit = fit_fast_spin_echo(torch.stack(made, -1), settings)
    torch.testing.assert_close(fit.t1, t1, rtol=0.01, atol=0)
    torch.testing.assert_close(fit.t2, t2, rtol=0.01, atol=0)
    torch.testing.assert_close(fit.pd, torch.ones_like(t1), rtol=0.01, atol=0)


def test_what_lies_beyond_the_bounds_is_said_to_be_at_one() -> None:
    fit = fit_fast_spin_echo(clean(PD[:2], T1[:2], torch.tensor([50.0, 0.1])), NINE)
    assert fit.at_bound.tolist() == [True, False]
    assert not math.isnan(float(fit.t1_error[1]))


@pytest.mark.parametrize(
    ("settings", "columns", "words"),
    [
        ([{**one, "te": 1000 * one["te"]} for one in NINE], 9, "milliseconds"),
        (NINE[:2], 2, "cannot tell"),
        (NINE, 8, "do not go together"),
    ],
)
def test_what_cannot_be_fitted_is_refused(settings: list[dict[str, float]], columns: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_fast_spin_echo(torch.ones(3, columns), settings)
