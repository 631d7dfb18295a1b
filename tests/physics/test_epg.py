"""Echo trains against closed forms and against the fast spin-echo equation."""

import math

import pytest
import torch

from mriuq_cli.errors import InputError
from mriuq_cli.physics import signal
from mriuq_cli.physics.epg import echo_train

T1 = torch.tensor([0.8, 1.3, 4.0], dtype=torch.float64)
T2 = torch.tensor([0.07, 0.09, 1.8], dtype=torch.float64)


def test_perfect_pulses_give_pure_t2_decay_and_leave_nothing_behind() -> None:
    echoes, left = echo_train(T1, T2, spacing=0.01, refocusing=[180.0] * 12)
    times = 0.01 * torch.arange(1, 13)
    torch.testing.assert_close(echoes, torch.exp(-times / T2[:, None]))
    # What recovers before the middle of a refocusing interval is inverted and recovers again.
    assert (left.abs() < 0.01).all()


def test_the_first_two_echoes_of_weak_pulses_are_those_of_two_and_three_pulse_theory() -> None:
    """Without relaxation: sin^2(a/2), then sin^4(a/2) + sin^2(a)/2 (spin echo of the echo, and stimulated echo)."""
    still = torch.tensor(1e9, dtype=torch.float64)
    for flip in (30.0, 75.0, 120.0, 180.0):
        echoes, _ = echo_train(still, still, spacing=0.01, refocusing=[flip, flip])
        a = math.radians(flip)
        assert float(echoes[0]) == pytest.approx(math.sin(a / 2) ** 2, abs=1e-6)
        assert float(echoes[1]) == pytest.approx(math.sin(a / 2) ** 4 + 0.5 * math.sin(a) ** 2, abs=1e-6)


def test_without_relaxation_no_magnetisation_is_made() -> None:
    still = torch.tensor(1e9, dtype=torch.float64)
    echoes, left = echo_train(still, still, spacing=0.01, refocusing=[140.0] * 20)
    assert (echoes <= 1).all()
    assert float(left.abs()) <= 1


@pytest.mark.parametrize(("tr", "echoes"), [(2.5, 8), (8.0, 20)])
def test_the_fast_spin_echo_equation_is_the_steady_state_of_the_train(tr: float, echoes: int) -> None:
    spacing = 0.0104
    last = spacing * echoes
    z = torch.ones_like(T1)
    for _ in range(6):
        train, left = echo_train(T1, T2, spacing=spacing, refocusing=[180.0] * echoes, start=z)
        z = 1 + (left - 1) * torch.exp(-(tr - last) / T1)
    expected = signal.fast_spin_echo(1.0, T1, T2, tr=tr, te=spacing * 3, te_last=last)
    # The equation takes the train to leave no longitudinal magnetisation at all.
    torch.testing.assert_close(train[:, 2], expected, rtol=0.004, atol=0)


def test_a_train_without_refocusing_and_milliseconds_are_refused() -> None:
    with pytest.raises(InputError, match="refocusing"):
        echo_train(T1, T2, spacing=0.01, refocusing=[])
    with pytest.raises(InputError, match="plausible"):
        echo_train(T1, T2, spacing=10.4, refocusing=[180.0])
