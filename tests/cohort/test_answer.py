"""What the core makes of a method's raw prediction."""

from dataclasses import replace

import numpy as np
import pytest

from mriuq_cli.cohort.answer import NOT_CALIBRATED, refuse_unfamiliar, settle
from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import InputError, MethodError, WeightsError
from mriuq_cli.uncertainty.conformal import Calibration, Factors
from mriuq_cli.uncertainty.estimate import Check, Descriptor, Estimate, Prediction
from mriuq_cli.uncertainty.familiarity import Reference

SHAPE = (4, 5, 6)
GEOMETRY = geometry_from_affine(SHAPE, np.eye(4))
BRAIN = np.ones(SHAPE, dtype=bool)
BRAIN[0] = False


def estimate(half=1.0, mask=BRAIN):
    value = np.zeros(SHAPE, np.float32)
    return Estimate(value, (value - half) * mask, (value + half) * mask, mask, level=0.9, display=(1000.0, 250.0))


def case(*names):
    rng = np.random.default_rng(0)
    return Case("c", GEOMETRY, {n: Volume(rng.random(SHAPE, np.float32) * BRAIN, GEOMETRY) for n in names})


def calibration(factor=2.0):
    factors = {"t1+t2": Factors(factor, factor, 0.9, 0.02, 0.85), "t2": Factors(factor, factor, 0.9, 0.02, 0.85)}
    reference = Reference(("size",), np.arange(1.0, 10.0)[:, None])
    known = {"flair": factors, "t1": factors}
    return Calibration("m", (), 0.9, "plug-in", 3, (), known, {"t1+t2": reference})


def prediction(**changes):
    facts = {"estimates": {"flair": estimate()}, "available": ("t1", "t2")}
    return Prediction(**(facts | changes))


def test_intervals_are_stretched_and_the_note_is_kept():
    answer = settle(prediction(), case("t1", "t2"), ("flair",), calibration())
    np.testing.assert_allclose(answer.estimates["flair"].width[BRAIN], 4.0)
    assert answer.notes["flair"].exact
    assert NOT_CALIBRATED not in answer.warnings


def test_without_calibration_the_raw_interval_is_kept_and_said_to_be_so():
    answer = settle(prediction(), case("t1", "t2"), ("flair",), None)
    np.testing.assert_allclose(answer.estimates["flair"].width[BRAIN], 2.0)
    assert NOT_CALIBRATED in answer.warnings


def descriptor(value):
    return (Descriptor("size", value, "a giant", "a dwarf", floor=0.1),)


def check(mask=BRAIN):
    observed = np.zeros(SHAPE, np.float32)
    observed[1] = 1.5  # outside the raw interval, inside the stretched one
    observed[2] = 9.0
    return Check(estimate(mask=mask), observed * mask, ("t2",))


def test_the_self_check_is_the_share_inside_the_calibrated_interval():
    raw = settle(prediction(checks={"t1": check()}), case("t1", "t2"), ("flair",), None)
    calibrated = settle(prediction(checks={"t1": check()}), case("t1", "t2"), ("flair",), calibration())
    assert raw.self_check == pytest.approx(1 / 3)
    assert calibrated.self_check == pytest.approx(2 / 3)


def test_outlier_maps_are_made_of_the_calibrated_whole_brain_when_asked_for():
    one = prediction(outliers={"t1": check()})
    answer = settle(one, case("t1", "t2"), ("flair",), calibration(), outliers=("t1",))
    found = answer.maps["t1_outlier"]
    assert set(np.unique(found[0])) == {3}
    assert set(np.unique(found[1])) == {0}
    assert set(np.unique(found[2])) == {1}
    assert settle(one, case("t1", "t2"), ("flair",), calibration()).maps == {}


def test_the_self_check_is_the_same_whether_outlier_maps_were_asked_for_or_not():
    sample = BRAIN.copy()
    sample[3] = False
    one = prediction(checks={"t1": check(sample)})
    both = prediction(checks={"t1": check(sample)}, outliers={"t1": check()})
    plain = settle(one, case("t1", "t2"), ("flair",), calibration())
    mapped = settle(both, case("t1", "t2"), ("flair",), calibration(), outliers=("t1",))
    assert plain.maps == {}
    assert plain.inside == mapped.inside == {"t1": pytest.approx(1 / 2)}


def test_an_outlier_map_of_part_of_the_brain_is_written_with_a_warning_and_an_absent_one_is_named():
    part = BRAIN.copy()
    part[3] = False
    one = prediction(outliers={"t1": check(part)})
    answer = settle(one, case("t1", "t2"), ("flair",), calibration(), outliers=("t1", "t2"))
    assert list(answer.maps) == ["t1_outlier"]
    assert any("t1" in warning and "67%" in warning for warning in answer.warnings)
    assert any(warning.startswith("t2: no outlier map") for warning in answer.warnings)


