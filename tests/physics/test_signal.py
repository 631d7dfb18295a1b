"""The signal equations obey what physics says of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mriuq_cli.errors import InputError
from mriuq_cli.physics import signal
from mriuq_cli.physics.tissue import tissues

times = st.floats(0.05, 5.0)


def test_a_spin_echo_with_long_tr_and_no_te_shows_proton_density() -> None:
    assert signal.spin_echo(0.7, 0.8, 0.08, tr=40.0, te=0.0) == pytest.approx(0.7)


@given(t1=times, tr=st.floats(1.0, 15.0))
def test_the_nulling_time_nulls(t1: float, tr: float) -> None:
    ti = signal.nulling_time(t1, tr=tr)
    assert signal.inversion_recovery(1.0, t1, 1.0, tr=tr, te=0.0, ti=ti) == pytest.approx(0, abs=1e-6)


@given(t1=times, tr=st.floats(2.0, 15.0), last=st.floats(0.02, 0.3))
def test_no_inversion_time_is_a_plain_fast_spin_echo(t1: float, tr: float, last: float) -> None:
    found = signal.fast_spin_echo(0.8, t1, 0.1, tr=tr, te=0.02, ti=0.0, te_last=last)
    assert found == pytest.approx(0.8 * (1 - np.exp(-(tr - last) / t1)) * np.exp(-0.02 / 0.1), rel=1e-9)


@given(t1=times, tr=st.floats(3.0, 15.0))
def test_the_nulling_time_of_a_fast_spin_echo_depends_on_its_last_echo(t1: float, tr: float) -> None:
    ti = signal.nulling_time(t1, tr=tr, te_last=0.15)
    assert signal.fast_spin_echo(1.0, t1, math.inf, tr=tr, te=0.0, ti=ti, te_last=0.15) == pytest.approx(0, abs=1e-6)
    assert ti <= signal.nulling_time(t1, tr=tr)


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


def pulses(m: float, t1: float, count: int, apart: float, flip: float) -> float:
    """Longitudinal magnetisation after excitations one by one, each followed by recovery."""
    for _ in range(count):
        m = 1 + (m * math.cos(math.radians(flip)) - 1) * math.exp(-apart / t1)
    return m


@pytest.mark.parametrize("t1", [0.3, 0.83, 1.33, 3.8])
def test_mprage_is_the_steady_state_of_its_pulses_played_one_by_one(t1: float) -> None:
    times = {"tr": 2.3, "ti": 0.9, "spacing": 0.0075, "pulses": 176, "te": 0.0, "flip": 9.0}
    before, after, m = 0.9 - 88 * 0.0075, 2.3 - 0.9 - 88 * 0.0075, 1.0
    for _ in range(30):
        centre = pulses(1 + (-m - 1) * math.exp(-before / t1), t1, 88, 0.0075, 9.0)
        m = 1 + (pulses(centre, t1, 88, 0.0075, 9.0) - 1) * math.exp(-after / t1)
    expected = abs(centre) * math.sin(math.radians(9.0))
    assert signal.inversion_prepared_gradient_echo(1.0, t1, 1.0, **times) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("t1", [0.3, 0.83, 1.33, 3.8])
def test_look_locker_is_an_inversion_read_out_by_pulses_one_by_one(t1: float) -> None:
    for count in (0, 40, 400, 2000):
        expected = pulses(-1.0, t1, count, 0.0028, 5.0)
        found = signal.look_locker(1.0, t1, ti=count * 0.0028, tr=0.0028, flip=5.0, signed=True)
        assert found == pytest.approx(expected, abs=1e-9)


TISSUE = {"pd": 0.7, "t1": 0.83, "t2": 0.08}
EQUATIONS = {
    "spin_echo": {"tr": 2.0, "te": 0.01},
    "fast_spin_echo": {"tr": 8.0, "te": 0.1, "ti": 2.0},
    "inversion_recovery": {"tr": 8.0, "te": 0.1, "ti": 2.0},
    "spoiled_gradient_echo": {"tr": 0.02, "te": 0.004, "flip": 30.0},
    "inversion_prepared_gradient_echo": {
        "tr": 2.3, "ti": 0.9, "spacing": 0.0075, "pulses": 176, "te": 0.003, "flip": 9.0,
    },
    "t2_decay": {"te": 0.025},
    "look_locker": {"ti": 0.251, "tr": 0.0028, "flip": 5.0},
}  # fmt: skip
TIMES = [(name, key) for name, settings in EQUATIONS.items() for key in settings if key not in ("pulses", "flip")]


def made(name: str, scale: dict[str, float]) -> float:
    """Call an equation with some of its times multiplied."""
    head = {"t2_decay": ("pd", "t2"), "look_locker": ("pd", "t1")}.get(name, ("pd", "t1", "t2"))
    tissue = [TISSUE[one] * scale.get(one, 1) for one in head]
    return getattr(signal, name)(*tissue, **{k: v * scale.get(k, 1) for k, v in EQUATIONS[name].items()})


@pytest.mark.parametrize(("name", "key"), TIMES)
def test_every_time_of_a_sequence_in_milliseconds_is_refused(name: str, key: str) -> None:
    assert made(name, {}) > 0 or name == "look_locker"
    with pytest.raises(InputError):
        made(name, {key: 1000})


@pytest.mark.parametrize("name", EQUATIONS)
def test_a_whole_sequence_or_a_whole_tissue_in_milliseconds_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="milliseconds"):
        made(name, dict.fromkeys(("tr", "te", "ti", "spacing"), 1000))
    with pytest.raises(InputError, match="milliseconds"):
        made(name, {"t1": 1000, "t2": 1000})


def test_a_map_in_milliseconds_is_refused_but_one_wild_voxel_none_and_infinity_are_not() -> None:
    t2 = np.array([1e-9, 0.08, 0.11, 0.07])
    with pytest.raises(InputError, match=r"T2 65"):
        signal.t2_decay(1.0, 1000 * t2, te=0.02)
    for known in (np.append(t2, 25.0), np.append(t2, np.inf), 0 * t2 + 1e-3, torch.tensor([500.0])):
        assert signal.t2_decay(1.0, known, te=0.0).shape == known.shape
    assert signal.t2_decay(1.0, math.inf, te=0.02) == 1


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
