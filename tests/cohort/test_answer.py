"""What the core makes of a method's raw prediction."""

import numpy as np
import pytest

from mriuq_cli.cohort.answer import NOT_CALIBRATED, refuse_unfamiliar, settle
from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import InputError, MethodError
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
    reference = Reference(("size",), np.array([[1.0], [2.0], [3.0]]))
    known = {"flair": factors, "t1": factors}
    return Calibration("m", (), 0.9, "plug-in", 3, (), known, {"t1+t2": reference})


def prediction(**changes):
    facts = {"estimates": {"flair": estimate()}, "available": ("t1", "t2")}
    return Prediction(**(facts | changes))


def test_intervals_are_stretched_and_the_note_is_kept():
    answer = settle(prediction(), case("t1", "t2"), ("flair",), calibration(), outliers=False)
    np.testing.assert_allclose(answer.estimates["flair"].width[BRAIN], 4.0)
    assert answer.notes["flair"].exact
    assert NOT_CALIBRATED not in answer.warnings


def test_without_calibration_the_raw_interval_is_kept_and_said_to_be_so():
    answer = settle(prediction(), case("t1", "t2"), ("flair",), None, outliers=False)
    np.testing.assert_allclose(answer.estimates["flair"].width[BRAIN], 2.0)
    assert NOT_CALIBRATED in answer.warnings


def check(mask=BRAIN):
    observed = np.zeros(SHAPE, np.float32)
    observed[1] = 1.5  # outside the raw interval, inside the stretched one
    observed[2] = 9.0
    return Check(estimate(mask=mask), observed * mask, ("t2",))


def test_the_self_check_is_the_share_inside_the_calibrated_interval():
    raw = settle(prediction(checks={"t1": check()}), case("t1", "t2"), ("flair",), None, outliers=False)
    calibrated = settle(prediction(checks={"t1": check()}), case("t1", "t2"), ("flair",), calibration(), outliers=False)
    assert raw.self_check == pytest.approx(1 / 3)
    assert calibrated.self_check == pytest.approx(2 / 3)


def test_outlier_maps_are_made_of_calibrated_checks_when_asked_for():
    one = prediction(checks={"t1": check()})
    answer = settle(one, case("t1", "t2"), ("flair",), calibration(), outliers=True)
    found = answer.maps["t1_outlier"]
    assert set(np.unique(found[0])) == {3}
    assert set(np.unique(found[1])) == {0}
    assert set(np.unique(found[2])) == {1}
    assert settle(one, case("t1", "t2"), ("flair",), calibration(), outliers=False).maps == {}


def test_a_check_on_a_sample_of_voxels_is_no_map_but_counts():
    sample = np.zeros(SHAPE, dtype=bool)
    sample[1:, ::3, ::3] = True
    answer = settle(
        prediction(checks={"t1": check(sample)}), case("t1", "t2"), ("flair",), calibration(), outliers=True
    )
    assert answer.maps == {}
    assert answer.self_check is not None


def descriptor(value):
    return (Descriptor("size", value, "a giant", "a dwarf", floor=0.1),)


def test_an_unfamiliar_scan_is_warned_of_with_its_reason_and_refused_on_request():
    answer = settle(
        prediction(descriptors=descriptor(99.0)), case("t1", "t2"), ("flair",), calibration(), outliers=False
    )
    assert any(warning == "unfamiliar: a giant" for warning in answer.warnings)
    with pytest.raises(InputError, match="unfamiliar: a giant"):
        refuse_unfamiliar(answer, "c")


def test_a_familiar_scan_passes():
    answer = settle(
        prediction(descriptors=descriptor(2.0)), case("t1", "t2"), ("flair",), calibration(), outliers=False
    )
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
        ("nonsense", "not a Prediction"),
    ],
)
def test_a_method_that_answers_something_else_is_blamed(raw, words):
    with pytest.raises(MethodError, match=words):
        settle(raw, case("t1", "t2"), ("flair",), None, outliers=False)
