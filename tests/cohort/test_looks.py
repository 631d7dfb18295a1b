"""Which exams of an evaluation are flagged as unfamiliar, and what is said of those that are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mriuq_cli.cohort.evaluation import Look
from mriuq_cli.cohort.looks import familiarity_line, familiarity_section, judge_looks
from mriuq_cli.cohort.situations import Situation
from mriuq_cli.uncertainty.conformal import Calibration, Factors
from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Reference
from mriuq_cli.uncertainty.scores import score_voxels

SITUATION = Situation(("t1", "t2"), ("flair",))
SIZES = [10.0 + 0.1 * k for k in range(11)]


def _look(case: int, size: float, error: float = 0.0) -> Look:
    zeros = np.zeros(200, np.float32)
    scores = score_voxels(zeros, zeros - 1, zeros + 1, zeros + np.float32(error))
    return Look(case, SITUATION, (Descriptor("size", size, "large", "small"),), {"t1": (("t2",), scores)})


def _calibration(rows: list[list[float]], names: tuple[str, ...] = ("size",)) -> Calibration:
    one = {"t2": Factors(1.0, 1.0, math.nan, math.nan, math.nan)}
    known = {"t1+t2": Reference(names, np.array(rows))}
    return Calibration("m", (), 0.9, "plug-in", len(rows), (), {"t1": one}, known)


def test_each_exam_is_compared_with_the_others_of_the_evaluation() -> None:
    found = judge_looks([_look(k, s) for k, s in enumerate([*SIZES, 50.0])], {}, {})
    assert [one.flagged for one in found] == [False] * 11 + [True]
    assert {one.against for one in found} == {"leave-one-out"}
    assert found[-1].verdict is not None and found[-1].verdict.reasons == ("large",)


def test_a_calibration_that_does_not_know_the_exam_is_what_it_is_compared_with() -> None:
    shipped = _calibration([[s] for s in SIZES])
    looks = [_look(0, 10.5), _look(1, 50.0)]
    found = judge_looks(looks, {0: shipped, 1: shipped}, {})
    assert [(one.flagged, one.against) for one in found] == [(False, "file"), (True, "file")]


def test_an_exam_whose_images_do_not_predict_one_another_is_flagged() -> None:
    factors = _calibration([])
    looks = [_look(k, s, error=5.0 if k == 10 else 0.0) for k, s in enumerate(SIZES)]
    found = judge_looks(looks, {}, dict.fromkeys(range(11), factors))
    assert [one.case for one in found if one.flagged] == [10]


def test_with_few_exams_nothing_is_judged_and_nothing_counts_as_flagged() -> None:
    found = judge_looks([_look(k, s) for k, s in enumerate([10.0, 11.0, 90.0])], {}, {})
    assert [(one.verdict, one.against, one.flagged) for one in found] == [(None, None, False)] * 3


@pytest.mark.parametrize(("flagged", "low"), [(50.0, []), (10.5, ["bad"])])
def test_exams_that_are_poorly_covered_and_not_flagged_are_named(flagged: float, low: list[str]) -> None:
    names = [*(f"case{k}" for k in range(11)), "bad"]
    judged = judge_looks([_look(k, s) for k, s in enumerate([*SIZES, flagged])], {}, {})
    coverages = {(k, "t1+t2"): {"flair": 0.6 if k == 11 else 0.9} for k in range(12)}
    facts, item = familiarity_section(judged, coverages, names, 0.9)
    assert facts["unflagged_below"] == low
    assert item.passed == (not low)
    assert familiarity_line(facts).startswith(f"unflagged exams with coverage below .70: {len(low)}")
    assert facts["looks"][11]["coverage"] == {"flair": 0.6}
