"""Percentiles, verdicts and error rates: plain arithmetic on a yardstick."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mriuq_cli.cohort.rating import error_rates, rate, reaches, standing, worst_of
from mriuq_cli.cohort.thresholds import Limits, Thresholds, read_thresholds
from mriuq_cli.uncertainty.familiarity import Familiarity, exact_interval
from mriuq_cli.uncertainty.judgement import Judgement, Score, Yardstick

FORTY = Yardstick(tuple(float(n) for n in range(1, 41)), {"noise": (39.5, 50.0), "motion": (20.0,)}, simulated=30)
SHIPPED = read_thresholds()
scores = st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=60)


def score(value, group="visual", yardstick=FORTY, better="low"):
    return Score(value, better, "", group, yardstick)


def test_a_percentile_is_the_share_of_clean_scans_that_are_better():
    found = standing(score(39.5))
    assert (found.percentile, found.words, found.simulated) == (97.5, "39 of 40 clean scans are better", 30)
    assert standing(score(1.0)).percentile == 0
    assert standing(score(2.5, better="high")).percentile == 95


def test_beyond_all_is_said_as_that_however_far():
    assert standing(score(41)).words == standing(score(1e9)).words == "beyond all 40 clean scans"
    assert standing(score(0)).words == "none of 40 clean scans is better"


@given(values=scores, value=st.floats(-1e3, 1e3))
def test_low_and_high_mirror_each_other(values, value):
    low = standing(score(value, yardstick=Yardstick(tuple(values))))
    high = standing(score(-value, yardstick=Yardstick(tuple(-v for v in values)), better="high"))
    assert low == high


@given(values=scores, threshold=st.floats(1, 100))
def test_false_alarms_are_those_of_new_scans(values, threshold):
    rates = error_rates(Yardstick(tuple(values)), "low", threshold)
    n = len(values)
    by_hand = sum(100 * sum(other < one for other in values) >= threshold * (n - 1) for one in values)
    assert rates.false_alarms == by_hand
    assert rates.interval == exact_interval(by_hand, n)


def test_even_the_highest_threshold_has_a_false_alarm_since_somebody_is_the_worst():
    rates = error_rates(FORTY, "low", 100)
    assert (rates.false_alarms, rates.clean) == (1, 40)
    assert rates.interval == pytest.approx((0.0006327, 0.1315858), rel=1e-3)


def test_misses_are_counted_by_artefact():
    assert error_rates(FORTY, "low", 95).misses == {"noise": (0, 2), "motion": (1, 1)}
    rates = error_rates(FORTY, "low", 100)
    assert rates.misses == {"noise": (1, 2), "motion": (1, 1)}
    assert rates.missed == (2, 3)


@pytest.mark.parametrize(
    ("value", "verdict"), [(10, "pass"), (37.5, "pass"), (38.5, "warn"), (39.5, "warn"), (41, "fail")]
)
def test_the_thresholds_that_ship(value, verdict):
    assert rate(Judgement({"sigma": score(value)}), SHIPPED).verdict == verdict


def test_the_worse_headline_decides_and_later_scores_of_a_group_do_not():
    judgement = Judgement(
        {"plain": Score(1e9), "a": score(1), "a2": score(1e9), "b": score(38.5, "algorithmic")},
    )
    rating = rate(judgement, SHIPPED)
    assert rating.verdict == "warn"
    assert rating.reason.startswith("algorithmic quality (b): 38 of 40 clean scans are better; false alarms 2 of 40")
    assert rating.groups["visual"].score == "a"


def test_a_yardstick_of_fewer_than_eight_does_not_judge():
    few = Yardstick(tuple(map(float, range(7))))
    assert rate(Judgement({"a": score(1e9, yardstick=few)}), SHIPPED).verdict is None


def test_a_score_that_cannot_be_had_is_a_warning():
    rating = rate(Judgement({"a": score(math.nan)}), SHIPPED)
    assert (rating.verdict, rating.reason) == ("warn", "visual quality (a) cannot be had")


def test_an_unfamiliar_scan_is_not_rated():
    strange = Familiarity(9.0, 3.0, 100.0, 20, False, ("skull absent",))
    rating = rate(Judgement({"a": score(1)}, familiarity=strange), SHIPPED)
    assert (rating.verdict, rating.groups) == ("unfamiliar", {})
    assert "skull absent" in rating.reason


def test_a_level_without_a_threshold_is_never_reached():
    only_fail = Thresholds(visual=Limits(fail=100))
    assert rate(Judgement({"a": score(39.5)}), only_fail).verdict == "pass"
    assert rate(Judgement({"a": score(1e9, "algorithmic")}), only_fail).verdict == "pass"


def test_the_worst_of_several_verdicts_and_what_reaches_fail_on():
    assert worst_of([None, None]) is None
    assert worst_of([None, "pass", "unfamiliar"]) == "unfamiliar"
    assert worst_of(["unfamiliar", "warn"]) == "warn"
    reached = {
        (v, level): reaches(v, level, SHIPPED)
        for v in ("pass", "warn", "fail", "unfamiliar", None)
        for level in ("warn", "fail")
    }
    assert {key for key, value in reached.items() if value} == {
        ("warn", "warn"), ("fail", "warn"), ("fail", "fail"), ("unfamiliar", "warn"), (None, "warn"),
    }  # fmt: skip