def test_a_calibration_that_does_not_know_a_given_image_leaves_it_unchecked_and_says_so():
    known = replace(calibration(), factors={"flair": calibration().factors["flair"]})
    one = prediction(checks={"t1": check()}, outliers={"t1": check()})
    answer = settle(one, case("t1", "t2"), ("flair",), known, outliers=("t1",))
    assert answer.notes["flair"].level == 0.9
    assert answer.self_check is None
    assert answer.maps == {}
    assert any(warning.startswith("t1: not checked") for warning in answer.warnings)
    assert any(warning.startswith("t1: no outlier map") for warning in answer.warnings)


def test_the_self_check_is_judged_only_against_exams_of_the_same_situation():
    shares = Reference(("size", "self-check coverage"), np.array([[1.0 + i, 0.99] for i in range(9)]))
    known = replace(calibration(), familiarity={"t1+t2": shares})
    odd = {"checks": {"t1": check()}, "descriptors": descriptor(5.0)}
    same = settle(prediction(**odd), case("t1", "t2"), ("flair",), known)
    other = settle(prediction(**odd, available=("t1", "t2", "t1gd")), case("t1", "t2", "t1gd"), ("flair",), known)
    assert same.familiarity is not None
    assert not same.familiarity.familiar
    assert other.familiarity is not None
    assert other.familiarity.familiar


def test_without_exams_to_compare_with_that_is_said_and_refused_on_request():
    for known in (None, replace(calibration(), familiarity={})):
        answer = settle(prediction(descriptors=descriptor(2.0)), case("t1", "t2"), ("flair",), known)
        assert any("familiar is not known" in warning for warning in answer.warnings)
        with pytest.raises(WeightsError, match="no exams to compare with"):
            refuse_unfamiliar(answer, "c")


@pytest.mark.parametrize(
    ("known", "weights", "expected"),
    [
        (calibration(), None, 0.9),
        (replace(calibration(), weights_sha256=("a",)), "a", 0.9),
        (replace(calibration(), made_for=("a",)), "a", 0.9),
        (replace(calibration(), weights_sha256=("b",), made_for=("c",), cross_fitted=True), "a", None),
    ],
)
def test_the_coverage_to_expect_is_stated_for_the_weights_that_the_calibration_names(known, weights, expected):
    note = settle(prediction(), case("t1", "t2"), ("flair",), known, weights=weights).notes["flair"]
    assert (None if note.expected is None else note.expected.coverage) == expected
    assert (note.facts()["expected_coverage"] is None) == (expected is None)


def test_no_coverage_is_expected_of_a_situation_that_was_never_calibrated():
    answer = settle(prediction(available=("t1",)), case("t1"), ("flair",), calibration())
    assert answer.notes["flair"].expected is None
    assert any("too narrow" in warning for warning in answer.warnings)  # more images were given than here


def test_an_unfamiliar_scan_is_warned_of_with_its_reason_and_refused_on_request():
    answer = settle(prediction(descriptors=descriptor(99.0)), case("t1", "t2"), ("flair",), calibration())
    assert any(warning == "unfamiliar: a giant" for warning in answer.warnings)
    with pytest.raises(InputError, match="unfamiliar: a giant"):
        refuse_unfamiliar(answer, "c")


def test_a_familiar_scan_passes():
    answer = settle(prediction(descriptors=descriptor(2.0)), case("t1", "t2"), ("flair",), calibration())
    refuse_unfamiliar(answer, "c")
    assert not any("unfamiliar" in warning for warning in answer.warnings)


def broken(name):
    odd = estimate()
    if name == "shape":
        odd = Estimate(odd.value[1:], odd.lower, odd.upper, odd.mask, level=0.9)
    elif name == "finite":
        odd = Estimate(np.full(SHAPE, np.nan, np.float32), odd.lower, odd.upper, odd.mask, level=0.9)
    return prediction(estimates={"flair": odd})


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (broken("shape"), "shape"),
        (broken("finite"), "not finite"),
        (prediction(estimates={"pd": estimate()}), "nobody asked for"),
        (prediction(estimates={}), "no estimate of flair"),
        (prediction(maps={"m": np.zeros((2, 2, 2))}), "shape"),
        (prediction(checks={"pd": Check(estimate(), np.zeros(SHAPE, np.float32), ("t1",))}), "not given"),
        (prediction(outliers={"t1": Check(estimate(), np.zeros((2, 2, 2), np.float32), ("t2",))}), "shape"),
        ("nonsense", "not a Prediction"),
    ],
)
def test_a_method_that_answers_something_else_is_blamed(raw, words):
    with pytest.raises(MethodError, match=words):
        settle(raw, case("t1", "t2"), ("flair",), None)
