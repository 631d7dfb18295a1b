"""The two rules on distributions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from mriuq_cli.errors import WeightsError
from mriuq_cli.uncertainty.scores import Scores, score_voxels
from mriuq_cli.uncertainty.stretch import fit_stretch, leave_one_out, subjects_needed

Z95 = 1.6449


def _subject(rng: np.random.Generator, error_sd: float, n: int = 20_000) -> Scores:
    """Normal errors about an interval that was made for errors of SD 1 at 90 %."""
    value = rng.normal(size=n).astype(np.float32)
    sigma = rng.uniform(0.5, 2, n).astype(np.float32)
    truth = value + error_sd * sigma * rng.normal(size=n).astype(np.float32)
    return score_voxels(value, value - Z95 * sigma, value + Z95 * sigma, truth)


def test_normal_errors_of_known_size_give_the_known_stretch() -> None:
    rng = np.random.default_rng(1)
    pair = fit_stretch([_subject(rng, 1.5) for _ in range(6)], 0.9)
    assert pair == pytest.approx((1.5, 1.5), rel=0.02)


def test_each_side_gets_its_own_factor() -> None:
    rng = np.random.default_rng(2)
    value = np.zeros(50_000, np.float32)
    truth = rng.exponential(1, 50_000).astype(np.float32) - 0.5 * rng.exponential(1, 50_000).astype(np.float32)
    pair = fit_stretch([score_voxels(value, value - 1, value + 1, truth)], 0.9)
    assert pair.lower == pytest.approx(-np.quantile(truth, 0.05), rel=0.01)
    assert pair.upper == pytest.approx(np.quantile(truth, 0.95), rel=0.01)


def test_plug_in_makes_the_mean_over_subjects_right_not_the_mean_over_voxels() -> None:
    rng = np.random.default_rng(3)
    small, large = _subject(rng, 2.0, 2_000), _subject(rng, 0.5, 200_000)
    pair = fit_stretch([small, large], 0.9)
    assert np.mean([small.coverage(*pair), large.coverage(*pair)]) == pytest.approx(0.9, abs=1e-6)


def test_left_out_factors_never_depend_on_the_subjects_own_scores() -> None:
    rng = np.random.default_rng(4)
    subjects = [_subject(rng, sd) for sd in (0.8, 1.0, 1.2, 1.4)]
    before = leave_one_out(subjects, 0.9)
    strange = [*subjects[:2], _subject(rng, 50.0), subjects[3]]
    after = leave_one_out(strange, 0.9)
    assert after[2] == before[2]
    assert all(after[i] != before[i] for i in (0, 1, 3))


def test_left_out_factors_are_those_of_fitting_on_the_others() -> None:
    rng = np.random.default_rng(5)
    subjects = [_subject(rng, sd) for sd in (0.8, 1.0, 1.2)]
    assert leave_one_out(subjects, 0.9)[1] == pytest.approx(fit_stretch([subjects[0], subjects[2]], 0.9))


def test_the_risk_rule_holds_for_a_new_subject_in_expectation_where_plug_in_falls_short() -> None:
    """Subjects whose error sizes vary: over many draws of 14 and a new one, coverage is at least the level."""
    rng = np.random.default_rng(6)
    pool = [_subject(rng, sd, 2_000) for sd in rng.lognormal(0, 0.5, 300)]
    found: dict[str, list[float]] = {"risk": [], "plug-in": []}
    for _ in range(300):
        *seen, new = (pool[i] for i in rng.choice(len(pool), 15, replace=False))
        for rule in ("risk", "plug-in"):
            found[rule].append(new.coverage(*fit_stretch(seen, 0.9, rule)))
    standard_error = np.std(found["risk"]) / np.sqrt(300)
    assert np.mean(found["risk"]) >= 0.9 - 2 * standard_error
    assert np.mean(found["plug-in"]) < np.mean(found["risk"])


def test_the_risk_rule_keeps_its_inequality_and_no_smaller_stretch_does() -> None:
    rng = np.random.default_rng(7)
    subjects = [_subject(rng, sd) for sd in rng.lognormal(0, 0.3, 14)]
    pair = fit_stretch(subjects, 0.9, "risk")

    def bound(shrink: float) -> float:
        risk = np.mean([1 - s.coverage(shrink * pair.lower, shrink * pair.upper) for s in subjects])
        return float(14 * risk + 1) / 15

    assert bound(1.0) <= 0.1 + 1e-9
    assert bound(0.999) > 0.1


@pytest.mark.parametrize(("level", "needed"), [(0.9, 9), (0.95, 19), (0.8, 4), (0.5, 1)])
def test_the_risk_rule_says_how_many_subjects_it_takes(level: float, needed: int) -> None:
    rng = np.random.default_rng(8)
    assert subjects_needed(level) == needed
    if needed > 1:
        with pytest.raises(WeightsError, match=f"at least {needed}"):
            fit_stretch([_subject(rng, 1, 100)] * (needed - 1), level, "risk")


def test_nothing_to_calibrate_on_is_said() -> None:
    with pytest.raises(WeightsError, match="no subject"):
        fit_stretch([], 0.9)
    with pytest.raises(WeightsError, match="at least 2"):
        leave_one_out([_subject(np.random.default_rng(9), 1, 100)], 0.9)
