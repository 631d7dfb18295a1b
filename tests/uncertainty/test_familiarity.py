"""Who is flagged, how often, and with which words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mriuq_cli.errors import WeightsError
from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Reference, exact_interval, judge, reference_for

NAMES = ("skull", "thickness", "contrast")


def _reference(n: int = 14, seed: int = 0) -> Reference:
    return Reference(NAMES, np.random.default_rng(seed).normal(size=(n, len(NAMES))))


def _scan(skull: float = 0, thickness: float = 0, contrast: float = 0, floor: float = 0.0) -> tuple[Descriptor, ...]:
    return (
        Descriptor("skull", skull, "skull present", "", floor),
        Descriptor("thickness", thickness, "thick slices", "thin slices", floor),
        Descriptor("contrast", contrast, "strong contrast", "weak contrast", floor),
    )


def test_an_ordinary_scan_is_familiar_and_gives_no_reason() -> None:
    verdict = judge(_scan(), _reference())
    assert verdict.familiar
    assert verdict.reasons == ()


def test_an_odd_scan_is_flagged_with_its_reasons_most_extreme_first() -> None:
    verdict = judge(_scan(skull=20, thickness=-40), _reference())
    assert not verdict.familiar
    assert verdict.percentile == 100
    assert verdict.reasons == ("thin slices", "skull present")


def test_a_side_without_words_is_not_unusual() -> None:
    assert judge(_scan(skull=-50), _reference()).familiar


def test_many_mild_oddities_count_together() -> None:
    one, all_three = judge(_scan(skull=3), _reference()), judge(_scan(3, 3, 3), _reference())
    assert all_three.distance > one.distance


def test_a_value_that_cannot_be_found_is_unfamiliar_and_still_json() -> None:
    verdict = judge(_scan(contrast=math.nan), _reference())
    assert not verdict.familiar
    assert verdict.reasons[0] == "contrast cannot be described"
    assert json.loads(json.dumps(verdict.facts(), allow_nan=False))["distance"] is None


def test_the_floor_keeps_a_constant_reference_from_flagging_everything() -> None:
    same = Reference(NAMES, np.ones((14, 3)))
    assert judge(_scan(1.001, 1, 1, floor=0.01), same).distance < 0.2
    assert not judge(_scan(2, 1, 1, floor=0.01), same).familiar


def test_new_scans_of_the_same_kind_are_flagged_about_once_in_n_plus_1() -> None:
    rng = np.random.default_rng(1)
    flagged = [
        not judge(_scan(*row[0]), Reference(NAMES, row[1:])).familiar
        for row in (rng.normal(size=(15, 3)) for _ in range(600))
    ]
    assert 0.02 < np.mean(flagged) < 0.13  # 1/15 = .067
    assert judge(_scan(), _reference()).false_alarm == pytest.approx(1 / 15)


def test_with_many_reference_subjects_one_in_twenty_lies_beyond() -> None:
    verdict = judge(_scan(), _reference(200))
    low, high = verdict.false_alarm_interval
    assert low < 0.05 < high
    assert verdict.false_alarm == pytest.approx(0.05, abs=0.01)


def test_exact_interval_of_none_in_fourteen() -> None:
    assert exact_interval(0, 14) == pytest.approx((0, 1 - 0.025 ** (1 / 14)))
    assert exact_interval(14, 14) == pytest.approx((0.025 ** (1 / 14), 1))


def test_exact_interval_holds_at_its_ends() -> None:
    """At each end the seen number, or one farther, has a chance of 2.5 %."""
    from scipy.stats import binom

    low, high = exact_interval(3, 20)
    assert binom.sf(2, 20, low) == pytest.approx(0.025)
    assert binom.cdf(3, 20, high) == pytest.approx(0.025)


def test_the_nearest_situation_lends_its_reference() -> None:
    known = {key: _reference(seed=i) for i, key in enumerate(("t1", "t1+t2", "flair+t1+t1gd+t2"))}
    assert reference_for(known, ("t2", "t1")) is known["t1+t2"]
    assert reference_for(known, ("flair", "t2")) is known["flair+t1+t1gd+t2"]
    assert reference_for({}, ("t1",)) is None


def test_a_reference_that_knows_nothing_of_the_scan_is_refused() -> None:
    with pytest.raises(WeightsError, match="familiar"):
        judge((Descriptor("other", 1, "high", "low"),), _reference())
    with pytest.raises(WeightsError, match="familiar"):
        judge(_scan(), _reference(7))


def test_a_reference_survives_its_file() -> None:
    rows = _reference().rows
    rows[3, 1] = np.nan
    found = Reference.from_json(json.loads(json.dumps(Reference(NAMES, rows).to_json(), allow_nan=False)))
    np.testing.assert_array_equal(found.rows, rows)
    assert judge(_scan(), found).familiar


def test_one_odd_reference_subject_does_not_make_everything_familiar():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(14, 6))
    odd = rows.copy()
    odd[5, 2] = 40.0
    names = tuple("abcdef")
    scan = [Descriptor(name, 7.0 if name == "c" else 0.0, "high", "low") for name in names]
    assert not judge(scan, Reference(names, odd)).familiar
    assert judge(scan, Reference(names, odd)).n == 13
