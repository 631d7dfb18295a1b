"""Calibrations: looked up, applied, written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mriuq_cli.errors import WeightsError
from mriuq_cli.uncertainty.conformal import (
    Calibration,
    Factors,
    calibrate_check,
    calibrate_estimate,
    find_factors,
    read_calibration,
    self_check_descriptor,
    situation_key,
    state_factors,
    write_calibration,
)
from mriuq_cli.uncertainty.estimate import Check, Estimate
from mriuq_cli.uncertainty.familiarity import Reference
from mriuq_cli.uncertainty.scores import score_voxels
from mriuq_cli.uncertainty.stretch import UNCHANGED, fit_stretch, leave_one_out


def _factors(lower: float, upper: float, **regions: float) -> Factors:
    return Factors(lower, upper, coverage=0.9, sd=0.02, worst=0.85, regions=regions, width=1.2)


def _calibration() -> Calibration:
    factors = {
        "t1": _factors(2.0, 2.0), "t2": _factors(3.0, 3.0), "t1+t2": _factors(1.5, 1.6, tumour=0.7),
        "t1+t1gd+t2": _factors(1.1, 1.2),
    }  # fmt: skip
    rows = np.array([[1.0, 2.0], [1.5, np.nan], [0.5, 2.5]])
    return Calibration(
        method="qrunet", weights_sha256=("ab", "cd"), level=0.9, rule="plug-in", n=3, subjects=(("f1", "f2"), ("f3",)),
        factors={"flair": factors}, familiarity={"t1+t2": Reference(("mean", "slice"), rows)}, cross_fitted=True,
    )  # fmt: skip


def _estimate(seed: int = 0) -> Estimate:
    rng = np.random.default_rng(seed)
    mask = np.zeros((4, 4, 4), bool)
    mask[1:] = True
    value, low, high = (np.where(mask, a, 0).astype(np.float32) for a in rng.uniform(0.1, 1, (3, 4, 4, 4)))
    return Estimate(value=value, lower=value - low, upper=value + high, mask=mask, level=0.8)


def test_the_very_situation_is_used_whatever_the_order_of_names() -> None:
    assert find_factors(_calibration(), "flair", ("t2", "t1"))[::2] == ("t1+t2", True)


def test_an_unknown_situation_takes_the_largest_calibrated_one_within_it() -> None:
    key, factors, exact = find_factors(_calibration(), "flair", ("t1", "t2", "pd"))
    assert (key, exact, factors.lower) == ("t1+t2", False, 1.5)


def test_equally_large_situations_give_the_wider_one() -> None:
    calibration = _calibration()
    narrow = {k: v for k, v in calibration.factors["flair"].items() if "+" not in k}
    alone = Calibration("qrunet", (), 0.9, "plug-in", 3, (), {"flair": narrow})
    assert find_factors(alone, "flair", ("t1", "t2"))[0] == "t2"


def test_without_a_situation_within_it_the_widest_of_all_is_taken() -> None:
    assert find_factors(_calibration(), "flair", ("t1gd",))[0] == "t2"


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(WeightsError, match="does not know pd"):
        find_factors(_calibration(), "pd", ("t1",))


def test_the_interval_is_stretched_about_the_value_and_background_stays_zero() -> None:
    raw = _estimate()
    found, note = calibrate_estimate(raw, "flair", ("t1", "t2"), _calibration())
    np.testing.assert_array_equal(found.value, raw.value)
    np.testing.assert_allclose(found.value - found.lower, 1.5 * (raw.value - raw.lower), rtol=1e-5)
    np.testing.assert_allclose(found.upper - found.value, 1.6 * (raw.upper - raw.value), rtol=1e-5)
    assert found.lower.dtype == found.upper.dtype == np.float32
    assert not found.lower[~raw.mask].any()
    assert found.level == note.level == 0.9
    assert note.exact
    json.dumps(note.facts(), allow_nan=False)


def test_the_note_warns_of_a_borrowed_situation_and_of_a_region_known_to_be_worse() -> None:
    _, note = calibrate_estimate(_estimate(), "flair", ("t1", "t2", "pd"), _calibration())
    assert any("never calibrated for t1+t2+pd" in w and "t1+t2 are used" in w for w in note.warnings)
    assert any("70% of voxels in tumour" in w and "worst" not in w for w in note.warnings)


def test_the_note_warns_once_of_a_target_that_missed_a_subject() -> None:
    missed = replace(_factors(1.0, 1.0, tumour=0.7, oedema=0.6), worst=0.43)
    calibration = replace(_calibration(), factors={"flair": {"t1": missed}})
    _, note = calibrate_estimate(_estimate(), "flair", ("t1",), calibration)
    assert note.warnings == (
        "flair: the 90% interval held 43% of voxels in the worst of 3 exams, 70% of voxels in tumour, "
        "60% of voxels in oedema",
    )
    assert replace(note, ours=False).warnings[0].startswith("flair: the 90% interval held 70% of voxels in tumour")


def test_a_check_is_calibrated_for_its_own_situation_before_it_is_counted() -> None:
    raw = _estimate()
    check = Check(raw, raw.upper + 0.1 * (raw.upper - raw.value), ("t1", "t1gd", "t2"))  # factor 1.2 holds that
    assert calibrate_check(check, "flair", _calibration())[1] == 1.0
    assert self_check_descriptor([1.0, 0.5]).value == 0.75


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    write_calibration(path, _calibration())
    found, meant = read_calibration(path), _calibration()
    assert found.factors == meant.factors
    assert found.subjects == meant.subjects
    assert found.cross_fitted
    np.testing.assert_array_equal(found.familiarity["t1+t2"].rows, meant.familiarity["t1+t2"].rows)
    assert [p.name for p in tmp_path.iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"format": 2}', "format 2"),
        ('{"format": 1}', "not a whole calibration"),
        ('{"format": 1, "rule": "guess", "level": 0.9}', "not a whole calibration"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(WeightsError, match=why):
        read_calibration(path)


@pytest.mark.parametrize("factor", [0, -1, None, "x", [1]])
def test_a_factor_that_is_no_positive_number_is_refused(tmp_path: Path, factor: object) -> None:
    path = tmp_path / "calibration.json"
    write_calibration(path, _calibration())
    data = json.loads(path.read_text())
    data["factors"]["flair"]["t1"]["lower"] = factor
    path.write_text(json.dumps(data))
    with pytest.raises(WeightsError, match="not a whole calibration"):
        read_calibration(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_calibration(tmp_path / "none.json")


def test_the_coverage_stated_is_that_of_left_out_subjects() -> None:
    rng = np.random.default_rng(0)
    value = np.zeros(5000, np.float32)
    subjects = [score_voxels(value, value - 1, value + 1, rng.normal(0, sd, 5000)) for sd in (0.5, 1, 2)]
    left_out = leave_one_out(subjects, 0.9)
    factors = state_factors(UNCHANGED, subjects, left_out, {"tumour": [subjects[0], None, None]})
    assert factors.worst < 0.75  # the widest errors, judged by the two others
    assert factors.regions["tumour"] > 0.99  # the smallest errors, judged by the two others


def test_where_nobody_is_left_out_no_coverage_is_claimed() -> None:
    value = np.zeros(500, np.float32)
    one = score_voxels(value, value - 1, value + 1, np.random.default_rng(0).normal(size=500))
    assert np.isnan(state_factors(UNCHANGED, [one], []).coverage)


def test_the_width_stated_is_the_mean_over_subjects_with_the_factors() -> None:
    rng = np.random.default_rng(0)
    value, half = np.zeros(5000, np.float32), np.array([1.0, 3.0], np.float32)
    subjects = [score_voxels(value, value - h, value + h, (h * rng.normal(size=5000)).astype(np.float32)) for h in half]
    factors = state_factors(fit_stretch(subjects, 0.9), subjects, leave_one_out(subjects, 0.9))
    assert factors.width == pytest.approx(float(half.mean()) * (factors.lower + factors.upper), rel=1e-6)


def test_situation_keys_follow_the_methods_order() -> None:
    assert situation_key({"t2", "flair", "t1"}, ("flair", "t1", "t1gd", "t2")) == "flair+t1+t2"
